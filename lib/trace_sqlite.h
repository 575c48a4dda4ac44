/* The table of trace events that store and bridge queue both keep: what happened to a message (a job), line by line. */
#ifndef PONTOON_TRACE_SQLITE_H
#define PONTOON_TRACE_SQLITE_H

#include "lib/clock.h"
#include "lib/sqlite_db.h"
#include "lib/store.h" /* struct store_event */

extern const char trace_sqlite_schema[];

/* `subject` is the row that the line is about. address and text may be NULL. Beyond a bound lines are dropped. */
enum result trace_sqlite_add(struct sqlite_db *db, int64_t subject, msec_t when, const char *what, const char *address,
                             const char *text, struct error *err);
enum result trace_sqlite_forget(struct sqlite_db *db, int64_t subject, struct error *err);

/* A list under construction; hand out `events` and `n`. */
struct trace_list {
    struct store_event *events;
    size_t n, cap;
};
void trace_list_add(struct trace_list *list, msec_t when, char *what, char *address,
                    char *text); /* takes the strings */
enum result trace_sqlite_read(struct sqlite_db *db, int64_t subject, struct trace_list *list, struct error *err);

#endif
