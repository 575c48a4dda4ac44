/* Times of what waits, when the clock was set, and of what a pause must not have aged. See store.h. */
#include "lib/mem.h"
#include "lib/store_sqlite.h"

#define SLACK 1000 /* ms */

struct shift {
    struct sqlite_change change;
    struct store_shift how;
    uint64_t moved;
};

/*
 * 0 stands for "never", and news keep their time. Parameters: ?1 by, ?2 news_from, ?3 news_to, ?4 due_to. (A jump that is shorter than a
 * wait may leave the end of the wait as it was, which does no harm.)
 */
#define SHIFTED_UNLESS(column, to) \
    column " = CASE WHEN " column " = 0 OR " column " BETWEEN ?2 AND " to " THEN " column " ELSE " column " + ?1 END"
#define SHIFTED(column)      SHIFTED_UNLESS(column, "?3")
#define SHIFTED_WAIT(column) SHIFTED_UNLESS(column, "?4")

static const char *const shifts[] = {
    "UPDATE recipients SET " SHIFTED_WAIT("next") ", " SHIFTED_WAIT("due") ", " SHIFTED("since") ", " SHIFTED(
        "fetching") ", " SHIFTED("fetched") " WHERE work IS NOT NULL",
    "UPDATE peers SET " SHIFTED("failing") ", " SHIFTED_WAIT("next_probe") " WHERE failures > 0",
    "UPDATE messages SET created = created + ?1, expires = expires + ?1, " SHIFTED_WAIT(
        "warning") " WHERE settled IS NULL AND created NOT BETWEEN ?2 AND ?3",
};

enum result store_shift_times(struct sqlite_db *db, const struct store_shift *s, uint64_t *moved_r, struct error *err)
{
    enum result r = RESULT_OK;
    for (size_t i = 0; r == RESULT_OK && i < sizeof shifts / sizeof *shifts; i++) {
        struct sqlite_stmt *st = stmt_begin(db, shifts[i]);
        stmt_bind_int(st, s->by);
        stmt_bind_int(st, s->news_from);
        stmt_bind_int(st, s->news_to);
        stmt_bind_int(st, s->due_to);
        r = stmt_run(st, err);
    }
    *moved_r = (uint64_t)sqlite_db_changes(db);
    return r;
}

static enum result apply_shift(struct sqlite_change *change, struct sqlite_db *db, struct error *err)
{
    struct shift *s = (struct shift *)change;
    return store_shift_times(db, &s->how, &s->moved, err);
}

enum result store_clock_set(struct store *store, msec_t by, msec_t ago, uint64_t *moved_r, struct error *err)
{
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    msec_t now = clock_now();
    struct shift s = {
        .change.apply = apply_shift,
        .how = {.by = by, .news_from = now - ago - SLACK, .news_to = now + SLACK, .due_to = now + store->horizon}};
    enum result r = sqlite_writer_run(store->writer, &s.change, err);
    *moved_r = s.moved;
    return r;
}
