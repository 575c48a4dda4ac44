/* Delay warnings: whose sender is to be told, and that it was. See store.h. */
#include "lib/mem.h"
#include "lib/store_sqlite.h"

enum { RCPTS_MAX = 1000 }; /* of one message in one warning */

struct warnings {
    struct sqlite_change change;
    msec_t created, lease;
    size_t max;
    struct store_entries_builder found;
};

/* When the oldest message that nobody was warned about was accepted; what is leased or expired does not count. */
static enum result first_unwarned(struct sqlite_db *db, msec_t *created_r, struct error *err)
{
    *created_r = -1;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT created FROM messages WHERE settled IS NULL AND warned = 0 AND NOT shadow"
                       " AND warning <= ?1 AND expires > ?1 ORDER BY created LIMIT 1");
    stmt_bind_int(st, clock_now());
    while (stmt_row(st))
        *created_r = stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result select_messages(struct warnings *w, struct sqlite_db *db, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT message FROM messages WHERE settled IS NULL AND warned = 0 AND NOT shadow"
                       " AND created < ?1 AND warning <= ?2 AND expires > ?2 ORDER BY created LIMIT ?3");
    stmt_bind_int(st, w->created);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, (int64_t)w->max);
    while (stmt_row(st))
        store_builder_entry(&w->found, stmt_get_int(st));
    return stmt_end(st, err);
}

static enum result take_message(struct warnings *w, struct sqlite_db *db, int64_t message, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE messages SET warning = ? WHERE message = ?");
    stmt_bind_int(st, clock_now() + w->lease);
    stmt_bind_int(st, message);
    enum result r = stmt_run(st, err);
    if (r != RESULT_OK)
        return r;
    st = stmt_begin(db, "SELECT " STORE_RCPT_COLUMNS " FROM recipients AS r WHERE r.message = ? AND r.work = ?"
                        " ORDER BY r.rid LIMIT ?");
    stmt_bind_int(st, message);
    stmt_bind_int(st, STORE_NOTIFY);
    stmt_bind_int(st, RCPTS_MAX);
    while (stmt_row(st))
        store_builder_rcpt(&w->found, st, false);
    return stmt_end(st, err);
}

static enum result apply_warnings(struct sqlite_change *change, struct sqlite_db *db, struct error *err)
{
    struct warnings *w = (struct warnings *)change;
    store_builder_drop(&w->found); /* of an earlier try */
    store_builder_init(&w->found);
    enum result r = select_messages(w, db, err);
    size_t n = w->found.list->n;
    for (size_t i = 0; r == RESULT_OK && i < n; i++)
        r = take_message(w, db, w->found.messages[i], err);
    return r == RESULT_OK ? store_builder_load(&w->found, db, err) : r;
}

enum result store_claim_warnings(struct store *store, msec_t created, size_t max, msec_t lease,
                                 struct store_entries **entries_r, msec_t *next_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *entries_r = NULL;
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = first_unwarned(db, next_r, err);
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK || *next_r < 0 || *next_r >= created || max == 0)
        return r;
    struct warnings w = {.change.apply = apply_warnings, .created = created, .lease = lease, .max = max};
    r = sqlite_writer_run(store->writer, &w.change, err);
    if (r == RESULT_OK)
        *entries_r = store_builder_finish(&w.found);
    else
        store_builder_drop(&w.found);
    return r;
}

/* ---- settling ---- */

struct warned {
    struct sqlite_change change;
    char *id;
    msec_t again;
};

static enum result apply_warned(struct sqlite_change *change, struct sqlite_db *db, struct error *err)
{
    const struct warned *w = (struct warned *)change;
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE messages SET warned = ?, warning = ? WHERE id = ? AND warned = 0");
    stmt_bind_int(st, w->again == 0 ? clock_now() : 0);
    stmt_bind_int(st, w->again);
    stmt_bind_text(st, w->id);
    return stmt_run(st, err);
}

static void free_warned(struct sqlite_change *change)
{
    struct warned *w = (struct warned *)change;
    mem_free(&w->id);
    mem_free(&w);
}

enum result store_settle_warning(struct store *store, const char *id, msec_t again, store_done *done, void *arg,
                                 struct error *err)
{
    struct warned *w = mem_zero(1, sizeof *w);
    w->change = (struct sqlite_change){.apply = apply_warned, .free = free_warned};
    w->id = mem_strdup(id);
    w->again = again;
    return store_do(store, &w->change, done, arg, err);
}
