/* Destinations of notifications: see destination.h. Requests themselves are in store/notify_request.c. */
#include "store/destination.h"

#include <stdio.h>
#include <string.h>

#include "lib/busy.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/store_stops.h"
#include "store/breaker.h"
#include "store/notify_request.h"
#include "store/outcome.h"
#include "store/pacing.h"
#include "store/serve.h"

enum { WAITING_MAX = 200 }; /* recipients for whom the pacer has no place: more wait in the store */

struct destination {
    struct destination *next;
    struct destinations *all;
    char iss[DOMAIN_MAX + 1], aud[DOMAIN_MAX + 1];
    bool shadow;                     /* what goes there are shadows: never mixed with mail */
    struct work *queue, **tail;      /* what waits */
    struct notify_request *requests; /* what is under way */
    unsigned nrequests;
    struct pacer_queue *pace;
    bool paced;  /* it waits for its turn */
    bool asking; /* the policy is being looked up */
};

struct destinations {
    struct context *ctx;
    struct destination *list;
    unsigned count;    /* recipients, waiting and under way */
    struct busy *busy; /* domains whose bridges asked for time */
    loop_fn *done_fn;
    void *done_arg;
};

static void pump(struct destination *d);
static void our_turn(void *arg);

struct destinations *destinations_new(struct context *ctx, loop_fn *done_fn, void *arg)
{
    struct destinations *all = mem_zero(1, sizeof *all);
    *all = (struct destinations){.ctx = ctx, .done_fn = done_fn, .done_arg = arg, .busy = busy_new()};
    return all;
}

static void enqueue(struct destination *d, struct work *w)
{
    w->next = NULL;
    *d->tail = w;
    d->tail = &w->next;
}

static struct destination *find(struct destinations *all, const char *iss, const char *aud, bool shadow)
{
    for (struct destination *d = all->list; d != NULL; d = d->next) {
        if (d->shadow == shadow && strcmp(d->aud, aud) == 0 && strcmp(d->iss, iss) == 0)
            return d;
    }
    struct destination *d = mem_zero(1, sizeof *d);
    d->all = all;
    d->shadow = shadow;
    d->next = all->list;
    d->tail = &d->queue;
    snprintf(d->iss, sizeof d->iss, "%s", iss);
    snprintf(d->aud, sizeof d->aud, "%s", aud);
    d->pace = pacing_join(all->ctx->pacing, d->aud, our_turn, d);
    return all->list = d;
}

static void release(struct destination *d, struct work *w)
{
    d->all->count -= (unsigned)w->nrcpts;
    work_free(&w);
}

static void destination_free(struct destination *d)
{
    struct destination **p = &d->all->list;
    while (*p != d)
        p = &(*p)->next;
    *p = d->next;
    discovery_cancel(d->all->ctx->discovery, d);
    pacer_leave(&d->pace);
    while (d->requests != NULL)
        notify_request_cancel(&d->requests);
    while (d->queue != NULL) {
        struct work *w = d->queue;
        d->queue = w->next;
        release(d, w);
    }
    mem_free(&d);
}

void destinations_free(struct destinations **all)
{
    if (*all == NULL)
        return;
    while ((*all)->list != NULL)
        destination_free((*all)->list);
    busy_free(&(*all)->busy);
    mem_free(all);
}

unsigned destinations_count(const struct destinations *all)
{
    return all->count;
}

static bool take_over(const struct work *w, const struct store_rcpt *again)
{
    for (; w != NULL; w = w->next) {
        for (size_t i = 0; i < w->nrcpts; i++) {
            if (work_rcpt(w, i)->rid != again->rid)
                continue;
            work_rcpt(w, i)->serial = again->serial;
            return true;
        }
    }
    return false;
}

bool destinations_has(const struct destinations *all, const struct store_rcpt *again)
{
    for (const struct destination *d = all->list; d != NULL; d = d->next) {
        if (take_over(d->queue, again))
            return true;
        for (const struct notify_request *r = d->requests; r != NULL; r = notify_request_next(r)) {
            if (take_over(notify_request_work(r), again))
                return true;
        }
    }
    return false;
}

/* ---- what becomes of recipients ---- */

static void settled(void *arg, enum result result, const struct error *err)
{
    struct destinations *all = arg;
    if (result != RESULT_OK)
        log_error("can't note what became of a notification: %s", err->text);
    all->done_fn(all->done_arg);
}

/*
 * `event` for every recipient of a list of pieces, which are released. A return to SMTP is only safe while the
 * peer has not fetched: otherwise it is asked again.
 */
static void fail_all(struct destination *d, struct work *list, const struct outcome_news *news)
{
    struct context *ctx = d->all->ctx;
    struct outcome out = {0};
    while (list != NULL) {
        struct work *w = list;
        list = w->next;
        for (size_t i = 0; i < w->nrcpts; i++) {
            struct store_rcpt *rcpt = work_rcpt(w, i);
            struct outcome_news n = *news;
            if (n.event == RCPT_EV_FALLBACK && outcome_taken(rcpt) != 0)
                n.event = RCPT_EV_UNREACHABLE;
            outcome_add(&out, ctx->config, w->entry, rcpt, &n);
        }
        release(d, w);
    }
    outcome_settle(&out, ctx->store, loop_relay_done, loop_relay_new(ctx->loop, settled, d->all));
    outcome_free(&out);
}

/* It asked for time: what waits for it waits in the store. */
static void put_back_queue(struct destination *d, msec_t wait)
{
    const struct context *ctx = d->all->ctx;
    for (const struct work *w = d->queue; w != NULL; w = w->next)
        d->all->count -= (unsigned)w->nrcpts;
    work_put_back(&d->queue, ctx->store, wait, loop_relay_done, loop_relay_new(ctx->loop, settled, d->all));
    d->tail = &d->queue;
}

msec_t destinations_busy(const struct destinations *all, const char *aud)
{
    return busy_left(all->busy, aud);
}

/* A batch that the peer can't read may have one bad message: each is tried by itself before it is given up. */
static void retry_alone(struct destination *d, struct work *list)
{
    while (list != NULL) {
        struct work *w = list;
        list = w->next;
        w->alone = true;
        enqueue(d, w);
    }
}

static void unlink_request(struct destination *d, struct notify_request *r)
{
    struct notify_request **p = &d->requests;
    while (*p != r)
        p = notify_request_link(*p);
    *p = notify_request_next(r);
    d->nrequests--;
}

static void request_done(void *arg, struct notify_request *r, const struct notify_answer *answer)
{
    struct destination *d = arg;
    struct context *ctx = d->all->ctx;
    unlink_request(d, r);
    struct work *list = notify_request_take_work(r);
    if (answer->failed)
        breaker_failed(ctx->breaker, d->aud, answer->news.text);
    else if (answer->verdicts != NULL)
        breaker_answered(ctx->breaker, d->aud);
    for (const struct work *w = list; w != NULL; w = w->next) {
        if (!notify_answer_expects_fetch(answer, w))
            pacing_back(ctx->pacing, d->aud, w->entry->id);
    }
    if (answer->verdicts != NULL) {
        struct outcome out = {0};
        notify_answer_apply(answer, list, ctx->config, &out);
        while (list != NULL) {
            struct work *w = list;
            list = w->next;
            release(d, w);
        }
        outcome_settle(&out, ctx->store, loop_relay_done, loop_relay_new(ctx->loop, settled, d->all));
        outcome_free(&out);
    } else if (answer->unreadable && list != NULL && list->next != NULL) {
        retry_alone(d, list);
    } else {
        fail_all(d, list, &answer->news);
        busy_set(d->all->busy, d->aud, answer->news.retry_after, config_time(ctx->config, "store.retry-max"));
    }
    pump(d);
}

/* ---- sending ---- */

static bool has_id(const struct work *w, const char *id)
{
    while (w != NULL && strcmp(w->entry->id, id) != 0)
        w = w->next;
    return w != NULL;
}

static bool id_under_way(const struct destination *d, const char *id)
{
    for (const struct notify_request *r = d->requests; r != NULL; r = notify_request_next(r)) {
        if (has_id(notify_request_work(r), id))
            return true;
    }
    return false;
}

/* Whether the pacer lets it go. What the peer has already is only asked about. */
static bool may_go(struct destination *d, const struct work *w)
{
    bool taken = true;
    for (size_t i = 0; i < w->nrcpts; i++)
        taken = taken && outcome_taken(work_rcpt(w, i)) != 0;
    d->paced = !taken && !pacing_take(d->all->ctx->pacing, d->pace, w->entry->id, w->entry->size);
    if (!d->paced && !taken)
        serve_expects(d->all->ctx->serve, d->aud, w->entry->size);
    return !d->paced;
}

/* Takes from the queue what goes into one notification; what is too large for one is cut. */
static struct work *next_batch(struct destination *d)
{
    size_t room = notify_batch_room();
    int64_t most = config_number(d->all->ctx->config, "store.notify-batch");
    struct work *batch = NULL, **end = &batch;
    struct work **p = &d->queue;
    while (*p != NULL && most > 0) {
        struct work *w = *p;
        if (id_under_way(d, w->entry->id) || has_id(batch, w->entry->id) || (w->alone && batch != NULL)) {
            p = &w->next;
            continue;
        }
        size_t weight = 0, fits = notify_batch_fits(w, room, &weight);
        if (fits == 0 || !may_go(d, w))
            break;
        if (fits < w->nrcpts) {
            struct work *rest = work_cut(w, fits);
            rest->next = w->next;
            w->next = rest;
        }
        room -= weight;
        *p = w->next;
        w->next = NULL;
        *end = w;
        end = &w->next;
        most = w->alone ? 0 : most - 1;
    }
    d->tail = &d->queue;
    while (*d->tail != NULL)
        d->tail = &(*d->tail)->next;
    return batch;
}

static void send_batches(struct destination *d, const char *urls)
{
    unsigned most = (unsigned)config_number(d->all->ctx->config, "store.notify-connections");
    while (d->nrequests < most) {
        struct work *batch = next_batch(d);
        if (batch == NULL)
            return;
        d->nrequests++;
        struct notify_request *r = notify_request_new(d->all->ctx, urls, d->iss, d->aud, batch, request_done, d);
        *notify_request_link(r) = d->requests;
        d->requests = r;
    }
}

/* Cuts what the peer has, or is fetching, out of a piece that holds both; NULL if it has nothing of it. */
static struct work *cut_taken(struct work *w)
{
    size_t untaken = 0;
    for (size_t i = 0; i < w->nrcpts; i++) {
        struct store_rcpt *rcpt = work_rcpt(w, i), swap = *rcpt;
        if (outcome_taken(rcpt) != 0)
            continue;
        *rcpt = *work_rcpt(w, untaken);
        *work_rcpt(w, untaken++) = swap;
    }
    return untaken < w->nrcpts ? work_cut(w, untaken) : NULL;
}

/* Leaves what was taken in the queue; returns the rest. */
static struct work *split_queue(struct destination *d)
{
    struct work *all = d->queue, *rest = NULL;
    d->queue = NULL;
    d->tail = &d->queue;
    while (all != NULL) {
        struct work *w = all, *taken = cut_taken(w);
        all = w->next;
        if (taken != NULL)
            enqueue(d, taken);
        if (w->nrcpts > 0) {
            w->next = rest;
            rest = w;
        } else {
            work_free(&w);
        }
    }
    return rest;
}

/*
 * The domain takes no part any more, or can't be looked up. What it has not fetched goes back to SMTP, or waits; for the
 * rest only it can know what became of it, so it is asked where it was last notified.
 */
static void without_policy(struct destination *d, const struct outcome_news *news)
{
    char *urls = NULL;
    struct error err;
    struct work *rest = split_queue(d);
    if (rest != NULL)
        fail_all(d, rest, news);
    if (d->queue != NULL && store_peer_inbound(d->all->ctx->store, d->aud, &urls, &err) != RESULT_OK)
        log_error("can't look up where %s was notified: %s", d->aud, err.text);
    if (urls != NULL) {
        log_info("%s: %s: asking where it was last notified what became of the messages that it fetched", d->aud,
                 news->text);
        send_batches(d, urls);
    } else if (d->queue != NULL) {
        struct work *taken = d->queue;
        d->queue = NULL;
        d->tail = &d->queue;
        fail_all(d, taken, &(struct outcome_news){.event = RCPT_EV_UNREACHABLE, .dsn = "4.4.3", .text = news->text});
    }
    mem_free(&urls);
}

/* Why nothing can be notified by this policy, or NULL. A domain that only tests is sent shadows, and its mail by SMTP. */
static const char *unfit_policy(const struct destination *d, const struct policy *policy)
{
    if (policy->ninbound == 0)
        return "the domain's policy has no inbound URL";
    if (policy->mode == POLICY_NONE || (policy->mode == POLICY_TESTING && !d->shadow))
        return "the domain's policy asks for SMTP";
    return NULL;
}

static void got_policy(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct destination *d = arg;
    d->asking = false;
    const char *unfit = result == RESULT_OK ? unfit_policy(d, policy) : NULL;
    if (result == RESULT_OK && unfit == NULL) {
        char *urls = policy_inbound_lines(policy);
        store_peer_note_inbound(d->all->ctx->store, d->aud, urls);
        send_batches(d, urls);
        mem_free(&urls);
        return;
    }
    struct outcome_news news = {.event = RCPT_EV_UNREACHABLE, .dsn = "4.4.3", .text = err ? err->text : ""};
    if (result == RESULT_OK) {
        news.event = RCPT_EV_FALLBACK;
        news.text = unfit;
    } else if (result == RESULT_PERM) {
        news.event = RCPT_EV_FALLBACK;
    }
    without_policy(d, &news);
    pump(d);
}

/* May free the destination: the last thing a caller does with it. */
static void pump(struct destination *d)
{
    struct context *ctx = d->all->ctx;
    msec_t busy = d->queue != NULL && !d->asking ? busy_left(d->all->busy, d->aud) : 0;
    if (busy > 0)
        put_back_queue(d, busy);
    if (d->queue == NULL && d->nrequests == 0 && !d->asking) {
        destination_free(d);
        return;
    }
    if (d->queue == NULL || d->asking || d->paced ||
        d->nrequests >= (unsigned)config_number(ctx->config, "store.notify-connections"))
        return;
    d->asking = true;
    discovery_get(ctx->discovery, d->aud, false, got_policy, d);
}

static void our_turn(void *arg)
{
    struct destination *d = arg;
    d->paced = false;
    pump(d);
}

bool destinations_are_full(const struct destinations *all, const struct store_entry *e, const char *aud)
{
    unsigned n = 0;
    const struct destination *d = all->list;
    while (d != NULL && (d->shadow != e->shadow || strcmp(d->aud, aud) != 0 || strcmp(d->iss, e->iss) != 0))
        d = d->next;
    if (d == NULL || !d->paced)
        return false;
    for (const struct work *w = d->queue; w != NULL && n < WAITING_MAX; w = w->next)
        n += (unsigned)w->nrcpts;
    return n >= WAITING_MAX;
}

void destinations_add(struct destinations *all, struct work *w)
{
    struct destination *d = find(all, w->entry->iss, work_rcpt(w, 0)->domain, w->entry->shadow);
    all->count += (unsigned)w->nrcpts;
    enqueue(d, w);
    pump(d);
}
