/*
 * Peers that asked for time: until when each is left in peace after a 429 or 503 with Retry-After (RFC 9110, section 10.2.3). Whoever is
 * about to make a request asks here first. Bounded: beyond some hundred names the one that is over first is forgotten. One thread.
 */
#ifndef PONTOON_BUSY_H
#define PONTOON_BUSY_H

#include "lib/clock.h"

struct busy;

struct busy *busy_new(void);
void busy_free(struct busy **b);

/*
 * `name` (a base URL, a domain) answered with this status and this Retry-After (or NULL). Returns how long it is left in peace, at
 * most `most` ms; 0: it did not ask for that.
 */
msec_t busy_answered(struct busy *b, const char *name, int status, const char *retry_after, msec_t most);
/* The same for whoever has read the answer already: it asked for `wait` ms. */
msec_t busy_set(struct busy *b, const char *name, msec_t wait, msec_t most);
/* How long it is to be left in peace still, ms; 0: not any more. */
msec_t busy_left(struct busy *b, const char *name);

#endif
