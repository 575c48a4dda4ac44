/*
 * What arrives by SMTP at our MTA, as pontoon-milter tells it (lib/arrival.h), for comparing shadows with it. Kept in
 * memory, bounded in number, bytes and age: a fingerprint is worth nothing an hour later, losing one costs a comparison and
 * nothing else, and a site's whole mail should not be written to disk a second time to look at a few of them.
 */
#ifndef PONTOON_BRIDGE_ARRIVALS_H
#define PONTOON_BRIDGE_ARRIVALS_H

#include "lib/arrival.h"
#include "lib/clock.h"
#include "lib/config.h"
#include "lib/loop.h"

struct arrivals;

/* Listens on bridge.arrivals. If that can't be had, nothing is observed; the log says why. */
struct arrivals *arrivals_new(struct loop *loop, const struct config *config);
void arrivals_free(struct arrivals **a);

/* Whether a milter looks on: it has told us something within half a minute. */
bool arrivals_observing(const struct arrivals *a);

/*
 * Since when nothing that came was missed, by clock_mono(): a milter looked on all the time, and nothing had to be forgotten.
 * -1: nobody looks on.
 */
msec_t arrivals_complete_since(const struct arrivals *a);

/* An arrival with this Message-ID; `when` by clock_mono(). What is borrowed must be copied. */
typedef void arrivals_fn(void *arg, const struct arrival *arrival, msec_t when);
/* Calls fn for those that are known, oldest first, and then for each that comes, until arrivals_unwatch(). */
struct arrivals_watch *arrivals_watch(struct arrivals *a, const char *message_id, arrivals_fn *fn, void *arg);
/* Not from within fn. NULL: nothing. Sets it NULL. */
void arrivals_unwatch(struct arrivals_watch **w);

#endif
