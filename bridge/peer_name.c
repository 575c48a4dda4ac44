/* Verified names of the sites that notify us: see peer_name.h. */
#include "bridge/peer_name.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/mem.h"

enum {
    CACHE_MAX = 1000,
    KEEP = 10 * 60 * 1000,    /* ms: an answer */
    KEEP_FAILURE = 60 * 1000, /* ms: no answer */
};

struct waiter {
    struct waiter *next;
    peer_name_done *done;
    void *arg;
};

struct peer_name {
    struct peer_name *next;
    struct peer_names *all;
    char address[NETADDR_TEXT_SIZE];
    char name[256];
    msec_t until;
    bool asking;
    struct waiter *waiters;
};

struct peer_names {
    struct dns *dns;
    struct peer_name *list;
    size_t count;
};

struct peer_names *peer_names_new(struct dns *dns)
{
    struct peer_names *p = mem_zero(1, sizeof *p);
    p->dns = dns;
    return p;
}

static void free_waiters(struct peer_name *n)
{
    while (n->waiters != NULL) {
        struct waiter *w = n->waiters;
        n->waiters = w->next;
        mem_free(&w);
    }
}

static void answered(void *arg, enum result result, const char *name, const struct error *err)
{
    (void)err;
    struct peer_name *n = arg;
    msec_t keep = result == RESULT_TEMP ? KEEP_FAILURE : KEEP;
    n->asking = false;
    n->until = clock_mono() + keep;
    if (n->all == NULL) { /* nobody waits any more */
        free_waiters(n);
        mem_free(&n);
        return;
    }
    const char *text = result == RESULT_OK ? name : (result == RESULT_TEMP ? "[TEMPUNAVAIL]" : "[UNAVAILABLE]");
    snprintf(n->name, sizeof n->name, "%s", text);
    struct waiter *list = n->waiters;
    n->waiters = NULL;
    while (list != NULL) {
        struct waiter *w = list;
        list = w->next;
        if (w->done != NULL)
            w->done(w->arg, n->name);
        mem_free(&w);
    }
}

/* Makes room: what is out of date goes, else the oldest (the list's end) that is not being asked. */
static void make_room(struct peer_names *p)
{
    msec_t now = clock_mono();
    struct peer_name **last = NULL;
    for (struct peer_name **n = &p->list; *n != NULL;) {
        struct peer_name *dead = *n;
        if (!dead->asking && dead->until < now) {
            *n = dead->next;
            p->count--;
            mem_free(&dead);
            continue;
        }
        if (!dead->asking)
            last = n;
        n = &(*n)->next;
    }
    if (p->count >= CACHE_MAX && last != NULL) {
        struct peer_name *dead = *last;
        *last = dead->next;
        p->count--;
        mem_free(&dead);
    }
}

static struct peer_name *find(struct peer_names *p, const char *address)
{
    for (struct peer_name *n = p->list; n != NULL; n = n->next) {
        if (strcmp(n->address, address) == 0)
            return n;
    }
    if (p->count >= CACHE_MAX)
        make_room(p);
    struct peer_name *n = mem_zero(1, sizeof *n);
    snprintf(n->address, sizeof n->address, "%s", address);
    n->all = p;
    n->next = p->list;
    p->list = n;
    p->count++;
    return n;
}

void peer_names_get(struct peer_names *p, const char *address, peer_name_done *done, void *arg)
{
    struct peer_name *n = find(p, address);
    struct netaddr a;
    if (!n->asking && n->until > clock_mono()) {
        done(arg, n->name);
        return;
    }
    if (!netaddr_parse(address, 0, &a)) {
        done(arg, "[UNAVAILABLE]");
        return;
    }
    struct waiter *w = mem_zero(1, sizeof *w);
    *w = (struct waiter){.next = n->waiters, .done = done, .arg = arg};
    n->waiters = w;
    if (!n->asking) {
        n->asking = true;
        dns_name(p->dns, &a, answered, n);
    }
}

void peer_names_cancel(struct peer_names *p, void *arg)
{
    for (struct peer_name *n = p->list; n != NULL; n = n->next) {
        for (struct waiter *w = n->waiters; w != NULL; w = w->next) {
            if (w->arg == arg)
                w->done = NULL;
        }
    }
}

void peer_names_free(struct peer_names **p)
{
    if (*p == NULL)
        return;
    while ((*p)->list != NULL) {
        struct peer_name *n = (*p)->list;
        (*p)->list = n->next;
        if (n->asking) {
            n->all = NULL; /* its answer frees it */
            continue;
        }
        mem_free(&n);
    }
    mem_free(p);
}
