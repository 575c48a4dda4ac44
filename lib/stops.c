/* A copy of the store's stops: see stops.h. */
#include "lib/stops.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

enum { RENEW_EVERY = 1000 }; /* ms */

struct stops {
    struct store *store;
    pthread_mutex_t reading; /* who holds it reads the store */
    pthread_mutex_t lock;    /* for the rest, never held while reading */
    struct store_stops *now; /* or NULL: none was read yet */
    msec_t read;             /* by clock_mono(), 0 never */
    unsigned generation;
    bool failed;
};

struct stops *stops_new(struct store *store)
{
    struct stops *s = mem_zero(1, sizeof *s);
    s->store = store;
    pthread_mutex_init(&s->reading, NULL);
    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void stops_free(struct stops **s_p)
{
    struct stops *s = *s_p;
    if (s == NULL)
        return;
    store_stops_free(&s->now);
    pthread_mutex_destroy(&s->reading);
    pthread_mutex_destroy(&s->lock);
    mem_free(s_p);
}

static int by_domain(const void *a, const void *b)
{
    return strcmp(((const struct store_stop *)a)->domain, ((const struct store_stop *)b)->domain);
}

/* The first of a domain: drains stand before breakers. */
static const struct store_stop *find(const struct store_stops *stops, const char *domain)
{
    struct store_stop key;
    if (stops == NULL || stops->n == 0)
        return NULL;
    size_t len = strlen(domain);
    if (len >= sizeof key.domain)
        return NULL;
    memcpy(key.domain, domain, len + 1);
    const struct store_stop *found = bsearch(&key, stops->list, stops->n, sizeof key, by_domain);
    while (found != NULL && found > stops->list && strcmp(found[-1].domain, domain) == 0)
        found--;
    return found;
}

static bool has(const struct store_stops *stops, const struct store_stop *s)
{
    const struct store_stop *found = find(stops, s->domain);
    for (; found != NULL && found < stops->list + stops->n && strcmp(found->domain, s->domain) == 0; found++) {
        if (found->kind == s->kind && found->since == s->since)
            return true;
    }
    return false;
}

static bool adds_some(const struct store_stops *before, const struct store_stops *after)
{
    for (size_t i = 0; i < after->n; i++) {
        if (!has(before, &after->list[i]))
            return true;
    }
    return false;
}

/* The caller holds `reading`. */
static void read_store(struct stops *s)
{
    struct store_stops *fresh = NULL;
    struct error err;
    enum result r = store_stops_read(s->store, &fresh, &err);
    pthread_mutex_lock(&s->lock);
    s->read = clock_mono();
    if (r == RESULT_OK) {
        s->generation += adds_some(s->now, fresh);
        struct store_stops *old = s->now;
        s->now = fresh;
        fresh = old;
    }
    bool news = s->failed != (r != RESULT_OK);
    s->failed = r != RESULT_OK;
    pthread_mutex_unlock(&s->lock);
    store_stops_free(&fresh);
    if (news && r != RESULT_OK)
        log_warning("can't read what is being drained, and go on as before: %s", err.text);
    else if (news)
        log_info("what is being drained can be read again");
}

unsigned stops_renew(struct stops *s)
{
    pthread_mutex_lock(&s->reading);
    read_store(s);
    pthread_mutex_unlock(&s->reading);
    pthread_mutex_lock(&s->lock);
    unsigned generation = s->generation;
    pthread_mutex_unlock(&s->lock);
    return generation;
}

/* One thread renews the copy, the others use the old one meanwhile; at the very first all wait. */
static void keep_fresh(struct stops *s)
{
    pthread_mutex_lock(&s->lock);
    bool never = s->read == 0, due = never || clock_mono() - s->read >= RENEW_EVERY;
    pthread_mutex_unlock(&s->lock);
    if (!due)
        return;
    if (never)
        pthread_mutex_lock(&s->reading);
    else if (pthread_mutex_trylock(&s->reading) != 0)
        return;
    pthread_mutex_lock(&s->lock);
    due = s->read == 0 || clock_mono() - s->read >= RENEW_EVERY; /* somebody may have been faster */
    pthread_mutex_unlock(&s->lock);
    if (due)
        read_store(s);
    pthread_mutex_unlock(&s->reading);
}

enum store_stop_kind stops_find(struct stops *s, const char *from, const char *to)
{
    keep_fresh(s);
    enum store_stop_kind kind = STORE_STOP_NONE;
    pthread_mutex_lock(&s->lock);
    const struct store_stop *all = find(s->now, ""), *source = find(s->now, from), *target = find(s->now, to);
    if (all != NULL || (source != NULL && source->kind == STORE_STOP_DRAIN))
        kind = STORE_STOP_DRAIN;
    else if (target != NULL)
        kind = target->kind;
    pthread_mutex_unlock(&s->lock);
    return kind;
}

bool stops_any(struct stops *s)
{
    pthread_mutex_lock(&s->lock);
    bool any = s->now != NULL && s->now->n > 0;
    pthread_mutex_unlock(&s->lock);
    return any;
}

const char *stops_words(enum store_stop_kind kind)
{
    switch (kind) {
    case STORE_STOP_DRAIN: return "being drained";
    case STORE_STOP_BREAKER: return "the domain's bridge fails (breaker open)";
    default: return NULL;
    }
}
