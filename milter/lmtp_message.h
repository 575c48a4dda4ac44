/*
 * A message that comes by LMTP, from MAIL to its end: the taker (smtpd_session.h) between the protocol machine and what the milter
 * does with a message, too (session.h: rules and content; the store).
 *
 * The difference: the MTA has given the recipients over. So all are stored, in one commit; those that don't cross the
 * bridge go back to SMTP at once, in the state "returning" (store_put()), and each is answered 250 only when that is durable.
 */
#ifndef PONTOON_MILTER_LMTP_MESSAGE_H
#define PONTOON_MILTER_LMTP_MESSAGE_H

#include "lib/netaddr.h"
#include "lib/smtpd_session.h"
#include "milter/backend.h"

struct lmtp_message;

/* One a connection. `peer`: its address, or NULL for a unix socket. */
struct lmtp_message *lmtp_message_new(struct backend *backend, const struct netaddr *peer);
void lmtp_message_free(struct lmtp_message **m);
struct smtpd_taker lmtp_message_taker(struct lmtp_message *m);

#endif
