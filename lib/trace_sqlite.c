/* Trace events: see trace_sqlite.h. */
#include "lib/trace_sqlite.h"

#include "lib/mem.h"

/* One b-tree; n counts per subject and is bounded, so that no peer fills the disk by asking again and again. */
const char trace_sqlite_schema[] =
    "CREATE TABLE trace ("
    " subject INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, what TEXT NOT NULL, address TEXT, text TEXT,"
    " PRIMARY KEY (subject, n)) WITHOUT ROWID;";

enum result trace_sqlite_add(struct sqlite_db *db, int64_t subject, msec_t when, const char *what, const char *address,
                             const char *text, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "INSERT INTO trace (subject, n, at, what, address, text)"
                                            " SELECT ?1, last.n + 1, ?2, ?3, ?4, ?5 FROM"
                                            " (SELECT ifnull(max(n), 0) AS n FROM trace WHERE subject = ?1) AS last"
                                            " WHERE last.n < 100000");
    stmt_bind_int(st, subject);
    stmt_bind_int(st, when);
    stmt_bind_text(st, what);
    stmt_bind_text(st, address);
    stmt_bind_text(st, text);
    return stmt_run(st, err);
}

enum result trace_sqlite_forget(struct sqlite_db *db, int64_t subject, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "DELETE FROM trace WHERE subject = ?");
    stmt_bind_int(st, subject);
    return stmt_run(st, err);
}

void trace_list_add(struct trace_list *list, msec_t when, char *what, char *address, char *text)
{
    if (list->n == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 16;
        list->events = mem_grow(list->events, list->cap, sizeof *list->events);
    }
    list->events[list->n++] = (struct store_event){.when = when, .what = what, .address = address, .text = text};
}

enum result trace_sqlite_read(struct sqlite_db *db, int64_t subject, struct trace_list *list, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT at, what, address, text FROM trace WHERE subject = ? ORDER BY at, n");
    stmt_bind_int(st, subject);
    while (stmt_row(st)) {
        msec_t when = stmt_get_int(st);
        char *what = stmt_get_text(st);
        char *address = stmt_get_text(st);
        trace_list_add(list, when, what, address, stmt_get_text(st));
    }
    return stmt_end(st, err);
}

void store_events_free(struct store_event **events, size_t n)
{
    if (*events == NULL)
        return;
    for (size_t i = 0; i < n; i++) {
        mem_free(&(*events)[i].what);
        mem_free(&(*events)[i].address);
        mem_free(&(*events)[i].text);
    }
    mem_free(events);
}
