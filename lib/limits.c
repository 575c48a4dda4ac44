/* Limits on what one peer may take: see limits.h. */
#include "lib/limits.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    KEYS_MAX = 10000, /* of one limit, besides those that hold something */
    CHAINS = 1024,    /* of the hash table; a power of 2 */
    MINUTE = 60000,
    LINES_OF_KEY = 20, /* a minute */
    LINES_OF_LIMIT = 60,
    NAMED_MAX = 10, /* keys named in the summary of a minute */
    TOP = 5,        /* keys named for `pontoon status` */
};

/* Levels are in thousandths: at `rate` a second that many come in within a millisecond. */
struct entry {
    TAILQ_ENTRY(entry) recent;
    LIST_ENTRY(entry) chain;
    int64_t level;
    msec_t when; /* of the level */
    unsigned held;
    uint64_t refused;
    unsigned said, unsaid; /* lines, in this minute */
    char key[];
};

struct limit {
    SLIST_ENTRY(limit) link;
    struct limits *all;
    const char *name;
    int64_t rate, burst;
    LIST_HEAD(chain_head, entry) chains[CHAINS];
    TAILQ_HEAD(recent_head, entry) recent; /* seen last first */
    size_t nkeys;
    unsigned held;
    uint64_t refused;
    unsigned said, unsaid; /* in this minute; unsaid: of keys that were forgotten */
};

struct limits {
    SLIST_HEAD(limit_list, limit) list;
    struct loop_timer *timer; /* the minute's end, set while something was said */
};

/* ---- beginning and end ---- */

static void minute_over(void *arg)
{
    limits_say(arg);
}

struct limits *limits_new(struct loop *loop)
{
    struct limits *all = mem_zero(1, sizeof *all);
    SLIST_INIT(&all->list);
    if (loop != NULL)
        all->timer = loop_timer_new(loop, minute_over, all);
    return all;
}

struct limit *limits_add(struct limits *all, const char *name)
{
    struct limit *l = mem_zero(1, sizeof *l);
    l->all = all;
    l->name = name;
    TAILQ_INIT(&l->recent);
    SLIST_INSERT_HEAD(&all->list, l, link);
    return l;
}

static void forget(struct limit *l, struct entry *e)
{
    l->unsaid += e->unsaid;
    l->nkeys--;
    LIST_REMOVE(e, chain);
    TAILQ_REMOVE(&l->recent, e, recent);
    mem_free(&e);
}

void limits_free(struct limits **all)
{
    struct limit *l;
    if (*all == NULL)
        return;
    while ((l = SLIST_FIRST(&(*all)->list)) != NULL) {
        struct entry *e;
        while ((e = TAILQ_FIRST(&l->recent)) != NULL)
            forget(l, e);
        SLIST_REMOVE_HEAD(&(*all)->list, link);
        mem_free(&l);
    }
    if ((*all)->timer != NULL)
        loop_timer_free(&(*all)->timer);
    mem_free(all);
}

/* ---- the table ---- */

/* Who chooses keys to fall into one chain makes it KEYS_MAX long at most. */
static unsigned chain_of(const char *key)
{
    uint32_t h = hash_text(key);
    return (h ^ (h >> 16)) & (CHAINS - 1);
}

static struct entry *find(const struct limit *l, const char *key)
{
    struct entry *e = LIST_FIRST(&l->chains[chain_of(key)]);
    while (e != NULL && strcmp(e->key, key) != 0)
        e = LIST_NEXT(e, chain);
    return e;
}

static void make_room(struct limit *l)
{
    struct entry *e = TAILQ_LAST(&l->recent, recent_head);
    for (unsigned i = 0; l->nkeys >= KEYS_MAX && e != NULL && i < NAMED_MAX; i++) {
        struct entry *before = TAILQ_PREV(e, recent_head, recent);
        if (e->held == 0)
            forget(l, e);
        e = before;
    }
}

static int64_t full(const struct limit *l)
{
    return l->burst * 1000;
}

/* The entry, as it stands now. */
static struct entry *get(struct limit *l, const char *key)
{
    msec_t now = clock_mono();
    struct entry *e = find(l, key);
    if (e == NULL) {
        size_t len = strlen(key);
        make_room(l);
        e = mem_zero(1, sizeof *e + len + 1);
        memcpy(e->key, key, len + 1);
        e->level = full(l);
        LIST_INSERT_HEAD(&l->chains[chain_of(key)], e, chain);
        l->nkeys++;
    } else {
        TAILQ_REMOVE(&l->recent, e, recent);
        int64_t room = full(l) - e->level, come = 0;
        if (room > 0 && l->rate > 0)
            come = now - e->when >= room / l->rate ? room : (now - e->when) * l->rate;
        e->level += come;
    }
    e->when = now;
    TAILQ_INSERT_HEAD(&l->recent, e, recent);
    return e;
}

void limit_key_of(const struct netaddr *a, char key_r[LIMIT_KEY_SIZE])
{
    size_t len;
    const uint8_t *bytes = netaddr_bytes(a, &len);
    if (len != 16) {
        netaddr_ip(a, key_r);
        return;
    }
    uint8_t net[16] = {0};
    char text[INET6_ADDRSTRLEN];
    memcpy(net, bytes, 8);
    inet_ntop(AF_INET6, net, text, sizeof text);
    snprintf(key_r, LIMIT_KEY_SIZE, "%s/64", text);
}

/* ---- rates ---- */

void limit_set_rate(struct limit *l, int64_t rate, int64_t burst)
{
    bool less = burst < l->burst;
    l->rate = rate;
    l->burst = burst;
    for (struct entry *e = TAILQ_FIRST(&l->recent); less && e != NULL; e = TAILQ_NEXT(e, recent))
        e->level = e->level < full(l) ? e->level : full(l); /* nobody keeps what was allowed before */
}

bool limit_allows(struct limit *l, const char *key, unsigned *wait_r)
{
    if (l->rate == 0)
        return true;
    const struct entry *e = get(l, key);
    if (wait_r != NULL)
        *wait_r = e->level > 0 ? 0 : (unsigned)(-e->level / (l->rate * 1000)) + 1;
    return e->level > 0;
}

void limit_charge(struct limit *l, const char *key, int64_t cost)
{
    if (l->rate != 0)
        get(l, key)->level -= cost * 1000;
}

void limit_credit(struct limit *l, const char *key, int64_t credit)
{
    if (l->rate == 0)
        return;
    struct entry *e = get(l, key);
    int64_t most = credit * 1000 > full(l) ? credit * 1000 : full(l);
    if (e->level < most)
        e->level = e->level + credit * 1000 < most ? e->level + credit * 1000 : most;
}

bool limit_take(struct limit *l, const char *key, unsigned *wait_r)
{
    bool allowed = limit_allows(l, key, wait_r);
    if (allowed)
        limit_charge(l, key, 1);
    return allowed;
}

/* ---- counts ---- */

void limit_hold(struct limit *l, const char *key)
{
    get(l, key)->held++;
    l->held++;
}

void limit_release(struct limit *l, const char *key)
{
    struct entry *e = find(l, key);
    if (e == NULL || e->held == 0)
        log_panic("limit %s: %s holds nothing", l->name, key);
    e->held--;
    l->held--;
}

unsigned limit_held(const struct limit *l, const char *key)
{
    const struct entry *e = find(l, key);
    return e != NULL ? e->held : 0;
}

/* ---- what is said of it ---- */

void limit_refused(struct limit *l, const char *key, const char *fmt, ...)
{
    char text[1000];
    va_list ap;
    struct entry *e = get(l, key);
    l->refused++;
    e->refused++;
    if (l->all->timer != NULL && !loop_timer_pending(l->all->timer))
        loop_timer_set(l->all->timer, MINUTE);
    if (e->said >= LINES_OF_KEY || l->said >= LINES_OF_LIMIT) {
        e->unsaid++;
        return;
    }
    e->said++;
    l->said++;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_warning("%s", text);
}

static void say(struct limit *l)
{
    unsigned named = 0, others = 0;
    uint64_t rest = l->unsaid;
    for (struct entry *e = TAILQ_FIRST(&l->recent); e != NULL; e = TAILQ_NEXT(e, recent)) {
        if (e->unsaid > 0 && named++ < NAMED_MAX) {
            log_warning("limit %s: [%s]: ... and %u more like it in the last minute", l->name, e->key, e->unsaid);
        } else if (e->unsaid > 0) {
            others++;
            rest += e->unsaid;
        }
        e->said = e->unsaid = 0;
    }
    if (rest > 0)
        log_warning("limit %s: ... and %" PRIu64 " more like it in the last minute, from %u others or more", l->name,
                    rest, others);
    l->said = l->unsaid = 0;
}

void limits_say(struct limits *all)
{
    struct limit *l;
    for (l = SLIST_FIRST(&all->list); l != NULL; l = SLIST_NEXT(l, link))
        say(l);
}

/* Who was refused most often, of those in the table. */
static json_t *top(const struct limit *l)
{
    const struct entry *most[TOP] = {NULL};
    size_t n = 0;
    for (const struct entry *e = TAILQ_FIRST(&l->recent); e != NULL; e = TAILQ_NEXT(e, recent)) {
        size_t i = n;
        if (n < TOP)
            n++;
        for (; i > 0 && most[i - 1]->refused < e->refused; i--) {
            if (i < TOP)
                most[i] = most[i - 1];
        }
        if (i < TOP)
            most[i] = e;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < n && most[i]->refused > 0; i++)
        json_array_append_new(list,
                              json_pack("{s:s, s:I}", "peer", most[i]->key, "refused", (json_int_t)most[i]->refused));
    return list;
}

json_t *limits_json(const struct limits *all)
{
    json_t *list = json_array();
    const struct limit *l;
    for (l = SLIST_FIRST(&all->list); l != NULL; l = SLIST_NEXT(l, link)) {
        if (l->refused == 0 && l->held == 0)
            continue;
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:I, s:I, s:o}", "name", l->name, "refused", (json_int_t)l->refused,
                                        "holding", (json_int_t)l->held, "keys", (json_int_t)l->nkeys, "top", top(l)));
    }
    return list;
}
