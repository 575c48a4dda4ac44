/* A milter connection and its message: see session.h. */
#include "milter/session.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/header.h"
#include "lib/mem.h"

#define SESSION_MAGIC 0x706f6e74U

enum { TRACE_MAX = 8000, HELO_MAX = 255 };

/* ---- the connection ---- */

struct session *session_new(void)
{
    struct session *s = mem_zero(1, sizeof *s);
    s->magic = SESSION_MAGIC;
    return s;
}

void session_free(struct session **s_p)
{
    struct session *s = *s_p;
    if (s == NULL)
        return;
    session_reset(s);
    mem_free(&s->name);
    mem_free(&s->helo);
    s->magic = 0;
    mem_free(s_p);
}

struct session *session_check(void *p)
{
    struct session *s = p;
    assert(s != NULL && s->magic == SESSION_MAGIC);
    return s;
}

static void set_address(struct session *s, const struct sockaddr *address)
{
    size_t len = 0;
    if (address != NULL && address->sa_family == AF_INET)
        len = sizeof(struct sockaddr_in);
    else if (address != NULL && address->sa_family == AF_INET6)
        len = sizeof(struct sockaddr_in6);
    s->has_address = len > 0;
    s->address = (struct netaddr){.len = (socklen_t)len};
    if (len > 0)
        memcpy(&s->address.sa, address, len);
}

void session_connect(struct session *s, const char *name, const struct sockaddr *address)
{
    mem_free(&s->name);
    set_address(s, address);
    bool known = name != NULL && name[0] != '[' && strcmp(name, "unknown") != 0; /* "[192.0.2.1]": not verified */
    if (known)
        s->name = mem_strndup(name, DOMAIN_MAX);
}

void session_helo(struct session *s, const char *helo)
{
    mem_free(&s->helo);
    if (helo != NULL)
        s->helo = mem_strndup(helo, HELO_MAX);
}

/* ---- the envelope ---- */

bool session_has_message(const struct session *s)
{
    return s->m.settings != NULL;
}

void session_reset(struct session *s)
{
    struct message *m = &s->m;
    for (size_t i = 0; i < m->envelope.nrcpts; i++) {
        mem_free(&m->rcpts[i].path);
        mem_free(&m->rcpts[i].normal);
    }
    mem_free(&m->rcpts);
    envelope_free(&m->envelope);
    mem_free(&m->login);
    buf_free(&m->trace);
    content_free(&m->content);
    rules_headers_free(&m->headers);
    settings_release(&m->settings);
    *m = (struct message){.trace = BUF_INIT(TRACE_MAX)};
}

static bool take_mail_params(struct envelope *e, char *const *params)
{
    bool all_known = true;
    for (; *params != NULL; params++) {
        bool known = false;
        if (envelope_mail_param(e, *params, &known, NULL) != RESULT_OK || !known)
            all_known = false;
    }
    return all_known;
}

bool session_mail(struct session *s, const struct session_mail *mail)
{
    struct message *m = &s->m;
    session_reset(s);
    m->settings = mail->settings;
    m->wait_left = mail->settings->discovery_wait;
    m->login = mail->login != NULL && mail->login[0] != '\0' ? mem_strdup(mail->login) : NULL;
    m->tls = mail->tls;
    m->mta_adds_headers = mail->mta_adds_headers;
    envelope_init(&m->envelope);
    message_id_new(m->id);
    bool known = take_mail_params(&m->envelope, mail->params);
    m->envelope.sender = address_from_path(mail->path, NULL);
    struct eligibility_message facts = {
        .sender = m->envelope.sender,
        .smtputf8 = m->envelope.smtputf8,
        .params_known = known,
        .can_divert = s->can_divert,
        .authenticated = m->login != NULL,
        .client = s->has_address ? &s->address : NULL,
        .any_client = s->lmtp,
        .size = m->envelope.size,
    };
    m->minute = rules_minute(clock_now());
    m->reason = eligibility_of_message(m->settings->eligibility, &facts, NULL);
    return m->reason == NULL;
}

void session_set_queue_id(struct session *s, const char *queue_id)
{
    if (queue_id != NULL && queue_id[0] != '\0')
        snprintf(s->m.queue_id, sizeof s->m.queue_id, "%s", queue_id);
}

static bool take_rcpt_params(struct envelope_rcpt *r, char *const *params)
{
    bool all_known = true;
    for (; *params != NULL; params++) {
        bool known = false;
        if (envelope_rcpt_param(r, *params, &known, NULL) != RESULT_OK || !known)
            all_known = false;
    }
    return all_known;
}

/* MTAs deliver one copy however often and in whatever case a client names an address (Postfix does). */
static size_t find_same(const struct message *m, const char *normal)
{
    size_t last = m->envelope.nrcpts - 1;
    for (size_t i = 0; normal != NULL && i < last; i++) {
        if (m->rcpts[i].normal != NULL && strcasecmp(m->rcpts[i].normal, normal) == 0)
            return m->rcpts[i].same_as;
    }
    return last;
}

static struct message_rcpt *add_rcpt(struct message *m, const char *path, const char *address)
{
    size_t i = m->envelope.nrcpts;
    envelope_add_rcpt(&m->envelope, address != NULL ? address : path, NULL, NULL);
    m->rcpts = mem_grow(m->rcpts, i + 1, sizeof *m->rcpts);
    m->rcpts[i] = (struct message_rcpt){
        .path = mem_strdup(path),
        .normal = address != NULL ? address_normalize(address) : NULL,
    };
    m->rcpts[i].same_as = find_same(m, m->rcpts[i].normal);
    return &m->rcpts[i];
}

static const struct rules *rules_of(const struct message *m)
{
    return eligibility_rules(m->settings->eligibility);
}

/* The message without our trace header. */
static uint64_t size_at_mta(const struct message *m)
{
    return m->complete ? content_size(m->content) - m->trace.len : 0;
}

/* With what is known by now. A rule that has decided is not asked again. */
static void judge_by_rules(struct session *s, size_t i)
{
    struct message *m = &s->m;
    struct rules_decision *d = &m->rcpts[i].decision;
    if (d->rule != NULL)
        return;
    struct rules_facts facts = {
        .sender = m->envelope.sender,
        .recipient = m->envelope.rcpts[i].address,
        .login = m->login,
        .client = s->has_address ? &s->address : NULL,
        .client_unknown = s->lmtp,
        .minute = m->minute,
        .size_known = m->complete,
        .headers_known = m->complete,
        .size = size_at_mta(m),
        .headers = m->headers,
    };
    *d = rules_judge(rules_of(m), &facts, NULL);
}

/* Whether the rules still let it go anywhere but by SMTP. */
static bool may_cross(const struct message_rcpt *r)
{
    return r->reason == NULL && (rules_may(&r->decision, RULES_DIVERT) || rules_may(&r->decision, RULES_SHADOW));
}

bool session_rcpt(struct session *s, const char *path, char *const *params, const char *mailer,
                  char domain_r[DOMAIN_MAX + 1])
{
    struct message *m = &s->m;
    char *address = address_from_path(path, NULL);
    struct message_rcpt *r = add_rcpt(m, path, address);
    size_t i = m->envelope.nrcpts - 1;
    struct eligibility_rcpt facts = {
        .address = address,
        .smtputf8 = m->envelope.smtputf8,
        .params_known = take_rcpt_params(&m->envelope.rcpts[i], params),
        .transport_known = !s->lmtp,
        .mailer = mailer,
    };
    const char *reason = eligibility_of_rcpt(m->settings->eligibility, &facts, NULL);
    mem_free(&address);
    if (r->same_as != i) { /* all copies of an address take one way */
        if (reason != NULL && m->rcpts[r->same_as].reason == NULL)
            m->rcpts[r->same_as].reason = reason;
        return false;
    }
    r->reason = reason;
    if (reason == NULL)
        judge_by_rules(s, i);
    return may_cross(r) && domain_normalize(address_domain(m->envelope.rcpts[i].address), domain_r);
}

void session_judge(struct session *s, const struct eligibility_policy *policy)
{
    struct message_rcpt *r = &s->m.rcpts[s->m.envelope.nrcpts - 1];
    r->policy = *policy;
    r->reason = eligibility_of_policy(policy, s->m.envelope.size, NULL);
}

static const struct message_rcpt *first_of(const struct session *s, size_t i)
{
    return &s->m.rcpts[s->m.rcpts[i].same_as];
}

enum rules_action session_rcpt_way(const struct session *s, size_t i)
{
    const struct message_rcpt *r = first_of(s, i);
    if (s->m.reason != NULL || !may_cross(r))
        return RULES_SMTP;
    return eligibility_action(rules_may(&r->decision, RULES_DIVERT) ? RULES_DIVERT : RULES_SHADOW, &r->policy);
}

const char *session_rcpt_reason(const struct session *s, size_t i)
{
    const struct message_rcpt *r = first_of(s, i);
    if (s->m.reason != NULL)
        return s->m.reason;
    return r->reason == NULL && r->decision.failed ? "a table of the rule can't be read" : r->reason;
}

const char *session_rcpt_rule(const struct session *s, size_t i)
{
    return first_of(s, i)->decision.rule;
}

size_t session_count(const struct session *s, enum rules_action way)
{
    size_t n = 0;
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++)
        n += session_rcpt_way(s, i) == way;
    return n;
}

static bool all_by_smtp(const struct session *s)
{
    return session_count(s, RULES_SMTP) == s->m.envelope.nrcpts;
}

/* ---- the content ---- */

/* RFC 3848 and 6531; header_trace_add() puts the A for authenticated clients. */
static const char *protocol(const struct session *s)
{
    const struct message *m = &s->m;
    if (s->lmtp)
        return m->envelope.smtputf8 ? "UTF8LMTP" : "LMTP";
    if (m->envelope.smtputf8)
        return m->tls ? "UTF8SMTPS" : "UTF8SMTP";
    return m->tls ? "ESMTPS" : "ESMTP";
}

static void make_trace(struct session *s)
{
    struct message *m = &s->m;
    char ip[NETADDR_TEXT_SIZE] = "";
    if (s->has_address)
        netaddr_ip(&s->address, ip);
    header_trace_add(&m->trace, &(struct header_trace){
                                    .helo = s->helo,
                                    .name = s->name,
                                    .address = ip,
                                    .login = m->login,
                                    .by = m->settings->hostname,
                                    .with = protocol(s),
                                    .id = m->id,
                                    /* One recipient of several must not show the others who he is. */
                                    .recipient = m->envelope.nrcpts == 1 ? m->envelope.rcpts[0].address : NULL,
                                    .when = clock_now(),
                                });
    assert(!m->trace.overflow);
}

/* The largest size that anybody may still get. */
static uint64_t size_limit(const struct session *s)
{
    uint64_t limit = 0, ours = eligibility_max_size(s->m.settings->eligibility);
    if (s->lmtp)
        return s->m.settings->lmtp_max_size;
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        if (session_rcpt_way(s, i) != RULES_SMTP && first_of(s, i)->policy.max_size > limit)
            limit = first_of(s, i)->policy.max_size;
    }
    return limit < ours ? limit : ours;
}

bool session_begin_content(struct session *s, const char *dir)
{
    struct message *m = &s->m;
    if (all_by_smtp(s) && !s->lmtp)
        return false;
    make_trace(s);
    m->headers = rules_headers_new(rules_of(m));
    m->content = content_new(dir, m->settings->spool_memory, size_limit(s), m->trace.data, m->trace.len);
    return true;
}

/* The message goes by SMTP for a reason that lies in it, or the store can't take it (message.failed). */
static bool give_up(struct message *m, enum result r)
{
    if (r == RESULT_PERM)
        m->reason = m->failed.text;
    return false;
}

static void keep_message_id(struct message *m, const char *value)
{
    m->has_message_id = true;
    value += strspn(value, " \t\r\n");
    size_t len = strlen(value);
    while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL)
        len--;
    if (m->message_id[0] == '\0' && len <= MESSAGE_ID_HEADER_MAX)
        snprintf(m->message_id, sizeof m->message_id, "%.*s", (int)len, value);
}

/* It was here before, or has been everywhere: SMTP's own limit ends that. */
static void see_hop(struct message *m, const char *value)
{
    bool own = header_is_own_trace(value, m->settings->hostname);
    m->hops++;
    m->own_traces += own;
    if (m->reason == NULL && own)
        m->reason = "it comes back from the store";
    else if (m->reason == NULL && m->hops > m->settings->hop_limit)
        m->reason = "too many hops";
}

void session_see_header(struct session *s, const char *name, const char *value)
{
    struct message *m = &s->m;
    if (strcasecmp(name, "Received") == 0)
        see_hop(m, value);
    if (strcasecmp(name, "Message-ID") == 0)
        keep_message_id(m, value);
    m->has_date = m->has_date || strcasecmp(name, "Date") == 0;
    m->has_from = m->has_from || strcasecmp(name, "From") == 0;
    rules_headers_add(rules_of(m), m->headers, name, value);
}

bool session_header(struct session *s, const char *name, const char *value)
{
    struct message *m = &s->m;
    if (m->reason != NULL || m->failed.result != RESULT_OK)
        return false;
    session_see_header(s, name, value);
    if (m->reason != NULL)
        return false;
    enum result r = content_header(m->content, name, value, &m->failed);
    return r == RESULT_OK || give_up(m, r);
}

bool session_raw(struct session *s, const void *data, size_t len)
{
    struct message *m = &s->m;
    return m->failed.result == RESULT_OK && content_raw(m->content, data, len, &m->failed) == RESULT_OK;
}

bool session_body(struct session *s, const void *data, size_t len)
{
    struct message *m = &s->m;
    if (m->reason != NULL || m->failed.result != RESULT_OK)
        return false;
    enum result r = content_body(m->content, data, len, &m->failed);
    return r == RESULT_OK || give_up(m, r);
}

bool session_finish_content(struct session *s)
{
    struct message *m = &s->m;
    if (m->reason == NULL && m->mta_adds_headers && !(m->has_date && m->has_from && m->has_message_id))
        m->reason = "the MTA adds a missing Date, From or Message-ID when it sends";
    if (m->reason == NULL && !s->lmtp && m->content != NULL && !content_has_body(m->content))
        m->reason = "it has no body: the MTA doesn't say whether an empty line ends its header";
    if ((m->reason != NULL && !s->lmtp) || m->failed.result != RESULT_OK)
        return false;
    enum result r = content_finish(m->content, &m->failed);
    if (r != RESULT_OK)
        return s->lmtp ? false : give_up(m, r);
    m->complete = true;
    if (size_at_mta(m) > eligibility_max_size(m->settings->eligibility))
        m->reason = "larger than max-size";
    for (size_t i = 0; i < m->envelope.nrcpts; i++) {
        struct message_rcpt *rcpt = &m->rcpts[i];
        if (!may_cross(rcpt) || rcpt->same_as != i)
            continue;
        judge_by_rules(s, i);
        rcpt->reason = eligibility_of_policy(&rcpt->policy, content_size(m->content), NULL);
    }
    if (content_is_8bit(m->content)) /* what an SMTP client of the MTA's would conclude */
        m->envelope.body = BODY_8BITMIME;
    return !all_by_smtp(s);
}
