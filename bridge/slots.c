/* The right to open a transaction with the MTA: see slots.h. */
#include "bridge/slots.h"

#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/mem.h"

struct slot_domain {
    struct slot_domain *next;
    struct slots *all;
    char name[DOMAIN_MAX + 1];
    unsigned held;
    struct slot *waiting, **tail;
};

struct slot {
    struct slot *next;
    struct slot_domain *domain;
    loop_fn *fn;
    void *arg;
    bool held;
    struct loop_timer *timer; /* calls fn outside of whatever gave the slot back */
};

struct slots {
    struct loop *loop;
    unsigned limit;
    struct slot_domain *domains; /* those with a slot held or waited for */
};

struct slots *slots_new(struct loop *loop)
{
    struct slots *s = mem_zero(1, sizeof *s);
    s->loop = loop;
    s->limit = 1;
    return s;
}

void slots_free(struct slots **s)
{
    mem_free(s);
}

void slots_set_limit(struct slots *s, unsigned per_domain)
{
    s->limit = per_domain;
}

static struct slot_domain *find(struct slots *s, const char *name)
{
    for (struct slot_domain *d = s->domains; d != NULL; d = d->next) {
        if (strcmp(d->name, name) == 0)
            return d;
    }
    struct slot_domain *d = mem_zero(1, sizeof *d);
    snprintf(d->name, sizeof d->name, "%s", name);
    d->all = s;
    d->tail = &d->waiting;
    d->next = s->domains;
    return s->domains = d;
}

static void call(void *arg)
{
    struct slot *slot = arg;
    slot->fn(slot->arg);
}

/* Lets in who may enter, forgets a domain that nobody needs. */
static void serve(struct slot_domain *d)
{
    while (d->waiting != NULL && d->held < d->all->limit) {
        struct slot *slot = d->waiting;
        d->waiting = slot->next;
        if (d->waiting == NULL)
            d->tail = &d->waiting;
        slot->held = true;
        d->held++;
        loop_timer_set(slot->timer, 0);
    }
    if (d->waiting != NULL || d->held > 0)
        return;
    struct slot_domain **p = &d->all->domains;
    while (*p != d)
        p = &(*p)->next;
    *p = d->next;
    mem_free(&d);
}

struct slot *slots_enter(struct slots *s, const char *domain, loop_fn *fn, void *arg)
{
    struct slot *slot = mem_zero(1, sizeof *slot);
    *slot = (struct slot){.domain = find(s, domain), .fn = fn, .arg = arg};
    slot->timer = loop_timer_new(s->loop, call, slot);
    *slot->domain->tail = slot;
    slot->domain->tail = &slot->next;
    serve(slot->domain);
    return slot;
}

void slots_leave(struct slot **slot)
{
    struct slot *s = *slot;
    if (s == NULL)
        return;
    struct slot_domain *d = s->domain;
    if (s->held) {
        d->held--;
    } else {
        struct slot **p = &d->waiting;
        while (*p != s)
            p = &(*p)->next;
        *p = s->next;
        if (d->tail == &s->next)
            d->tail = p;
    }
    loop_timer_free(&s->timer);
    mem_free(slot);
    serve(d);
}
