/* Receipts: see receipts.h. */
#include "bridge/receipts.h"

#include <stdio.h>
#include <string.h>

#include "lib/busy.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/retry.h"

enum {
    UNDER_WAY_MAX = 50,
    CONNECT_TIMEOUT = 15000,
    TIMEOUT = 60000,
    ANSWER_MAX = 65536,
    SLEEP_MAX = 60000,
};

struct receipt {
    struct receipt *next;
    struct receipts *owner;
    struct job *job;
    const struct policy *policy;
    size_t url;
    char *body;
    struct http_call *call;
};

struct receipts {
    struct context *ctx;
    struct loop_timer *timer;
    struct receipt *list;
    unsigned count;
    bool draining;
};

static void receipt_free(struct receipt *r)
{
    struct receipt **p = &r->owner->list;
    while (*p != r)
        p = &(*p)->next;
    *p = r->next;
    r->owner->count--;
    if (r->call != NULL)
        http_call_cancel(r->call);
    discovery_cancel(r->owner->ctx->discovery, r);
    discovery_release(&r->policy);
    job_free(&r->job);
    mem_free(&r->body);
    mem_free(&r);
}

static void noted(void *arg, enum result result, const struct error *err)
{
    struct receipt *r = arg;
    struct receipts *owner = r->owner;
    (void)FAILPOINT(receipt_noted);
    if (result != RESULT_OK)
        log_error("%s: can't note the receipt: %s, pontoon=%s", r->job->m.id, err->text, r->job->m.id);
    receipt_free(r);
    receipts_kick(owner);
}

/* `wait`: what the store has asked for at least, if it was not told. */
static void note(struct receipt *r, bool told, msec_t wait)
{
    struct context *ctx = r->owner->ctx;
    struct loop_relay *relay = loop_relay_new(ctx->loop, noted, r);
    msec_t next = clock_now() + retry_delay(r->job->attempts + 1, config_time(ctx->config, "bridge.retry-min"),
                                            config_time(ctx->config, "bridge.retry-max"), wait);
    struct error err;
    const struct job_name name = job_name(r->job);
    enum result result = told ? jobs_told(ctx->jobs, &name, loop_relay_done, relay, &err)
                              : jobs_receipt_later(ctx->jobs, &name, next, loop_relay_done, relay, &err);
    if (result != RESULT_OK)
        loop_relay_done(relay, result, &err);
}

static void add_line(struct verdict_message *m, const struct job_rcpt *r)
{
    static const enum verdict_kind kinds[JOB_STATES] = {
        [JOB_DELIVERED] = VERDICT_DELIVERED, [JOB_FAILED] = VERDICT_REJECTED, [JOB_DEFERRED] = VERDICT_DEFERRED};
    struct verdict *v = verdict_message_add(m, r->address, kinds[r->state], r->dsn, r->text ? r->text : "");
    v->success = r->success;
    if (r->comparison.smtp != STORE_SMTP_UNKNOWN)
        verdict_compare(v, r->comparison.smtp == STORE_SMTP_ARRIVED, r->comparison.delta, r->comparison.differences);
}

/* The words of a receipt: settled recipients that the sender does not know about yet. */
static char *write_body(const struct job *job)
{
    struct verdicts v = {0};
    struct verdict_message *m = verdicts_add(&v, "");
    m->serial = job->m.serial;
    for (size_t i = 0; i < job->nrcpts; i++) {
        const struct job_rcpt *r = &job->rcpts[i];
        if (!r->told && r->state != JOB_PENDING)
            add_line(m, r);
    }
    char *body = m->nrcpts > 0 ? receipt_write(m) : NULL;
    verdicts_clear(&v);
    return body;
}

static void post(struct receipt *r);

static void answered(void *arg, enum result result, const struct http_response *res, const struct error *err)
{
    struct receipt *r = arg;
    const char *id = r->job->m.id;
    const struct error lost = {.result = RESULT_TEMP, .text = "connection lost"};
    r->call = NULL;
    msec_t wait = busy_answered(r->owner->ctx->busy, r->policy->outbound[r->url], res->status, res->retry_after,
                                config_time(r->owner->ctx->config, "bridge.retry-max"));
    if (FAILPOINT(receipt_answered)) {
        result = RESULT_TEMP;
        err = &lost;
    }
    if (result == RESULT_OK && res->status / 100 == 2) {
        note(r, true, 0);
        return;
    }
    if (result == RESULT_OK && (res->status == 404 || res->status == 410 || res->status == 400 || res->status == 401)) {
        /* Asking again would not change that answer; the sender has settled it without us. */
        log_warning("%s: receipt refused by %s: HTTP %d, dropped, pontoon=%s", id, res->peer, res->status, id);
        note(r, true, 0);
        return;
    }
    char why[ERROR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", result == RESULT_OK ? "" : err->text);
    if (result == RESULT_OK)
        snprintf(why, sizeof why, "HTTP %d", res->status);
    if (r->url + 1 < r->policy->noutbound) {
        r->url++;
        post(r);
        return;
    }
    log_warning("%s: receipt for %s deferred: %s, pontoon=%s", id, r->job->iss, why, id);
    note(r, false, wait);
}

static void post(struct receipt *r)
{
    msec_t wait = 0;
    while (r->url < r->policy->noutbound && (wait = busy_left(r->owner->ctx->busy, r->policy->outbound[r->url])) > 0)
        r->url++;
    if (wait > 0) {
        log_info("%s: receipt for %s deferred: the store asked for time (Retry-After), pontoon=%s", r->job->m.id,
                 r->job->iss, r->job->m.id);
        note(r, false, wait);
        return;
    }
    const char *base = FAILPOINT(receipt_post) ? "https://failpoint.invalid" : r->policy->outbound[r->url];
    char *url = mem_printf("%s/messages/%s/receipts", base, r->job->m.id);
    r->call = http_client_start(r->owner->ctx->http, &(struct http_call_options){
                                                         .method = "POST",
                                                         .url = url,
                                                         .content_type = "application/json",
                                                         .bearer = r->job->m.token,
                                                         .body = r->body,
                                                         .body_len = strlen(r->body),
                                                         .max_body = ANSWER_MAX,
                                                         .connect_timeout = CONNECT_TIMEOUT,
                                                         .timeout = TIMEOUT,
                                                         .done = answered,
                                                         .arg = r,
                                                     });
    mem_free(&url);
}

static void got_policy(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct receipt *r = arg;
    if (result == RESULT_OK && policy->noutbound > 0) {
        r->policy = discovery_hold(policy);
        post(r);
        return;
    }
    log_warning("%s: receipt for %s deferred: %s, pontoon=%s", r->job->m.id, r->job->iss,
                result == RESULT_OK ? "its policy has no outbound URL" : err->text, r->job->m.id);
    note(r, false, 0);
}

static bool under_way(const struct receipts *rs, const struct job *job)
{
    const struct job_name name = job_name(job);
    for (const struct receipt *r = rs->list; r != NULL; r = r->next) {
        const struct job_name its = job_name(r->job);
        if (job_name_same(&its, &name))
            return true;
    }
    return false;
}

static void begin(struct receipts *rs, struct job *job)
{
    struct receipt *r = mem_zero(1, sizeof *r);
    *r = (struct receipt){.next = rs->list, .owner = rs, .job = job, .body = write_body(job)};
    rs->list = r;
    rs->count++;
    if (r->body == NULL)
        note(r, true, 0);
    else
        discovery_get(rs->ctx->discovery, job->iss, false, got_policy, r);
}

static void look(void *arg)
{
    struct receipts *rs = arg;
    struct job_list *list = NULL;
    msec_t next = -1;
    struct error err;
    if (rs->draining || rs->count >= UNDER_WAY_MAX)
        return; /* an end will kick us */
    if (jobs_receipts_due(rs->ctx->jobs, UNDER_WAY_MAX, &list, &next, &err) != RESULT_OK) {
        log_error("can't look for due receipts: %s", err.text);
        loop_timer_set(rs->timer, SLEEP_MAX / 10);
        return;
    }
    for (size_t i = 0; i < list->n && rs->count < UNDER_WAY_MAX; i++) {
        if (under_way(rs, list->jobs[i]))
            continue;
        begin(rs, list->jobs[i]);
        list->jobs[i] = NULL;
    }
    job_list_free(&list);
    msec_t wait = next < 0 ? SLEEP_MAX : next - clock_now();
    loop_timer_set(rs->timer, wait < 100 ? 100 : (wait < SLEEP_MAX ? wait : SLEEP_MAX));
}

void receipts_kick(struct receipts *r)
{
    if (r != NULL && !r->draining)
        loop_timer_set(r->timer, 0);
}

struct receipts *receipts_new(struct context *ctx)
{
    struct receipts *r = mem_zero(1, sizeof *r);
    r->ctx = ctx;
    r->timer = loop_timer_new(ctx->loop, look, r);
    loop_timer_set(r->timer, 0);
    return r;
}

void receipts_drain(struct receipts *r)
{
    r->draining = true;
    loop_timer_cancel(r->timer);
}

unsigned receipts_count(const struct receipts *r)
{
    return r->count;
}

void receipts_free(struct receipts **r)
{
    if (*r == NULL)
        return;
    while ((*r)->list != NULL)
        receipt_free((*r)->list);
    loop_timer_free(&(*r)->timer);
    mem_free(r);
}
