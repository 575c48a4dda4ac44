/* When the next message is due: see pace.h. */
#include "ctl/replay/pace.h"

#include <math.h>

void pace_init(struct pace *p, const struct pace_options *o, msec_t start)
{
    *p = (struct pace){.o = *o, .start = start, .due = start};
}

/*
 * Seconds after the start until n messages are due. On the ramp of T seconds the rate grows evenly to r, so that n(t) =
 * r t^2 / 2T; at its end r T / 2 are out.
 */
static double seconds_until(const struct pace_options *o, double n)
{
    double ramp = (double)o->ramp / 1000, on_ramp = o->rate * ramp / 2;
    return n <= on_ramp ? sqrt(2 * ramp * n / o->rate) : ramp + (n - on_ramp) / o->rate;
}

static msec_t by_own_time(struct pace *p, msec_t time)
{
    msec_t gap = 0;
    if (time != 0 && p->last_time != 0 && time > p->last_time)
        gap = (msec_t)((double)(time - p->last_time) / p->o.compress);
    if (time != 0)
        p->last_time = time;
    if (p->o.gap_max != 0 && gap > p->o.gap_max)
        gap = p->o.gap_max;
    return p->due += gap;
}

msec_t pace_next(struct pace *p, msec_t time)
{
    if (p->o.compress > 0)
        return by_own_time(p, time);
    if (p->o.rate <= 0)
        return p->start;
    p->due = p->start + (msec_t)(seconds_until(&p->o, (double)p->n) * 1000);
    p->n++;
    return p->due;
}

void pace_resume(struct pace *p, msec_t now)
{
    if (now <= p->due)
        return;
    p->start += now - p->due;
    p->due = now;
}
