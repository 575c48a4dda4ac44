/* A store that goes on after a pause, or is a copy of what it was: see store_resume() in store.h. */
#include "lib/digest.h"
#include "lib/mem.h"
#include "lib/notification.h"
#include "lib/store_sqlite.h"

struct resume {
    struct sqlite_change change;
    bool orderly;
    struct store_pause *pause;
};

static enum result read_meta(struct sqlite_db *db, const char *name, int64_t *value_r, struct error *err)
{
    *value_r = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT value FROM meta WHERE name = ?");
    stmt_bind_text(st, name);
    while (stmt_row(st))
        *value_r = stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result write_meta(struct sqlite_db *db, const char *name, int64_t value, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
    stmt_bind_text(st, name);
    stmt_bind_int(st, value);
    return stmt_run(st, err);
}

static enum result note_alive(struct sqlite_db *db, bool orderly, struct error *err)
{
    enum result r = write_meta(db, "alive", clock_now(), err);
    return r == RESULT_OK ? write_meta(db, "stopped", orderly, err) : r;
}

/* Serials that were used after the copy was made must not be used again: a receipt that was held up could answer the wrong one. */
static enum result skip_serials(struct sqlite_db *db, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE claims SET n = (n + ?1) % ?2");
    stmt_bind_int(st, 1 + random_below(NOTIFICATION_SERIAL_MAX - 1));
    stmt_bind_int(st, NOTIFICATION_SERIAL_MAX);
    return stmt_run(st, err);
}

/*
 * As if a fetch had begun whose end is not known: rcpt_event_clears_doubt() says what ends it. What was fetched is asked about for
 * store.settle-after anew, as nobody could tell us what became of it.
 */
static enum result doubt_all(struct sqlite_db *db, uint64_t *doubted_r, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE recipients SET fetching = CASE WHEN fetched = 0 THEN ?1 ELSE fetching END,"
                       " fetched = CASE WHEN fetched = 0 THEN 0 ELSE ?1 END,"
                       " offered = 1, owner = NULL, next = ?1, due = ?1 WHERE work = ?2 AND NOT shadow");
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, STORE_NOTIFY);
    enum result r = stmt_run(st, err);
    *doubted_r = (uint64_t)sqlite_db_changes(db);
    return r;
}

/* What could not be tried meanwhile does not expire for that. */
static enum result prolong(struct sqlite_db *db, msec_t pause, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE messages SET expires = expires + ? WHERE settled IS NULL");
    stmt_bind_int(st, pause);
    return stmt_run(st, err);
}

static enum result doubt(struct sqlite_db *db, msec_t pause, uint64_t *doubted_r, struct error *err)
{
    uint64_t moved;
    enum result r =
        pause < 0 ? store_shift_times(db, &(struct store_shift){.by = pause}, &moved, err) : prolong(db, pause, err);
    return r == RESULT_OK ? doubt_all(db, doubted_r, err) : r;
}

static enum result apply_resume(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct store_pause *p = ((struct resume *)c)->pause;
    int64_t stopped = 0;
    *p = (struct store_pause){0};
    enum result r = read_meta(db, "alive", &p->since, err);
    if (r == RESULT_OK)
        r = read_meta(db, "stopped", &stopped, err);
    msec_t pause = clock_now() - p->since, usual = stopped ? STORE_PAUSE_STOPPED : STORE_PAUSE_CRASHED;
    if (r == RESULT_OK && p->since != 0 && (pause < -usual || pause > usual))
        r = doubt(db, pause, &p->doubted, err);
    if (r == RESULT_OK)
        r = skip_serials(db, err);
    return r == RESULT_OK ? note_alive(db, false, err) : r;
}

static enum result apply_alive(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    return note_alive(db, ((struct resume *)c)->orderly, err);
}

static void free_resume(struct sqlite_change *c)
{
    struct resume *r = (struct resume *)c;
    mem_free(&r);
}

enum result store_resume(struct store *store, struct store_pause *pause_r, struct error *err)
{
    struct resume *r = mem_zero(1, sizeof *r);
    *r = (struct resume){.change = {.apply = apply_resume, .free = free_resume}, .pause = pause_r};
    return store_do(store, &r->change, NULL, NULL, err);
}

enum result store_alive(struct store *store, bool orderly_end, struct error *err)
{
    struct resume *r = mem_zero(1, sizeof *r);
    *r = (struct resume){.change = {.apply = apply_alive, .free = free_resume}, .orderly = orderly_end};
    return store_do(store, &r->change, NULL, NULL, err);
}
