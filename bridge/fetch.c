/* Fetching one message from its sender's store: see fetch.h. */
#include "bridge/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/busy.h"
#include "lib/digest.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/retry.h"

enum {
    CONNECT_TIMEOUT = 15000,
    BARREN_MAX = 3,       /* attempts in a row that brought next to nothing: */
    PROGRESS_MIN = 16384, /* fewer bytes than this, so that a byte now and then keeps nothing of ours occupied */
    ATTEMPTS_MAX = 100,   /* in all */
    RESUME_MIN = 100,     /* ms between attempts */
    RESUME_MAX = 5000,
    PATIENCE =
        5000, /* ms that a store may ask for (Retry-After) without the message being deferred: it holds a slot of the MTA */
};

struct fetch {
    struct context *ctx;
    char iss[DOMAIN_MAX + 1];
    const struct notification_message *m;
    const struct fetch_callbacks *callbacks;
    void *arg;
    const struct policy *policy;
    size_t url;          /* index into policy->outbound */
    uint64_t got;        /* bytes so far */
    uint64_t got_before; /* when this attempt began */
    unsigned barren, attempts;
    bool begun;
    bool refused; /* on_head said no: `end` and `why` say why */
    enum fetch_end end;
    struct error why;
    struct digest *digest;
    struct http_call *call;
    struct loop_timer *timer;
};

static void attempt(void *arg);

static void fetch_free(struct fetch *f)
{
    if (f->call != NULL)
        http_call_cancel(f->call);
    discovery_cancel(f->ctx->discovery, f);
    discovery_release(&f->policy);
    loop_timer_free(&f->timer);
    digest_free(&f->digest);
    mem_free(&f);
}

static void finish(struct fetch *f, enum fetch_end end, const struct error *err)
{
    struct error copy = *err;
    f->callbacks->on_done(f->arg, end, &copy);
    fetch_free(f);
}

/* ---- one attempt ---- */

static bool refuse(struct fetch *f, enum fetch_end end, const char *what)
{
    f->refused = true;
    f->end = end;
    error_set(&f->why, RESULT_TEMP, "%s", what);
    return false;
}

static bool range_is_right(const struct fetch *f, const struct http_response *res)
{
    char want[80];
    snprintf(want, sizeof want, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, f->got, f->m->size - 1, f->m->size);
    return res->content_range != NULL && strcmp(res->content_range, want) == 0;
}

static bool on_head(void *arg, const struct http_response *res)
{
    struct fetch *f = arg;
    char what[200];
    snprintf(what, sizeof what, "%.100s answered HTTP %d", res->peer, res->status);
    busy_answered(f->ctx->busy, f->policy->outbound[f->url], res->status, res->retry_after,
                  config_time(f->ctx->config, "bridge.retry-max"));
    if (res->status == 404 || res->status == 410 || res->status == 401 || res->status == 403)
        return refuse(f, FETCH_GONE, what);
    if (res->status != (f->got > 0 ? 206 : 200))
        return refuse(f, f->got > 0 && res->status == 200 ? FETCH_WRONG : FETCH_BROKEN, what);
    if (res->content_length < 0 || (uint64_t)res->content_length != f->m->size - f->got)
        return refuse(f, FETCH_WRONG, "the store's Content-Length is not the size that was signed");
    if (f->got > 0 && !range_is_right(f, res))
        return refuse(f, FETCH_WRONG, "the store's Content-Range is not what was asked for");
    if (!f->begun) {
        f->begun = true;
        if (f->callbacks->on_begin != NULL)
            f->callbacks->on_begin(f->arg);
    }
    return true;
}

static bool on_data(void *arg, const void *data, size_t len)
{
    struct fetch *f = arg;
    if (len > f->m->size - f->got) {
        /* Content-Length was checked, so this is the HTTP library's fault or worse. */
        refuse(f, FETCH_WRONG, "the store sends more than it announced");
        return true;
    }
    if (f->refused)
        return true;
    (void)FAILPOINT(fetch_data);
    if (!f->callbacks->on_data(f->arg, data, len))
        return false;
    digest_add(f->digest, data, len);
    f->got += len;
    return true;
}

static void check_whole(struct fetch *f)
{
    uint8_t is[DIGEST_SIZE];
    digest_finish(&f->digest, is);
    if (digest_equal(is, f->m->digest))
        finish(f, FETCH_WHOLE, &(struct error){0});
    else
        finish(f, FETCH_WRONG,
               &(struct error){.result = RESULT_PERM, .text = "the content's SHA-256 is not the one that was signed"});
}

/* Broken off: goes on where it was, at the next URL if this one gave next to nothing. */
static void broke_off(struct fetch *f, const struct error *err)
{
    bool barren = f->got - f->got_before < PROGRESS_MIN;
    f->barren = barren ? f->barren + 1 : 0;
    if (f->barren >= BARREN_MAX + (unsigned)f->policy->noutbound - 1 || f->attempts >= ATTEMPTS_MAX) {
        finish(f, FETCH_BROKEN, err);
        return;
    }
    if (barren)
        f->url = (f->url + 1) % f->policy->noutbound;
    log_info("%s: fetch from %s broke off at %" PRIu64 " of %" PRIu64 " bytes (%s), trying again, pontoon=%s", f->m->id,
             f->iss, f->got, f->m->size, err->text, f->m->id);
    loop_timer_set(f->timer, f->barren ? retry_delay(f->barren, RESUME_MIN, RESUME_MAX, 0) : RESUME_MIN);
}

static void call_done(void *arg, enum result result, const struct http_response *res, const struct error *err)
{
    (void)res;
    struct fetch *f = arg;
    f->call = NULL;
    if (f->refused && f->end == FETCH_BROKEN) {
        f->refused = false;
        broke_off(f, &f->why);
    } else if (f->refused) {
        finish(f, f->end, &f->why);
    } else if (result == RESULT_OK && f->got == f->m->size) {
        check_whole(f);
    } else {
        struct error shorter = {.result = RESULT_TEMP, .text = "the store sent less than it announced"};
        broke_off(f, result == RESULT_OK ? &shorter : err);
    }
}

/* Goes to the next URL that did not ask for time. Returns 0, or how long even the first of them is to be left in peace. */
static msec_t choose_url(struct fetch *f)
{
    msec_t least = 0;
    for (size_t i = 0; i < f->policy->noutbound; i++) {
        size_t url = (f->url + i) % f->policy->noutbound;
        msec_t left = busy_left(f->ctx->busy, f->policy->outbound[url]);
        if (left == 0) {
            f->url = url;
            return 0;
        }
        least = least == 0 || left < least ? left : least;
    }
    return least;
}

static void attempt(void *arg)
{
    struct fetch *f = arg;
    msec_t wait = choose_url(f);
    if (wait > PATIENCE) {
        struct error busy;
        error_set(&busy, RESULT_TEMP, "the store asked for time (Retry-After): %lld s", (long long)(wait + 999) / 1000);
        finish(f, FETCH_BROKEN, &busy);
        return;
    }
    if (wait > 0) {
        loop_timer_set(f->timer, wait);
        return;
    }
    const char *base = FAILPOINT(fetch_begin) ? "https://failpoint.invalid" : f->policy->outbound[f->url];
    char *url = mem_printf("%s/messages/%s", base, f->m->id);
    char range[40];
    snprintf(range, sizeof range, "bytes=%" PRIu64 "-", f->got);
    f->got_before = f->got;
    f->attempts++;
    f->call = http_client_start(f->ctx->http,
                                &(struct http_call_options){
                                    .method = "GET",
                                    .url = url,
                                    .bearer = f->m->token,
                                    .range = f->got > 0 ? range : NULL,
                                    .connect_timeout = CONNECT_TIMEOUT,
                                    .min_rate = (uint32_t)config_number(f->ctx->config, "bridge.fetch-min-rate"),
                                    .min_rate_time = config_time(f->ctx->config, "bridge.fetch-timeout"),
                                    .on_head = on_head,
                                    .on_data = on_data,
                                    .done = call_done,
                                    .arg = f,
                                });
    mem_free(&url);
}

static void got_policy(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct fetch *f = arg;
    if (result == RESULT_OK && policy->noutbound > 0) {
        f->policy = discovery_hold(policy);
        attempt(f);
    } else {
        struct error none = {.result = RESULT_PERM, .text = "the sender's policy has no outbound URL"};
        finish(f, FETCH_BROKEN, result == RESULT_OK ? &none : err);
    }
}

static void begin(void *arg)
{
    struct fetch *f = arg;
    if (f->policy == NULL)
        discovery_get(f->ctx->discovery, f->iss, false, got_policy, f);
    else
        attempt(f);
}

struct fetch *fetch_start(struct context *ctx, const char *iss, const struct notification_message *m,
                          const struct fetch_callbacks *callbacks, void *arg)
{
    struct fetch *f = mem_zero(1, sizeof *f);
    *f = (struct fetch){.ctx = ctx, .m = m, .callbacks = callbacks, .arg = arg, .digest = digest_new()};
    snprintf(f->iss, sizeof f->iss, "%s", iss);
    f->timer = loop_timer_new(ctx->loop, begin, f);
    loop_timer_set(f->timer, 0);
    return f;
}

void fetch_resume(struct fetch *f)
{
    if (f->call != NULL)
        http_call_resume(f->call);
}

void fetch_cancel(struct fetch **f)
{
    fetch_free(*f);
    *f = NULL;
}
