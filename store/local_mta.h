/*
 * One message into our own MTA: an envelope and bytes from memory and from the store, streamed through
 * the SMTP client; one answer for each recipient.
 */
#ifndef PONTOON_STORE_LOCAL_MTA_H
#define PONTOON_STORE_LOCAL_MTA_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/envelope.h"
#include "lib/smtp_client.h"
#include "lib/store.h"

struct local_mta_message {
    struct envelope envelope; /* owned */
    struct buf head;          /* owned: goes first */
    struct store_body *body;  /* owned, may be NULL: all of it goes next */
    struct buf tail;          /* owned: goes last */
};

struct local_mta_answer {
    enum result result;
    bool unreadable; /* what is stored can't be read, or is not what it was */
    bool unknown;    /* the final dot was sent and not answered: the MTA may have it */
    char dsn[ERROR_DSN_MAX];
    char text[REPLY_TEXT_MAX + 1];
};

struct local_mta_delivery;

/*
 * `answers`: one a recipient, in the envelope's order; `relay` for logs. Called once, never before
 * local_mta_send() returns.
 */
typedef void local_mta_done(void *arg, const struct local_mta_answer *answers, size_t n, const char *relay);

/*
 * For the witness (lib/witness.h), with the same `arg`: the final dot is about to be sent on `fd` for these recipients; it is sent; its
 * answer was read. None of them may call back.
 */
struct local_mta_watch {
    void (*before_dot)(void *arg, int fd, const bool *accepted);
    void (*on_dot)(void *arg);
    void (*on_answer)(void *arg, const struct smtp_reply *reply);
};

/* Takes over what `m` holds. The stored body's digest is checked on the way: a damaged one is RESULT_TEMP, and not sent. */
struct local_mta_delivery *local_mta_send(struct smtp_pool *pool, struct local_mta_message *m,
                                          const struct local_mta_watch *watch, local_mta_done *done, void *arg);
void local_mta_cancel(struct local_mta_delivery **d); /* no callback */

#endif
