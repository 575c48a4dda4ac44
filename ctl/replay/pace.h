/*
 * When the next message is due: a rate, perhaps reached by a ramp, or the messages' own times compressed by a factor. Time is the
 * caller's, so that hours are tested in milliseconds. Pure.
 */
#ifndef PONTOON_REPLAY_PACE_H
#define PONTOON_REPLAY_PACE_H

#include <stdint.h>

#include "lib/clock.h"

struct pace_options {
    double rate;     /* messages a second; 0: as fast as concurrency allows */
    msec_t ramp;     /* until the rate is reached, evenly from nothing; 0: at once */
    double compress; /* > 0: the messages' own distances in time, divided by this, instead of a rate */
    msec_t gap_max;  /* no distance is longer than this (after compression); 0: no bound */
};

struct pace { /* start with pace_init() */
    struct pace_options o;
    msec_t start; /* of the first message */
    uint64_t n;   /* messages given */
    msec_t last_time, due;
};

void pace_init(struct pace *p, const struct pace_options *o, msec_t start);
/* When the next message is due (same clock as `start`). `time`: its own, 0: unknown. */
msec_t pace_next(struct pace *p, msec_t time);
/* After an interruption: what was due meanwhile is not made up for in a burst. */
void pace_resume(struct pace *p, msec_t now);

#endif
