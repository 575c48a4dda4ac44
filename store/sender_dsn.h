/* A DSN about recipients of one stored message, as a message from us to its sender, for our own MTA. */
#ifndef PONTOON_STORE_SENDER_DSN_H
#define PONTOON_STORE_SENDER_DSN_H

#include "lib/config.h"
#include "lib/dsn.h"
#include "store/local_mta.h"

/*
 * Fills `m` with the DSN for those recipients of the entry that want one of this kind; DSN_DELIVERED is the one about success,
 * which says of each recipient what is left to us to say (store_rcpt.report). False: nobody is to be told (null sender,
 * NOTIFY, a shadow); `m` is untouched. `ascii`: our MTA takes no SMTPUTF8. `body` NULL: it can't be read, and
 * the DSN names the message only. Takes over the open body in any case.
 */
bool sender_dsn_write(const struct config *config, const struct store_entry *entry, enum dsn_action action, bool ascii,
                      struct store_body *body, struct local_mta_message *m);

#endif
