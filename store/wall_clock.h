/*
 * Notices that the wall clock was set. What waits in the store is due, returned, expired and warned about by its age, and times in
 * the store are of the wall clock, as several machines and starts share them. A clock that is set by a day must not age mail
 * by a day: what waits gets the same age by the new clock as it had by the old one.
 *
 * A machine that slept looks the same as a clock that was set forward, and is treated alike: while nobody could try, no patience
 * ran out.
 */
#ifndef PONTOON_STORE_WALL_CLOCK_H
#define PONTOON_STORE_WALL_CLOCK_H

#include <stdbool.h>

#include "lib/store.h"

struct wall_clock {
    msec_t wall, mono; /* when it was last looked at; 0: never */
};

/*
 * To be called before anything is decided by time, and now and then. False: the clock was set, and the store can't be written now
 * (which is logged), so nothing may be decided.
 */
bool wall_clock_look(struct wall_clock *c, struct store *store);

#endif
