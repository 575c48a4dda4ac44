/* Verified names (FCrDNS) of the sites that notify us, for XCLIENT NAME=; a small cache in front of DNS. */
#ifndef PONTOON_BRIDGE_PEER_NAME_H
#define PONTOON_BRIDGE_PEER_NAME_H

#include "lib/dns.h"

struct peer_names;

struct peer_names *peer_names_new(struct dns *dns);
void peer_names_free(struct peer_names **p); /* no callbacks after this */

/*
 * Calls done, perhaps at once, with the name, "[UNAVAILABLE]" (has none) or "[TEMPUNAVAIL]" (DNS gave no answer),
 * as Postfix's XCLIENT has it. `address` is a literal.
 */
typedef void peer_name_done(void *arg, const char *name);
void peer_names_get(struct peer_names *p, const char *address, peer_name_done *done, void *arg);
/* Takes back a waiting call with this argument. */
void peer_names_cancel(struct peer_names *p, void *arg);

#endif
