/* When to try again: see retry.h. */
#include "lib/retry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/digest.h"

#define RETRY_AFTER_MAX (INT64_C(365) * 24 * 3600 * 1000)

static uint64_t test_state; /* 0: real randomness */

void retry_seed(uint64_t seed)
{
    test_state = seed;
}

/* 0..n-1 */
static uint32_t jitter_below(uint32_t n)
{
    if (test_state == 0)
        return random_below(n);
    /* xorshift64 (Marsaglia): never reaches 0 from anything else. */
    test_state ^= test_state << 13;
    test_state ^= test_state >> 7;
    test_state ^= test_state << 17;
    return (uint32_t)(test_state % n);
}

msec_t retry_delay(unsigned attempts, msec_t min, msec_t max, msec_t retry_after)
{
    msec_t delay = min < max ? min : max;
    for (unsigned i = 1; i < attempts && delay > 0 && delay < max; i++)
        delay = delay > max / 2 ? max : delay * 2;
    msec_t quarter = delay / 4;
    if (quarter > 0)
        delay -= jitter_below(quarter < UINT32_MAX ? (uint32_t)quarter + 1 : UINT32_MAX);
    msec_t floor = retry_after < max ? retry_after : max;
    if (delay < floor)
        delay = floor;
    return delay > 0 ? delay : 1;
}

/* RFC 9110 section 5.6.7: the date form of today and the two that recipients must still read. */
static const char *const date_forms[] = {
    "%a, %d %b %Y %H:%M:%S GMT",
    "%A, %d-%b-%y %H:%M:%S GMT",
    "%a %b %e %H:%M:%S %Y",
};

msec_t retry_after_parse(const char *value, msec_t now)
{
    msec_t wait = 0;
    size_t digits = strspn(value, "0123456789");
    if (digits > 0 && value[digits] == '\0') {
        wait = digits > 9 ? RETRY_AFTER_MAX : (msec_t)strtoull(value, NULL, 10) * 1000;
    } else {
        for (size_t i = 0; i < sizeof date_forms / sizeof *date_forms; i++) {
            struct tm tm = {0};
            const char *end = strptime(value, date_forms[i], &tm);
            if (end != NULL && *end == '\0')
                wait = (msec_t)timegm(&tm) * 1000 - now;
        }
    }
    if (wait < 0)
        return 0;
    return wait < RETRY_AFTER_MAX ? wait : RETRY_AFTER_MAX;
}
