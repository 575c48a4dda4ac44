/* Drains, and all stops as they stand: see store_stops.h. */
#include <string.h>

#include "lib/mem.h"
#include "lib/stops_sqlite.h"
#include "lib/store_sqlite.h"

enum {
    STOPS_MAX = 100000, /* more open breakers than that are seen by the next look */
    WAITS_MAX = 50,
};

/*
 * drains: domain '' is everything. peers: one row for each domain that was notified. breaker: enum store_breaker;
 * a row with failures = 0 has nothing but the URLs and when they were noted.
 */
const char stops_sqlite_schema[] =
    "CREATE TABLE drains (domain TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE peers ("
    " domain TEXT PRIMARY KEY, inbound TEXT, noted INTEGER NOT NULL DEFAULT 0,"
    " breaker INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0, failing INTEGER NOT NULL DEFAULT 0,"
    " changed INTEGER NOT NULL DEFAULT 0, probes INTEGER NOT NULL DEFAULT 0, next_probe INTEGER NOT NULL DEFAULT 0,"
    " error TEXT) WITHOUT ROWID;"
    "CREATE INDEX peers_failing ON peers (domain) WHERE failures > 0;"
    "CREATE INDEX peers_noted ON peers (noted) WHERE failures = 0;";

/* ---- all stops ---- */

static enum result read_stops(struct sqlite_db *db, struct store_stops *stops, struct error *err)
{
    size_t cap = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT domain, ?2, since FROM drains"
                                            " UNION ALL SELECT domain, ?3, changed FROM peers"
                                            " WHERE failures > 0 AND breaker = ?4 ORDER BY 1, 2 LIMIT ?1");
    stmt_bind_int(st, STOPS_MAX);
    stmt_bind_int(st, STORE_STOP_DRAIN);
    stmt_bind_int(st, STORE_STOP_BREAKER);
    stmt_bind_int(st, STORE_BREAKER_OPEN);
    while (stmt_row(st)) {
        if (stops->n == cap) {
            cap = cap ? cap * 2 : 8;
            stops->list = mem_grow(stops->list, cap, sizeof *stops->list);
        }
        struct store_stop *s = &stops->list[stops->n++];
        stmt_copy_text(st, s->domain, sizeof s->domain);
        s->kind = (enum store_stop_kind)stmt_get_int(st);
        s->since = stmt_get_int(st);
    }
    return stmt_end(st, err);
}

enum result store_stops_read(struct store *store, struct store_stops **stops_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *stops_r = mem_zero(1, sizeof **stops_r);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = read_stops(db, *stops_r, err);
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK)
        store_stops_free(stops_r);
    return r;
}

void store_stops_free(struct store_stops **stops)
{
    if (*stops == NULL)
        return;
    mem_free(&(*stops)->list);
    mem_free(stops);
}

/* ---- how much waits ---- */

static enum result read_load(struct sqlite_db *db, uint64_t least, struct store_load *load, struct error *err)
{
    size_t cap = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT what, n FROM totals WHERE what IN (101, 102)");
    while (stmt_row(st)) {
        bool bytes = stmt_get_int(st) == 101;
        *(bytes ? &load->bytes : &load->messages) = (uint64_t)stmt_get_int(st);
    }
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK || least == 0)
        return r;
    st = stmt_begin(db, "SELECT domain, n FROM waiting WHERE n >= ? ORDER BY domain LIMIT ?");
    stmt_bind_int(st, (int64_t)least);
    stmt_bind_int(st, STOPS_MAX);
    while (stmt_row(st)) {
        if (load->n == cap) {
            cap = cap ? cap * 2 : 8;
            load->list = mem_grow(load->list, cap, sizeof *load->list);
        }
        struct store_load_domain *d = &load->list[load->n++];
        stmt_copy_text(st, d->domain, sizeof d->domain);
        d->rcpts = (uint64_t)stmt_get_int(st);
    }
    return stmt_end(st, err);
}

enum result store_load_read(struct store *store, uint64_t least, struct store_load **load_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *load_r = mem_zero(1, sizeof **load_r);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = read_load(db, least, *load_r, err);
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK)
        store_load_free(load_r);
    return r;
}

void store_load_free(struct store_load **load)
{
    if (*load == NULL)
        return;
    mem_free(&(*load)->list);
    mem_free(load);
}

/* ---- drains ---- */

enum result stops_sqlite_drained(struct sqlite_db *db, const char *from, const char *to, bool *drained_r,
                                 struct error *err)
{
    *drained_r = false;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT 1 FROM drains WHERE domain IN ('', ?, ?)");
    stmt_bind_text(st, from);
    stmt_bind_text(st, to);
    while (stmt_row(st))
        *drained_r = true;
    return stmt_end(st, err);
}

enum result stops_sqlite_hasten(struct sqlite_db *db, const char *domain, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE recipients SET next = ?1, due = ?1 WHERE work IN (0, 1, 2, 3) AND due > ?1"
                       " AND owner IS NULL AND (?2 = '' OR domain = ?2 OR EXISTS (SELECT 1 FROM messages AS m"
                       " WHERE m.message = recipients.message AND m.iss = ?2))");
    stmt_bind_int(st, clock_now());
    stmt_bind_text(st, domain);
    return stmt_run(st, err);
}

struct drain {
    struct sqlite_change change;
    const char *domain;
    bool on, hasten_only;
    bool changed;
};

static enum result apply_drain(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct drain *d = (struct drain *)c;
    struct sqlite_stmt *st;
    if (d->hasten_only)
        return stops_sqlite_hasten(db, d->domain, err);
    if (d->on) {
        st = stmt_begin(db, "INSERT OR IGNORE INTO drains (domain, since) VALUES (?, ?)");
        stmt_bind_text(st, d->domain);
        stmt_bind_int(st, clock_now());
    } else {
        st = stmt_begin(db, "DELETE FROM drains WHERE domain = ?");
        stmt_bind_text(st, d->domain);
    }
    enum result r = stmt_run(st, err);
    d->changed = sqlite_db_changes(db) > 0;
    return r == RESULT_OK && d->on ? stops_sqlite_hasten(db, d->domain, err) : r;
}

static enum result run_drain(struct store *store, struct drain *d, struct error *err)
{
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    d->change.apply = apply_drain;
    return sqlite_writer_run(store->writer, &d->change, err);
}

enum result store_drain(struct store *store, const char *domain, bool on, bool *changed_r, struct error *err)
{
    struct drain d = {.domain = domain, .on = on};
    enum result r = run_drain(store, &d, err);
    if (changed_r != NULL)
        *changed_r = d.changed;
    return r;
}

enum result store_hasten(struct store *store, const char *domain, struct error *err)
{
    struct drain d = {.domain = domain, .hasten_only = true};
    return run_drain(store, &d, err);
}

/* ---- what a drain waits for ---- */

static enum result read_waits(struct sqlite_db *db, const char *domain, struct store_waits *w, struct error *err)
{
    w->list = mem_zero(WAITS_MAX, sizeof *w->list);
    /* work: 0 notify, 1 return, 2 and 3 DSNs, as enum store_work */
    struct sqlite_stmt *st = stmt_begin(
        db,
        "SELECT r.domain, CASE WHEN r.work = 0 THEN r.fetching <> 0 OR r.fetched <> 0 ELSE min(r.work + 1, 3) END AS wait,"
        " count(*) AS n, min(r.next), max(max(r.fetching, r.fetched)), max(m.expires), max(r.text),"
        " sum(count(*)) OVER () FROM recipients AS r JOIN messages AS m ON m.message = r.message"
        " WHERE r.work IN (0, 1, 2, 3) AND (?1 = '' OR r.domain = ?1 OR m.iss = ?1)"
        " GROUP BY r.domain, wait ORDER BY n DESC, r.domain LIMIT ?2");
    stmt_bind_text(st, domain);
    stmt_bind_int(st, WAITS_MAX);
    while (stmt_row(st)) {
        struct store_waiting *g = &w->list[w->n++];
        stmt_copy_text(st, g->domain, sizeof g->domain);
        g->wait = (enum store_wait)stmt_get_int(st);
        g->rcpts = (uint64_t)stmt_get_int(st);
        g->next = stmt_get_int(st);
        g->taken = stmt_get_int(st);
        g->expires = stmt_get_int(st);
        g->text = stmt_get_text(st);
        w->rcpts = (uint64_t)stmt_get_int(st);
    }
    return stmt_end(st, err);
}

enum result store_waits_read(struct store *store, const char *domain, struct store_waits **waits_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *waits_r = mem_zero(1, sizeof **waits_r);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = read_waits(db, domain, *waits_r, err);
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK)
        store_waits_free(waits_r);
    return r;
}

void store_waits_free(struct store_waits **waits)
{
    if (*waits == NULL)
        return;
    for (size_t i = 0; i < (*waits)->n; i++)
        mem_free(&(*waits)->list[i].text);
    mem_free(&(*waits)->list);
    mem_free(waits);
}
