/* A shadow waits for its copies by SMTP: see smtp_copies.h. */
#include "bridge/smtp_copies.h"

#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mem.h"

struct copy {
    char *address; /* normalized; NULL: not waited for */
    bool sure;     /* the envelope's sender is the same, too */
    struct store_comparison comparison;
};

struct smtp_copies {
    char *sender; /* normalized */
    struct copy *copies;
    size_t n;
    struct fingerprint *fingerprint;
    struct arrivals *arrivals;
    msec_t verified; /* by clock_mono() */
    msec_t age;      /* of the message, then; -1: unknown */
    struct arrivals_watch *watch;
    struct loop_timer *timer;
    smtp_copies_done *done;
    void *arg;
};

static bool complete(const struct smtp_copies *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->copies[i].address != NULL && !c->copies[i].sure)
            return false;
    }
    return true;
}

static void time_is_up(void *arg)
{
    struct smtp_copies *c = arg;
    c->done(c->arg);
}

static void compare(struct smtp_copies *c, struct copy *copy, const struct arrival *arrival, msec_t when)
{
    struct buf lines = BUF_INIT(DIFFERENCES_SIZE_MAX);
    if (!copy->sure)
        difference_add(&lines, "envelope sender differs: <%.150s> by SMTP", arrival->sender);
    fingerprint_compare(c->fingerprint, arrival->fingerprint, &lines);
    mem_release((void *)(uintptr_t)copy->comparison.differences);
    copy->comparison = (struct store_comparison){.smtp = STORE_SMTP_ARRIVED, .delta = when - c->verified};
    if (lines.len > 0)
        copy->comparison.differences = buf_take(&lines);
    buf_free(&lines);
}

/* The first with the same sender is the one; one from another sender may be a list's, and counts if no better comes. */
static void arrived(void *arg, const struct arrival *arrival, msec_t when)
{
    struct smtp_copies *c = arg;
    char *sender = address_normalize(arrival->sender);
    bool same = strcasecmp(sender, c->sender) == 0;
    mem_free(&sender);
    for (size_t k = 0; k < arrival->nrcpts; k++) {
        char *address = address_normalize(arrival->rcpts[k]);
        for (size_t i = 0; i < c->n; i++) {
            struct copy *copy = &c->copies[i];
            if (copy->address == NULL || copy->sure || strcasecmp(copy->address, address) != 0 ||
                (!same && copy->comparison.smtp == STORE_SMTP_ARRIVED))
                continue;
            copy->sure = same;
            compare(c, copy, arrival, when);
        }
        mem_free(&address);
    }
    if (complete(c))
        loop_timer_set(c->timer, 0);
}

struct smtp_copies *smtp_copies_new(struct loop *loop, struct arrivals *arrivals, const struct envelope *envelope,
                                    const bool *wanted, struct fingerprint *fingerprint, msec_t age, msec_t wait,
                                    smtp_copies_done *done, void *arg)
{
    struct smtp_copies *c = mem_zero(1, sizeof *c);
    *c = (struct smtp_copies){.sender = address_normalize(envelope->sender),
                              .n = envelope->nrcpts,
                              .fingerprint = fingerprint,
                              .arrivals = arrivals,
                              .verified = clock_mono(),
                              .age = age,
                              .done = done,
                              .arg = arg};
    c->copies = mem_zero(c->n, sizeof *c->copies);
    for (size_t i = 0; i < c->n; i++) {
        c->copies[i].comparison.smtp = STORE_SMTP_NOT_SEEN;
        if (wanted[i])
            c->copies[i].address = address_normalize(envelope->rcpts[i].address);
    }
    c->timer = loop_timer_new(loop, time_is_up, c);
    loop_timer_set(c->timer, wait);
    c->watch = arrivals_watch(arrivals, fingerprint->message_id, arrived, c);
    return c;
}

struct store_comparison smtp_copies_of(const struct smtp_copies *c, size_t i)
{
    struct store_comparison comparison = c->copies[i].comparison;
    msec_t since = arrivals_complete_since(c->arrivals);
    if (comparison.smtp == STORE_SMTP_NOT_SEEN && (c->age < 0 || since < 0 || since > c->verified - c->age))
        comparison.smtp = STORE_SMTP_UNKNOWN;
    return comparison;
}

void smtp_copies_free(struct smtp_copies **cp)
{
    struct smtp_copies *c = *cp;
    if (c == NULL)
        return;
    arrivals_unwatch(&c->watch);
    loop_timer_free(&c->timer);
    for (size_t i = 0; i < c->n; i++) {
        mem_free(&c->copies[i].address);
        mem_release((void *)(uintptr_t)c->copies[i].comparison.differences);
    }
    mem_free(&c->copies);
    mem_free(&c->sender);
    fingerprint_free(&c->fingerprint);
    mem_free(cp);
}
