/* What the pool and the client ask of a connection: see smtp_internal.h; what is said on it: see smtp_dialogue.h. */
#include <assert.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/smtp_dialogue.h"

struct smtp_session *smtp_session_new(const struct smtp_session_context *context)
{
    struct smtp_session *s = mem_zero(1, sizeof *s);
    s->context = *context;
    s->options = context->options;
    buf_init(&s->command, SMTP_COMMAND_MAX);
    s->connection =
        smtp_connection_open(context->loop, &s->options->server, s->options->data_timeout, &smtp_dialogue_events, s);
    smtp_dialogue_enter(s, STEP_CONNECT);
    return s;
}

void smtp_session_free(struct smtp_session **s_p)
{
    struct smtp_session *s = *s_p;
    struct smtp_transaction *t = smtp_dialogue_detach(s);
    if (t != NULL && t->orphan)
        smtp_transaction_free(&t);
    if (s->step == STEP_IDLE)
        smtp_connection_say_goodbye(s->connection);
    smtp_dialogue_free(s);
    *s_p = NULL;
}

bool smtp_session_unused(const struct smtp_session *s)
{
    return s->transaction == NULL;
}

enum smtp_fit smtp_session_fit(const struct smtp_session *s, const struct smtp_transaction *t)
{
    bool kept = s->step == STEP_IDLE || s->step == STEP_RESET;
    if (s->transaction != NULL || smtp_dialogue_worn_out(s) || (t->fresh && kept))
        return SMTP_FIT_NONE;
    if (smtp_dialogue_same_peer(&s->peer, &t->peer))
        return SMTP_FIT_GOOD;
    if (t->peer.address[0] == '\0')
        return SMTP_FIT_NONE; /* XCLIENT can't be undone, */
    if (s->peer.address[0] != '\0' && (!kept || !(s->offer.xclient & XCLIENT_ADDR)))
        return SMTP_FIT_NONE; /* and with Postfix not be repeated: from then on it trusts us as little as the peer */
    return SMTP_FIT_AFTER_XCLIENT;
}

void smtp_session_start(struct smtp_session *s, struct smtp_transaction *t)
{
    struct error err;
    assert(s->transaction == NULL);
    s->transaction = t;
    t->session = s;
    s->served++;
    s->kept = s->step == STEP_IDLE || s->step == STEP_RESET;
    if (s->step == STEP_IDLE) {
        smtp_dialogue_begin(s);
    } else if (s->step == STEP_RESET && s->offer.pipelining && !smtp_dialogue_needs_xclient(s) &&
               smtp_envelope_fits(&t->envelope, &s->offer, &err) == RESULT_OK) {
        smtp_dialogue_write_envelope(s);
        s->ahead = true;
    }
}

void smtp_session_data(struct smtp_session *s)
{
    if (s->step != STEP_ENVELOPE || s->transaction->accepted == 0)
        log_panic("smtp_data() without an accepted recipient");
    buf_add_str(&s->command, "DATA\r\n");
    smtp_dialogue_send(s, STEP_DATA);
}

void smtp_session_write(struct smtp_session *s, const void *content, size_t len)
{
    if (s->step != STEP_CONTENT)
        log_panic("smtp_write() before on_go or after smtp_end()");
    smtp_connection_send_content(s->connection, &s->transaction->data, content, len);
}

void smtp_session_end(struct smtp_session *s)
{
    struct smtp_transaction *t = s->transaction;
    struct error err;
    if (s->step != STEP_CONTENT)
        log_panic("smtp_end() before on_go or twice");
    if (t->data.bare_lf) {
        error_set_dsn(&err, RESULT_PERM, "5.6.0", "the message has a bare LF");
        smtp_dialogue_give_up(s, &err, NULL, false);
        return;
    }
    size_t n = s->options->lmtp ? t->accepted : 1;
    mem_free(&t->replies);
    t->replies = mem_zero(n, sizeof *t->replies);
    t->nreplies = 0;
    smtp_transaction_no_room(t);
    smtp_connection_drain_fully(s->connection, true);
    buf_add_str(&s->command, smtp_data_end(&t->data));
    smtp_connection_send(s->connection, &s->command, (unsigned)n);
    smtp_dialogue_enter(s, STEP_FINAL);
}

void smtp_session_abort(struct smtp_session *s)
{
    struct smtp_transaction *t = s->transaction;
    if (s->ahead || s->step == STEP_MAIL || s->step == STEP_RCPT) {
        t->orphan = true; /* until the replies that it asked for are there */
        smtp_transaction_mute(t);
        return;
    }
    smtp_dialogue_detach(s);
    smtp_transaction_free(&t);
    if (s->step == STEP_ENVELOPE)
        smtp_dialogue_reset(s);
    if (s->step == STEP_DATA || s->step == STEP_CONTENT) /* only this makes the server forget it */
        smtp_connection_hang_up(s->connection);
    if (s->step == STEP_DATA || s->step == STEP_CONTENT || s->step == STEP_FINAL)
        smtp_dialogue_leave(s, NULL, false, NULL);
    else
        s->context.owner->ready(s->context.arg, s);
}

size_t smtp_session_backlog(const struct smtp_session *s)
{
    return smtp_connection_backlog(s->connection);
}

int smtp_session_final_fd(const struct smtp_session *s)
{
    return s->step == STEP_CONTENT || s->step == STEP_FINAL ? smtp_connection_fd(s->connection) : -1;
}
