/* The end of a diverted message: see divert.h. */
#include "milter/divert.h"

#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

enum fate {
    FATE_STORED,
    FATE_NOT_STORED,
    FATE_UNCERTAIN, /* stored, and some recipients are deleted: it stays */
};

/* ---- logging ---- */

static const char *queue_id(const struct message *m)
{
    return m->queue_id[0] != '\0' ? m->queue_id : "NOQUEUE";
}

static void log_reasons(const struct session *s)
{
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        const char *reason = session_rcpt_reason(s, i);
        if (reason != NULL)
            log_debug("%s: pontoon=%s, to=<%s>, by SMTP: %s", queue_id(&s->m), s->m.id, s->m.envelope.rcpts[i].address,
                      reason);
    }
}

static const char *first_reason(const struct session *s)
{
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        const char *reason = session_rcpt_reason(s, i);
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

static void log_message(const struct session *s, size_t diverted, const char *note)
{
    const struct message *m = &s->m;
    const char *reason = first_reason(s);
    if (log_is_verbose())
        log_reasons(s);
    log_info("%s: pontoon=%s, from=<%s>, size=%llu, nrcpt=%zu, diverted=%zu, smtp=%zu%s%s%s%s", queue_id(m), m->id,
             m->envelope.sender, (unsigned long long)(m->content != NULL ? content_size(m->content) : 0),
             m->envelope.nrcpts, diverted, m->envelope.nrcpts - diverted, reason != NULL ? ", by SMTP: " : "",
             reason != NULL ? reason : "", note != NULL ? ", " : "", note != NULL ? note : "");
}

void divert_log_untouched(const struct session *s)
{
    const struct message *m = &s->m;
    if (m->envelope.nrcpts == 0) /* not even a candidate: most of a site's inbound mail is this */
        log_debug("%s: from=<%s>, by SMTP: %s", queue_id(m), m->envelope.sender != NULL ? m->envelope.sender : "?",
                  m->reason != NULL ? m->reason : "no recipients");
    else
        log_message(s, 0, NULL);
}

/* ---- steps ---- */

/* The envelope of the diverted recipients, each once. */
static void make_envelope(const struct session *s, struct envelope *e)
{
    envelope_copy_sender(e, &s->m.envelope);
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        const struct envelope_rcpt *r = &s->m.envelope.rcpts[i];
        if (session_rcpt_reason(s, i) == NULL && s->m.rcpts[i].same_as == i)
            envelope_add_rcpt(e, r->address, r->notify, r->orcpt);
    }
}

static char *describe_client(const struct session *s)
{
    char ip[NETADDR_TEXT_SIZE];
    if (!s->has_address)
        return mem_strdup("");
    netaddr_ip(&s->address, ip);
    return mem_printf("%s [%s]", s->name != NULL ? s->name : "unknown", ip);
}

static enum result put(struct session *s, struct store *store, struct store_put_result *put_r, struct error *err)
{
    struct message *m = &s->m;
    struct envelope envelope;
    char *client = describe_client(s);
    make_envelope(s, &envelope);
    struct store_message message = {
        .id = m->id,
        .queue_id = m->queue_id,
        .message_id = m->message_id,
        .client = client,
        .login = m->login != NULL ? m->login : "",
        .envelope = &envelope,
        .trace = m->trace.data,
        .trace_len = m->trace.len,
        .size = content_size(m->content),
        .digest = content_digest(m->content),
        .hold = m->settings->notify_hold,
        .resubmission_window = m->settings->resubmission_window,
        .expire_after = m->settings->expire_after,
    };
    enum result r = store_put(store, &message, content_spool(m->content), put_r, err);
    envelope_free(&envelope);
    mem_free(&client);
    return r;
}

/*
 * Postfix edits its queue file at each request, and with milter_default_action=accept keeps these edits when
 * we are cut off: so a message of which one recipient is deleted must stay in the store. If the client comes
 * again with it, it is known as a resubmission.
 */
static enum fate delete_recipients(struct session *s, struct store *store, const struct divert_mta *mta, size_t stored)
{
    struct error err;
    size_t deleted = 0;
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        if (session_rcpt_reason(s, i) != NULL)
            continue;
        if (mta->delete_rcpt(mta->arg, s->m.rcpts[i].path)) {
            deleted++;
            continue;
        }
        log_warning("%s: pontoon=%s, to=<%s>: the MTA is gone before it deleted the recipient", queue_id(&s->m),
                    s->m.id, s->m.envelope.rcpts[i].address);
        if (deleted > 0)
            return FATE_UNCERTAIN;
        if (stored == 0 || store_withdraw(store, s->m.id, &err) == RESULT_OK)
            return FATE_NOT_STORED;
        log_error("%s: pontoon=%s, can't be taken back from the store: %s", queue_id(&s->m), s->m.id, err.text);
        return FATE_UNCERTAIN;
    }
    return FATE_STORED;
}

static enum divert_end fail(struct session *s, const struct error *err)
{
    const struct message *m = &s->m;
    bool tempfail = m->settings->tempfail;
    log_error("%s: pontoon=%s, the store can't take it: %s; %s", queue_id(m), m->id, err->text,
              tempfail ? "the client is asked to come again" : "it goes by SMTP");
    log_message(s, 0, tempfail ? "status=tempfail (store failure)" : "status=smtp (store failure)");
    return tempfail ? DIVERT_TEMPFAIL : DIVERT_CONTINUE;
}

/* A drain began while the message came in: no failure, it goes by SMTP. */
static enum divert_end leave(const struct session *s, const struct error *err)
{
    log_info("%s: pontoon=%s, %s", queue_id(&s->m), s->m.id, err->text);
    log_message(s, 0, "status=smtp (being drained)");
    return DIVERT_CONTINUE;
}

static void finish(struct session *s, struct store *store, const struct store_put_result *put_r, size_t diverted)
{
    char *note = NULL;
    if (put_r->stored > 0)
        store_release(store, s->m.id);
    if (put_r->resubmission_of != NULL)
        note = mem_printf("resubmission of %s", put_r->resubmission_of);
    log_message(s, diverted, note);
    mem_free(&note);
}

enum divert_end divert_message(struct session *s, struct store *store, const struct divert_mta *mta)
{
    struct store_put_result put_result = {0};
    struct error err;
    bool some = session_finish_content(s);
    if (s->m.reason == NULL && s->m.failed.result != RESULT_OK)
        return fail(s, &s->m.failed);
    if (!some) {
        divert_log_untouched(s);
        return DIVERT_CONTINUE;
    }
    size_t diverted = session_count_diverted(s);
    if (put(s, store, &put_result, &err) != RESULT_OK)
        return put_result.drained ? leave(s, &err) : fail(s, &err);
    switch (delete_recipients(s, store, mta, put_result.stored)) {
    case FATE_STORED: finish(s, store, &put_result, diverted); break;
    case FATE_NOT_STORED: log_message(s, 0, "status=withdrawn (MTA gone)"); break;
    case FATE_UNCERTAIN: log_message(s, diverted, "status=kept (MTA gone)"); break;
    }
    mem_free(&put_result.resubmission_of);
    return DIVERT_CONTINUE;
}
