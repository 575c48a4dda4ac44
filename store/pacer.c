/* The pacer: see pacer.h. */
#include "store/pacer.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/address.h"
#include "lib/hash.h"
#include "lib/mem.h"

enum {
    CHAINS = 1024,
    LOOK = 100,    /* ms between adaptations */
    GROW = 16,     /* the window grows by this part of itself */
    UNIT = 1000,   /* the window is in thousandths of a message */
    TURN = 524288, /* bytes */
    COST = 65536,
    COST_MAX = 16777216,
};

struct site {
    LIST_ENTRY(site) link;
    TAILQ_ENTRY(site) ring;
    char name[DOMAIN_MAX + 1];
    unsigned out; /* tickets */
    uint64_t bytes;
    int64_t deficit;
    bool in_ring;
    bool cut; /* the bounds in all ended its last turn, which goes on */
    unsigned nqueues;
    TAILQ_HEAD(queue_head, pacer_queue) waiting;
};

struct pacer_queue {
    TAILQ_ENTRY(pacer_queue) link;
    struct pacer *pacer;
    struct site *site;
    bool waiting;
    pacer_turn *fn;
    void *arg;
};

struct ticket {
    LIST_ENTRY(ticket) chain;
    TAILQ_ENTRY(ticket) age;
    struct site *site;
    uint64_t size;
    msec_t end;
    char id[];
};

struct pacer {
    struct pacer_settings s;
    LIST_HEAD(site_list, site) sites[CHAINS];
    LIST_HEAD(ticket_chain, ticket) tickets[CHAINS];
    TAILQ_HEAD(age_head, ticket) by_age;
    TAILQ_HEAD(ring_head, site) ring;
    unsigned waiting;
    struct site *turn; /* whose it is */
    bool exhausted;    /* the turn ended for the bounds in all */
    unsigned out, most_out;
    msec_t latency; /* in sixteenths of a ms: a mean in which the latest fetch counts a sixteenth */
    uint64_t bytes, timed_out;
    int64_t window;
    unsigned slow, quick, peak; /* fetches, and most that was out, since `looked` */
    msec_t looked;
};

static unsigned hash(const char *s)
{
    uint32_t h = hash_text(s);
    return (h ^ (h >> 16)) & (CHAINS - 1);
}

struct pacer *pacer_new(const struct pacer_settings *settings)
{
    struct pacer *p = mem_zero(1, sizeof *p);
    TAILQ_INIT(&p->by_age);
    TAILQ_INIT(&p->ring);
    p->window = (int64_t)settings->messages * UNIT;
    pacer_configure(p, settings);
    return p;
}

void pacer_configure(struct pacer *p, const struct pacer_settings *settings)
{
    p->s = *settings;
    if (p->window > (int64_t)p->s.messages * UNIT)
        p->window = (int64_t)p->s.messages * UNIT;
}

/* ---- sites ---- */

static struct site *find_site(const struct pacer *p, const char *name)
{
    struct site *s = LIST_FIRST(&p->sites[hash(name)]);
    while (s != NULL && strcmp(s->name, name) != 0)
        s = LIST_NEXT(s, link);
    return s;
}

static void enter_ring(struct pacer *p, struct site *s)
{
    if (s->in_ring || TAILQ_EMPTY(&s->waiting) || s == p->turn)
        return;
    TAILQ_INSERT_TAIL(&p->ring, s, ring);
    s->in_ring = true;
    p->waiting++;
}

static void leave_ring(struct pacer *p, struct site *s)
{
    if (!s->in_ring)
        return;
    TAILQ_REMOVE(&p->ring, s, ring);
    s->in_ring = false;
    p->waiting--;
}

static void forget_site(struct pacer *p, struct site *s)
{
    if (s->nqueues > 0 || s->out > 0 || s == p->turn)
        return;
    LIST_REMOVE(s, link);
    mem_free(&s);
}

struct pacer_queue *pacer_join(struct pacer *p, const char *name, pacer_turn *fn, void *arg)
{
    struct site *s = find_site(p, name);
    if (s == NULL) {
        s = mem_zero(1, sizeof *s);
        snprintf(s->name, sizeof s->name, "%s", name);
        TAILQ_INIT(&s->waiting);
        LIST_INSERT_HEAD(&p->sites[hash(s->name)], s, link);
    }
    struct pacer_queue *q = mem_zero(1, sizeof *q);
    *q = (struct pacer_queue){.pacer = p, .site = s, .fn = fn, .arg = arg};
    s->nqueues++;
    return q;
}

static void stop_waiting(struct pacer_queue *q)
{
    if (!q->waiting)
        return;
    q->waiting = false;
    TAILQ_REMOVE(&q->site->waiting, q, link);
    if (TAILQ_EMPTY(&q->site->waiting)) {
        leave_ring(q->pacer, q->site);
        q->site->deficit = 0;
    }
}

void pacer_leave(struct pacer_queue **queue)
{
    struct pacer_queue *q = *queue;
    if (q == NULL)
        return;
    stop_waiting(q);
    q->site->nqueues--;
    forget_site(q->pacer, q->site);
    mem_free(queue);
}

/* ---- tickets ---- */

static struct ticket *find_ticket(const struct pacer *p, const char *site, const char *id)
{
    struct ticket *t = LIST_FIRST(&p->tickets[hash(id)]);
    while (t != NULL && (strcmp(t->id, id) != 0 || strcmp(t->site->name, site) != 0))
        t = LIST_NEXT(t, chain);
    return t;
}

static void end_ticket(struct pacer *p, struct ticket *t)
{
    struct site *s = t->site;
    LIST_REMOVE(t, chain);
    TAILQ_REMOVE(&p->by_age, t, age);
    p->out--;
    p->bytes -= t->size;
    s->out--;
    s->bytes -= t->size;
    mem_free(&t);
    enter_ring(p, s);
    forget_site(p, s);
}

static bool site_has_room(const struct pacer *p, const struct site *s, uint64_t size)
{
    return s->out < p->s.messages_per_site && (s->bytes == 0 || s->bytes + size <= p->s.bytes_per_site);
}

static bool all_have_room(const struct pacer *p, uint64_t size)
{
    uint64_t most = p->s.bytes / p->s.messages * (uint64_t)(p->window / UNIT);
    return p->out < (unsigned)(p->window / UNIT) && (p->bytes == 0 || p->bytes + size <= most);
}

static void wait_for_turn(struct pacer_queue *q)
{
    struct pacer *p = q->pacer;
    if (!q->waiting) {
        q->waiting = true;
        TAILQ_INSERT_TAIL(&q->site->waiting, q, link);
    }
    if (site_has_room(p, q->site, 0)) /* else a ticket that comes back brings it into the ring */
        enter_ring(p, q->site);
}

bool pacer_take(struct pacer_queue *q, const char *id, uint64_t size, msec_t now)
{
    struct pacer *p = q->pacer;
    struct site *s = q->site;
    struct ticket *t = find_ticket(p, s->name, id);
    if (t != NULL) {
        t->end = now + p->s.timeout;
        TAILQ_REMOVE(&p->by_age, t, age);
        TAILQ_INSERT_TAIL(&p->by_age, t, age);
        return true;
    }
    bool mine = p->turn == s && s->deficit > 0;
    bool free_way = p->turn == NULL && p->waiting == 0 && TAILQ_EMPTY(&s->waiting);
    bool room = all_have_room(p, size);
    if (p->turn == s && !room)
        p->exhausted = true;
    if (!(mine || free_way) || !room || !site_has_room(p, s, size)) {
        wait_for_turn(q);
        return false;
    }
    size_t len = strlen(id);
    t = mem_zero(1, sizeof *t + len + 1);
    memcpy(t->id, id, len + 1);
    t->site = s;
    t->size = size;
    t->end = now + p->s.timeout;
    LIST_INSERT_HEAD(&p->tickets[hash(t->id)], t, chain);
    TAILQ_INSERT_TAIL(&p->by_age, t, age);
    p->out++;
    p->bytes += size;
    s->out++;
    s->bytes += size;
    s->deficit -= COST + (int64_t)(size < COST_MAX ? size : COST_MAX);
    if (free_way && s->deficit < 0)
        s->deficit = 0; /* nobody waited for it */
    p->most_out = p->out > p->most_out ? p->out : p->most_out;
    p->peak = p->out > p->peak ? p->out : p->peak;
    return true;
}

void pacer_back(struct pacer *p, const char *site, const char *id)
{
    struct ticket *t = find_ticket(p, site, id);
    if (t != NULL)
        end_ticket(p, t);
}

bool pacer_is_out(const struct pacer *p, const char *site, const char *id)
{
    return find_ticket(p, site, id) != NULL;
}

/* ---- adaptation ---- */

static void adapt(struct pacer *p, msec_t now)
{
    if (now - p->looked < LOOK)
        return;
    int64_t most = (int64_t)p->s.messages * UNIT;
    int64_t used = (int64_t)p->peak * UNIT < p->window ? (int64_t)p->peak * UNIT : p->window;
    if (p->slow > p->quick) {
        p->window = used / 4 * 3 > UNIT ? used / 4 * 3 : UNIT;
    } else {
        p->window += p->window / GROW > UNIT ? p->window / GROW : UNIT;
        p->window = p->window < most ? p->window : most;
    }
    p->slow = p->quick = 0;
    p->peak = p->out;
    p->looked = now;
}

void pacer_latency(struct pacer *p, msec_t took, msec_t now)
{
    p->latency += took - p->latency / 16;
    if (took > p->s.latency)
        p->slow++;
    else
        p->quick++;
    adapt(p, now);
}

/* ---- turns ---- */

/* One site's turn; false if the bounds in all ended it. */
static bool give_turn(struct pacer *p, struct site *s)
{
    leave_ring(p, s);
    if (!s->cut || s->deficit <= 0)
        s->deficit += TURN;
    p->turn = s;
    p->exhausted = false;
    unsigned n = 0; /* each queue once: who is not done stands at the end again */
    struct pacer_queue *q;
    TAILQ_FOREACH (q, &s->waiting, link)
        n++;
    while (n-- > 0 && s->deficit > 0 && !p->exhausted && (q = TAILQ_FIRST(&s->waiting)) != NULL) {
        TAILQ_REMOVE(&s->waiting, q, link);
        q->waiting = false;
        q->fn(q->arg);
    }
    p->turn = NULL;
    bool cut = s->cut = p->exhausted;
    if (TAILQ_EMPTY(&s->waiting)) {
        s->deficit = 0;
    } else if (cut) {
        TAILQ_INSERT_HEAD(&p->ring, s, ring);
        s->in_ring = true;
        p->waiting++;
    } else if (site_has_room(p, s, 0)) {
        enter_ring(p, s);
    }
    forget_site(p, s);
    return !cut;
}

msec_t pacer_run(struct pacer *p, msec_t now)
{
    struct ticket *t;
    struct site *s;
    while ((t = TAILQ_FIRST(&p->by_age)) != NULL && t->end <= now) {
        p->timed_out++;
        end_ticket(p, t);
    }
    adapt(p, now);
    /* A turn in which nothing is taken pays off a debt; that many turns are enough for every debt there can be. */
    unsigned turns = (p->waiting + 1) * (COST_MAX / TURN + 2);
    while (turns-- > 0 && (s = TAILQ_FIRST(&p->ring)) != NULL && all_have_room(p, 0)) {
        if (!give_turn(p, s))
            break;
    }
    t = TAILQ_FIRST(&p->by_age);
    if (t == NULL && p->waiting == 0)
        return -1;
    msec_t next = now + LOOK;
    return p->waiting == 0 && t != NULL && t->end > next ? t->end : next;
}

void pacer_free(struct pacer **p)
{
    if (*p == NULL)
        return;
    struct ticket *t;
    while ((t = TAILQ_FIRST(&(*p)->by_age)) != NULL)
        end_ticket(*p, t);
    mem_free(p);
}

struct pacer_figures pacer_figures(const struct pacer *p)
{
    return (struct pacer_figures){.out = p->out,
                                  .window = (unsigned)(p->window / UNIT),
                                  .waiting = p->waiting,
                                  .bytes = p->bytes,
                                  .latency = p->latency / 16,
                                  .most_out = p->most_out,
                                  .timed_out = p->timed_out};
}
