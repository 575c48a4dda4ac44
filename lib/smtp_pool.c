/* Kept connections to one server, and the transactions that wait for one: see smtp_internal.h. */
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/smtp_internal.h"

enum { RELAY_SIZE = 256 + 2 * NETADDR_TEXT_SIZE };

LIST_HEAD(transactions, smtp_transaction);
TAILQ_HEAD(waiting, smtp_transaction);

struct smtp_pool {
    struct loop *loop;
    struct smtp_pool_options options;
    char *server_name, *helo;
    char relay[RELAY_SIZE];
    struct transactions all;
    struct waiting waiting; /* oldest first */
    unsigned nwaiting;
    struct smtp_session **sessions;
    unsigned nsessions;
    struct loop_timer *serve; /* gives work to connections, outside of anybody's call */
    msec_t unreachable;       /* since the last attempt to connect, by clock_mono(); 0: it worked */
};

/* ---- work for connections ---- */

static void remember(struct smtp_pool *pool, struct smtp_transaction *t, bool first)
{
    if (first)
        TAILQ_INSERT_HEAD(&pool->waiting, t, in_waiting);
    else
        TAILQ_INSERT_TAIL(&pool->waiting, t, in_waiting);
    t->waiting = true;
    pool->nwaiting++;
    loop_timer_set(pool->serve, 0);
}

static void forget(struct smtp_pool *pool, struct smtp_transaction *t)
{
    if (!t->waiting)
        return;
    TAILQ_REMOVE(&pool->waiting, t, in_waiting);
    t->waiting = false;
    pool->nwaiting--;
}

static void remove_session(struct smtp_pool *pool, const struct smtp_session *s)
{
    for (unsigned i = 0; i < pool->nsessions; i++) {
        if (pool->sessions[i] == s) {
            for (pool->nsessions--; i < pool->nsessions; i++)
                pool->sessions[i] = pool->sessions[i + 1];
        }
    }
}

/* The last used comes first, so that the others fall idle and are closed. */
static void on_ready(void *arg, struct smtp_session *s)
{
    struct smtp_pool *pool = arg;
    remove_session(pool, s);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what the array has. */
    memmove(pool->sessions + 1, pool->sessions, pool->nsessions * sizeof *pool->sessions);
    pool->sessions[0] = s;
    pool->nsessions++;
    pool->unreachable = 0;
    loop_timer_set(pool->serve, 0);
}

static void on_gone(void *arg, struct smtp_session *s, struct smtp_transaction *again, bool unreachable,
                    const struct error *err)
{
    struct smtp_pool *pool = arg;
    remove_session(pool, s);
    if (again != NULL) {
        again->fresh = true;
        remember(pool, again, true);
    }
    if (unreachable)
        pool->unreachable = clock_mono();
    /* One attempt speaks for all who wait, else each would wait for its own time limit. */
    while (unreachable && pool->nsessions == 0 && !TAILQ_EMPTY(&pool->waiting)) {
        struct smtp_transaction *t = TAILQ_FIRST(&pool->waiting);
        forget(pool, t);
        smtp_transaction_failed(t, err, NULL, false);
    }
    loop_timer_set(pool->serve, 0);
}

static struct smtp_session *open_session(struct smtp_pool *pool)
{
    static const struct smtp_session_owner owner = {.ready = on_ready, .gone = on_gone};
    const struct smtp_session_context context = {
        .loop = pool->loop, .options = &pool->options, .relay = pool->relay, .owner = &owner, .arg = pool};
    return pool->sessions[pool->nsessions++] = smtp_session_new(&context);
}

static struct smtp_session *best_session(struct smtp_pool *pool, const struct smtp_transaction *t)
{
    struct smtp_session *best = NULL;
    enum smtp_fit best_fit = SMTP_FIT_NONE;
    for (unsigned i = 0; i < pool->nsessions; i++) {
        enum smtp_fit fit = smtp_session_fit(pool->sessions[i], t);
        if (fit > best_fit) {
            best = pool->sessions[i];
            best_fit = fit;
        }
    }
    return best;
}

/* Makes room by closing the connection that has had no work for the longest time, as none is of use for the first who waits. */
static void close_unused(struct smtp_pool *pool)
{
    for (unsigned i = pool->nsessions; i-- > 0;) {
        struct smtp_session *s = pool->sessions[i];
        if (smtp_session_unused(s)) {
            remove_session(pool, s);
            smtp_session_free(&s);
            return;
        }
    }
}

static void serve(void *arg)
{
    struct smtp_pool *pool = arg;
    struct smtp_transaction *t;
    while ((t = TAILQ_FIRST(&pool->waiting)) != NULL) {
        struct smtp_session *s = best_session(pool, t);
        if (s == NULL && pool->nsessions == pool->options.max_connections)
            close_unused(pool);
        if (s == NULL && pool->nsessions < pool->options.max_connections)
            s = open_session(pool);
        if (s == NULL)
            return;
        forget(pool, t);
        smtp_session_start(s, t);
    }
}

/* ---- the pool itself ---- */

static void write_relay(struct smtp_pool *pool)
{
    char ip[NETADDR_TEXT_SIZE];
    const struct netaddr *server = &pool->options.server;
    netaddr_ip(server, ip);
    if (server->sa.ss_family == AF_UNIX) /* it is on this machine: as Postfix names it */
        snprintf(pool->relay, sizeof pool->relay, "%.255s[%s]", pool->helo, ip);
    else
        snprintf(pool->relay, sizeof pool->relay, "%.255s[%s]:%u", pool->server_name, ip, netaddr_port(server));
}

struct smtp_pool *smtp_pool_new(struct loop *loop, const struct smtp_pool_options *o)
{
    struct smtp_pool *pool = mem_zero(1, sizeof *pool);
    pool->loop = loop;
    pool->options = *o;
    if (pool->options.max_connections == 0)
        pool->options.max_connections = 1;
    pool->options.server_name = pool->server_name = mem_strdup(o->server_name);
    pool->options.helo = pool->helo = mem_strdup(o->helo);
    pool->sessions = mem_zero(pool->options.max_connections, sizeof(struct smtp_session *));
    pool->serve = loop_timer_new(loop, serve, pool);
    LIST_INIT(&pool->all);
    TAILQ_INIT(&pool->waiting);
    write_relay(pool);
    return pool;
}

void smtp_pool_free(struct smtp_pool **pool_p)
{
    struct smtp_pool *pool = *pool_p;
    if (pool == NULL)
        return;
    for (unsigned i = 0; i < pool->nsessions; i++)
        smtp_session_free(&pool->sessions[i]);
    struct smtp_transaction *t;
    while ((t = LIST_FIRST(&pool->all)) != NULL) {
        smtp_pool_remove(t);
        smtp_transaction_mute(t);
    }
    loop_timer_free(&pool->serve);
    mem_free(&pool->sessions);
    mem_free(&pool->server_name);
    mem_free(&pool->helo);
    mem_free(pool_p);
}

unsigned smtp_pool_busy(const struct smtp_pool *pool)
{
    unsigned n = 0;
    const struct smtp_transaction *t;
    LIST_FOREACH (t, &pool->all, in_pool) {
        n += !t->settled;
    }
    return n;
}

msec_t smtp_pool_unreachable(const struct smtp_pool *pool)
{
    return pool->unreachable;
}

struct loop *smtp_pool_loop(const struct smtp_pool *pool)
{
    return pool->loop;
}

const char *smtp_pool_relay(const struct smtp_pool *pool)
{
    return pool->relay;
}

bool smtp_pool_full(const struct smtp_pool *pool)
{
    unsigned unused = pool->options.max_connections - pool->nsessions;
    for (unsigned i = 0; i < pool->nsessions; i++)
        unused += smtp_session_unused(pool->sessions[i]);
    return pool->nwaiting >= (unsigned long)pool->options.max_waiting + unused;
}

void smtp_pool_add(struct smtp_pool *pool, struct smtp_transaction *t)
{
    t->pool = pool;
    LIST_INSERT_HEAD(&pool->all, t, in_pool);
}

void smtp_pool_wait(struct smtp_pool *pool, struct smtp_transaction *t)
{
    remember(pool, t, false);
}

void smtp_pool_remove(struct smtp_transaction *t)
{
    struct smtp_pool *pool = t->pool;
    if (pool == NULL)
        return;
    forget(pool, t);
    LIST_REMOVE(t, in_pool);
    t->pool = NULL;
}
