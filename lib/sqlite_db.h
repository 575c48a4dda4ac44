/*
 * One SQLite connection as pontoon uses it: WAL, synchronous=FULL, foreign keys, a bounded wait for other
 * processes' locks, a cache of prepared statements, and failures in words.
 *
 * Statements bind and read in order, and their first error sticks until stmt_end():
 *
 *     struct sqlite_stmt *st = stmt_begin(db, "SELECT address FROM recipients WHERE message = ?");
 *     stmt_bind_int(st, message);
 *     while (stmt_row(st))
 *         use(stmt_get_text(st));
 *     return stmt_end(st, err);
 *
 * Bound text and blobs are borrowed until stmt_end(). One thread at a time uses a connection.
 */
#ifndef PONTOON_SQLITE_DB_H
#define PONTOON_SQLITE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/result.h"

struct sqlite_db;

enum sqlite_use {
    SQLITE_WRITER,    /* makes the database WAL if it is not yet */
    SQLITE_READER,    /* beside a writer of the same process */
    SQLITE_READ_ONLY, /* nothing is ever written */
};

/* Opens an existing file (which may be empty: see data_dir_file()). RESULT_PERM: damaged or no database. */
enum result sqlite_db_open(const char *path, enum sqlite_use use, msec_t busy_timeout, struct sqlite_db **db_r,
                           struct error *err);
void sqlite_db_close(struct sqlite_db **db);
/* From now on a lock is waited for as long as this (ms). */
void sqlite_db_busy_timeout(struct sqlite_db *db, msec_t busy_timeout);

/*
 * The schema as a list of steps; a database that is at step k (kept in its table `meta`) gets those behind k. More
 * steps than we know: RESULT_PERM.
 */
struct sqlite_schema {
    const char *what;         /* "store", for errors */
    const char *const *steps; /* SQL scripts */
    int nsteps;
};
enum result sqlite_db_upgrade(struct sqlite_db *db, const struct sqlite_schema *schema, struct error *err);
/* Only looks: RESULT_PERM unless the database has exactly this schema. */
enum result sqlite_db_check(struct sqlite_db *db, const struct sqlite_schema *schema, struct error *err);

/*
 * Reads the whole file (SQLite's quick_check: all but whether the indexes agree with the tables). RESULT_PERM: damaged; RESULT_TEMP: could
 * not be read, or not within `wait`.
 */
enum result sqlite_db_verify(struct sqlite_db *db, msec_t wait, struct error *err);

/* One statement without parameters and rows. */
enum result sqlite_db_run(struct sqlite_db *db, const char *sql, struct error *err);
/* False also when an error has made SQLite roll back by itself. */
bool sqlite_db_in_transaction(const struct sqlite_db *db);
/* Since it was opened, with those that were rolled back. */
int64_t sqlite_db_rows_changed(const struct sqlite_db *db);
int64_t sqlite_db_last_rowid(const struct sqlite_db *db);
int64_t sqlite_db_changes(const struct sqlite_db *db); /* rows changed by the last statement */
const char *sqlite_db_path(const struct sqlite_db *db);

struct sqlite_stmt;

/* `sql` must be a string constant: the cache knows it by its address. */
struct sqlite_stmt *stmt_begin(struct sqlite_db *db, const char *sql);
void stmt_bind_int(struct sqlite_stmt *st, int64_t value);
void stmt_bind_text(struct sqlite_stmt *st, const char *text);             /* NULL binds NULL */
void stmt_bind_blob(struct sqlite_stmt *st, const void *data, size_t len); /* NULL binds NULL */
bool stmt_row(struct sqlite_stmt *st);                                     /* false: no more, or an error */
int64_t stmt_get_int(struct sqlite_stmt *st);
bool stmt_get_null(struct sqlite_stmt *st);                          /* looks without going on */
char *stmt_get_text(struct sqlite_stmt *st);                         /* to mem_free(); NULL for NULL */
void stmt_copy_text(struct sqlite_stmt *st, char *out, size_t size); /* cut to fit; "" for NULL */
const void *stmt_get_blob(struct sqlite_stmt *st, size_t *len_r);    /* until the next row */
enum result stmt_end(struct sqlite_stmt *st, struct error *err);
/* For statements without rows: runs and ends. */
enum result stmt_run(struct sqlite_stmt *st, struct error *err);

/* Statements begun in this process so far, in all databases. Any thread. */
uint64_t stmt_count(void);

#endif
