/*
 * The SMTP client's inside. Calls go down only:
 *
 *   smtp_client.c       what callers call (smtp_client.h)
 *   smtp_pool.c         connections to one server, and who waits for one
 *   smtp_session.c      one connection as the pool uses it
 *   smtp_dialogue.c     what is said on it: a table of steps
 *   smtp_transaction.c  what a caller is told, and when
 *   smtp_connection.c   the socket: replies in step with what was asked, time limits
 *   smtp_command.c      commands as text; smtp_ehlo.c (smtp_offer.h): what the server offers; smtp_failure.c: what went wrong
 *   smtp_hello.c        a connection that asks for that alone
 */
#ifndef PONTOON_SMTP_INTERNAL_H
#define PONTOON_SMTP_INTERNAL_H

#include <sys/queue.h>

#include "lib/buf.h"
#include "lib/smtp_client.h"
#include "lib/smtp_data.h"
#include "lib/smtp_offer.h"

/* ---- commands as text (smtp_command.c; pure) ---- */

enum {
    SMTP_COMMAND_MAX = 16 * 1024, /* above any that passed the checks below */
    SMTP_RCPTS_MAX = 50000,
};

/* Whether this envelope can be written at all: nothing in it can be taken for another command or parameter. */
enum result smtp_envelope_check(const struct envelope *e, struct error *err);
/* Whether a server that offers this can carry it without harm to the mail. */
enum result smtp_envelope_fits(const struct envelope *e, const struct smtp_offer *offer, struct error *err);
void smtp_write_mail(struct buf *out, const struct envelope *e, const struct smtp_offer *offer);
void smtp_write_rcpt(struct buf *out, const struct envelope_rcpt *r, const struct smtp_offer *offer);
bool smtp_helo_valid(const char *helo); /* can stand in EHLO: a domain or an address literal */
void smtp_write_xclient(struct buf *out, const struct smtp_peer *peer, const struct smtp_offer *offer);

/* ---- the socket (smtp_connection.c) ---- */

struct smtp_connection;

enum smtp_loss {
    SMTP_LOST,    /* closed by the server, or a network error */
    SMTP_TIMEOUT, /* of the last smtp_connection_timeout(), or of writing */
    SMTP_STRAY,   /* a reply that nobody had asked for: see `stray` */
    SMTP_BROKEN,  /* what came is not SMTP */
};

struct smtp_connection_events {
    void (*connected)(void *arg);
    /* An awaited reply; `raw` are its lines. Returns false when it closed the connection. */
    bool (*reply)(void *arg, const struct smtp_reply *reply, const char *raw);
    void (*drained)(void *arg); /* little or nothing is left to write */
    /* The end: close it. `stray` only with SMTP_STRAY, and NULL if it was no whole reply. */
    void (*lost)(void *arg, enum smtp_loss loss, const struct smtp_reply *stray, const char *why);
};

/* Begins to connect, and awaits a greeting. Nothing is called back before this returns. */
struct smtp_connection *smtp_connection_open(struct loop *loop, const struct netaddr *server, msec_t write_timeout,
                                             const struct smtp_connection_events *events, void *arg);
void smtp_connection_close(struct smtp_connection **c);
void smtp_connection_send(struct smtp_connection *c, struct buf *commands, unsigned replies); /* clears `commands` */
void smtp_connection_send_content(struct smtp_connection *c, struct smtp_data *d, const void *content, size_t len);
void smtp_connection_timeout(struct smtp_connection *c, msec_t timeout); /* from now; 0: none */
void smtp_connection_drain_fully(struct smtp_connection *c, bool fully); /* `drained` only when all is out */
size_t smtp_connection_backlog(const struct smtp_connection *c);
int smtp_connection_fd(const struct smtp_connection *c);
void smtp_connection_local(const struct smtp_connection *c, char out[NETADDR_TEXT_SIZE]); /* our own address */
void smtp_connection_say_goodbye(struct smtp_connection *c); /* QUIT as a courtesy; close it then */
void smtp_connection_hang_up(struct smtp_connection *c); /* even if another process has the socket too; close it then */

/* ---- what went wrong (smtp_failure.c; pure); `step` is what was sent last ---- */

void smtp_failure_said(struct error *err, enum result result, const char *relay, const char *step,
                       const struct smtp_reply *r);
void smtp_failure_lost(struct error *err, const char *relay, const char *step, enum smtp_loss loss,
                       const struct smtp_reply *stray, const char *why);
/* `us`: our address as the server sees it. `r`: the reply to XCLIENT, NULL if it was not offered. */
void smtp_failure_xclient(struct error *err, const char *relay, const char *us, const struct smtp_peer *peer,
                          const struct smtp_reply *r);

/* ---- one transaction (smtp_transaction.c) ---- */

struct smtp_session;

struct smtp_transaction {
    unsigned magic;
    LIST_ENTRY(smtp_transaction) in_pool;
    TAILQ_ENTRY(smtp_transaction) in_waiting;
    struct smtp_pool *pool;       /* NULL: freed before us, or we were aborted */
    struct smtp_session *session; /* NULL: waiting, or settled */
    bool waiting;
    bool settled;    /* its last callback is on its way */
    bool ending;     /* its last callback runs, and frees it after */
    bool orphan;     /* aborted while its replies are still to come: the session frees it */
    bool offers_dsn; /* the server of its MAIL */
    bool answered;   /* the server replied to something of ours */
    bool fresh;      /* a kept connection failed it: it wants a new one */

    struct envelope envelope;
    struct smtp_peer peer;
    struct smtp_callbacks callbacks;
    void *arg;
    struct smtp_data data;

    struct smtp_reply mail;
    struct smtp_reply *replies; /* to RCPT, then the final ones */
    size_t nreplies, accepted;  /* replies that came; recipients accepted */

    struct loop_timer *deliver;
    unsigned news; /* what `deliver` has to tell */
    struct {
        enum result result;
        bool has_reply, after_dot;
        struct smtp_reply reply;
        struct error err;
    } failure;
};

struct smtp_transaction *smtp_transaction_new(struct loop *loop, const struct envelope *envelope,
                                              const struct smtp_peer *peer, const struct smtp_callbacks *callbacks,
                                              void *arg);
void smtp_transaction_free(struct smtp_transaction **t); /* leaves its pool */
void smtp_transaction_mute(struct smtp_transaction *t);  /* no more callbacks */
/* These never call back themselves: the loop does, soon. After the last two the transaction frees itself. */
void smtp_transaction_envelope(struct smtp_transaction *t);
void smtp_transaction_go(struct smtp_transaction *t);
void smtp_transaction_room(struct smtp_transaction *t);
void smtp_transaction_no_room(struct smtp_transaction *t);                                /* no more is to be written */
void smtp_transaction_dot(struct smtp_transaction *t);                                    /* at once */
void smtp_transaction_answer(struct smtp_transaction *t, const struct smtp_reply *reply); /* at once */
void smtp_transaction_final(struct smtp_transaction *t);
void smtp_transaction_failed(struct smtp_transaction *t, const struct error *err, const struct smtp_reply *reply,
                             bool after_dot);

/* ---- one connection as the pool uses it (smtp_session.c) ---- */

struct smtp_session_owner {
    /* Free for another transaction, if it still is when looked at. */
    void (*ready)(void *arg, struct smtp_session *s);
    /* About to be freed. `again`: its transaction, when that should be tried on another connection; else NULL. */
    void (*gone)(void *arg, struct smtp_session *s, struct smtp_transaction *again, bool unreachable,
                 const struct error *err);
};

struct smtp_session_context {
    struct loop *loop;
    const struct smtp_pool_options *options;
    const char *relay; /* "127.0.0.3[127.0.0.3]:10025" */
    const struct smtp_session_owner *owner;
    void *arg;
};

struct smtp_session *smtp_session_new(const struct smtp_session_context *context);
void smtp_session_free(struct smtp_session **s);        /* QUITs; calls nobody back, its transaction is left alone */
bool smtp_session_unused(const struct smtp_session *s); /* it has no transaction */

enum smtp_fit { SMTP_FIT_NONE, SMTP_FIT_AFTER_XCLIENT, SMTP_FIT_GOOD };
enum smtp_fit smtp_session_fit(const struct smtp_session *s, const struct smtp_transaction *t);
void smtp_session_start(struct smtp_session *s, struct smtp_transaction *t);
void smtp_session_data(struct smtp_session *s);
void smtp_session_write(struct smtp_session *s, const void *content, size_t len);
void smtp_session_end(struct smtp_session *s);
/* The transaction is given up: the session takes care of it, and of itself. */
void smtp_session_abort(struct smtp_session *s);
size_t smtp_session_backlog(const struct smtp_session *s);
int smtp_session_final_fd(const struct smtp_session *s); /* -1 unless the next reply is the final one */

/* ---- the pool (smtp_pool.c) ---- */

struct loop *smtp_pool_loop(const struct smtp_pool *pool);
const char *smtp_pool_relay(const struct smtp_pool *pool);
void smtp_pool_add(struct smtp_pool *pool, struct smtp_transaction *t);
bool smtp_pool_full(const struct smtp_pool *pool);                       /* no more may wait */
void smtp_pool_wait(struct smtp_pool *pool, struct smtp_transaction *t); /* for a connection */
void smtp_pool_remove(struct smtp_transaction *t);                       /* it may have left before */

#endif
