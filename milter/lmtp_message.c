/* A message that comes by LMTP: see lmtp_message.h. */
#include "milter/lmtp_message.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/failpoint.h"
#include "lib/header.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/smtpd_command.h"
#include "milter/divert.h"
#include "milter/lmtp_headers.h"

/*
 * How often a message may come back at once. Once is a message that returned to SMTP and was then sent on by a list or a forward;
 * more are rare. A transport that is used for returned mail too would make it a loop without end. Then the MTA has to wait before
 * it may try again (lmtp.loop-pause), so that there is no storm, and the mail goes out soon after the mistake is mended.
 */
enum { OWN_TRACES_MAX = 4 };

/* A drain of everything must come to an end: it would not if what only passes through were still taken. */
static const char being_drained[] = "451 4.3.2 Being drained: mail must not be routed to pontoon-lmtp any more";

struct lmtp_message {
    struct backend *backend;
    struct session *session;
    struct lmtp_headers headers;
    msec_t last_here;                /* when it was here before, 0 never */
    bool received_seen;              /* the topmost Received: is the MTA's */
    char failure[SMTPD_REPLY_MAX];   /* for all recipients, or "" */
    char before[MESSAGE_ID_LEN + 1]; /* id of the message of which this is a resubmission, or "" */
    char reply[SMTPD_REPLY_MAX];
};

/* ---- envelope ---- */

static void hello(void *arg, const char *name)
{
    struct lmtp_message *lm = arg;
    session_helo(lm->session, name);
}

static const char *mail(void *arg, const char *path, char *const *params)
{
    struct lmtp_message *lm = arg;
    struct session_mail mail = {.settings = settings_current(), .path = path, .params = params};
    session_mail(lm->session, &mail);
    lm->received_seen = false;
    lm->last_here = 0;
    lm->failure[0] = lm->before[0] = '\0';
    return NULL;
}

static const char *rcpt(void *arg, const char *path, char *const *params)
{
    struct lmtp_message *lm = arg;
    struct session *s = lm->session;
    char domain[DOMAIN_MAX + 1];
    if (stops_find(lm->backend->stops, "", "") == STORE_STOP_DRAIN) {
        log_warning("NOQUEUE: from=<%s>, to=%s, not taken: %s", s->m.envelope.sender, path, being_drained);
        return being_drained;
    }
    bool open = session_rcpt(s, path, params, NULL, domain);
    if (open && s->m.reason == NULL) {
        struct eligibility_policy facts;
        backend_look_up(lm->backend, &s->m, domain, &facts);
        session_judge(s, &facts);
    }
    return NULL;
}

static void reset(void *arg)
{
    struct lmtp_message *lm = arg;
    lmtp_headers_free(&lm->headers);
    session_reset(lm->session);
}

/* ---- content ---- */

/* The MTA's queue id, for log and trace: LMTP has no other way to tell it. */
static void see_header(void *arg, const char *name, const char *value)
{
    struct lmtp_message *lm = arg;
    char id[QUEUE_ID_MAX + 1];
    unsigned before = lm->session->m.own_traces;
    session_see_header(lm->session, name, value);
    if (strcasecmp(name, "Received") != 0 || !header_received_id(value, id, sizeof id))
        id[0] = '\0';
    if (before == 0 && lm->session->m.own_traces > 0) /* the latest stands first */
        lm->last_here = message_id_time(id);
    if (!lm->received_seen && strcasecmp(name, "Received") == 0) {
        lm->received_seen = true;
        session_set_queue_id(lm->session, id);
    }
}

static const char *begin(void *arg)
{
    struct lmtp_message *lm = arg;
    session_begin_content(lm->session, store_incoming_dir(lm->backend->store));
    lmtp_headers_free(&lm->headers);
    lmtp_headers_init(&lm->headers, see_header, lm);
    return NULL;
}

static void content(void *arg, const char *data, size_t len)
{
    struct lmtp_message *lm = arg;
    lmtp_headers_add(&lm->headers, data, len);
    session_raw(lm->session, data, len); /* end() sees what came of it */
}

/* ---- the end ---- */

static void refuse(struct lmtp_message *lm, const char *reply, const char *why)
{
    const struct message *m = &lm->session->m;
    log_warning("%s: pontoon=%s, from=<%s>, nrcpt=%zu, not taken: %s (%s)",
                m->queue_id[0] != '\0' ? m->queue_id : "NOQUEUE", m->id, m->envelope.sender, m->envelope.nrcpts, why,
                reply);
    snprintf(lm->failure, sizeof lm->failure, "%s", reply);
}

static void refuse_content(struct lmtp_message *lm)
{
    const struct error *e = &lm->session->m.failed;
    if (e->result != RESULT_PERM)
        refuse(lm, "451 4.3.0 Message store is not available; please try again later", e->text);
    else if (strcmp(e->dsn, "5.3.4") == 0)
        refuse(lm, "552 5.3.4 Message size exceeds fixed limit", e->text);
    else
        refuse(lm, "554 5.6.0 Message has line ends that can't be carried: a bare <LF>", e->text);
}

/* Why it does not cross the bridge, or NULL: the store diverts it. */
static const char *why_returning(const struct session *s, size_t i)
{
    const char *reason = session_rcpt_reason(s, i);
    switch (session_rcpt_way(s, i)) {
    case RULES_DIVERT: return NULL;
    case RULES_SHADOW: return "with a shadow";
    case RULES_SMTP: break;
    }
    return reason != NULL ? reason : "a rule says so";
}

/* Everybody, each once; *returning_r: to mem_free(), its strings are borrowed. */
static void make_envelope(const struct session *s, struct envelope *e, const char ***returning_r)
{
    const char **returning = mem_zero(s->m.envelope.nrcpts, sizeof *returning);
    envelope_copy_sender(e, &s->m.envelope);
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        const struct envelope_rcpt *r = &s->m.envelope.rcpts[i];
        if (s->m.rcpts[i].same_as != i)
            continue;
        returning[e->nrcpts] = why_returning(s, i);
        envelope_add_rcpt(e, r->address, r->notify, r->orcpt);
    }
    *returning_r = returning;
}

static enum result put(struct lmtp_message *lm, struct store_put_result *put_r, struct error *err)
{
    struct session *s = lm->session;
    struct envelope envelope;
    const char **returning;
    make_envelope(s, &envelope, &returning);
    /* The MTA's Received: makes the bytes one of a kind. */
    struct divert_copy copy = {
        .id = s->m.id, .envelope = &envelope, .returning = returning, .unique_bytes = lm->received_seen};
    enum result r = divert_store(s, lm->backend->store, &copy, put_r, err);
    if (r != RESULT_OK &&
        put_r->drained) { /* of a domain; or of everything, then this fails, too. It began while the message came in */
        for (size_t i = 0; i < envelope.nrcpts; i++)
            returning[i] = returning[i] != NULL ? returning[i] : "being drained";
        s->m.reason = "being drained";
        r = divert_store(s, lm->backend->store, &copy, put_r, err);
    }
    mem_free(&returning);
    envelope_free(&envelope);
    return r;
}

/* A copy for comparison of what goes back to SMTP. The mail itself is safe: whatever fails here harms nothing. */
static size_t put_shadow(struct lmtp_message *lm)
{
    struct session *s = lm->session;
    struct store_put_result result = {0};
    struct error err;
    char id[MESSAGE_ID_LEN + 1];
    size_t n = session_count(s, RULES_SHADOW);
    if (n == 0)
        return 0;
    struct envelope envelope;
    divert_envelope(s, RULES_SHADOW, &envelope);
    message_id_new(id);
    struct divert_copy copy = {.id = id, .envelope = &envelope, .shadow = true, .new_for_sure = true};
    enum result r = FAILPOINT(shadow_store) ? error_set(&err, RESULT_TEMP, "commit: disk I/O error")
                                            : divert_store(s, lm->backend->store, &copy, &result, &err);
    if (r == RESULT_OK) {
        store_release(lm->backend->store, id);
    } else {
        log_warning("%s: pontoon=%s, no shadow of it could be stored (the mail goes by SMTP all the same): %s",
                    s->m.queue_id, s->m.id, err.text);
        n = 0;
    }
    mem_free(&result.resubmission_of);
    envelope_free(&envelope);
    return n;
}

/* As Postfix does with mistakes in a configuration: the mail waits in the MTA's queue. */
static bool is_loop(struct lmtp_message *lm)
{
    const struct message *m = &lm->session->m;
    if (m->own_traces <= OWN_TRACES_MAX || clock_now() - lm->last_here > m->settings->lmtp_loop_pause)
        return false;
    refuse(lm, "451 4.4.6 Mail that went back to SMTP comes again and again: see the log of pontoon-lmtp",
           "a loop: the MTA's listener for returned mail (store.mta) must not use the transport to pontoon-lmtp");
    return true;
}

static void end(void *arg)
{
    struct lmtp_message *lm = arg;
    struct session *s = lm->session;
    struct store_put_result result = {0};
    struct error err;
    lmtp_headers_end(&lm->headers);
    session_finish_content(s);
    if (s->m.failed.result != RESULT_OK) {
        refuse_content(lm);
        return;
    }
    if (is_loop(lm))
        return;
    if (put(lm, &result, &err) != RESULT_OK) {
        refuse(lm, result.drained ? being_drained : "451 4.3.0 Message store is not available; please try again later",
               err.text);
        return;
    }
    (void)FAILPOINT(lmtp_stored);
    size_t shadow = result.stored > 0 && result.resubmission_of == NULL ? put_shadow(lm) : 0;
    if (result.stored > 0)
        store_release(lm->backend->store, s->m.id);
    char *note = NULL;
    if (result.resubmission_of != NULL) {
        note = mem_printf("resubmission of %s", result.resubmission_of);
        if (result.stored == 0)
            snprintf(lm->before, sizeof lm->before, "%s", result.resubmission_of);
    }
    divert_log(s, session_count(s, RULES_DIVERT), shadow, note);
    mem_free(&note);
    mem_free(&result.resubmission_of);
}

static const char *reply(void *arg, size_t i)
{
    struct lmtp_message *lm = arg;
    const struct session *s = lm->session;
    if (lm->failure[0] != '\0')
        return lm->failure;
    if (lm->before[0] != '\0')
        snprintf(lm->reply, sizeof lm->reply, "250 2.0.0 Taken before, pontoon=%s", lm->before);
    else if (why_returning(s, i) == NULL)
        snprintf(lm->reply, sizeof lm->reply, "250 2.0.0 Stored, pontoon=%s", s->m.id);
    else
        snprintf(lm->reply, sizeof lm->reply, "250 2.0.0 Taken, goes on by SMTP (%.300s), pontoon=%s",
                 why_returning(s, i), s->m.id);
    return lm->reply;
}

/* ---- */

struct lmtp_message *lmtp_message_new(struct backend *backend, const struct netaddr *peer)
{
    struct lmtp_message *lm = mem_zero(1, sizeof *lm);
    lm->backend = backend;
    lm->session = session_new();
    lm->session->lmtp = true;
    lm->session->can_divert = true;
    session_connect(lm->session, NULL, peer != NULL ? (const struct sockaddr *)&peer->sa : NULL);
    return lm;
}

void lmtp_message_free(struct lmtp_message **lm)
{
    if (*lm == NULL)
        return;
    lmtp_headers_free(&(*lm)->headers);
    session_free(&(*lm)->session);
    mem_free(lm);
}

struct smtpd_taker lmtp_message_taker(struct lmtp_message *lm)
{
    return (struct smtpd_taker){
        .hello = hello,
        .mail = mail,
        .rcpt = rcpt,
        .begin = begin,
        .content = content,
        .end = end,
        .reply = reply,
        .reset = reset,
        .arg = lm,
    };
}
