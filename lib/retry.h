/*
 * When to try again: exponential backoff with jitter, bounded. The random source can be replaced in
 * tests by seeding.
 */
#ifndef PONTOON_RETRY_H
#define PONTOON_RETRY_H

#include <stdint.h>

#include "lib/clock.h"

/*
 * The wait before attempt number `attempts` + 1 (attempts >= 1 made so far): min * 2^(attempts-1),
 * at most max, minus up to a quarter at random, so that a thousand waiting messages don't return in one
 * second. A peer's Retry-After (ms, 0 for none) is a lower bound, itself at most `max`. Never below 1 ms.
 */
msec_t retry_delay(unsigned attempts, msec_t min, msec_t max, msec_t retry_after);

/* Retry-After (RFC 9110 section 10.2.3): seconds or an HTTP date; returns ms from `now`, at most a year; 0 if
   malformed or past. */
msec_t retry_after_parse(const char *value, msec_t now);

/* Tests: the same seed gives the same jitter again; 0 restores real randomness. */
void retry_seed(uint64_t seed);

#endif
