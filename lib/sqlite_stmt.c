/* Prepared statements: see sqlite_db.h. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sqlite_private.h"

struct sqlite_stmt {
    struct sqlite_stmt *next;
    struct sqlite_db *db;
    const char *sql;
    sqlite3_stmt *handle;
    bool busy;
    int code;   /* first error; SQLITE_OK, SQLITE_ROW and SQLITE_DONE are none */
    int param;  /* parameters bound so far */
    int column; /* columns read of this row */
};

static atomic_uint_fast64_t begun;

uint64_t stmt_count(void)
{
    return atomic_load(&begun);
}

struct sqlite_stmt *stmt_begin(struct sqlite_db *db, const char *sql)
{
    struct sqlite_stmt *st = db->stmts;
    while (st != NULL && st->sql != sql)
        st = st->next;
    if (st == NULL) {
        st = mem_zero(1, sizeof *st);
        st->db = db;
        st->sql = sql;
        st->next = db->stmts;
        db->stmts = st;
    }
    if (st->busy)
        log_panic("statement begun while in use: %s", sql);
    atomic_fetch_add(&begun, 1);
    st->busy = true;
    st->code = SQLITE_OK;
    st->param = 0;
    if (st->handle == NULL) /* also tried again when it failed the last time */
        st->code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->handle, NULL);
    return st;
}

static bool failed(const struct sqlite_stmt *st)
{
    return st->code != SQLITE_OK && st->code != SQLITE_ROW && st->code != SQLITE_DONE;
}

void stmt_bind_int(struct sqlite_stmt *st, int64_t value)
{
    if (!failed(st))
        st->code = sqlite3_bind_int64(st->handle, ++st->param, value);
}

void stmt_bind_text(struct sqlite_stmt *st, const char *text)
{
    if (!failed(st))
        st->code = sqlite3_bind_text(st->handle, ++st->param, text, -1, SQLITE_STATIC);
}

void stmt_bind_blob(struct sqlite_stmt *st, const void *data, size_t len)
{
    if (!failed(st))
        st->code = sqlite3_bind_blob64(st->handle, ++st->param, data, len, SQLITE_STATIC);
}

bool stmt_row(struct sqlite_stmt *st)
{
    if (failed(st) || st->code == SQLITE_DONE)
        return false;
    st->code = sqlite3_step(st->handle);
    st->column = 0;
    return st->code == SQLITE_ROW;
}

int64_t stmt_get_int(struct sqlite_stmt *st)
{
    return sqlite3_column_int64(st->handle, st->column++);
}

bool stmt_get_null(struct sqlite_stmt *st)
{
    return sqlite3_column_type(st->handle, st->column) == SQLITE_NULL;
}

char *stmt_get_text(struct sqlite_stmt *st)
{
    return mem_strdup((const char *)sqlite3_column_text(st->handle, st->column++));
}

void stmt_copy_text(struct sqlite_stmt *st, char *out, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(st->handle, st->column++);
    snprintf(out, size, "%s", text ? text : "");
}

const void *stmt_get_blob(struct sqlite_stmt *st, size_t *len_r)
{
    const void *data = sqlite3_column_blob(st->handle, st->column);
    *len_r = (size_t)sqlite3_column_bytes(st->handle, st->column++);
    return data;
}

enum result stmt_end(struct sqlite_stmt *st, struct error *err)
{
    assert(st->busy);
    enum result r = failed(st) ? sqlite_db_fail(st->db, st->code, err) : RESULT_OK;
    if (r == RESULT_BUG)
        log_error("%s in: %s", sqlite3_errmsg(st->db->handle), st->sql);
    if (st->handle != NULL) {
        sqlite3_reset(st->handle);
        sqlite3_clear_bindings(st->handle);
    }
    st->busy = false;
    return r;
}

enum result stmt_run(struct sqlite_stmt *st, struct error *err)
{
    while (stmt_row(st))
        continue;
    return stmt_end(st, err);
}

void sqlite_stmt_free_all(struct sqlite_db *db)
{
    while (db->stmts != NULL) {
        struct sqlite_stmt *st = db->stmts;
        db->stmts = st->next;
        sqlite3_finalize(st->handle);
        mem_free(&st);
    }
}
