/* Claimed work on its way: see work.h. */
#include "store/work.h"

#include "lib/mem.h"
#include "lib/retry.h"

struct work_claim {
    struct store_entries *entries;
    size_t pieces;
};

void work_split(struct store_entries **entries, work_each *fn, void *arg)
{
    struct store_entries *e = *entries;
    *entries = NULL;
    if (e == NULL || e->n == 0) {
        store_entries_free(&e);
        return;
    }
    struct work_claim *claim = mem_zero(1, sizeof *claim);
    claim->entries = e;
    claim->pieces = e->n;
    size_t n = e->n; /* the last piece may free e inside fn */
    for (size_t i = 0; i < n; i++) {
        struct work *w = mem_zero(1, sizeof *w);
        w->claim = claim;
        w->entry = &e->entries[i];
        w->nrcpts = e->entries[i].nrcpts;
        fn(arg, w);
    }
}

struct work *work_cut(struct work *w, size_t keep)
{
    struct work *rest = mem_dup(w, sizeof *w);
    rest->next = NULL;
    rest->first = w->first + keep;
    rest->nrcpts = w->nrcpts - keep;
    w->nrcpts = keep;
    w->claim->pieces++;
    return rest;
}

struct store_rcpt *work_rcpt(const struct work *w, size_t i)
{
    return &w->entry->rcpts[w->first + i];
}

void work_free(struct work **w)
{
    if (*w == NULL)
        return;
    struct work_claim *claim = (*w)->claim;
    if (--claim->pieces == 0) {
        store_entries_free(&claim->entries);
        mem_free(&claim);
    }
    mem_free(w);
}

void work_put_back(struct work **list, struct store *store, msec_t wait, store_done *done, void *arg)
{
    struct error err;
    size_t n = 0, k = 0;
    for (const struct work *w = *list; w != NULL; w = w->next)
        n += w->nrcpts;
    int64_t *rids = mem_zero(n, sizeof *rids);
    while (*list != NULL) {
        struct work *w = *list;
        *list = w->next;
        for (size_t i = 0; i < w->nrcpts; i++)
            rids[k++] = work_rcpt(w, i)->rid;
        work_free(&w);
    }
    msec_t when = clock_now() + retry_delay(1, wait + wait / 4, wait + wait / 4, wait);
    if (store_postpone(store, rids, n, when, done, arg, &err) != RESULT_OK)
        done(arg, err.result, &err);
    mem_free(&rids);
}
