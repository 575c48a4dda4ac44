/* The pacer at work: see pacing.h. */
#include "store/pacing.h"

#include "lib/log.h"
#include "lib/mem.h"

enum { SAY_EVERY = 60000 }; /* ms, while the store is slower than it should be */

struct pacing {
    struct context *ctx;
    struct pacer *pacer;
    struct loop_timer *timer;
    msec_t said;
    uint64_t timed_out; /* as last said */
};

static struct pacer_settings settings(const struct config *config)
{
    return (struct pacer_settings){
        .messages = (unsigned)config_number(config, "store.pace-messages"),
        .messages_per_site = (unsigned)config_number(config, "store.pace-messages-per-domain"),
        .bytes = (uint64_t)config_number(config, "store.pace-bytes"),
        .bytes_per_site = (uint64_t)config_number(config, "store.pace-bytes-per-domain"),
        .latency = config_time(config, "store.pace-latency"),
        .timeout = config_time(config, "store.pace-timeout"),
    };
}

static void say(struct pacing *p)
{
    struct pacer_figures f = pacer_figures(p->pacer);
    unsigned most = (unsigned)config_number(p->ctx->config, "store.pace-messages");
    bool slow = f.window < most / 2 && f.waiting > 0;
    if ((!slow && f.timed_out == p->timed_out) || clock_mono() - p->said < SAY_EVERY)
        return;
    log_info(
        "pacer: %u messages notified and not yet fetched (at most %u), window %u of %u, %u sites wait, %llu not fetched in time",
        f.out, f.most_out, f.window, most, f.waiting, (unsigned long long)(f.timed_out - p->timed_out));
    p->said = clock_mono();
    p->timed_out = f.timed_out;
}

static void run(void *arg)
{
    struct pacing *p = arg;
    msec_t now = clock_mono();
    msec_t next = pacer_run(p->pacer, now);
    say(p);
    if (next >= 0)
        loop_timer_set(p->timer, next > now ? next - now : 0);
}

struct pacing *pacing_new(struct context *ctx)
{
    struct pacing *p = mem_zero(1, sizeof *p);
    struct pacer_settings s = settings(ctx->config);
    p->ctx = ctx;
    p->pacer = pacer_new(&s);
    p->timer = loop_timer_new(ctx->loop, run, p);
    p->said = clock_mono() - SAY_EVERY;
    return p;
}

void pacing_free(struct pacing **p)
{
    if (*p == NULL)
        return;
    loop_timer_free(&(*p)->timer);
    pacer_free(&(*p)->pacer);
    mem_free(p);
}

void pacing_configure(struct pacing *p)
{
    struct pacer_settings s = settings(p->ctx->config);
    pacer_configure(p->pacer, &s);
    loop_timer_set(p->timer, 0);
}

struct pacer_queue *pacing_join(struct pacing *p, const char *site, pacer_turn *fn, void *arg)
{
    return pacer_join(p->pacer, site, fn, arg);
}

bool pacing_take(struct pacing *p, struct pacer_queue *q, const char *id, uint64_t size)
{
    bool may = pacer_take(q, id, size, clock_mono());
    if (!loop_timer_pending(p->timer))
        loop_timer_set(p->timer, 100);
    return may;
}

void pacing_back(struct pacing *p, const char *site, const char *id)
{
    pacer_back(p->pacer, site, id);
    if (pacer_figures(p->pacer).waiting > 0)
        loop_timer_set(p->timer, 0);
}

void pacing_latency(struct pacing *p, msec_t took)
{
    pacer_latency(p->pacer, took, clock_mono());
}

json_t *pacing_json(const struct pacing *p)
{
    struct pacer_figures f = pacer_figures(p->pacer);
    return json_pack("{s:i, s:i, s:i, s:I, s:i, s:I, s:I, s:I}", "outstanding", (int)f.out, "most_outstanding",
                     (int)f.most_out, "window", (int)f.window, "window_max",
                     (json_int_t)config_number(p->ctx->config, "store.pace-messages"), "waiting_domains",
                     (int)f.waiting, "outstanding_bytes", (json_int_t)f.bytes, "latency_ms", (json_int_t)f.latency,
                     "timed_out", (json_int_t)f.timed_out);
}
