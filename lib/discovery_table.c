/* The domains in memory: see discovery_table.h. */
#include "lib/discovery_table.h"

#include <search.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"

struct discovery_table {
    void *root;                                      /* tsearch(3), by name */
    TAILQ_HEAD(recent_list, discovery_entry) recent; /* latest first */
    size_t n, max;
    struct discovery *owner; /* for its entries */
};

static int by_domain(const void *a, const void *b)
{
    return strcmp(((const struct discovery_entry *)a)->k.domain, ((const struct discovery_entry *)b)->k.domain);
}

struct discovery_table *discovery_table_new(struct discovery *owner, size_t max)
{
    struct discovery_table *t = mem_zero(1, sizeof *t);
    t->owner = owner;
    t->max = max;
    TAILQ_INIT(&t->recent);
    return t;
}

static void drop(struct discovery_table *t, struct discovery_entry *e)
{
    tdelete(e, &t->root, by_domain);
    TAILQ_REMOVE(&t->recent, e, recent);
    t->n--;
    discovery_entry_free(&e);
}

void discovery_table_free(struct discovery_table **t)
{
    if (*t == NULL)
        return;
    struct discovery_entry *e;
    while ((e = TAILQ_FIRST(&(*t)->recent)) != NULL)
        drop(*t, e);
    mem_free(t);
}

struct discovery_entry *discovery_table_find(struct discovery_table *t, const char *domain)
{
    struct discovery_entry key;
    snprintf(key.k.domain, sizeof key.k.domain, "%s", domain);
    struct discovery_entry *const *found = tfind(&key, &t->root, by_domain);
    if (found == NULL)
        return NULL;
    TAILQ_REMOVE(&t->recent, *found, recent);
    TAILQ_INSERT_HEAD(&t->recent, *found, recent);
    return *found;
}

static void make_room(struct discovery_table *t)
{
    struct discovery_entry *before;
    for (struct discovery_entry *e = TAILQ_LAST(&t->recent, recent_list); e != NULL && t->n >= t->max; e = before) {
        before = TAILQ_PREV(e, recent_list, recent);
        if (!e->busy)
            drop(t, e);
    }
}

struct discovery_entry *discovery_table_get(struct discovery_table *t, const char *domain)
{
    struct discovery_entry *e = discovery_table_find(t, domain);
    if (e != NULL)
        return e;
    make_room(t);
    e = mem_zero(1, sizeof *e);
    e->discovery = t->owner;
    snprintf(e->k.domain, sizeof e->k.domain, "%s", domain);
    if (tsearch(e, &t->root, by_domain) == NULL)
        log_fatal("out of memory (discovery)");
    TAILQ_INSERT_HEAD(&t->recent, e, recent);
    t->n++;
    return e;
}

struct discovery_entry *discovery_table_first(struct discovery_table *t)
{
    return TAILQ_FIRST(&t->recent);
}
