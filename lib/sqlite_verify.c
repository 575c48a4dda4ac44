/* Whether a database file holds together: see sqlite_db.h. */
#include <string.h>

#include "lib/sqlite_private.h"

enum { STEPS_BETWEEN_LOOKS = 10000, TEXT_SIZE = 300 };

struct bound {
    msec_t until;
    bool reached;
};

static int look_at_clock(void *arg)
{
    struct bound *b = arg;
    b->reached = b->reached || clock_mono() >= b->until;
    return b->reached;
}

enum result sqlite_db_verify(struct sqlite_db *db, msec_t wait, struct error *err)
{
    struct bound bound = {.until = clock_mono() + wait};
    char text[TEXT_SIZE] = "";
    sqlite3_progress_handler(db->handle, STEPS_BETWEEN_LOOKS, look_at_clock, &bound);
    struct sqlite_stmt *st = stmt_begin(db, "PRAGMA quick_check(1)");
    while (stmt_row(st))
        stmt_copy_text(st, text, sizeof text);
    enum result r = stmt_end(st, err);
    sqlite3_progress_handler(db->handle, 0, NULL, NULL);
    if (bound.reached)
        return error_set(err, RESULT_TEMP, "%s: not read through within %lld s", db->path, (long long)wait / 1000);
    if (r == RESULT_OK && strcmp(text, "ok") != 0)
        return error_set(err, RESULT_PERM, "%s: damaged: %s", db->path, text);
    return r;
}
