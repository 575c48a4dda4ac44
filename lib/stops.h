/*
 * What is not diverted at present (lib/store_stops.h), as a copy in memory: a question costs no look-up in the store and no
 * network. The copy is renewed when somebody asks and it is a second old; while the store can't be read it stays as it is.
 * Any thread.
 */
#ifndef PONTOON_STOPS_H
#define PONTOON_STOPS_H

#include "lib/store_stops.h"

struct stops;

struct stops *stops_new(struct store *store); /* borrowed */
void stops_free(struct stops **s);

/* Mail from one domain to the other (both normalized, the sender's "" if it has none). */
enum store_stop_kind stops_find(struct stops *s, const char *from, const char *to);
/* For logs: why mail goes by SMTP; NULL for STORE_STOP_NONE. */
const char *stops_words(enum store_stop_kind kind);

bool stops_any(struct stops *s); /* as last read */

/* Reads the store now. Returns a number that differs from the one before if a stop was added. */
unsigned stops_renew(struct stops *s);

#endif
