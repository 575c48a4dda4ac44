/*
 * Claimed work on its way through the daemon: one entry of a claim, shared by whoever still works on one of its
 * recipients. The claim's memory goes when the last piece is released.
 */
#ifndef PONTOON_STORE_WORK_H
#define PONTOON_STORE_WORK_H

#include "lib/store.h"

struct work_claim; /* counts the pieces of one store_claim() */

struct work {
    struct work *next;
    struct work_claim *claim;
    struct store_entry *entry; /* one message, recipients of one domain */
    size_t first, nrcpts;      /* this piece's recipients: entry->rcpts[first .. first + nrcpts - 1] */
    bool alone;                /* refused in a batch: to be tried by itself */
};

typedef void work_each(void *arg, struct work *w);
/* Takes over *entries (sets it NULL) and calls fn once for each entry; fn owns the piece. */
void work_split(struct store_entries **entries, work_each *fn, void *arg);
/* Makes a second piece of all recipients but the first `keep` of this one. */
struct work *work_cut(struct work *w, size_t keep);
struct store_rcpt *work_rcpt(const struct work *w, size_t i);
void work_free(struct work **w);

/* Puts the pieces of a list back into the store, to be claimed again in `wait` ms or a little later, and frees them. */
void work_put_back(struct work **list, struct store *store, msec_t wait, store_done *done, void *arg);

#endif
