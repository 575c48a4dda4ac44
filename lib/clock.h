/*
 * Time. Milliseconds everywhere inside pontoon; seconds only on the wire.
 * Tests replace the wall clock; nothing else calls time() or gettimeofday().
 */
#ifndef PONTOON_CLOCK_H
#define PONTOON_CLOCK_H

#include <stdint.h>

typedef int64_t msec_t; /* a moment since 1970, or a duration, in milliseconds */

msec_t clock_now(void);                             /* wall clock */
msec_t clock_mono(void);                            /* monotonic: for durations and timeouts */
void clock_set_source(msec_t (*source)(void));      /* tests; NULL restores the real wall clock */
void clock_set_mono_source(msec_t (*source)(void)); /* the same for clock_mono() */

#endif
