/* The DSN about failed recipients of one stored message, as a message for our own MTA. */
#ifndef PONTOON_STORE_BOUNCE_H
#define PONTOON_STORE_BOUNCE_H

#include "lib/config.h"
#include "store/local_mta.h"

/*
 * Fills `m` with the DSN for those recipients of the entry that want one. False: nobody is to be told (null
 * sender, NOTIFY=NEVER); `m` is untouched. Takes over the open body in any case.
 */
bool bounce_write(const struct config *config, const struct store_entry *entry, struct store_body *body,
                  struct local_mta_message *m);

#endif
