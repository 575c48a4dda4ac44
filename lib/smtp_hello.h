/*
 * Asking a server what it offers, and nothing else: connect, greeting, EHLO (or LHLO), QUIT. For those who look whether a server is
 * as it should be; mail goes by lib/smtp_client.h, which asks on its own connections.
 */
#ifndef PONTOON_SMTP_HELLO_H
#define PONTOON_SMTP_HELLO_H

#include "lib/loop.h"
#include "lib/netaddr.h"
#include "lib/result.h"
#include "lib/smtp_offer.h"

/* RESULT_OK with `offer`; else `err` says what went wrong. */
typedef void smtp_hello_done(void *arg, enum result result, const struct smtp_offer *offer, const struct error *err);

/* `timeout`: for each of connecting, greeting and reply. `done` is called once, from the loop; nothing is left open then. */
void smtp_hello(struct loop *loop, const struct netaddr *server, bool lmtp, const char *helo, msec_t timeout,
                smtp_hello_done *done, void *arg);

#endif
