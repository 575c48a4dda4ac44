/* One SQLite connection: see sqlite_db.h. Opening, schema and errors; statements are sqlite_stmt.c. */
#include "lib/sqlite_db.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sqlite_private.h"
#include "lib/sqlite_recovery.h"

/* Short sleeps first: another process's group commit takes about a millisecond. */
static int on_busy(void *arg, int count)
{
    static const long waits_us[] = {100, 200, 500, 1000, 2000, 5000};
    enum { WAITS = sizeof waits_us / sizeof waits_us[0] };
    struct sqlite_db *db = arg;
    msec_t now = clock_mono();
    if (count == 0)
        db->busy_since = now;
    if (now - db->busy_since >= db->busy_timeout)
        return 0;
    struct timespec wait = {0, waits_us[count < WAITS ? count : WAITS - 1] * 1000};
    nanosleep(&wait, NULL);
    return 1;
}

enum result sqlite_db_fail(struct sqlite_db *db, int code, struct error *err)
{
    const char *says = sqlite3_errstr(code);
    int os = db->handle ? sqlite3_system_errno(db->handle) : 0;
    switch (code & 0xff) {
    case SQLITE_FULL: return error_set(err, RESULT_TEMP, "disk full: %s", db->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return error_set(err, RESULT_TEMP, "%s: locked by another process for more than %lld ms", db->path,
                         (long long)db->busy_timeout);
    case SQLITE_READONLY:
        return error_set(err, RESULT_TEMP, "%s: may not be written (%s): check owner, group and mode", db->path, says);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM:
        return error_set(err, RESULT_TEMP, "%s: %s%s%s", db->path, says, os ? ": " : "", os ? strerror(os) : "");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return error_set(err, RESULT_PERM, "%s: damaged or no database (%s): restore it, or move it away to begin anew",
                         db->path, says);
    default: return error_set(err, RESULT_BUG, "%s: %s", db->path, db->handle ? sqlite3_errmsg(db->handle) : says);
    }
}

static enum result run_script(struct sqlite_db *db, const char *sql, struct error *err)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? RESULT_OK : sqlite_db_fail(db, code, err);
}

/* The change to WAL can fail with BUSY without asking the busy handler: two processes may be making it at once. */
static enum result make_wal(struct sqlite_db *db, struct error *err)
{
    int code = SQLITE_OK;
    for (int count = 0; (code = sqlite3_exec(db->handle, "PRAGMA journal_mode=WAL", NULL, NULL, NULL)) != SQLITE_OK;
         count++) {
        if ((code & 0xff) != SQLITE_BUSY || !on_busy(db, count))
            return sqlite_db_fail(db, code, err);
    }
    return RESULT_OK;
}

static enum result set_up(struct sqlite_db *db, enum sqlite_use use, struct error *err)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_handler(db->handle, on_busy, db);
    if (use != SQLITE_WRITER)
        return run_script(db, "PRAGMA query_only=ON; PRAGMA cache_size=-2000; PRAGMA temp_store=MEMORY", err);
    enum result r = make_wal(db, err);
    if (r != RESULT_OK)
        return r;
    return run_script(
        db,
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA secure_delete=FAST; PRAGMA temp_store=MEMORY;"
        "PRAGMA cache_size=-8000; PRAGMA wal_autocheckpoint=2000; PRAGMA journal_size_limit=67108864",
        err);
}

/*
 * Room for the pages that a transaction works with, so that each is not allocated and freed anew (all are dropped when another process has
 * written); and no statistics of memory, which lock a mutex for each allocation. For all databases of the process; it lives as long as that.
 */
static void configure_library(void)
{
    enum { PAGE = 4096, PAGES = 256 };
    int header = 0;
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_config(SQLITE_CONFIG_PCACHE_HDRSZ, &header) != SQLITE_OK)
        return;
    sqlite3_config(SQLITE_CONFIG_PAGECACHE, mem_alloc((size_t)(PAGE + header) * PAGES), PAGE + header, PAGES);
}

enum result sqlite_db_open(const char *path, enum sqlite_use use, msec_t busy_timeout, struct sqlite_db **db_r,
                           struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure_library);
    struct sqlite_db *db = mem_zero(1, sizeof *db);
    db->path = mem_strdup(path);
    db->busy_timeout = busy_timeout;
    int flags = (use == SQLITE_READ_ONLY ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
    if (use == SQLITE_WRITER)
        sqlite_recovery_report();
    int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
    enum result r = code == SQLITE_OK ? set_up(db, use, err) : sqlite_db_fail(db, code, err);
    if (r != RESULT_OK)
        sqlite_db_close(&db);
    *db_r = db;
    return r;
}

void sqlite_db_close(struct sqlite_db **dbp)
{
    struct sqlite_db *db = *dbp;
    if (db == NULL)
        return;
    sqlite_stmt_free_all(db);
    if (sqlite3_close(db->handle) != SQLITE_OK)
        log_panic("%s: closed while in use", db->path);
    mem_free(&db->path);
    mem_free(dbp);
}

void sqlite_db_busy_timeout(struct sqlite_db *db, msec_t busy_timeout)
{
    db->busy_timeout = busy_timeout;
}

/* *step_r: 0 for a database without schema. */
static enum result schema_step(struct sqlite_db *db, int *step_r, struct error *err)
{
    *step_r = 0;
    bool exists = false;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT 1 FROM sqlite_schema WHERE name = 'meta'");
    while (stmt_row(st))
        exists = true;
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK || !exists)
        return r;
    st = stmt_begin(db, "SELECT value FROM meta WHERE name = 'schema'");
    while (stmt_row(st))
        *step_r = (int)stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result too_new(struct sqlite_db *db, const struct sqlite_schema *schema, int step, struct error *err)
{
    return error_set(err, RESULT_PERM, "%s: schema %d of the %s is newer than this program knows (%d): update pontoon",
                     db->path, step, schema->what, schema->nsteps);
}

static enum result take_steps(struct sqlite_db *db, const struct sqlite_schema *schema, struct error *err)
{
    int step = 0;
    enum result r = schema_step(db, &step, err); /* again, now that nobody else can be at it */
    if (r == RESULT_OK && step > schema->nsteps)
        r = too_new(db, schema, step, err);
    if (r == RESULT_OK && step == 0)
        r = run_script(db, "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID", err);
    for (; r == RESULT_OK && step < schema->nsteps; step++)
        r = run_script(db, schema->steps[step], err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st = stmt_begin(db, "INSERT OR REPLACE INTO meta (name, value) VALUES ('schema', ?)");
    stmt_bind_int(st, schema->nsteps);
    return stmt_run(st, err);
}

enum result sqlite_db_upgrade(struct sqlite_db *db, const struct sqlite_schema *schema, struct error *err)
{
    int step = 0;
    enum result r = schema_step(db, &step, err);
    if (r != RESULT_OK || step == schema->nsteps)
        return r;
    r = sqlite_db_run(db, "BEGIN IMMEDIATE", err);
    if (r != RESULT_OK)
        return r;
    r = take_steps(db, schema, err);
    if (r == RESULT_OK)
        r = sqlite_db_run(db, "COMMIT", err);
    if (r != RESULT_OK && sqlite_db_in_transaction(db))
        sqlite_db_run(db, "ROLLBACK", NULL);
    return r;
}

enum result sqlite_db_check(struct sqlite_db *db, const struct sqlite_schema *schema, struct error *err)
{
    int step = 0;
    enum result r = schema_step(db, &step, err);
    if (r != RESULT_OK || step == schema->nsteps)
        return r;
    if (step > schema->nsteps)
        return too_new(db, schema, step, err);
    return error_set(err, RESULT_PERM,
                     "%s: schema %d of the %s is older than this program's (%d): start the daemon once", db->path, step,
                     schema->what, schema->nsteps);
}

enum result sqlite_db_run(struct sqlite_db *db, const char *sql, struct error *err)
{
    return stmt_run(stmt_begin(db, sql), err);
}

bool sqlite_db_in_transaction(const struct sqlite_db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

int64_t sqlite_db_rows_changed(const struct sqlite_db *db)
{
    return sqlite3_total_changes64(db->handle);
}

int64_t sqlite_db_last_rowid(const struct sqlite_db *db)
{
    return sqlite3_last_insert_rowid(db->handle);
}

int64_t sqlite_db_changes(const struct sqlite_db *db)
{
    return sqlite3_changes(db->handle);
}

const char *sqlite_db_path(const struct sqlite_db *db)
{
    return db->path;
}
