/*
 * The Postfix of this machine: is its configuration there, and does it ask pontoon-milter, last, where it listens, and with what
 * to fall back on.
 */
#include "ctl/check_postfix.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/access.h"
#include "ctl/probe.h"
#include "lib/buf.h"
#include "lib/mem.h"

enum { PROTOCOL_NEEDED = 6 /* exact headers came with it */, LINE_MAX_BYTES = 1000 };

static const char *value(const struct check *c, const struct postfix_service *s, const char *name)
{
    return postfix_config_value(c->postfix, s, name);
}

void check_postfix_advise(struct check *c, const struct postfix_service *s, const char *fmt, ...)
{
    va_list ap;
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    va_start(ap, fmt);
    buf_vprintf(&line, fmt, ap);
    va_end(ap);
    const char *dir = c->postfix->directory, *space = strchr(buf_str(&line), ' ');
    if (s == NULL)
        check_advise(c->report, "in %s/main.cf: %s; then: postfix reload", dir, buf_str(&line));
    else if (space != NULL && strncmp(space, " -o ", 4) != 0)
        check_advise(c->report, "below \"%s %s\" in %s/master.cf: -o { %s }; then: postfix reload", s->name, s->type,
                     dir, buf_str(&line));
    else
        check_advise(c->report, "below \"%s %s\" in %s/master.cf: -o %s; then: postfix reload", s->name, s->type, dir,
                     buf_str(&line));
    buf_free(&line);
}

/* ---- reading ---- */

static bool is_local(const char *endpoint, struct netaddr *a_r)
{
    return netaddr_endpoint(endpoint, a_r, NULL) == RESULT_OK && a_r->sa.ss_family != AF_UNIX;
}

static const struct postfix_service *listener_of(const struct check *c, const char *key)
{
    struct netaddr a;
    return is_local(config_string(c->config, key), &a) ? postfix_config_listener(c->postfix, &a) : NULL;
}

void check_postfix(struct check *c)
{
    struct error err;
    if (c->sendmail_cf != NULL && c->postfix_directory == NULL)
        return; /* it was said which MTA is meant */
    enum result r = postfix_config_read(c->postfix_directory, &c->postfix, &err);
    if (r == RESULT_OK) {
        c->mta_in = listener_of(c, "bridge.mta");
        c->mta_return = listener_of(c, "store.mta");
        check_found(c->report, CHECK_OK, "Postfix %s, configured in %s", value(c, NULL, "mail_version"),
                    c->postfix->directory);
    } else if (r == RESULT_TEMP) {
        check_found(c->report, CHECK_WARNING, "Postfix's configuration can't be made sense of: %s", err.text);
        check_advise(c->report, "see what \"postfix check\" says; run this as root");
    } else if (!check_sendmail_is_here(c)) {
        check_found(c->report, CHECK_NOTE, "no Postfix is here, nor Sendmail: %s", err.text);
        check_advise(c->report,
                     "if it is elsewhere: pontoon check --postfix-config DIRECTORY, or --sendmail-cf FILE; the "
                     "settings of other MTAs are not looked at");
    }
}

/* ---- whose milter is it ---- */

/* The path as it is outside of a chroot, to mem_free(). */
static char *real_path(const struct check *c, const char *path, bool chrooted)
{
    const char *queue = value(c, NULL, "queue_directory");
    if (*path != '/')
        return mem_printf("%s/%s", queue, path);
    return chrooted ? mem_printf("%s%s", queue, path) : mem_strdup(path);
}

/* The folder without symbolic links and the name in it, to mem_free(): the socket itself may be gone just now. */
static char *canonical(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = mem_strndup(path, slash > path ? (size_t)(slash - path) : 1);
    char *real = realpath(folder, NULL);
    char *whole = mem_printf("%s/%s", real != NULL ? real : folder, slash + 1);
    free(real);
    mem_free(&folder);
    return whole;
}

static bool same_path(const char *a, const char *b)
{
    struct stat x, y;
    if (stat(a, &x) == 0 && stat(b, &y) == 0)
        return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    char *p = canonical(a), *q = canonical(b);
    bool same = strcmp(p, q) == 0;
    mem_free(&p);
    mem_free(&q);
    return same;
}

static bool is_wildcard(const struct netaddr *a)
{
    char ip[NETADDR_TEXT_SIZE];
    netaddr_ip(a, ip);
    return strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

bool check_postfix_is_ours(const struct check *c, const char *endpoint, bool chrooted)
{
    struct netaddr own, theirs;
    if (netaddr_endpoint(config_string(c->config, "milter.socket"), &own, NULL) != RESULT_OK)
        return false;
    if (strncmp(endpoint, "unix:", 5) == 0) {
        char *path = real_path(c, endpoint + 5, chrooted);
        bool ours = own.sa.ss_family == AF_UNIX && same_path(path, ((const struct sockaddr_un *)&own.sa)->sun_path);
        mem_free(&path);
        return ours;
    }
    return own.sa.ss_family != AF_UNIX && netaddr_endpoint(endpoint, &theirs, NULL) == RESULT_OK &&
           netaddr_port(&own) == netaddr_port(&theirs) && (is_wildcard(&own) || netaddr_equal_ip(&own, &theirs));
}

size_t check_postfix_asks(const struct check *c, const struct postfix_service *s, struct postfix_milter **list_r)
{
    *list_r = NULL;
    if (postfix_text_has_word(value(c, s, "receive_override_options"), "no_milters"))
        return 0;
    return postfix_text_milters(value(c, s, "smtpd_milters"), list_r);
}

bool check_postfix_asks_ours(const struct check *c, const struct postfix_service *s)
{
    struct postfix_milter *list = NULL;
    bool ours = false, chrooted = postfix_config_chrooted(c->postfix, s);
    size_t n = strcmp(s->command, "smtpd") == 0 ? check_postfix_asks(c, s, &list) : 0;
    for (size_t i = 0; !ours && i < n; i++)
        ours = check_postfix_is_ours(c, list[i].endpoint, chrooted);
    postfix_milters_free(&list, n);
    return ours;
}

/* How Postfix should write ours, to mem_free(); NULL: a chrooted service does not see that path. */
static char *our_name(const struct check *c, bool chrooted)
{
    const char *own = config_string(c->config, "milter.socket"), *queue = value(c, NULL, "queue_directory");
    if (strncmp(own, "unix:", 5) != 0)
        return mem_printf("inet:%s", strncmp(own, "inet:", 5) == 0 ? own + 5 : own);
    size_t len = strlen(queue);
    if (strncmp(own + 5, queue, len) == 0 && own[5 + len] == '/')
        return mem_printf("unix:%s", own + 5 + len + 1);
    return chrooted ? NULL : mem_strdup(own);
}

/* ---- one list of milters ---- */

struct list {
    const char *parameter;
    const struct postfix_service *service; /* whose it is */
    const struct postfix_service *where;   /* where it stands: NULL main.cf */
    bool chrooted;
    struct postfix_milter *milters;
    size_t n;
    size_t ours; /* n: it is not there */
};

static void find_ours(const struct check *c, struct list *l)
{
    for (l->ours = 0; l->ours < l->n; l->ours++) {
        if (check_postfix_is_ours(c, l->milters[l->ours].endpoint, l->chrooted))
            return;
    }
}

static void write_milter(struct buf *out, const struct postfix_milter *m)
{
    buf_printf(out, "%s%s%s", out->len > 0 ? ", " : "", m->own.n > 0 ? "{ " : "", m->endpoint);
    for (size_t i = 0; i < m->own.n; i++)
        buf_printf(out, ", %s=%s", m->own.items[i].name, m->own.items[i].value);
    buf_add_str(out, m->own.n > 0 ? " }" : "");
}

static void write_others(struct buf *out, const struct list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (i != l->ours)
            write_milter(out, &l->milters[i]);
    }
}

static void look_at_order(struct check *c, const struct list *l)
{
    struct buf right = BUF_INIT(LINE_MAX_BYTES);
    if (l->ours + 1 == l->n)
        return;
    write_others(&right, l);
    write_milter(&right, &l->milters[l->ours]);
    check_found(
        c->report, CHECK_PROBLEM,
        "pontoon-milter is not the last of %s (%s): %s behind it sees mail after it was stored, so what is diverted goes "
        "out unsigned or unchecked",
        l->parameter, l->service->name, l->milters[l->ours + 1].endpoint);
    check_postfix_advise(c, l->where, "%s = %s", l->parameter, buf_str(&right));
    buf_free(&right);
}

static const char *option(const struct check *c, const struct list *l, const char *name, const char *parameter)
{
    const struct postfix_milter *m = &l->milters[l->ours];
    return postfix_settings_have(&m->own, name) ? postfix_settings_get(&m->own, name) : value(c, l->service, parameter);
}

static void look_at_default_action(struct check *c, const struct list *l)
{
    static const struct {
        const char *action;
        enum check_level level;
        const char *means;
    } actions[] = {
        {"accept", CHECK_NOTE,
         "mail goes by plain SMTP, and a message whose milter dies between its commit and its answer may arrive twice"},
        {"reject", CHECK_PROBLEM, "clients are refused for good"},
        {"quarantine", CHECK_WARNING, "mail stays in Postfix's hold queue until somebody releases it"},
    };
    const char *action = option(c, l, "default_action", "milter_default_action");
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(action, actions[i].action) != 0)
            continue;
        check_found(c->report, actions[i].level, "while pontoon-milter is down (default_action=%s, %s), %s", action,
                    l->service->name, actions[i].means);
        struct buf line = BUF_INIT(LINE_MAX_BYTES);
        write_others(&line, l);
        check_postfix_advise(c, l->where, "%s = %s%s{ %s, default_action=tempfail }", l->parameter, buf_str(&line),
                             line.len > 0 ? ", " : "", l->milters[l->ours].endpoint);
        buf_free(&line);
    }
}

const char *check_postfix_copier(const struct check *c, const struct postfix_service *listener, size_t *at)
{
    static const char *const copiers[] = {"always_bcc", "sender_bcc_maps", "recipient_bcc_maps"};
    if (postfix_text_has_word(value(c, listener, "receive_override_options"), "no_address_mappings"))
        return NULL;
    const struct postfix_service *cleanup =
        postfix_config_service(c->postfix, value(c, listener, "cleanup_service_name"));
    while (*at < sizeof copiers / sizeof *copiers) {
        const char *name = copiers[(*at)++];
        if (*postfix_config_value(c->postfix, cleanup, name) != '\0')
            return name;
    }
    return NULL;
}

static void look_at_discard(struct check *c, const struct list *l)
{
    const char *copier;
    size_t at = 0;
    while (config_bool(c->config, "milter.discard") && (copier = check_postfix_copier(c, l->service, &at)) != NULL) {
        check_found(c->report, CHECK_PROBLEM,
                    "milter.discard: the copies that %s makes (%s) are lost when a message is diverted", copier,
                    l->service->name);
        check_advise(c->report, "milter { discard = no } in %s; then: systemctl reload pontoon-milter",
                     config_path(c->config));
    }
}

static void look_at_protocol(struct check *c, const struct list *l)
{
    const char *protocol = option(c, l, "protocol", "milter_protocol");
    long version = strtol(protocol, NULL, 10);
    if (version >= PROTOCOL_NEEDED)
        return;
    check_found(c->report, CHECK_PROBLEM, "milter protocol %s (%s) has no exact headers: nothing is diverted", protocol,
                l->service->name);
    check_postfix_advise(c, NULL, "milter_protocol = %d, and no protocol= behind pontoon-milter's socket",
                         PROTOCOL_NEEDED);
}

static void look_at_timeouts(struct check *c, const struct list *l)
{
    msec_t command = postfix_text_time(option(c, l, "command_timeout", "milter_command_timeout"));
    msec_t content = postfix_text_time(option(c, l, "content_timeout", "milter_content_timeout"));
    msec_t wait = config_time(c->config, "milter.discovery-wait"), busy = config_time(c->config, "store.busy-timeout");
    if (command >= 0 && wait >= command) {
        check_found(c->report, CHECK_PROBLEM,
                    "milter.discovery-wait (%s) is not shorter than milter_command_timeout: Postfix "
                    "gives pontoon-milter up while it waits",
                    config_where(c->config, "milter.discovery-wait"));
        check_advise(c->report, "a few seconds, in %s", config_path(c->config));
    }
    if (content >= 0 && busy >= content) {
        check_found(c->report, CHECK_PROBLEM,
                    "store.busy-timeout (%s) is not shorter than milter_content_timeout: Postfix may "
                    "give pontoon-milter up while it stores, and mail may arrive twice",
                    config_where(c->config, "store.busy-timeout"));
        check_postfix_advise(c, NULL, "milter_content_timeout = %llds", 2LL * busy / 1000 + 1);
    }
}

/* smtpd runs as mail_owner, and connects to the socket as such. */
static void look_at_rights(struct check *c, const struct list *l)
{
    const char *own = config_string(c->config, "milter.socket"), *owner = value(c, NULL, "mail_owner");
    struct access_user user;
    struct error err;
    if (strncmp(own, "unix:", 5) != 0 || access(own + 5, F_OK) != 0 || !access_user_named(owner, &user) ||
        access_as(&user, own + 5, W_OK, &err) != RESULT_PERM)
        return;
    check_found(c->report, CHECK_PROBLEM, "Postfix (%s) can't connect to pontoon-milter: %s", l->service->name,
                err.text);
    check_advise(c->report,
                 "milter { socket-group = %s socket-mode = 0660 } in %s, and a folder that this group may pass "
                 "through; then: systemctl restart pontoon-milter",
                 owner, config_path(c->config));
}

static void look_at_list(struct check *c, const struct list *l)
{
    unsigned before = check_report_count(c->report, CHECK_PROBLEM);
    look_at_order(c, l);
    look_at_default_action(c, l);
    look_at_discard(c, l);
    look_at_protocol(c, l);
    look_at_timeouts(c, l);
    look_at_rights(c, l);
    if (check_report_count(c->report, CHECK_PROBLEM) == before)
        check_found(c->report, CHECK_OK, "%s (%s) has pontoon-milter last, at %s", l->parameter, l->service->name,
                    l->milters[l->ours].endpoint);
}

/* ---- nobody asks it ---- */

/* One that is meant for it by its name, but leads elsewhere. */
static const struct postfix_milter *lookalike(const struct check *c, const struct list *l)
{
    const char *own = strrchr(config_string(c->config, "milter.socket"), '/');
    for (size_t i = 0; i < l->n; i++) {
        const char *name = strrchr(l->milters[i].endpoint, '/');
        if (strstr(l->milters[i].endpoint, "pontoon") != NULL ||
            (own != NULL && name != NULL && strcmp(own, name) == 0))
            return &l->milters[i];
    }
    return NULL;
}

static void advise_to_ask(struct check *c, const struct list *l)
{
    char *name = our_name(c, l->chrooted);
    struct buf line = BUF_INIT(LINE_MAX_BYTES);
    const char *queue = value(c, NULL, "queue_directory");
    if (lookalike(c, l) == NULL)
        write_others(&line, l);
    buf_printf(&line, "%s{ %s, default_action=tempfail }", line.len > 0 ? ", " : "",
               name != NULL ? name : "unix:pontoon/milter.sock");
    if (name == NULL)
        check_advise(
            c->report,
            "smtpd is chrooted to %s and sees nothing else: milter { socket = "
            "\"unix:%s/pontoon/milter.sock\" socket-group = %s } in %s, and in %s/main.cf: smtpd_milters = %s, "
            "and non_smtpd_milters = $smtpd_milters",
            queue, queue, value(c, NULL, "mail_owner"), config_path(c->config), c->postfix->directory, buf_str(&line));
    else
        check_postfix_advise(c, l->where, "smtpd_milters = %s%s", buf_str(&line),
                             l->where == NULL ? ", and non_smtpd_milters = $smtpd_milters" : "");
    mem_free(&name);
    buf_free(&line);
}

static bool sends_by_lmtp(const struct check *c)
{
    struct error err;
    return probe_endpoint(config_string(c->config, "lmtp.listen"), CHECK_WAIT, &err);
}

static void say_not_asked(struct check *c, const struct list *l)
{
    const char *own = config_string(c->config, "milter.socket");
    const struct postfix_milter *like = lookalike(c, l);
    size_t outbound;
    config_list(c->config, "policy.outbound", &outbound);
    if (like != NULL && strncmp(like->endpoint, "unix:", 5) == 0) {
        char *path = real_path(c, like->endpoint + 5, l->chrooted);
        check_found(c->report, CHECK_PROBLEM,
                    "smtpd_milters has %s, which is %s for a service that is %schrooted (%s), but "
                    "milter.socket is %s: nothing is diverted",
                    like->endpoint, path, l->chrooted ? "" : "not ", l->service->name, own);
        mem_free(&path);
    } else if (outbound == 0 || sends_by_lmtp(c)) {
        check_found(c->report, CHECK_NOTE, "Postfix does not ask pontoon-milter: %s",
                    outbound == 0 ? "policy.outbound is empty, and we send nothing" : "mail goes out by pontoon-lmtp");
        return;
    } else {
        check_found(c->report, CHECK_PROBLEM,
                    "no listener of Postfix asks pontoon-milter (milter.socket %s): nothing is "
                    "diverted",
                    own);
    }
    advise_to_ask(c, l);
}

/* ---- all listeners ---- */

/* False: it is no list of its own, or not of clients' mail. */
static bool list_of(const struct check *c, const struct postfix_service *s, struct list *l)
{
    bool own = postfix_settings_have(&s->own, "smtpd_milters");
    if (strcmp(s->command, "smtpd") != 0 || s == c->mta_in || s == c->mta_return)
        return false;
    *l = (struct list){.parameter = "smtpd_milters",
                       .service = s,
                       .where = own ? s : NULL,
                       .chrooted = postfix_config_chrooted(c->postfix, s)};
    l->n = check_postfix_asks(c, s, &l->milters);
    find_ours(c, l);
    return true;
}

/* What stands in main.cf is looked at once, for the first service that has it so. */
static void look_at_listener(struct check *c, const struct list *l, bool seen[2], struct buf *without)
{
    bool first = l->where != NULL || !seen[l->chrooted];
    if (l->ours == l->n) {
        buf_printf(without, "%s%s", without->len > 0 ? ", " : "", l->service->name);
        return;
    }
    if (l->where == NULL)
        seen[l->chrooted] = true;
    if (first)
        look_at_list(c, l);
    if (*value(c, l->service, "smtpd_milter_maps") != '\0' && first)
        check_found(c->report, CHECK_NOTE,
                    "smtpd_milter_maps (%s): what its table says for a client comes before smtpd_milters",
                    l->service->name);
}

static void look_at_listeners(struct check *c, bool *asked_r)
{
    struct buf without = BUF_INIT(LINE_MAX_BYTES);
    struct list first = {0}, l;
    bool seen[2] = {false, false};
    for (size_t i = 0; i < c->postfix->services.n; i++) {
        if (!list_of(c, &c->postfix->services.items[i], &l))
            continue;
        look_at_listener(c, &l, seen, &without);
        *asked_r = *asked_r || l.ours < l.n;
        if (first.service == NULL)
            first = l;
        else
            postfix_milters_free(&l.milters, l.n);
    }
    if (*asked_r && without.len > 0)
        check_found(c->report, CHECK_NOTE, "pontoon-milter is not asked about mail that comes in by: %s",
                    buf_str(&without));
    if (!*asked_r && first.service != NULL)
        say_not_asked(c, &first);
    postfix_milters_free(&first.milters, first.n);
    buf_free(&without);
}

/* Mail of sendmail(1): cleanup asks about it. */
static void look_at_local_mail(struct check *c)
{
    const struct postfix_service *s = postfix_config_service(c->postfix, "cleanup");
    if (s == NULL)
        return;
    struct list l = {
        .parameter = "non_smtpd_milters", .service = s, .chrooted = postfix_config_chrooted(c->postfix, s)};
    l.where = postfix_settings_have(&s->own, l.parameter) ? s : NULL;
    l.n = postfix_text_milters(value(c, s, l.parameter), &l.milters);
    find_ours(c, &l);
    if (l.ours == l.n) {
        check_found(c->report, CHECK_NOTE,
                    "non_smtpd_milters does not have pontoon-milter: mail of this machine's own programs "
                    "(sendmail(1)) goes by SMTP");
        check_postfix_advise(c, l.where, "non_smtpd_milters = $smtpd_milters");
    } else {
        look_at_order(c, &l);
    }
    postfix_milters_free(&l.milters, l.n);
}

void check_postfix_milters(struct check *c)
{
    bool asked = false;
    if (c->postfix == NULL)
        return;
    look_at_listeners(c, &asked);
    if (asked)
        look_at_local_mail(c);
}
