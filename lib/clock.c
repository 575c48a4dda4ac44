/* Time: see clock.h. */
#include "lib/clock.h"

#include <stddef.h>
#include <time.h>

static msec_t (*wall_source)(void);
static msec_t (*mono_source)(void);

static msec_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (msec_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

msec_t clock_now(void)
{
    return wall_source ? wall_source() : read_clock(CLOCK_REALTIME);
}

msec_t clock_mono(void)
{
    return mono_source ? mono_source() : read_clock(CLOCK_MONOTONIC);
}

void clock_set_source(msec_t (*source)(void))
{
    wall_source = source;
}

void clock_set_mono_source(msec_t (*source)(void))
{
    mono_source = source;
}
