/* Whether the store's queue is full: see queue_bounds.h. */
#include "lib/queue_bounds.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

enum { RENEW_EVERY = 1000, /* ms */ SLACK = 20 /* a twentieth less, and it is not full any more */ };

struct queue_bounds {
    struct store *store;
    pthread_mutex_t lock;
    msec_t read; /* by clock_mono(), 0 never */
    bool messages, bytes;
    struct store_load *load; /* its list: the domains that are full */
    bool failed, says;
};

struct queue_limits queue_limits(const struct config *config)
{
    return (struct queue_limits){
        .messages = (uint64_t)config_number(config, "store.queue-max"),
        .rcpts_per_domain = (uint64_t)config_number(config, "store.queue-max-per-domain"),
        .bytes = (uint64_t)config_number(config, "store.queue-bytes-max"),
    };
}

struct queue_bounds *queue_bounds_new(struct store *store, bool says)
{
    struct queue_bounds *q = mem_zero(1, sizeof *q);
    q->store = store;
    q->says = says;
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void queue_bounds_free(struct queue_bounds **q)
{
    if (*q == NULL)
        return;
    store_load_free(&(*q)->load);
    pthread_mutex_destroy(&(*q)->lock);
    mem_free(q);
}

static bool is_full(bool before, uint64_t n, uint64_t most)
{
    return most > 0 && n >= (before ? most - most / SLACK : most);
}

static void look(const struct queue_bounds *q, bool *full, uint64_t n, uint64_t most, const char *parameter)
{
    bool now = is_full(*full, n, most);
    if (q->says && now && !*full)
        log_warning("the store's queue is full: %" PRIu64 ", %s is %" PRIu64 "; mail goes by SMTP until it is less", n,
                    parameter, most);
    else if (q->says && !now && *full)
        log_info("the store's queue is not full any more (%s): mail is diverted again", parameter);
    *full = now;
}

static int by_domain(const void *a, const void *b)
{
    return strcmp(((const struct store_load_domain *)a)->domain, ((const struct store_load_domain *)b)->domain);
}

static const struct store_load_domain *find(const struct store_load *load, const struct store_load_domain *key)
{
    return load != NULL && load->n > 0 ? bsearch(key, load->list, load->n, sizeof *key, by_domain) : NULL;
}

/* Keeps the domains that are full. */
static void look_at_domains(const struct queue_bounds *q, struct store_load *fresh, uint64_t most)
{
    const struct store_load *old = q->load;
    size_t n = 0;
    for (size_t i = 0; i < fresh->n; i++) {
        struct store_load_domain *d = &fresh->list[i];
        bool before = find(old, d) != NULL;
        if (!is_full(before, d->rcpts, most))
            continue;
        if (q->says && !before)
            log_warning("%s: %" PRIu64 " recipients wait for it, store.queue-max-per-domain is %" PRIu64
                        "; mail to it goes by SMTP until it is less",
                        d->domain, d->rcpts, most);
        fresh->list[n++] = *d;
    }
    fresh->n = n;
    for (size_t i = 0; q->says && old != NULL && i < old->n; i++) {
        if (find(fresh, &old->list[i]) == NULL)
            log_info("%s: less waits for it than store.queue-max-per-domain: mail to it is diverted again",
                     old->list[i].domain);
    }
}

/* While the store can't be read all stays as it was: that it can't be written either is found at the end of the message. */
static void renew(struct queue_bounds *q, const struct queue_limits *limits)
{
    struct store_load *fresh = NULL;
    struct error err;
    uint64_t most = limits->rcpts_per_domain;
    enum result r = store_load_read(q->store, most - most / SLACK, &fresh, &err);
    q->read = clock_mono();
    if (r != RESULT_OK) {
        if (!q->failed)
            log_warning("can't read how much is in the store, and go on as before: %s", err.text);
        q->failed = true;
        return;
    }
    q->failed = false;
    look(q, &q->messages, fresh->messages, limits->messages, "store.queue-max");
    look(q, &q->bytes, fresh->bytes, limits->bytes, "store.queue-bytes-max");
    look_at_domains(q, fresh, most);
    store_load_free(&q->load);
    q->load = fresh;
}

const char *queue_bounds_full(struct queue_bounds *q, const struct queue_limits *limits, const char *to)
{
    const char *why = NULL;
    struct store_load_domain key = {.rcpts = 0};
    size_t len = strlen(to);
    if (len < sizeof key.domain)
        memcpy(key.domain, to, len + 1);
    pthread_mutex_lock(&q->lock);
    if (q->read == 0 || clock_mono() - q->read >= RENEW_EVERY)
        renew(q, limits);
    if (q->messages)
        why = "the store's queue is full (store.queue-max)";
    else if (q->bytes)
        why = "the store is full (store.queue-bytes-max)";
    else if (find(q->load, &key) != NULL)
        why = "too much waits for the domain (store.queue-max-per-domain)";
    pthread_mutex_unlock(&q->lock);
    return why;
}
