/*
 * The SMTP dialogue on one connection, as a table of steps: see smtp_dialogue.h.
 *
 * Handlers return false when the session is gone. Callers' callbacks never run in here (smtp_transaction.c), so that
 * nothing changes under a handler's feet.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/smtp_dialogue.h"

/* Servers slow down or hang up after so many errors on one connection (smtpd_soft_error_limit is 10): stay below. */
enum { MAX_REFUSALS = 8 };

struct step_rule {
    const char *name;
    int expects;    /* first digit of the reply that leads on; 0: no reply is due */
    size_t timeout; /* which one of struct smtp_pool_options, 0 none */
    bool (*accepted)(struct smtp_session *s, const struct smtp_reply *r, const char *raw);
    bool (*refused)(struct smtp_session *s, const struct smtp_reply *r);
};
static const struct step_rule rules[STEPS];

/* ---- ends ---- */

void smtp_dialogue_enter(struct smtp_session *s, enum smtp_step step)
{
    s->step = step;
    size_t where = rules[step].timeout;
    msec_t timeout = 0;
    if (where != 0)
        memcpy(&timeout, (const char *)s->options + where, sizeof timeout);
    smtp_connection_timeout(s->connection, timeout);
}

struct smtp_transaction *smtp_dialogue_detach(struct smtp_session *s)
{
    struct smtp_transaction *t = s->transaction;
    s->transaction = NULL;
    if (t != NULL)
        t->session = NULL;
    return t;
}

void smtp_dialogue_free(struct smtp_session *s)
{
    smtp_connection_close(&s->connection);
    buf_free(&s->command);
    mem_free(&s);
}

bool smtp_dialogue_leave(struct smtp_session *s, struct smtp_transaction *again, bool unreachable,
                         const struct error *err)
{
    s->context.owner->gone(s->context.arg, s, again, unreachable, err);
    smtp_dialogue_free(s);
    return false;
}

/* LMTP, and some recipients have their answer already: it must not be lost. */
static void settle_partly(struct smtp_transaction *t, const struct error *err)
{
    while (t->nreplies < t->accepted) {
        struct smtp_reply *r = &t->replies[t->nreplies++];
        r->code = 451;
        r->missing = true;
        snprintf(r->dsn, sizeof r->dsn, "4.4.2");
        snprintf(r->text, sizeof r->text, "%s", err->text);
    }
    smtp_transaction_final(t);
}

bool smtp_dialogue_give_up(struct smtp_session *s, const struct error *err, const struct smtp_reply *reply, bool retry)
{
    bool after_dot = s->step == STEP_FINAL && smtp_connection_backlog(s->connection) == 0;
    bool partly = s->step == STEP_FINAL && s->transaction != NULL && s->transaction->nreplies > 0;
    bool unreachable = s->step == STEP_CONNECT;
    struct smtp_transaction *t = smtp_dialogue_detach(s);
    struct smtp_transaction *again = NULL;
    if (t != NULL && t->orphan)
        smtp_transaction_free(&t);
    else if (t != NULL && retry)
        again = t;
    else if (t != NULL && partly)
        settle_partly(t, err);
    else if (t != NULL)
        smtp_transaction_failed(t, err, reply, after_dot);
    else
        log_debug("%s: %s", s->context.relay, err->text);
    return smtp_dialogue_leave(s, again, unreachable, err);
}

static bool retire(struct smtp_session *s)
{
    smtp_connection_say_goodbye(s->connection);
    return smtp_dialogue_leave(s, NULL, false, NULL);
}

bool smtp_dialogue_worn_out(const struct smtp_session *s)
{
    return s->spent || s->refusals >= MAX_REFUSALS ||
           (s->options->max_per_connection > 0 && s->served >= s->options->max_per_connection);
}

/* The transaction, if there was one, has what it wanted: ready for another. */
static bool release(struct smtp_session *s)
{
    smtp_dialogue_detach(s);
    if (smtp_dialogue_worn_out(s))
        return retire(s);
    smtp_dialogue_enter(s, STEP_IDLE);
    s->context.owner->ready(s->context.arg, s);
    return true;
}

/* A kept connection that the server closed at the same moment: nobody saw anything of this transaction. */
static bool may_retry(const struct smtp_session *s)
{
    const struct smtp_transaction *t = s->transaction;
    return t != NULL && s->kept && !t->answered && !t->orphan;
}

static void said(const struct smtp_session *s, enum result result, enum smtp_step step, const struct smtp_reply *r,
                 struct error *err)
{
    smtp_failure_said(err, result, s->context.relay, rules[step].name, r);
}

/* ---- asking ---- */

void smtp_dialogue_send(struct smtp_session *s, enum smtp_step step)
{
    smtp_connection_send(s->connection, &s->command, 1);
    smtp_dialogue_enter(s, step);
}

static void send_ehlo(struct smtp_session *s)
{
    /* After XCLIENT as the peer, whose name is then checked and shown: Postfix forgets XCLIENT's HELO here. */
    const char *helo = smtp_helo_valid(s->peer.helo) ? s->peer.helo : s->options->helo;
    buf_printf(&s->command, "%s %s\r\n", s->options->lmtp ? "LHLO" : "EHLO", helo);
    smtp_dialogue_send(s, STEP_EHLO);
}

void smtp_dialogue_reset(struct smtp_session *s)
{
    buf_add_str(&s->command, "RSET\r\n");
    smtp_dialogue_send(s, STEP_RESET);
}

static void write_rcpt(struct smtp_session *s, size_t i)
{
    smtp_write_rcpt(&s->command, &s->transaction->envelope.rcpts[i], &s->offer);
    smtp_connection_send(s->connection, &s->command, 1);
}

/* MAIL, and with PIPELINING every RCPT behind it; replies are read while this goes out. */
void smtp_dialogue_write_envelope(struct smtp_session *s)
{
    struct smtp_transaction *t = s->transaction;
    t->nreplies = t->accepted = 0;
    t->offers_dsn = s->offer.dsn;
    if (t->replies == NULL)
        t->replies = mem_zero(t->envelope.nrcpts, sizeof *t->replies);
    smtp_write_mail(&s->command, &t->envelope, &s->offer);
    smtp_connection_send(s->connection, &s->command, 1);
    for (size_t i = 0; s->offer.pipelining && i < t->envelope.nrcpts; i++)
        write_rcpt(s, i);
}

bool smtp_dialogue_same_peer(const struct smtp_peer *a, const struct smtp_peer *b)
{
    return strcmp(a->address, b->address) == 0 && strcmp(a->name, b->name) == 0 && strcmp(a->helo, b->helo) == 0;
}

bool smtp_dialogue_needs_xclient(const struct smtp_session *s)
{
    const struct smtp_peer *peer = &s->transaction->peer;
    return peer->address[0] != '\0' && !smtp_dialogue_same_peer(peer, &s->peer);
}

static bool fail_without_xclient(struct smtp_session *s, const struct smtp_reply *reply)
{
    struct error err;
    char us[NETADDR_TEXT_SIZE];
    smtp_connection_local(s->connection, us);
    smtp_failure_xclient(&err, s->context.relay, us, &s->peer, reply);
    smtp_connection_say_goodbye(s->connection);
    return smtp_dialogue_give_up(s, &err, reply, false);
}

/* Connected and greeted, or done with something else: goes on to the transaction, if there is one. */
bool smtp_dialogue_begin(struct smtp_session *s)
{
    struct smtp_transaction *t = s->transaction;
    struct error err;
    if (t == NULL)
        return release(s);
    if (smtp_dialogue_needs_xclient(s) && (s->offer.xclient & XCLIENT_ADDR)) {
        s->peer = t->peer;
        smtp_write_xclient(&s->command, &s->peer, &s->offer);
        smtp_dialogue_send(s, STEP_XCLIENT);
        return true;
    }
    if (smtp_dialogue_needs_xclient(s) && s->options->xclient_required)
        return fail_without_xclient(s, NULL);
    if (smtp_envelope_fits(&t->envelope, &s->offer, &err) != RESULT_OK) {
        error_prefix(&err, "host %s", s->context.relay);
        smtp_transaction_failed(t, &err, NULL, false);
        return release(s);
    }
    smtp_dialogue_write_envelope(s);
    smtp_dialogue_enter(s, STEP_MAIL);
    return true;
}

/* ---- replies ---- */

static bool on_greeting(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)r, (void)raw;
    send_ehlo(s);
    return true;
}

/* Before XCLIENT a refusal is about us, and no reason to bounce mail; after it, it is about the peer. */
static bool on_refusal(struct smtp_session *s, const struct smtp_reply *r)
{
    struct error err;
    said(s, s->peer.address[0] != '\0' ? smtp_reply_result(r) : RESULT_TEMP, s->step, r, &err);
    return smtp_dialogue_give_up(s, &err, r, false);
}

static bool on_ehlo(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)r;
    smtp_ehlo_parse(raw, &s->offer);
    return smtp_dialogue_begin(s);
}

static bool on_xclient(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)r, (void)raw;
    send_ehlo(s); /* the server begins anew */
    return true;
}

/* 554 is a greeting that turns the peer away (RFC 5321 section 3.1); the others turn us away. */
static bool on_xclient_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    return r->code == 554 ? on_refusal(s, r) : fail_without_xclient(s, r);
}

static bool on_reset(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)r, (void)raw;
    if (!s->ahead)
        return smtp_dialogue_begin(s);
    s->ahead = false;
    smtp_dialogue_enter(s, STEP_MAIL);
    return true;
}

static bool on_reset_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    struct error err;
    said(s, RESULT_TEMP, s->step, r, &err);
    return smtp_dialogue_give_up(s, &err, r, may_retry(s));
}

/* Every reply of the envelope is there. */
static bool conclude_envelope(struct smtp_session *s)
{
    struct smtp_transaction *t = s->transaction;
    struct error err;
    if (smtp_reply_result(&t->mail) != RESULT_OK) {
        said(s, smtp_reply_result(&t->mail), STEP_MAIL, &t->mail, &err);
        smtp_transaction_failed(t, &err, &t->mail, false);
        if (t->orphan)
            smtp_transaction_free(&s->transaction);
        return release(s);
    }
    if (t->orphan) {
        smtp_transaction_free(&s->transaction);
        smtp_dialogue_reset(s);
        s->context.owner->ready(s->context.arg, s);
        return true;
    }
    smtp_dialogue_enter(s, STEP_ENVELOPE);
    smtp_transaction_envelope(t);
    return true;
}

static bool on_mail(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)raw;
    s->transaction->mail = *r;
    if (!s->offer.pipelining)
        write_rcpt(s, 0);
    smtp_dialogue_enter(s, STEP_RCPT);
    return true;
}

static bool on_mail_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    s->transaction->mail = *r;
    if (!s->offer.pipelining)
        return conclude_envelope(s);
    smtp_dialogue_enter(s, STEP_RCPT); /* those sent already are answered too */
    return true;
}

static bool on_rcpt_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    struct smtp_transaction *t = s->transaction;
    t->replies[t->nreplies++] = *r;
    if (t->nreplies == t->envelope.nrcpts)
        return conclude_envelope(s);
    if (!s->offer.pipelining)
        write_rcpt(s, t->nreplies);
    smtp_dialogue_enter(s, STEP_RCPT);
    return true;
}

static bool on_rcpt(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)raw;
    s->transaction->accepted++;
    return on_rcpt_refused(s, r);
}

static bool on_data(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)r, (void)raw;
    smtp_dialogue_enter(s, STEP_CONTENT);
    smtp_transaction_go(s->transaction);
    return true;
}

static bool on_data_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    struct error err;
    said(s, smtp_reply_result(r), STEP_DATA, r, &err);
    smtp_transaction_failed(s->transaction, &err, r, false);
    smtp_dialogue_detach(s);
    smtp_dialogue_reset(s);
    s->context.owner->ready(s->context.arg, s);
    return true;
}

static bool on_final_refused(struct smtp_session *s, const struct smtp_reply *r)
{
    struct smtp_transaction *t = s->transaction;
    smtp_transaction_answer(t, r);
    t->replies[t->nreplies++] = *r;
    s->spent = s->spent || r->code == 421;
    if (s->options->lmtp && t->nreplies < t->accepted) {
        smtp_dialogue_enter(s, STEP_FINAL);
        return true;
    }
    smtp_transaction_final(t);
    smtp_connection_drain_fully(s->connection, false);
    return release(s);
}

static bool on_final(struct smtp_session *s, const struct smtp_reply *r, const char *raw)
{
    (void)raw;
    s->refusals = 0;
    return on_final_refused(s, r);
}

#define TIMEOUT(member) offsetof(struct smtp_pool_options, member##_timeout)
static const struct step_rule rules[STEPS] = {
    [STEP_CONNECT] = {"connect", 0, TIMEOUT(connect), NULL, NULL},
    [STEP_GREETING] = {"connection", 2, TIMEOUT(command), on_greeting, on_refusal},
    [STEP_EHLO] = {"EHLO", 2, TIMEOUT(command), on_ehlo, on_refusal},
    [STEP_XCLIENT] = {"XCLIENT", 2, TIMEOUT(command), on_xclient, on_xclient_refused},
    [STEP_IDLE] = {"nothing", 0, TIMEOUT(idle), NULL, NULL},
    [STEP_RESET] = {"RSET", 2, TIMEOUT(command), on_reset, on_reset_refused},
    [STEP_MAIL] = {"MAIL FROM", 2, TIMEOUT(command), on_mail, on_mail_refused},
    [STEP_RCPT] = {"RCPT TO", 2, TIMEOUT(command), on_rcpt, on_rcpt_refused},
    [STEP_ENVELOPE] = {"the envelope", 0, 0, NULL, NULL},
    [STEP_DATA] = {"DATA", 3, TIMEOUT(command), on_data, on_data_refused},
    [STEP_CONTENT] = {"message content", 0, 0, NULL, NULL}, /* writing has its own: see smtp_connection_open() */
    [STEP_FINAL] = {"end of DATA", 2, TIMEOUT(final), on_final, on_final_refused},
};

/* ---- events of the connection ---- */

static void on_connected(void *arg)
{
    smtp_dialogue_enter(arg, STEP_GREETING);
}

static bool on_reply(void *arg, const struct smtp_reply *r, const char *raw)
{
    struct smtp_session *s = arg;
    const struct step_rule *rule = &rules[s->step];
    struct error err;
    int class = r->code / 100;
    if (r->code == 421 && s->step != STEP_FINAL) {
        said(s, RESULT_TEMP, s->step, r, &err);
        return smtp_dialogue_give_up(s, &err, r, may_retry(s));
    }
    if (s->transaction != NULL && s->step != STEP_RESET)
        s->transaction->answered = true;
    if (class == rule->expects)
        return rule->accepted(s, r, raw);
    if (class >= 4) {
        s->refusals++;
        return rule->refused(s, r);
    }
    said(s, RESULT_TEMP, s->step, r, &err);
    snprintf(err.dsn, sizeof err.dsn, "4.5.0");
    error_prefix(&err, "protocol error");
    return smtp_dialogue_give_up(s, &err, r, false);
}

static void on_drained(void *arg)
{
    struct smtp_session *s = arg;
    if (s->step == STEP_CONTENT) {
        smtp_transaction_room(s->transaction);
    } else if (s->step == STEP_FINAL && smtp_connection_backlog(s->connection) == 0) {
        smtp_dialogue_enter(s, STEP_FINAL); /* the dot went out now: its time begins */
        smtp_transaction_dot(s->transaction);
    }
}

static bool refused_mail(const struct smtp_session *s)
{
    return s->step == STEP_RCPT && smtp_reply_result(&s->transaction->mail) != RESULT_OK;
}

static void on_lost(void *arg, enum smtp_loss loss, const struct smtp_reply *stray, const char *why)
{
    struct smtp_session *s = arg;
    bool closed = loss == SMTP_LOST || (stray != NULL && stray->code == 421);
    struct error err;
    if (s->step == STEP_IDLE && loss == SMTP_TIMEOUT) {
        retire(s);
        return;
    }
    if (s->step == STEP_CONNECT) {
        error_set_dsn(&err, RESULT_TEMP, "4.4.1", "connect to %s: %s", s->context.relay, why);
    } else if (refused_mail(s)) { /* the verdict had come before */
        stray = &s->transaction->mail;
        said(s, smtp_reply_result(stray), STEP_MAIL, stray, &err);
    } else if (stray != NULL && (stray->code == 421 || (s->step == STEP_CONTENT && stray->code >= 400))) {
        said(s, smtp_reply_result(stray), s->step, stray, &err);
    } else {
        smtp_failure_lost(&err, s->context.relay, rules[s->step].name, loss, stray, why);
    }
    if (!closed && s->transaction == NULL)
        log_warning("%s", err.text);
    smtp_dialogue_give_up(s, &err, stray, closed && may_retry(s));
}

const struct smtp_connection_events smtp_dialogue_events = {
    .connected = on_connected, .reply = on_reply, .drained = on_drained, .lost = on_lost};
