/* Looking into the store: for receipts and for the admin. See store.h. */
#include <string.h>

#include "lib/mem.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

enum { FIND_MAX = 1000 };

/* All recipients of the messages in `b`. */
static enum result load_rcpts(struct store_entries_builder *b, struct sqlite_db *db, struct error *err)
{
    enum result r = RESULT_OK;
    for (size_t i = 0; r == RESULT_OK && i < b->list->n; i++) {
        struct sqlite_stmt *st =
            stmt_begin(db, "SELECT " STORE_RCPT_COLUMNS " FROM recipients AS r WHERE r.message = ? ORDER BY r.rid");
        stmt_bind_int(st, b->messages[i]);
        while (stmt_row(st))
            store_builder_rcpt(b, st, false);
        r = stmt_end(st, err);
    }
    return r;
}

static enum result collect_find(struct store_entries_builder *b, struct sqlite_db *db, const char *what, size_t max,
                                struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT message, id FROM messages WHERE id = ?1"
                       " UNION SELECT message, id FROM messages WHERE queue_id = ?1 AND queue_id <> ''"
                       " UNION SELECT message, id FROM messages WHERE trim(message_id, ' <>') = trim(?1, ' <>')"
                       " AND message_id <> '' ORDER BY 2 DESC LIMIT ?2");
    stmt_bind_text(st, what);
    stmt_bind_int(st, (int64_t)(max < FIND_MAX ? max : FIND_MAX));
    while (stmt_row(st))
        store_builder_entry(b, stmt_get_int(st));
    return stmt_end(st, err);
}

static enum result collect_open(struct store_entries_builder *b, struct sqlite_db *db, const char *after, size_t max,
                                struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT message FROM messages WHERE settled IS NULL AND id > ? ORDER BY id LIMIT ?");
    stmt_bind_text(st, after ? after : "");
    stmt_bind_int(st, (int64_t)max);
    while (stmt_row(st))
        store_builder_entry(b, stmt_get_int(st));
    return stmt_end(st, err);
}

static enum result collect_for(struct store_entries_builder *b, struct sqlite_db *db, const char *id, const char *aud,
                               struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " STORE_RCPT_COLUMNS " FROM messages AS m JOIN recipients AS r ON r.message = m.message"
                       " WHERE m.id = ? AND r.domain = ? ORDER BY r.rid");
    stmt_bind_text(st, id);
    stmt_bind_text(st, aud);
    while (stmt_row(st))
        store_builder_rcpt(b, st, true);
    return stmt_end(st, err);
}

/* Gives the connection back and hands out or drops the list. */
static enum result finish(struct store *s, struct sqlite_db *db, struct store_entries_builder *b, enum result r,
                          struct store_entries **entries_r, struct error *err)
{
    if (r == RESULT_OK)
        r = store_builder_load(b, db, err);
    sqlite_pool_give(s->readers, &db);
    *entries_r = NULL;
    if (r == RESULT_OK)
        *entries_r = store_builder_finish(b);
    else
        store_builder_drop(b);
    return r;
}

enum result store_find(struct store *store, const char *what, size_t max, struct store_entries **entries_r,
                       struct error *err)
{
    struct sqlite_db *db = NULL;
    struct store_entries_builder b;
    store_builder_init(&b);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = collect_find(&b, db, what, max, err);
    if (r == RESULT_OK)
        r = load_rcpts(&b, db, err);
    return finish(store, db, &b, r, entries_r, err);
}

enum result store_list(struct store *store, const char *after, size_t max, struct store_entries **entries_r,
                       struct error *err)
{
    struct sqlite_db *db = NULL;
    struct store_entries_builder b;
    store_builder_init(&b);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = collect_open(&b, db, after, max, err);
    if (r == RESULT_OK)
        r = load_rcpts(&b, db, err);
    return finish(store, db, &b, r, entries_r, err);
}

enum result store_find_for(struct store *store, const char *id, const char *aud, struct store_entries **entries_r,
                           struct error *err)
{
    struct sqlite_db *db = NULL;
    struct store_entries_builder b;
    store_builder_init(&b);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = collect_for(&b, db, id, aud, err);
    return finish(store, db, &b, r, entries_r, err);
}

/* That it was stored is no line of its own in the table: the message says it. */
static enum result read_events(struct sqlite_db *db, const char *id, struct trace_list *list, struct error *err)
{
    int64_t message = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT message, created, sender, size, client FROM messages WHERE id = ?");
    stmt_bind_text(st, id);
    while (stmt_row(st)) {
        message = stmt_get_int(st);
        msec_t created = stmt_get_int(st);
        char *sender = stmt_get_text(st);
        int64_t size = stmt_get_int(st);
        char *client = stmt_get_text(st);
        trace_list_add(
            list, created, mem_strdup("stored"), NULL,
            mem_printf("from=<%s>, size=%lld%s%s", sender, (long long)size, client[0] ? ", client=" : "", client));
        mem_free(&sender);
        mem_free(&client);
    }
    enum result r = stmt_end(st, err);
    return r == RESULT_OK && message != 0 ? trace_sqlite_read(db, message, list, err) : r;
}

enum result store_events(struct store *store, const char *id, struct store_event **events_r, size_t *n_r,
                         struct error *err)
{
    struct sqlite_db *db = NULL;
    struct trace_list list = {0};
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = read_events(db, id, &list, err);
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK) {
        store_events_free(&list.events, list.n);
        list.n = 0;
    }
    *events_r = list.events;
    *n_r = list.n;
    return r;
}

static enum result read_totals(struct sqlite_db *db, struct store_stats *stats, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "SELECT what, n FROM totals");
    while (stmt_row(st)) {
        int64_t what = stmt_get_int(st);
        uint64_t n = (uint64_t)stmt_get_int(st);
        if (what < RCPT_STATES)
            stats->rcpts[what] = n;
        else if (what >= 200 && what < 200 + RCPT_STATES)
            stats->shadow_rcpts[what - 200] = n;
        else if (what == 100)
            stats->bodies = n;
        else if (what == 101)
            stats->body_bytes = n;
        else if (what == 102)
            stats->messages = n;
        else if (what == 302)
            stats->shadow_messages = n;
    }
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK)
        return r;
    st = stmt_begin(db, "SELECT created FROM messages WHERE settled IS NULL AND NOT shadow ORDER BY id LIMIT 1");
    while (stmt_row(st))
        stats->oldest = stmt_get_int(st);
    return stmt_end(st, err);
}

enum result store_stats(struct store *store, struct store_stats *stats_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *stats_r = (struct store_stats){0};
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = read_totals(db, stats_r, err);
    sqlite_pool_give(store->readers, &db);
    return r;
}

enum result store_verify(struct store *store, msec_t wait, struct error *err)
{
    struct sqlite_db *db = NULL;
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    r = sqlite_db_verify(db, wait, err);
    sqlite_pool_give(store->readers, &db);
    return r;
}
