/* The end of a diverted message: see divert.h. */
#include "milter/divert.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    RULES_NAMED_MAX = 10, /* in one line */
    RESUBMISSIONS_MAX = 10,
};

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

static void log_recipients(const struct session *s)
{
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        enum rules_action way = session_rcpt_way(s, i);
        const char *rule = session_rcpt_rule(s, i);
        const char *reason = way == RULES_SMTP ? session_rcpt_reason(s, i) : NULL;
        log_debug("%s: pontoon=%s, to=<%s>, way=%s%s%s%s%s", queue_id(&s->m), s->m.id, s->m.envelope.rcpts[i].address,
                  rules_action_name(way), rule != NULL ? ", rule=" : "", rule != NULL ? rule : "",
                  reason != NULL ? ", by SMTP: " : "", reason != NULL ? reason : "");
    }
}

/* Why the first that goes by SMTP does, if not for a rule. */
static const char *first_reason(const struct session *s)
{
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        const char *reason = session_rcpt_way(s, i) == RULES_SMTP ? session_rcpt_reason(s, i) : NULL;
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

static bool is_named_before(const struct session *s, size_t i, const char *rule)
{
    for (size_t k = 0; k < i; k++) {
        const char *other = session_rcpt_rule(s, k);
        if (other != NULL && strcmp(other, rule) == 0)
            return true;
    }
    return false;
}

/* ", rule=ONE,OTHER": those that decided about its recipients, in their order. */
static void name_rules(const struct session *s, struct buf *out)
{
    size_t named = 0;
    for (size_t i = 0; i < s->m.envelope.nrcpts && named < RULES_NAMED_MAX; i++) {
        const char *rule = session_rcpt_rule(s, i);
        if (rule == NULL || is_named_before(s, i, rule))
            continue;
        buf_printf(out, "%s%s", named++ == 0 ? ", rule=" : ",", rule);
    }
}

void divert_log(const struct session *s, size_t diverted, size_t shadow, const char *note)
{
    const struct message *m = &s->m;
    const char *reason = first_reason(s);
    struct buf rules = BUF_INIT((size_t)RULES_NAMED_MAX * 80);
    if (log_is_verbose())
        log_recipients(s);
    name_rules(s, &rules);
    log_info("%s: pontoon=%s, from=<%s>, size=%llu, nrcpt=%zu, diverted=%zu, shadow=%zu, smtp=%zu%s%s%s%s%s",
             queue_id(m), m->id, m->envelope.sender,
             (unsigned long long)(m->content != NULL ? content_size(m->content) : 0), m->envelope.nrcpts, diverted,
             shadow, m->envelope.nrcpts - diverted - shadow, buf_str(&rules), reason != NULL ? ", by SMTP: " : "",
             reason != NULL ? reason : "", note != NULL ? ", " : "", note != NULL ? note : "");
    buf_free(&rules);
}

void divert_log_untouched(const struct session *s)
{
    const struct message *m = &s->m;
    if (m->envelope.nrcpts == 0) /* not even a candidate: most of a site's inbound mail is this */
        log_debug("%s: from=<%s>, by SMTP: %s", queue_id(m), m->envelope.sender != NULL ? m->envelope.sender : "?",
                  m->reason != NULL ? m->reason : "no recipients");
    else
        divert_log(s, 0, 0, NULL);
}

/* ---- steps ---- */

void divert_envelope(const struct session *s, enum rules_action way, struct envelope *e)
{
    envelope_copy_sender(e, &s->m.envelope);
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        const struct envelope_rcpt *r = &s->m.envelope.rcpts[i];
        if (session_rcpt_way(s, i) == way && s->m.rcpts[i].same_as == i)
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

enum result divert_store(struct session *s, struct store *store, const struct divert_copy *copy,
                         struct store_put_result *put_r, struct error *err)
{
    struct message *m = &s->m;
    char *client = describe_client(s);
    struct store_message message = {
        .id = copy->id,
        .queue_id = m->queue_id,
        .message_id = m->message_id,
        .client = client,
        .login = m->login != NULL ? m->login : "",
        .envelope = copy->envelope,
        .returning = copy->returning,
        .trace = m->trace.data,
        .trace_len = m->trace.len,
        .size = content_size(m->content),
        .digest = content_digest(m->content),
        .hold = m->settings->notify_hold,
        .unique_bytes = copy->unique_bytes,
        .resubmission_window = copy->new_for_sure ? 0 : m->settings->resubmission_window,
        .expire_after = m->settings->expire_after,
        .by_smtp = s->lmtp ? 0 : m->envelope.nrcpts - session_count(s, RULES_DIVERT),
        .shadow = copy->shadow,
    };
    enum result r = store_put(store, &message, content_spool(m->content), put_r, err);
    mem_free(&client);
    return r;
}

/* Stores it for the recipients that go `way`, divert or shadow. */
static enum result put(struct session *s, struct store *store, enum rules_action way, const char *id,
                       struct store_put_result *put_r, struct error *err)
{
    struct envelope envelope;
    divert_envelope(s, way, &envelope);
    struct divert_copy copy = {.id = id, .envelope = &envelope, .shadow = way == RULES_SHADOW};
    enum result r = copy.shadow && FAILPOINT(shadow_store) ? error_set(err, RESULT_TEMP, "commit: disk I/O error")
                                                           : divert_store(s, store, &copy, put_r, err);
    envelope_free(&envelope);
    return r;
}

static enum fate withdraw(struct session *s, struct store *store, size_t stored)
{
    struct error err;
    (void)FAILPOINT(milter_withdraw);
    if (stored == 0 || store_withdraw(store, s->m.id, &err) == RESULT_OK)
        return FATE_NOT_STORED;
    log_error("%s: pontoon=%s, can't be taken back from the store: %s", queue_id(&s->m), s->m.id, err.text);
    return FATE_UNCERTAIN;
}

/*
 * Postfix edits its queue file at each request, and with milter_default_action=accept keeps these edits when
 * we are cut off: so a message of which one recipient is deleted must stay in the store. If the client comes
 * again with it, it is known as a resubmission.
 */
static enum fate delete_recipients(struct session *s, struct store *store, const struct divert_mta *mta, size_t stored)
{
    size_t deleted = 0;
    for (size_t i = 0; i < s->m.envelope.nrcpts; i++) {
        if (session_rcpt_way(s, i) != RULES_DIVERT)
            continue;
        if (!FAILPOINT(milter_delrcpt) && mta->delete_rcpt(mta->arg, s->m.rcpts[i].path)) {
            deleted++;
            continue;
        }
        log_warning("%s: pontoon=%s, to=<%s>: the MTA is gone before it deleted the recipient", queue_id(&s->m),
                    s->m.id, s->m.envelope.rcpts[i].address);
        return deleted > 0 ? FATE_UNCERTAIN : withdraw(s, store, stored);
    }
    return FATE_STORED;
}

/* The answer that ends the message says the rest. Should the MTA not hear it the client comes again, and is known. */
static enum fate prepare_discard(struct session *s, struct store *store, const struct divert_mta *mta, size_t stored)
{
    if (!FAILPOINT(milter_delrcpt) && mta->progress(mta->arg))
        return FATE_STORED;
    log_warning("%s: pontoon=%s, the MTA is gone before it could be told to discard the message", queue_id(&s->m),
                s->m.id);
    return withdraw(s, store, stored);
}

static bool may_discard(const struct session *s)
{
    return s->m.settings->discard && session_count(s, RULES_DIVERT) == s->m.envelope.nrcpts;
}

/* The message is in the store: it leaves the MTA. */
static enum fate leave_mta(struct session *s, struct store *store, const struct divert_mta *mta, size_t stored)
{
    (void)FAILPOINT(milter_stored);
    enum fate fate = may_discard(s) ? prepare_discard(s, store, mta, stored) : delete_recipients(s, store, mta, stored);
    if (fate == FATE_STORED)
        (void)FAILPOINT(milter_deleted);
    return fate;
}

/*
 * Whether the store may have this message already: a client that did not get our answer comes again, with what it was stored
 * under. Its bytes can't be asked for, as they could not be kept.
 */
static bool came_before(const struct session *s, struct store *store)
{
    const struct message *m = &s->m;
    struct store_entries *found;
    struct error err;
    bool before = false;
    if (m->message_id[0] == '\0' || m->settings->resubmission_window == 0 ||
        store_find(store, m->message_id, RESUBMISSIONS_MAX, &found, &err) != RESULT_OK)
        return false;
    char *client = describe_client(s);
    for (size_t i = 0; i < found->n && !before; i++) {
        const struct store_entry *e = &found->entries[i];
        before = !e->shadow && e->created >= clock_now() - m->settings->resubmission_window &&
                 strcmp(e->client, client) == 0 && strcmp(e->login, m->login != NULL ? m->login : "") == 0 &&
                 strcmp(e->envelope.sender, m->envelope.sender) == 0;
    }
    mem_free(&client);
    store_entries_free(&found);
    return before;
}

/* A copy that could not be made is no reason to keep mail waiting; that it may have been made before is one. */
static enum divert_end fail(struct session *s, struct store *store, const struct error *err)
{
    const struct message *m = &s->m;
    bool diverts = session_count(s, RULES_DIVERT) > 0;
    bool before = diverts && came_before(s, store);
    bool tempfail = before || (m->settings->tempfail && diverts);
    log_error("%s: pontoon=%s, the store can't take it: %s; %s%s", queue_id(m), m->id, err->text,
              before ? "it may have it from an earlier attempt: " : "",
              tempfail ? "the client is asked to come again" : "it goes by SMTP");
    divert_log(s, 0, 0, tempfail ? "status=tempfail (store failure)" : "status=smtp (store failure)");
    return tempfail ? DIVERT_TEMPFAIL : DIVERT_CONTINUE;
}

/* A drain began while the message came in: no failure, it goes by SMTP. */
static enum divert_end leave(const struct session *s, const struct error *err)
{
    log_info("%s: pontoon=%s, %s", queue_id(&s->m), s->m.id, err->text);
    divert_log(s, 0, 0, "status=smtp (being drained)");
    return DIVERT_CONTINUE;
}

/* ---- the two ways into the store ---- */

/* What came of it, for the log. */
struct outcome {
    size_t diverted, shadow;
    struct buf note;
};

static void add_note(struct outcome *o, const char *text, const char *more)
{
    buf_printf(&o->note, "%s%s%s", o->note.len > 0 ? ", " : "", text, more);
}

/*
 * Copies for comparison, under an id of their own beside the diverted half. Their recipients stay the MTA's, so that whatever
 * fails here harms nothing.
 */
static void put_shadow(struct session *s, struct store *store, struct outcome *o)
{
    char id[MESSAGE_ID_LEN + 1];
    struct store_put_result result = {0};
    struct error err;
    size_t n = session_count(s, RULES_SHADOW);
    if (n == 0)
        return;
    if (session_count(s, RULES_DIVERT) == 0)
        memcpy(id, s->m.id, sizeof id);
    else
        message_id_new(id);
    if (put(s, store, RULES_SHADOW, id, &result, &err) != RESULT_OK) {
        log_warning("%s: pontoon=%s, no shadow of it could be stored (the mail goes by SMTP all the same): %s",
                    queue_id(&s->m), s->m.id, err.text);
        return;
    }
    o->shadow = n;
    if (result.stored > 0)
        store_release(store, id);
    if (strcmp(id, s->m.id) != 0)
        add_note(o, "shadow is ", id);
    if (result.resubmission_of != NULL)
        add_note(o, "shadow: resubmission of ", result.resubmission_of);
    mem_free(&result.resubmission_of);
}

enum put_end {
    PUT_DONE,
    PUT_MTA_GONE,
    PUT_DRAINED, /* this and the next: it is not stored, `err` says why */
    PUT_FAILED,
};

static enum put_end put_diverted(struct session *s, struct store *store, const struct divert_mta *mta,
                                 struct outcome *o, struct error *err)
{
    struct store_put_result result = {0};
    if (session_count(s, RULES_DIVERT) == 0)
        return PUT_DONE;
    if (put(s, store, RULES_DIVERT, s->m.id, &result, err) != RESULT_OK)
        return result.drained ? PUT_DRAINED : PUT_FAILED;
    enum fate fate = leave_mta(s, store, mta, result.stored);
    o->diverted = fate == FATE_NOT_STORED ? 0 : session_count(s, RULES_DIVERT);
    if (fate == FATE_NOT_STORED)
        add_note(o, "status=withdrawn (MTA gone)", "");
    if (fate == FATE_UNCERTAIN)
        add_note(o, "status=kept (MTA gone)", "");
    if (fate == FATE_STORED && result.stored > 0)
        store_release(store, s->m.id);
    if (fate == FATE_STORED && result.resubmission_of != NULL)
        add_note(o, "resubmission of ", result.resubmission_of);
    mem_free(&result.resubmission_of);
    return fate == FATE_STORED ? PUT_DONE : PUT_MTA_GONE;
}

enum divert_end divert_message(struct session *s, struct store *store, const struct divert_mta *mta)
{
    struct error err;
    struct outcome o = {.note = BUF_INIT(400)};
    enum divert_end end = DIVERT_CONTINUE;
    bool some = session_finish_content(s);
    if (s->m.reason == NULL && s->m.failed.result != RESULT_OK)
        return fail(s, store, &s->m.failed);
    if (!some) {
        divert_log_untouched(s);
        return DIVERT_CONTINUE;
    }
    switch (put_diverted(s, store, mta, &o, &err)) {
    case PUT_DONE:
        put_shadow(s, store, &o);
        end = may_discard(s) ? DIVERT_DISCARD : DIVERT_CONTINUE;
        break;
    case PUT_MTA_GONE: end = DIVERT_TEMPFAIL; break; /* should it hear us: the client comes again, and is known */
    case PUT_DRAINED: return leave(s, &err);
    case PUT_FAILED: return fail(s, store, &err);
    }
    divert_log(s, o.diverted, o.shadow, o.note.len > 0 ? buf_str(&o.note) : NULL);
    buf_free(&o.note);
    return end;
}
