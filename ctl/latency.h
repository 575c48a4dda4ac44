/*
 * How long something took, for many: percentiles from a histogram of fixed size. A percentile is at most 7% too high;
 * number and maximum are exact.
 */
#ifndef PONTOON_CTL_LATENCY_H
#define PONTOON_CTL_LATENCY_H

#include <stdint.h>

#include "lib/clock.h"

/* 16 buckets for each doubling, up to 2^40 ms (34 years). */
enum { LATENCY_FINE = 16, LATENCY_BUCKETS = LATENCY_FINE * (40 - 4 + 1) };

struct latency { /* start with {0} */
    uint64_t n;
    msec_t max;
    uint32_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *l, msec_t ms); /* negative counts as 0 */
/* The duration that `percent` of them did not exceed; 0 if there are none. */
msec_t latency_percentile(const struct latency *l, unsigned percent);

/* The longest duration that falls into a bucket. */
msec_t latency_bucket_end(unsigned bucket);

#endif
