/*
 * pontoon-lmtp's listening socket and its clients: bounds on how many there may be, and a thread for each. The loop accepts them
 * and buries them; all functions belong to its thread.
 */
#ifndef PONTOON_MILTER_LMTP_LISTENER_H
#define PONTOON_MILTER_LMTP_LISTENER_H

#include "lib/config.h"
#include "lib/loop.h"
#include "milter/backend.h"

struct lmtp_listener;

/* Deeper checks than the table of parameters can make. */
enum result lmtp_listener_check(const struct config *config, struct error *err);
/* Binds and listens (lmtp.listen): clients can connect from now on, and wait until lmtp_listener_start(). */
enum result lmtp_listener_open(struct loop *loop, const struct config *config, struct lmtp_listener **l_r,
                               struct error *err);
void lmtp_listener_start(struct lmtp_listener *l, struct backend *backend);
/* New clients are served under this configuration. The address stays. */
void lmtp_listener_reload(struct lmtp_listener *l, const struct config *config);
/*
 * Nobody is accepted any more; who is between messages is told 421, the others when their message is through. done(arg) is called
 * on the loop's thread when all are gone.
 */
void lmtp_listener_drain(struct lmtp_listener *l, loop_fn *done, void *arg);
unsigned lmtp_listener_count(const struct lmtp_listener *l); /* clients there are */
void lmtp_listener_free(struct lmtp_listener **l);           /* only with none */

#endif
