/* All messages under way: see deliveries.h. */
#include "bridge/deliveries.h"

#include <search.h>
#include <string.h>
#include <sys/queue.h>

#include "bridge/intake.h"
#include "bridge/receipts.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { TAKE_UP_MAX = 500 };

struct watch {
    struct watch *next;
    delivery_done *fn;
    void *arg;
};

struct active {
    LIST_ENTRY(active) link; /* all */
    struct deliveries *all;
    struct delivery *delivery;
    struct job_name name;
    struct watch *watches;
};

struct deliveries {
    struct context *ctx;
    void *tree; /* tsearch(3) */
    LIST_HEAD(active_list, active) list;
    bool more;     /* promised messages of before the restart wait in the queue, */
    int64_t after; /* behind this one */
};

static int compare(const void *a, const void *b)
{
    const struct active *x = a, *y = b;
    int c = strcmp(x->name.id, y->name.id);
    if (c == 0)
        c = strcmp(x->name.iss, y->name.iss);
    if (c == 0)
        c = strcmp(x->name.aud, y->name.aud);
    return c != 0 ? c : x->name.shadow - y->name.shadow;
}

struct deliveries *deliveries_new(struct context *ctx)
{
    struct deliveries *d = mem_zero(1, sizeof *d);
    d->ctx = ctx;
    return d;
}

static void active_free(struct active *a)
{
    LIST_REMOVE(a, link);
    tdelete(a, &a->all->tree, compare);
    intake_ends(a->all->ctx->intake, a->name.iss, a->name.shadow);
    while (a->watches != NULL) {
        struct watch *w = a->watches;
        a->watches = w->next;
        mem_free(&w);
    }
    mem_free(&a);
}

void deliveries_free(struct deliveries **d)
{
    if (*d == NULL)
        return;
    struct active *a;
    while ((a = LIST_FIRST(&(*d)->list)) != NULL) {
        struct delivery *delivery = a->delivery;
        active_free(a); /* its key is the delivery's */
        delivery_cancel(&delivery);
    }
    mem_free(d);
}

static void ended(void *arg, enum result result, const struct job *job)
{
    struct active *a = arg;
    struct deliveries *all = a->all;
    bool promised = delivery_promised(a->delivery);
    while (a->watches != NULL) {
        struct watch *w = a->watches;
        a->watches = w->next;
        w->fn(w->arg, result, job);
        mem_free(&w);
    }
    active_free(a);
    if (promised)
        receipts_kick(all->ctx->receipts);
    if (all->more && intake_count(all->ctx->intake, false) + intake_count(all->ctx->intake, true) < TAKE_UP_MAX / 2) {
        struct error err;
        if (deliveries_take_up(all, &err) != RESULT_OK)
            log_error("can't take up promised messages: %s", err.text);
    }
}

struct active *deliveries_find(struct deliveries *d, const struct job_name *name)
{
    struct active key = {.name = *name};
    struct active **found = tfind(&key, &d->tree, compare);
    return found ? *found : NULL;
}

struct active *deliveries_begin(struct deliveries *d, struct job *job, bool promised)
{
    struct active *a = mem_zero(1, sizeof *a);
    *a = (struct active){.all = d, .name = job_name(job)};
    LIST_INSERT_HEAD(&d->list, a, link);
    intake_begins(d->ctx->intake, job->iss, job->shadow);
    a->delivery = delivery_begin(d->ctx, job, promised, ended, a);
    if (tsearch(a, &d->tree, compare) == NULL)
        log_fatal("out of memory");
    return a;
}

enum result deliveries_take_up(struct deliveries *d, struct error *err)
{
    struct job_list *list = NULL;
    enum result r = jobs_pending(d->ctx->jobs, d->after, TAKE_UP_MAX, &list, err);
    if (r != RESULT_OK)
        return r;
    unsigned begun = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct job *job = list->jobs[i];
        d->after = job->key;
        const struct job_name name = job_name(job);
        if (deliveries_find(d, &name) != NULL)
            continue;
        list->jobs[i] = NULL;
        deliveries_begin(d, job, true);
        begun++;
    }
    d->more = list->n == TAKE_UP_MAX;
    job_list_free(&list);
    if (begun > 0)
        log_info("took up %u promised messages from the queue", begun);
    return RESULT_OK;
}

const struct job *active_job(const struct active *a)
{
    return delivery_job(a->delivery);
}

void active_renotified(struct active *a, int64_t serial)
{
    delivery_renotified(a->delivery, serial);
}

void active_watch(struct active *a, delivery_done *fn, void *arg)
{
    struct watch *w = mem_zero(1, sizeof *w);
    *w = (struct watch){.next = a->watches, .fn = fn, .arg = arg};
    a->watches = w;
}

void active_unwatch(struct active *a, void *arg)
{
    for (struct watch **p = &a->watches; *p != NULL; p = &(*p)->next) {
        if ((*p)->arg == arg) {
            struct watch *w = *p;
            *p = w->next;
            mem_free(&w);
            return;
        }
    }
}

void active_promise(struct active *a, delivery_done *fn, void *arg)
{
    delivery_promise(a->delivery, fn, arg);
}
