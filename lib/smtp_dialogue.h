/*
 * The dialogue of an SMTP session: its steps, and the moves that smtp_session.c may make. Internal to those two files.
 *
 * Where a function returns bool, false says that the session is gone.
 */
#ifndef PONTOON_SMTP_DIALOGUE_H
#define PONTOON_SMTP_DIALOGUE_H

#include "lib/smtp_internal.h"

enum smtp_step {
    STEP_CONNECT,
    STEP_GREETING,
    STEP_EHLO,
    STEP_XCLIENT,
    STEP_IDLE, /* no transaction */
    STEP_RESET,
    STEP_MAIL,
    STEP_RCPT,
    STEP_ENVELOPE, /* the owner's turn: DATA, or leave it */
    STEP_DATA,
    STEP_CONTENT, /* the owner writes */
    STEP_FINAL,
    STEPS
};

struct smtp_session {
    struct smtp_session_context context;
    const struct smtp_pool_options *options;
    struct smtp_connection *connection;
    struct buf command;
    enum smtp_step step;
    struct smtp_offer offer;
    struct smtp_peer peer; /* what XCLIENT said last; no address: none yet */
    struct smtp_transaction *transaction;
    unsigned served;
    unsigned refusals; /* since the last delivery: see smtp_dialogue_worn_out() */
    bool kept;         /* the connection had been lying ready when this transaction came */
    bool ahead;        /* the envelope was sent before the reply to RSET */
    bool spent;        /* the server is about to close */
};

/* Replies, losses and time limits of the connection move the dialogue on; its argument is the session. */
extern const struct smtp_connection_events smtp_dialogue_events;

void smtp_dialogue_enter(struct smtp_session *s, enum smtp_step step); /* with the time limit of that step */
void smtp_dialogue_send(struct smtp_session *s, enum smtp_step step);  /* s->command, whose reply is that step's */
void smtp_dialogue_reset(struct smtp_session *s);
void smtp_dialogue_write_envelope(struct smtp_session *s);
/* In STEP_IDLE: XCLIENT, the envelope, or nothing if there is no transaction. */
bool smtp_dialogue_begin(struct smtp_session *s);

bool smtp_dialogue_same_peer(const struct smtp_peer *a, const struct smtp_peer *b);
bool smtp_dialogue_needs_xclient(const struct smtp_session *s); /* for its transaction */
bool smtp_dialogue_worn_out(const struct smtp_session *s);      /* not to be used again */

struct smtp_transaction *smtp_dialogue_detach(struct smtp_session *s);
/* The connection is of no use any more. `reply`: the server's last word, or NULL. `retry`: on another connection. */
bool smtp_dialogue_give_up(struct smtp_session *s, const struct error *err, const struct smtp_reply *reply, bool retry);
/* The end: tells the owner (struct smtp_session_owner says how), and frees. */
bool smtp_dialogue_leave(struct smtp_session *s, struct smtp_transaction *again, bool unreachable,
                         const struct error *err);
void smtp_dialogue_free(struct smtp_session *s);

#endif
