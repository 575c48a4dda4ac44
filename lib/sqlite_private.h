/* What sqlite_db.c and sqlite_stmt.c share; nobody else includes this. */
#ifndef PONTOON_SQLITE_PRIVATE_H
#define PONTOON_SQLITE_PRIVATE_H

#include <sqlite3.h>

#include "lib/sqlite_db.h"

struct sqlite_db {
    sqlite3 *handle;
    char *path;
    msec_t busy_timeout, busy_since;
    struct sqlite_stmt *stmts; /* the cache: some dozens, so a list */
};

/* Maps an SQLite result code to ours, with words. */
enum result sqlite_db_fail(struct sqlite_db *db, int code, struct error *err);
void sqlite_stmt_free_all(struct sqlite_db *db);

#endif
