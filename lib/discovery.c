/*
 * Discovery: see discovery.h. What is known lies in a table (lib/discovery_table.c) of entries (lib/discovery_entry.c)
 * under one lock, so that any thread may look; look-ups (lib/discovery_lookup.c), the waiting callers and the
 * entries' `lookup` belong to the loop's thread.
 */
#include "lib/discovery.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/queue.h>
#include <time.h>

#include "lib/address.h"
#include "lib/discovery_table.h"
#include "lib/log.h"
#include "lib/mem.h"

struct waiter {
    TAILQ_ENTRY(waiter) link;
    struct discovery_entry *entry;
    bool refresh;
    discovery_done *done;
    void *arg;
};
TAILQ_HEAD(waiter_list, waiter);

struct discovery {
    struct discovery_net net;
    struct discovery_times times;
    unsigned lookups_max;
    struct discovery_backing backing;
    struct event *wakeup;        /* the queue has something */
    struct waiter_list waiters;  /* for a look-up */
    struct waiter_list answered; /* those being called back just now */

    pthread_mutex_t lock; /* for the rest */
    pthread_cond_t changed;
    struct discovery_table *table;
    TAILQ_HEAD(entry_queue, discovery_entry) queue; /* look-ups to begin */
    unsigned lookups;                               /* busy entries */
};

/* ---- under the lock ---- */

/* Asks for a look-up, unless one is under way already. False: too many are. */
static bool ask(struct discovery *d, struct discovery_entry *e, bool refresh)
{
    if (e->busy)
        return true;
    if (d->lookups >= d->lookups_max)
        return false;
    e->busy = true;
    e->refresh = refresh;
    d->lookups++;
    TAILQ_INSERT_TAIL(&d->queue, e, queue);
    event_active(d->wakeup, 0, 0);
    return true;
}

static void not_busy(struct discovery *d, struct discovery_entry *e)
{
    e->busy = false;
    d->lookups--;
    pthread_cond_broadcast(&d->changed);
}

/* The entry for a domain, from memory or else from the database, which is read without the lock. */
static struct discovery_entry *get_entry(struct discovery *d, const char *domain)
{
    struct discovery_entry *e = discovery_table_find(d->table, domain);
    if (e != NULL || d->backing.load == NULL)
        return e != NULL ? e : discovery_table_get(d->table, domain);
    pthread_mutex_unlock(&d->lock);
    struct policy_cache_entry *stored = NULL;
    struct error err;
    if (d->backing.load(d->backing.arg, domain, &stored, &err) == RESULT_TEMP)
        log_warning("discovery: %s: can't read what is remembered: %s", domain, err.text);
    pthread_mutex_lock(&d->lock);
    e = discovery_table_get(d->table, domain);
    if (stored != NULL)
        discovery_entry_load(e, stored, &d->times, clock_now());
    policy_cache_entry_free(&stored);
    return e;
}

/* ---- any thread ---- */

static enum discovery_state state_of(struct discovery *d, struct discovery_entry *e, const struct policy **policy_r,
                                     struct error *why_r)
{
    bool due;
    enum discovery_state state = discovery_entry_state(e, clock_now(), &due, why_r);
    if (due && !ask(d, e, false) && state == DISCOVERY_UNKNOWN)
        error_set(why_r, RESULT_TEMP, "%s: not looked up: too many look-ups under way", e->k.domain);
    if (state == DISCOVERY_POLICY && policy_r != NULL)
        *policy_r = discovery_hold(e->policy);
    return state;
}

/* A monotonic moment `wait` ms from now. */
static struct timespec deadline_in(msec_t wait)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait / 1000;
    t.tv_nsec += wait % 1000 * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

enum discovery_state discovery_wait(struct discovery *d, const char *domain, msec_t wait,
                                    const struct policy **policy_r, struct error *why_r)
{
    char name[DOMAIN_MAX + 1];
    if (policy_r != NULL)
        *policy_r = NULL;
    if (!domain_normalize(domain, name)) {
        error_set(why_r, RESULT_PERM, "\"%s\" is no domain name", domain);
        return DISCOVERY_NONE;
    }
    struct timespec deadline = deadline_in(wait);
    pthread_mutex_lock(&d->lock);
    struct discovery_entry *e = get_entry(d, name);
    unsigned looks = e->looks;
    enum discovery_state state = state_of(d, e, policy_r, why_r);
    while (state == DISCOVERY_UNKNOWN && wait > 0 && e->busy && e->looks == looks &&
           pthread_cond_timedwait(&d->changed, &d->lock, &deadline) == 0) {
        e = get_entry(d, name); /* by now it may have been thrown out */
        if (e->looks != looks || !e->busy)
            state = state_of(d, e, policy_r, why_r);
    }
    pthread_mutex_unlock(&d->lock);
    return state;
}

enum discovery_state discovery_peek(struct discovery *d, const char *domain, const struct policy **policy_r,
                                    struct error *why_r)
{
    return discovery_wait(d, domain, 0, policy_r, why_r);
}

bool discovery_knows(struct discovery *d, const char *domain)
{
    char name[DOMAIN_MAX + 1];
    bool due;
    if (!domain_normalize(domain, name))
        return true; /* it is never looked up */
    pthread_mutex_lock(&d->lock);
    struct discovery_entry *e = discovery_table_find(d->table, name);
    bool known = e != NULL && discovery_entry_state(e, clock_now(), &due, NULL) != DISCOVERY_UNKNOWN;
    pthread_mutex_unlock(&d->lock);
    return known;
}

/* ---- the loop's thread: answers ---- */

/* What callers of discovery_get() are told. */
struct answer {
    enum result result;
    const struct policy *policy; /* held, or NULL */
    bool failed;                 /* the last look: who wanted a fresh answer gets this one */
    struct error err;
    struct error failure;
};

static void make_answer(const struct discovery_entry *e, struct answer *a)
{
    *a = (struct answer){.failed = e->failed};
    a->result = discovery_entry_result(e, clock_now(), &a->err);
    if (a->result == RESULT_OK)
        a->policy = discovery_hold(e->policy);
    if (e->failed)
        error_set(&a->failure, RESULT_TEMP, "%s", e->k.error);
}

static void give_answer(const struct answer *a, bool refresh, discovery_done *done, void *arg)
{
    if (refresh && a->failed)
        done(arg, RESULT_TEMP, NULL, &a->failure);
    else
        done(arg, a->result, a->policy, a->result == RESULT_OK ? NULL : &a->err);
}

/* Callbacks may ask again (a new waiter) or cancel others: those who are meant now go into a list of their own. */
static void answer_waiters(struct discovery *d, const struct discovery_entry *e, const struct answer *a)
{
    struct waiter *w, *next;
    for (w = TAILQ_FIRST(&d->waiters); w != NULL; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->entry != e)
            continue;
        TAILQ_REMOVE(&d->waiters, w, link);
        TAILQ_INSERT_TAIL(&d->answered, w, link);
    }
    while ((w = TAILQ_FIRST(&d->answered)) != NULL) {
        struct waiter now = *w;
        TAILQ_REMOVE(&d->answered, w, link);
        mem_free(&w);
        give_answer(a, now.refresh, now.done, now.arg);
    }
}

void discovery_get(struct discovery *d, const char *domain, bool refresh, discovery_done *done, void *arg)
{
    char name[DOMAIN_MAX + 1];
    struct error err;
    if (!domain_normalize(domain, name)) {
        error_set(&err, RESULT_PERM, "\"%s\" is no domain name", domain);
        done(arg, RESULT_PERM, NULL, &err);
        return;
    }
    struct answer a = {.result = RESULT_TEMP};
    bool due;
    pthread_mutex_lock(&d->lock);
    struct discovery_entry *e = get_entry(d, name);
    msec_t now = clock_now();
    bool unknown = discovery_entry_state(e, now, &due, NULL) == DISCOVERY_UNKNOWN;
    bool fetch = refresh && (now - e->refreshed >= d->times.refresh_min || now < e->refreshed);
    bool asked = (unknown || fetch || due) && ask(d, e, fetch);
    bool wait = asked && (unknown || fetch);
    if (wait) {
        struct waiter *w = mem_zero(1, sizeof *w);
        *w = (struct waiter){.entry = e, .refresh = refresh, .done = done, .arg = arg};
        TAILQ_INSERT_TAIL(&d->waiters, w, link);
    } else if (unknown || fetch) {
        error_set(&a.err, RESULT_TEMP, "%s: not looked up: too many look-ups under way", name);
    } else {
        make_answer(e, &a);
    }
    pthread_mutex_unlock(&d->lock);
    if (!wait)
        give_answer(&a, refresh, done, arg);
    discovery_release(&a.policy);
}

static void cancel_in(struct waiter_list *list, const void *arg)
{
    struct waiter *next;
    for (struct waiter *w = TAILQ_FIRST(list); w != NULL; w = next) {
        next = TAILQ_NEXT(w, link);
        if (arg != NULL && w->arg != arg)
            continue;
        TAILQ_REMOVE(list, w, link);
        mem_free(&w);
    }
}

void discovery_cancel(struct discovery *d, void *arg)
{
    assert(arg != NULL);
    cancel_in(&d->waiters, arg);
    cancel_in(&d->answered, arg);
}

/* ---- the loop's thread: look-ups ---- */

static void log_found(const char *domain, const struct discovery_found *found)
{
    if (found->result == RESULT_TEMP)
        log_info("discovery: %s: %s", domain, found->err.text);
    else if (found->result == RESULT_PERM)
        log_debug("discovery: %s takes no part: %s", domain, found->err.text);
    else if (found->policy != NULL)
        log_info("discovery: %s: policy id=%s mode=%s", domain, found->txt_id, policy_mode_name(found->policy->mode));
}

static void on_found(void *arg, struct discovery_found *found)
{
    struct discovery_entry *e = arg;
    struct discovery *d = e->discovery;
    struct policy_cache_entry keep;
    struct answer a;
    log_found(e->k.domain, found);
    pthread_mutex_lock(&d->lock);
    e->lookup = NULL;
    bool fetched = found->policy != NULL;
    bool save = discovery_entry_learn(e, found, &d->times, clock_now());
    if (fetched)
        e->refreshed = e->k.fetched;
    discovery_entry_save(e, found->document, &keep);
    make_answer(e, &a);
    not_busy(d, e);
    pthread_mutex_unlock(&d->lock);
    if (save && d->backing.save != NULL)
        d->backing.save(d->backing.arg, &keep);
    answer_waiters(d, e, &a);
    discovery_release(&a.policy);
}

/* Another process may have looked meanwhile: then there is nothing to do. */
static bool known_by_now(struct discovery *d, struct discovery_entry *e, struct answer *a)
{
    struct policy_cache_entry *stored = NULL;
    if (d->backing.load == NULL || e->refresh)
        return false;
    d->backing.load(d->backing.arg, e->k.domain, &stored, NULL);
    bool due = true;
    pthread_mutex_lock(&d->lock);
    if (stored != NULL) {
        discovery_entry_load(e, stored, &d->times, clock_now());
        discovery_entry_state(e, clock_now(), &due, NULL);
    }
    if (!due) {
        e->looks++;
        make_answer(e, a);
        not_busy(d, e);
    }
    pthread_mutex_unlock(&d->lock);
    policy_cache_entry_free(&stored);
    return !due;
}

static void begin_lookup(struct discovery *d, struct discovery_entry *e)
{
    struct answer a;
    if (known_by_now(d, e, &a)) {
        answer_waiters(d, e, &a);
        discovery_release(&a.policy);
        return;
    }
    char known[POLICY_TXT_ID_MAX + 1];
    pthread_mutex_lock(&d->lock);
    msec_t now = clock_now();
    snprintf(known, sizeof known, "%s", e->refresh ? "" : discovery_entry_known_id(e, now));
    if (known[0] == '\0')
        e->refreshed = now;
    pthread_mutex_unlock(&d->lock);
    e->lookup = discovery_lookup_start(&d->net, e->k.domain, known, on_found, e);
}

static void begin_lookups(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct discovery *d = arg;
    for (;;) {
        pthread_mutex_lock(&d->lock);
        struct discovery_entry *e = TAILQ_FIRST(&d->queue);
        if (e != NULL)
            TAILQ_REMOVE(&d->queue, e, queue);
        pthread_mutex_unlock(&d->lock);
        if (e == NULL)
            return;
        begin_lookup(d, e);
    }
}

/* ---- beginning and end ---- */

static void init_lock(struct discovery *d)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&d->lock, NULL);
}

enum result discovery_new(struct loop *loop, struct dns *dns, struct http_client *http, const struct config *config,
                          const struct discovery_backing *backing, struct discovery **d_r, struct error *err)
{
    (void)err; /* nothing can fail yet */
    struct discovery *d = mem_zero(1, sizeof *d);
    d->net = (struct discovery_net){
        .dns = dns,
        .http = http,
        .policy_port = (uint16_t)config_number(config, "discovery.policy-port"),
        .timeout = config_time(config, "discovery.timeout"),
    };
    d->times = (struct discovery_times){
        .record_ttl_min = config_time(config, "discovery.record-ttl-min"),
        .record_ttl_max = config_time(config, "discovery.record-ttl-max"),
        .negative_ttl = config_time(config, "discovery.negative-ttl"),
        .refresh_min = config_time(config, "discovery.refresh-min"),
    };
    d->lookups_max = (unsigned)config_number(config, "discovery.lookups-max");
    if (backing != NULL)
        d->backing = *backing;
    init_lock(d);
    TAILQ_INIT(&d->waiters);
    TAILQ_INIT(&d->answered);
    TAILQ_INIT(&d->queue);
    d->table = discovery_table_new(d, (size_t)config_number(config, "discovery.cache-max"));
    d->wakeup = event_new(loop_base(loop), -1, 0, begin_lookups, d);
    if (d->wakeup == NULL)
        log_fatal("out of memory (event)");
    *d_r = d;
    return RESULT_OK;
}

void discovery_free(struct discovery **discovery)
{
    struct discovery *d = *discovery;
    if (d == NULL)
        return;
    event_free(d->wakeup);
    cancel_in(&d->waiters, NULL);
    cancel_in(&d->answered, NULL);
    for (struct discovery_entry *e = discovery_table_first(d->table); e != NULL; e = TAILQ_NEXT(e, recent))
        discovery_lookup_cancel(&e->lookup);
    discovery_table_free(&d->table);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    mem_free(discovery);
}
