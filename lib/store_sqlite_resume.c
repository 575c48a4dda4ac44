/* A store that goes on after a pause, or is a copy of what it was: see store_resume() in store.h. */
#include <string.h>

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

/* ---- what a pause leaves in doubt ---- */

enum { DOUBT_MESSAGES = 500 }; /* in one transaction: a claim or the milter waits for no more than that */

/*
 * Kept in meta while there is something left to do, so that a start which is cut short is gone on with and no message is prolonged twice:
 * open messages with an id behind doubt_after, up to doubt_last, after a pause of doubt_pause.
 */
struct doubt {
    struct sqlite_change change;
    uint64_t doubted;
    bool more;
};

static enum result read_meta_text(struct sqlite_db *db, const char *name, char value[MESSAGE_ID_LEN + 1],
                                  struct error *err)
{
    value[0] = '\0';
    struct sqlite_stmt *st = stmt_begin(db, "SELECT value FROM meta WHERE name = ?");
    stmt_bind_text(st, name);
    while (stmt_row(st))
        stmt_copy_text(st, value, MESSAGE_ID_LEN + 1);
    return stmt_end(st, err);
}

static enum result write_meta_text(struct sqlite_db *db, const char *name, const char *value, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
    stmt_bind_text(st, name);
    stmt_bind_text(st, value);
    return stmt_run(st, err);
}

/* Takes the place of one that was not finished: what that had still to prolong is prolonged by this pause only. */
static enum result begin_doubt(struct sqlite_db *db, msec_t pause, struct error *err)
{
    char last[MESSAGE_ID_LEN + 1] = "";
    struct sqlite_stmt *st = stmt_begin(db, "SELECT max(id) FROM messages WHERE settled IS NULL");
    while (stmt_row(st))
        stmt_copy_text(st, last, sizeof last);
    enum result r = stmt_end(st, err);
    if (r == RESULT_OK)
        r = write_meta_text(db, "doubt_after", "", err);
    if (r == RESULT_OK)
        r = write_meta_text(db, "doubt_last", last, err);
    return r == RESULT_OK ? write_meta(db, "doubt_pause", pause, err) : r;
}

/* The last message of the transaction that follows. */
static enum result find_step(struct sqlite_db *db, const char *after, const char *last, char step[MESSAGE_ID_LEN + 1],
                             struct error *err)
{
    memcpy(step, last, MESSAGE_ID_LEN + 1);
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT id FROM messages WHERE settled IS NULL AND id > ? AND id <= ? ORDER BY id LIMIT 1"
                       " OFFSET ?");
    stmt_bind_text(st, after);
    stmt_bind_text(st, last);
    stmt_bind_int(st, DOUBT_MESSAGES - 1);
    while (stmt_row(st))
        stmt_copy_text(st, step, MESSAGE_ID_LEN + 1);
    return stmt_end(st, err);
}

/* What could not be tried meanwhile does not expire for that. */
static enum result prolong(struct sqlite_db *db, const char *after, const char *step, msec_t pause, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE messages SET expires = expires + ? WHERE settled IS NULL AND id > ? AND id <= ?");
    stmt_bind_int(st, pause);
    stmt_bind_text(st, after);
    stmt_bind_text(st, step);
    return stmt_run(st, err);
}

/*
 * As if a fetch had begun whose end is not known: rcpt_event_clears_doubt() says what ends it. What was fetched is asked about for
 * store.settle-after anew, as nobody could tell us what became of it.
 */
static enum result doubt_step(struct sqlite_db *db, const char *after, const char *step, uint64_t *doubted,
                              struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE recipients SET fetching = CASE WHEN fetched = 0 THEN ?1 ELSE fetching END,"
                       " fetched = CASE WHEN fetched = 0 THEN 0 ELSE ?1 END,"
                       " offered = 1, owner = NULL, next = ?1, due = ?1 WHERE +work = ?2 AND NOT shadow AND message IN"
                       " (SELECT message FROM messages WHERE settled IS NULL AND id > ?3 AND id <= ?4)");
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, STORE_NOTIFY);
    stmt_bind_text(st, after);
    stmt_bind_text(st, step);
    enum result r = stmt_run(st, err);
    *doubted = (uint64_t)sqlite_db_changes(db);
    return r;
}

static enum result end_step(struct sqlite_db *db, const char *step, bool more, struct error *err)
{
    enum result r =
        more ? write_meta_text(db, "doubt_after", step, err)
             : sqlite_db_run(db, "DELETE FROM meta WHERE name IN ('doubt_after', 'doubt_last', 'doubt_pause')", err);
    return r == RESULT_OK ? note_alive(db, false, err) : r; /* so that this itself is no pause */
}

static enum result apply_doubt(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct doubt *d = (struct doubt *)c;
    char after[MESSAGE_ID_LEN + 1] = "", last[MESSAGE_ID_LEN + 1] = "", step[MESSAGE_ID_LEN + 1];
    int64_t pause = 0;
    d->doubted = 0;
    d->more = false;
    enum result r = read_meta_text(db, "doubt_after", after, err);
    if (r == RESULT_OK)
        r = read_meta_text(db, "doubt_last", last, err);
    if (r == RESULT_OK)
        r = read_meta(db, "doubt_pause", &pause, err);
    if (r != RESULT_OK || last[0] == '\0')
        return r;
    r = find_step(db, after, last, step, err);
    d->more = strcmp(step, last) != 0;
    if (r == RESULT_OK && pause > 0)
        r = prolong(db, after, step, pause, err);
    if (r == RESULT_OK)
        r = doubt_step(db, after, step, &d->doubted, err);
    return r == RESULT_OK ? end_step(db, step, d->more, err) : r;
}

/* Step by step: in one transaction it would take memory, and the lock, for as long as all that waits takes. */
static enum result doubt(struct store *store, uint64_t *doubted, struct error *err)
{
    struct doubt d = {.change.apply = apply_doubt, .more = true};
    enum result r = RESULT_OK;
    while (r == RESULT_OK && d.more) {
        r = sqlite_writer_run(store->writer, &d.change, err);
        *doubted += r == RESULT_OK ? d.doubted : 0;
    }
    return r;
}

/* ---- a start ---- */

static enum result apply_resume(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct store_pause *p = ((struct resume *)c)->pause;
    int64_t stopped = 0;
    uint64_t moved;
    enum result r = read_meta(db, "alive", &p->since, err);
    if (r == RESULT_OK)
        r = read_meta(db, "stopped", &stopped, err);
    msec_t pause = clock_now() - p->since, usual = stopped ? STORE_PAUSE_STOPPED : STORE_PAUSE_CRASHED;
    bool unusual = p->since != 0 && (pause < -usual || pause > usual);
    if (r == RESULT_OK && unusual && pause < 0)
        r = store_shift_times(db, &(struct store_shift){.by = pause}, &moved, err);
    if (r == RESULT_OK && unusual)
        r = begin_doubt(db, pause, err);
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
    *pause_r = (struct store_pause){0};
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    struct resume change = {.change.apply = apply_resume, .pause = pause_r};
    enum result r = sqlite_writer_run(store->writer, &change.change, err);
    return r == RESULT_OK ? doubt(store, &pause_r->doubted, err) : r;
}

enum result store_alive(struct store *store, bool orderly_end, struct error *err)
{
    struct resume *r = mem_zero(1, sizeof *r);
    *r = (struct resume){.change = {.apply = apply_alive, .free = free_resume}, .orderly = orderly_end};
    return store_do(store, &r->change, NULL, NULL, err);
}
