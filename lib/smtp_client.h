/*
 * The SMTP and LMTP client: kept connections to the local MTA and transactions on them, on a loop.
 *
 * A transaction goes: smtp_begin() -> on_envelope (replies to MAIL and every RCPT; nothing sent yet)
 * -> smtp_data() -> on_go (354) -> smtp_write()/on_room … -> smtp_end() -> on_final. It may be left
 * before smtp_end() by smtp_abort(): RSET where possible, else the connection is dropped, so that the MTA keeps
 * nothing. Whatever happens, exactly one of on_final and on_failed is the last callback, unless aborted; with
 * it the transaction is gone. No callback runs inside a call of these functions: all come from the loop.
 *
 * Commands are pipelined where the server offers it (RFC 2920); BODY, SMTPUTF8, SIZE and DSN parameters
 * are sent where it offers them, and their lack is an error only where the mail would suffer (8-bit or
 * SMTPUTF8 content). XCLIENT (Postfix's XCLIENT_README) tells the server whose mail it is; it is
 * repeated when a kept connection is used for another peer, where the server allows that (Postfix does not: there a
 * connection stays its first peer's). If XCLIENT is wanted but not offered: see xclient_required.
 */
#ifndef PONTOON_SMTP_CLIENT_H
#define PONTOON_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/envelope.h"
#include "lib/loop.h"
#include "lib/netaddr.h"
#include "lib/result.h"
#include "lib/smtp_reply.h"

struct smtp_pool; /* connections to one server */
struct smtp_transaction;

struct smtp_pool_options {
    struct netaddr server;
    const char *server_name; /* for logs: "127.0.0.3", copied */
    bool lmtp;
    const char *helo;            /* our name, copied */
    bool xclient_required;       /* refuse (TEMP) to work with a server that offers no XCLIENT when a peer is given */
    unsigned max_connections;    /* further transactions wait, oldest first */
    unsigned max_waiting;        /* more than that: on_failed RESULT_TEMP at once */
    unsigned max_per_connection; /* transactions before it is closed; 0 unbounded */
    msec_t connect_timeout, command_timeout, data_timeout, final_timeout; /* RFC 5321 section 4.5.3.2 */
    msec_t idle_timeout; /* a kept connection without work is QUIT after this */
};

struct smtp_pool *smtp_pool_new(struct loop *loop, const struct smtp_pool_options *o);
/* Closes; transactions under way get no more callbacks, and are still to be freed by smtp_abort(). */
void smtp_pool_free(struct smtp_pool **pool);
unsigned smtp_pool_busy(const struct smtp_pool *pool); /* transactions under way or waiting */
/* When (clock_mono()) the last attempt to connect failed, if no connection has come about since; else 0. */
msec_t smtp_pool_unreachable(const struct smtp_pool *pool);

/* For XCLIENT; NULL members are sent as [UNAVAILABLE] (name, helo) or not at all (login). */
struct smtp_peer {
    char address[64]; /* "192.0.2.1" or "IPV6:…"-less v6 literal; "" no XCLIENT */
    char name[256];   /* verified name, "" [UNAVAILABLE], "[TEMPUNAVAIL]" as it is */
    char helo[256];
};

struct smtp_callbacks {
    /*
     * `mail` is the reply to MAIL, `rcpts` those to RCPT in the envelope's order. Only called when MAIL was
     * accepted; a refused MAIL is on_failed. With no recipient accepted, smtp_abort() is the only way on.
     */
    void (*on_envelope)(void *arg, const struct smtp_reply *mail, const struct smtp_reply *rcpts, size_t n);
    void (*on_go)(void *arg);   /* DATA answered by 354 */
    void (*on_room)(void *arg); /* what was written has mostly gone out: write more */
    /*
     * For those who must know at once (lib/witness.h); both may be NULL, and neither may call back into the client:
     * all bytes up to the final dot are in the kernel; a reply to it was read, which on_final will give again.
     */
    void (*on_dot)(void *arg);
    void (*on_answer)(void *arg, const struct smtp_reply *reply);
    /*
     * SMTP: n == 1, for all accepted recipients. LMTP: one for each accepted recipient in order; if the connection
     * is lost after some of them, the others get a "451 4.4.2" of our own (`missing`).
     */
    void (*on_final)(void *arg, const struct smtp_reply *replies, size_t n);
    /*
     * Connect, TLS-less greeting, EHLO, MAIL or DATA failed, or the connection was lost. `reply` is what the server
     * said about this mail, or NULL. `after_dot`: the final dot was sent and its answer is unknown.
     */
    void (*on_failed)(void *arg, enum result result, const struct smtp_reply *reply, bool after_dot,
                      const struct error *err);
};

struct smtp_transaction *smtp_begin(struct smtp_pool *pool, const struct envelope *envelope,
                                    const struct smtp_peer *peer, const struct smtp_callbacks *callbacks,
                                    void *arg); /* copies envelope and peer */
void smtp_data(struct smtp_transaction *t);
/* Content as it is; stuffed on the way. False: a bare LF in it; abort. All is taken in any case (see smtp_backlog). */
bool smtp_write(struct smtp_transaction *t, const void *data, size_t len);
size_t
smtp_backlog(const struct smtp_transaction *t); /* bytes not yet taken by the socket; stop writing above 256 KiB */
void smtp_end(struct smtp_transaction *t);
void smtp_abort(struct smtp_transaction **t); /* frees; no more callbacks. *t may be NULL */
/* "127.0.0.3[127.0.0.3]:10025" of the connection in use, for logs; valid from on_envelope on. */
const char *smtp_relay(const struct smtp_transaction *t);
/* Whether the server offered DSN, and so has the envelope's parameters (RFC 3461); valid from on_envelope on. */
bool smtp_offers_dsn(const struct smtp_transaction *t);
/* The socket of a transaction in DATA (lib/witness.h), -1 if none. */
int smtp_fd(const struct smtp_transaction *t);

#endif
