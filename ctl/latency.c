/* Percentiles: see latency.h. */
#include "ctl/latency.h"

static unsigned bucket_of(msec_t ms)
{
    unsigned shift = 0;
    while (ms >> shift >= (msec_t)2 * LATENCY_FINE)
        shift++;
    unsigned b = shift * LATENCY_FINE + (unsigned)(ms >> shift);
    return b < LATENCY_BUCKETS ? b : LATENCY_BUCKETS - 1;
}

msec_t latency_bucket_end(unsigned bucket)
{
    if (bucket < 2 * LATENCY_FINE)
        return bucket;
    unsigned shift = bucket / LATENCY_FINE - 1;
    return ((msec_t)(bucket - shift * LATENCY_FINE + 1) << shift) - 1;
}

void latency_add(struct latency *l, msec_t ms)
{
    if (ms < 0)
        ms = 0;
    l->n++;
    l->buckets[bucket_of(ms)]++;
    if (ms > l->max)
        l->max = ms;
}

msec_t latency_percentile(const struct latency *l, unsigned percent)
{
    uint64_t rank = (l->n * percent + 99) / 100, seen = 0;
    for (unsigned b = 0; b < LATENCY_BUCKETS && rank > 0; b++) {
        seen += l->buckets[b];
        if (seen >= rank)
            return latency_bucket_end(b) < l->max ? latency_bucket_end(b) : l->max;
    }
    return 0;
}
