/* Notes that are tried until they are durable: see noting.h. */
#include "bridge/noting.h"

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/retry.h"

enum { AGAIN_MIN = 200, AGAIN_MAX = 5000 };

/* A write under way that outlives its noting has none. */
struct attempt {
    struct noting *noting;
};

struct noting {
    struct context *ctx;
    const struct job *job;
    noting_done *done;
    void *arg;
    struct loop_timer *timer;
    struct attempt *attempt; /* under way */
    unsigned failures;
};

static void noting_free(struct noting *n)
{
    if (n->attempt != NULL)
        n->attempt->noting = NULL;
    loop_timer_free(&n->timer);
    mem_free(&n);
}

static void attempted(void *arg, enum result result, const struct error *err)
{
    struct attempt *a = arg;
    struct noting *n = a->noting;
    mem_free(&a);
    if (n == NULL)
        return;
    n->attempt = NULL;
    const char *id = n->job->m.id;
    if (result != RESULT_OK) {
        if (n->failures++ == 0)
            log_error("%s: can't note what became of it: %s; trying until it can be noted, pontoon=%s", id, err->text,
                      id);
        loop_timer_set(n->timer, retry_delay(n->failures, AGAIN_MIN, AGAIN_MAX, 0));
        return;
    }
    if (n->failures > 0)
        log_info("%s: what became of it is noted, after %u failures, pontoon=%s", id, n->failures, id);
    noting_done *done = n->done;
    void *its = n->arg;
    noting_free(n);
    done(its);
}

static void try_now(void *arg)
{
    struct noting *n = arg;
    struct error err;
    struct attempt *a = mem_zero(1, sizeof *a);
    a->noting = n;
    n->attempt = a;
    struct loop_relay *relay = loop_relay_new(n->ctx->loop, attempted, a);
    if (jobs_note(n->ctx->jobs, n->job, loop_relay_done, relay, &err) != RESULT_OK)
        loop_relay_done(relay, err.result, &err);
}

struct noting *noting_begin(struct context *ctx, const struct job *job, noting_done *done, void *arg)
{
    struct noting *n = mem_zero(1, sizeof *n);
    *n = (struct noting){.ctx = ctx, .job = job, .done = done, .arg = arg};
    n->timer = loop_timer_new(ctx->loop, try_now, n);
    try_now(n);
    return n;
}

void noting_cancel(struct noting **n)
{
    if ((*n)->failures > 0)
        log_warning("%s: ending without a note of what became of it: it may arrive twice, pontoon=%s", (*n)->job->m.id,
                    (*n)->job->m.id);
    noting_free(*n);
    *n = NULL;
}
