/* Peers that asked for time: see busy.h. */
#include "lib/busy.h"

#include <string.h>
#include <sys/queue.h>

#include "lib/mem.h"
#include "lib/retry.h"

enum { NAMES_MAX = 500 };

struct entry {
    LIST_ENTRY(entry) link;
    msec_t until; /* by clock_mono() */
    char name[];
};

struct busy {
    LIST_HEAD(busy_list, entry) list; /* who is over goes when somebody looks: they are few */
    unsigned n;
};

struct busy *busy_new(void)
{
    struct busy *b = mem_zero(1, sizeof *b);
    LIST_INIT(&b->list);
    return b;
}

static void forget(struct busy *b, struct entry *e)
{
    LIST_REMOVE(e, link);
    b->n--;
    mem_free(&e);
}

void busy_free(struct busy **b)
{
    struct entry *e;
    if (*b == NULL)
        return;
    while ((e = LIST_FIRST(&(*b)->list)) != NULL)
        forget(*b, e);
    mem_free(b);
}

/* Forgets all that are over on the way. */
static struct entry *find(struct busy *b, const char *name)
{
    struct entry *e, *next, *found = NULL;
    msec_t now = clock_mono();
    for (e = LIST_FIRST(&b->list); e != NULL; e = next) {
        next = LIST_NEXT(e, link);
        if (e->until <= now)
            forget(b, e);
        else if (strcmp(e->name, name) == 0)
            found = e;
    }
    return found;
}

static void make_room(struct busy *b)
{
    struct entry *first = LIST_FIRST(&b->list);
    if (b->n < NAMES_MAX)
        return;
    for (struct entry *e = first; e != NULL; e = LIST_NEXT(e, link)) {
        if (e->until < first->until)
            first = e;
    }
    forget(b, first);
}

msec_t busy_answered(struct busy *b, const char *name, int status, const char *retry_after, msec_t most)
{
    if ((status != 429 && status != 503) || retry_after == NULL)
        return 0;
    return busy_set(b, name, retry_after_parse(retry_after, clock_now()), most);
}

msec_t busy_set(struct busy *b, const char *name, msec_t wait, msec_t most)
{
    wait = wait < most ? wait : most;
    if (wait <= 0)
        return 0;
    struct entry *e = find(b, name);
    if (e == NULL) {
        size_t len = strlen(name);
        make_room(b);
        e = mem_zero(1, sizeof *e + len + 1);
        memcpy(e->name, name, len + 1);
        LIST_INSERT_HEAD(&b->list, e, link);
        b->n++;
    }
    e->until = clock_mono() + wait;
    return wait;
}

msec_t busy_left(struct busy *b, const char *name)
{
    const struct entry *e = find(b, name);
    return e != NULL ? e->until - clock_mono() : 0;
}
