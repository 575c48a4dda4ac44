/* One verified notification: see batch.h. */
#include "bridge/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "bridge/deliveries.h"
#include "bridge/recipients.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { RETRY_AFTER_QUEUE = 30 };

/* One message of the notification whose verdicts are not all known yet. */
struct item {
    struct batch *batch;
    struct verdict_message *verdicts; /* its recipients' lines; kind is filled in at the end for those in `open` */
    bool *open;                       /* by recipient: the delivery decides */
    struct active *active;            /* being watched; NULL: decided */
    bool promising;
};

struct batch {
    LIST_ENTRY(batch) link;
    struct context *ctx;
    struct http_request *req;
    struct notification *n;
    char peer[NETADDR_TEXT_SIZE];
    struct verdicts verdicts;
    struct item *items;
    size_t waiting; /* items that are not decided */
    struct loop_timer *timer;
};

struct batches {
    LIST_HEAD(batch_list, batch) list;
};

struct batches *batches_new(void)
{
    struct batches *all = mem_zero(1, sizeof *all);
    LIST_INIT(&all->list);
    return all;
}

static void batch_free(struct batch *b)
{
    LIST_REMOVE(b, link);
    for (size_t i = 0; i < b->n->nmessages; i++)
        mem_free(&b->items[i].open);
    mem_free(&b->items);
    verdicts_clear(&b->verdicts);
    notification_free(&b->n);
    loop_timer_free(&b->timer);
    mem_free(&b);
}

void batches_free(struct batches **all)
{
    struct batch *b;
    if (*all == NULL)
        return;
    while ((b = LIST_FIRST(&(*all)->list)) != NULL) {
        http_reply_problem(b->req, 503, "shutting down", RETRY_AFTER_QUEUE); /* to nobody: it frees the request */
        batch_free(b);
    }
    mem_free(all);
}

/* Nothing can be said about any recipient: then there is no answer that could be taken for one. */
static bool says_nothing(const struct batch *b)
{
    for (size_t i = 0; i < b->verdicts.nmessages; i++) {
        for (size_t k = 0; k < b->verdicts.messages[i].nrcpts; k++) {
            if (!b->verdicts.messages[i].rcpts[k].verdict.withheld)
                return false;
        }
    }
    return true;
}

static void answer(struct batch *b)
{
    if (says_nothing(b)) {
        http_reply_problem(b->req, 503, "the queue can't be read or written now", RETRY_AFTER_QUEUE);
    } else if (FAILPOINT(notification_answer)) {
        http_reply_problem(b->req, 503, "disk I/O error", 1);
    } else {
        char *text = verdicts_write(&b->verdicts);
        http_reply(b->req, 200, NULL, 0, "application/json", text, strlen(text));
        (void)FAILPOINT(notification_answered);
        mem_free(&text);
    }
    batch_free(b);
}

static void set_verdict(struct verdict *v, enum verdict_kind kind, const char *dsn, const char *text)
{
    v->kind = kind;
    snprintf(v->dsn, sizeof v->dsn, "%s", dsn);
    snprintf(v->text, sizeof v->text, "%s", text ? text : "");
    v->success = VERDICT_DSN_TAKEN;
}

static void verdict_from_job(struct verdict *v, const struct job_rcpt *r)
{
    if (r->comparison.smtp != STORE_SMTP_UNKNOWN)
        verdict_compare(v, r->comparison.smtp == STORE_SMTP_ARRIVED, r->comparison.delta, r->comparison.differences);
    switch (r->state) {
    case JOB_DELIVERED: set_verdict(v, VERDICT_DELIVERED, r->dsn, r->text); break;
    case JOB_FAILED: set_verdict(v, VERDICT_REJECTED, r->dsn, r->text); break;
    case JOB_DEFERRED: set_verdict(v, VERDICT_DEFERRED, r->dsn, r->text); break;
    default: set_verdict(v, VERDICT_ACCEPTED, "2.0.0", "a receipt follows"); break;
    }
    v->success = r->success;
}

static const struct job_rcpt *find_rcpt(const struct job *job, const char *address)
{
    for (size_t i = 0; job != NULL && i < job->nrcpts; i++) {
        if (strcmp(job->rcpts[i].address, address) == 0)
            return &job->rcpts[i];
    }
    return NULL;
}

/* ---- the delivery's news ---- */

static void decided(void *arg, enum result result, const struct job *job)
{
    struct item *item = arg;
    struct batch *b = item->batch;
    item->active = NULL;
    for (size_t i = 0; i < item->verdicts->nrcpts; i++) {
        if (!item->open[i])
            continue;
        const struct job_rcpt *r = find_rcpt(job, item->verdicts->rcpts[i].address);
        struct verdict *v = &item->verdicts->rcpts[i].verdict;
        if (r == NULL || (r->state == JOB_PENDING && result != RESULT_OK))
            v->withheld = true; /* it can't be promised, and may be delivered all the same */
        else
            verdict_from_job(v, r);
    }
    if (--b->waiting == 0)
        answer(b);
}

/* The promise of an undecided message is durable, or can't be made. */
static void promised(void *arg, enum result result, const struct job *job)
{
    struct item *item = arg;
    if (item->active == NULL)
        return; /* decided in the meantime */
    active_unwatch(item->active, item);
    decided(item, result, job);
}

/*
 * The answer can't wait any longer. A delivery that ends while its promise is being written calls both; the watch is
 * taken away first, so that only one of them counts.
 */
static void time_is_up(void *arg)
{
    struct batch *b = arg;
    size_t n = b->n->nmessages;
    for (size_t i = 0; i < n; i++) {
        struct item *item = &b->items[i];
        if (item->active == NULL || item->promising)
            continue;
        item->promising = true;
        active_unwatch(item->active, item);
        active_promise(item->active, promised, item);
    }
}

/* ---- beginning ---- */

static struct job *new_job(const struct batch *b, const struct notification_message *m)
{
    struct job *job = mem_zero(1, sizeof *job);
    snprintf(job->iss, sizeof job->iss, "%s", b->n->iss);
    snprintf(job->aud, sizeof job->aud, "%s", b->n->aud);
    snprintf(job->peer, sizeof job->peer, "%s", b->peer);
    job->shadow = b->n->shadow;
    job->m = *m;
    envelope_init(&job->m.envelope);
    envelope_copy_sender(&job->m.envelope, &m->envelope);
    job->received = clock_now();
    job->next = job->received;
    job->rcpts = mem_zero(m->envelope.nrcpts, sizeof *job->rcpts);
    return job;
}

static void add_rcpt(struct job *job, const struct envelope_rcpt *r)
{
    job->rcpts[job->nrcpts++] = (struct job_rcpt){.address = mem_strdup(r->address),
                                                  .notify = mem_strdup(r->notify),
                                                  .orcpt = mem_strdup(r->orcpt),
                                                  .state = JOB_PENDING,
                                                  .since = job->received};
}

static void reject_all(struct item *item, const char *dsn, const char *text)
{
    for (size_t i = 0; i < item->verdicts->nrcpts; i++)
        set_verdict(&item->verdicts->rcpts[i].verdict, VERDICT_REJECTED, dsn, text);
}

/*
 * What is decided without a delivery: settled before, not for us, or too large for us. True: the recipient has to be
 * tried, or is being tried. What goes by SMTP is never refused for its size: that is the MTA's to say.
 */
static bool needs_delivery(const struct batch *b, const struct job *known, const struct job *under_way,
                           const struct notification_message *m, const char *address, struct verdict *v)
{
    const struct config *config = b->ctx->config;
    const struct job_rcpt *r = find_rcpt(known, address);
    uint64_t max = (uint64_t)config_number(config, "bridge.max-size");
    const char *closed = recipients_closed(config, b->n->shadow);
    if (r != NULL && (r->state == JOB_DELIVERED || r->state == JOB_FAILED)) {
        verdict_from_job(v, r);
        return false;
    }
    if ((r != NULL && r->state == JOB_PENDING) || find_rcpt(under_way, address) != NULL)
        return true; /* whatever the configuration says since */
    if (closed != NULL || !recipients_migrated(b->ctx->recipients, address)) {
        set_verdict(v, VERDICT_USE_SMTP, "4.7.0", closed ? closed : "this recipient does not take part yet");
        return false;
    }
    if (max != 0 && m->size > max) {
        set_verdict(v, VERDICT_REJECTED, "5.3.4", "the message is larger than this site takes");
        return false;
    }
    return true;
}

static void watch(struct item *item, struct active *a)
{
    item->active = a;
    item->batch->waiting++;
    active_watch(a, decided, item);
}

/* `a`: the same, under way; or NULL. */
static void begin_message(struct batch *b, struct item *item, const struct notification_message *m,
                          const struct job *known, struct active *a)
{
    struct context *ctx = b->ctx;
    struct job *job = a == NULL ? new_job(b, m) : NULL;
    bool any = false;
    for (size_t i = 0; i < m->envelope.nrcpts; i++) {
        const struct envelope_rcpt *r = &m->envelope.rcpts[i];
        struct verdict *v = &item->verdicts->rcpts[i].verdict;
        if (!needs_delivery(b, known, a != NULL ? active_job(a) : NULL, m, r->address, v))
            continue;
        if (a != NULL && find_rcpt(active_job(a), r->address) == NULL) {
            set_verdict(v, VERDICT_DEFERRED, "4.3.0", "other recipients of this message are under way");
            continue;
        }
        if (job != NULL)
            add_rcpt(job, r);
        item->open[i] = any = true;
    }
    if (any && a != NULL)
        active_renotified(a, m->serial);
    if (!any)
        job_free(&job);
    else
        watch(item, a != NULL ? a : deliveries_begin(ctx->deliveries, job, false));
}

/*
 * Whether recipients were promised before a restart, and their turn has not come: it comes now, before anything else of the message. A
 * delivery without them would answer "deferred" for somebody who is still to be delivered.
 */
static bool is_promised(const struct job *known)
{
    for (size_t i = 0; known != NULL && i < known->nrcpts; i++) {
        if (known->rcpts[i].state == JOB_PENDING)
            return true;
    }
    return false;
}

static bool same_message(const struct job *known, const struct notification_message *m)
{
    return known == NULL || (known->m.size == m->size && memcmp(known->m.digest, m->digest, DIGEST_SIZE) == 0);
}

static void take_message(struct batch *b, struct item *item, const struct notification_message *m)
{
    struct context *ctx = b->ctx;
    struct job *known = NULL;
    struct error err;
    log_info("%s: notified%s by %s[%s], from=<%s>, size=%" PRIu64 ", nrcpt=%zu, pontoon=%s", m->id,
             b->n->shadow ? " of a shadow" : "", b->n->iss, b->peer, m->envelope.sender, m->size, m->envelope.nrcpts,
             m->id);
    const struct job_name name = {b->n->iss, b->n->aud, m->id, b->n->shadow};
    struct active *a = deliveries_find(ctx->deliveries, &name);
    jobs_add_event(ctx->jobs, &name, NULL, "notified", b->peer);
    if (jobs_find(ctx->jobs, &name, &known, &err) != RESULT_OK) {
        log_error("%s: look up in the queue: %s", m->id, err.text);
        for (size_t i = 0; i < item->verdicts->nrcpts; i++)
            item->verdicts->rcpts[i].verdict.withheld = true; /* it may have been delivered */
    } else if (!same_message(known, m) || !same_message(a != NULL ? active_job(a) : NULL, m)) {
        log_warning("%s: %s used this id for another message before: refused, pontoon=%s", m->id, b->n->iss, m->id);
        reject_all(item, "5.7.1", "the id was used for another message");
    } else if (a == NULL && is_promised(known)) {
        a = deliveries_begin(ctx->deliveries, known, true);
        begin_message(b, item, m, known, a);
        known = NULL;
    } else {
        begin_message(b, item, m, known, a);
    }
    job_free(&known);
}

void batch_begin(struct context *ctx, struct http_request *req, struct notification *n, const char *peer)
{
    (void)FAILPOINT(notified);
    struct batch *b = mem_zero(1, sizeof *b);
    *b = (struct batch){.ctx = ctx, .req = req, .n = n, .waiting = 1};
    LIST_INSERT_HEAD(&ctx->batches->list, b, link);
    snprintf(b->peer, sizeof b->peer, "%s", peer);
    b->items = mem_zero(n->nmessages, sizeof *b->items);
    for (size_t i = 0; i < n->nmessages; i++)
        verdicts_add(&b->verdicts, n->messages[i].id);
    for (size_t i = 0; i < n->nmessages; i++) {
        const struct notification_message *m = &n->messages[i];
        struct item *item = &b->items[i];
        *item = (struct item){.batch = b, .verdicts = &b->verdicts.messages[i]};
        item->open = mem_zero(m->envelope.nrcpts, sizeof *item->open);
        for (size_t k = 0; k < m->envelope.nrcpts; k++)
            verdict_message_add(item->verdicts, m->envelope.rcpts[k].address, VERDICT_DEFERRED, "4.3.0", "");
        take_message(b, item, m);
    }
    b->timer = loop_timer_new(ctx->loop, time_is_up, b);
    if (--b->waiting == 0)
        answer(b);
    else
        loop_timer_set(b->timer, config_time(ctx->config, "bridge.answer-within"));
}
