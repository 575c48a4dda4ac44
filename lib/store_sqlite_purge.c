/* Forgetting: settled messages after their time, and files that a crash has left. See store.h. */
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

#define HOUR_MS (3600 * INT64_C(1000))

enum { SWEEP_EVERY_MS = 3600 * 1000, PEERS_KEPT_DAYS = 90 };

struct purge {
    struct sqlite_change change;
    msec_t before;
    size_t max;
    int64_t *messages;
    size_t n;
};

static enum result forget_message(struct sqlite_db *db, int64_t message, struct error *err)
{
    enum result r = trace_sqlite_forget(db, message, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st = stmt_begin(db, "DELETE FROM messages WHERE message = ?"); /* and its recipients */
    stmt_bind_int(st, message);
    return stmt_run(st, err);
}

static enum result find_old(struct purge *p, struct sqlite_db *db, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db, "SELECT message FROM messages WHERE settled IS NOT NULL AND settled < ? ORDER BY settled LIMIT ?");
    p->n = 0;
    stmt_bind_int(st, p->before);
    stmt_bind_int(st, (int64_t)p->max);
    while (p->n < p->max && stmt_row(st))
        p->messages[p->n++] = stmt_get_int(st);
    return stmt_end(st, err);
}

/* Nobody asks any more where a peer was last notified: store.settle-after is far shorter. */
static enum result forget_peers(struct sqlite_db *db, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "DELETE FROM peers WHERE failures = 0 AND noted < ?");
    stmt_bind_int(st, clock_now() - PEERS_KEPT_DAYS * 24LL * HOUR_MS);
    return stmt_run(st, err);
}

static enum result apply_purge(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct purge *p = (struct purge *)c;
    enum result r = find_old(p, db, err);
    for (size_t i = 0; r == RESULT_OK && i < p->n; i++)
        r = forget_message(db, p->messages[i], err);
    return r == RESULT_OK ? forget_peers(db, err) : r;
}

static enum result purge_messages(struct store *s, msec_t history, size_t max, bool *more_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    struct purge p = {.change.apply = apply_purge, .before = clock_now() - history, .max = max};
    p.messages = mem_zero(max, sizeof *p.messages);
    enum result r = sqlite_pool_take(s->readers, &db, err);
    if (r == RESULT_OK)
        r = find_old(&p, db, err);
    sqlite_pool_give(s->readers, &db);
    if (r == RESULT_OK && p.n > 0)
        r = sqlite_writer_run(s->writer, &p.change, err);
    *more_r = r == RESULT_OK && max > 0 && p.n == max;
    mem_free(&p.messages);
    return r;
}

static enum result is_known(void *arg, const char *name, bool *known_r, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(arg, "SELECT 1 FROM bodies WHERE file = ?");
    *known_r = false;
    stmt_bind_text(st, name);
    while (stmt_row(st))
        *known_r = true;
    return stmt_end(st, err);
}

/* Only crashes leave orphans, so a walk an hour is enough; it goes on from call to call. */
static enum result sweep(struct store *s, size_t max, bool *more_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    msec_t now = clock_mono();
    if (s->sweep.done && now - s->swept < SWEEP_EVERY_MS)
        return RESULT_OK;
    if (s->sweep.done || s->sweep.folder == 0) {
        s->sweep = (struct body_file_sweep){0};
        s->swept = now;
        body_file_clear_stale(s->incoming, clock_now() - 24 * HOUR_MS); /* a slow session's spool may be hours old */
    }
    enum result r = sqlite_pool_take(s->readers, &db, err);
    if (r == RESULT_OK)
        r = body_file_sweep(s->dir, &s->sweep, clock_now() - HOUR_MS, max, is_known, db, err);
    sqlite_pool_give(s->readers, &db);
    *more_r = *more_r || (r == RESULT_OK && !s->sweep.done);
    return r;
}

enum result store_purge(struct store *store, msec_t history, size_t max, bool *more_r, struct error *err)
{
    *more_r = false;
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    pthread_mutex_lock(&store->purging);
    enum result r = purge_messages(store, history, max, more_r, err);
    if (r == RESULT_OK)
        r = sweep(store, max, more_r, err);
    pthread_mutex_unlock(&store->purging);
    return r;
}
