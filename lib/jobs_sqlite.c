/*
 * The bridge's queue in an SQLite database: opening, schema and changes. See jobs.h; jobs_sqlite_read.c looks,
 * jobs_sqlite_rows.c converts, jobs_sqlite_events.c keeps the trace.
 */
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/failpoint.h"
#include "lib/jobs_sqlite.h"
#include "lib/mem.h"
#include "lib/policy_cache_sqlite.h"
#include "lib/trace_sqlite.h"

enum { CLOCK_SLACK = 10 * 1000 };

/*
 * States are stored as the numbers of enum job_state. `work`: 0 while a recipient is pending, 1 while a settled one is
 * untold (and none pending), NULL when there is nothing to do; kept by update_work().
 */
static const char schema_1[] =
    "CREATE TABLE jobs ("
    " job INTEGER PRIMARY KEY AUTOINCREMENT, iss TEXT NOT NULL, aud TEXT NOT NULL, id TEXT NOT NULL,"
    " token TEXT NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL, sender TEXT NOT NULL, body_type INTEGER NOT NULL,"
    " smtputf8 INTEGER NOT NULL, declared INTEGER NOT NULL, ret TEXT, envid TEXT, peer TEXT NOT NULL,"
    " queue_id TEXT NOT NULL, received INTEGER NOT NULL, next INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " work INTEGER, UNIQUE (id, iss, aud));"
    "CREATE INDEX jobs_pending ON jobs (job) WHERE work = 0;"
    "CREATE INDEX jobs_untold ON jobs (next) WHERE work = 1;"
    "CREATE INDEX jobs_settled ON jobs (received) WHERE work IS NULL;"
    "CREATE INDEX jobs_queue_id ON jobs (queue_id) WHERE queue_id <> '';"
    "CREATE TABLE job_rcpts ("
    " job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, address TEXT NOT NULL, notify TEXT, orcpt TEXT,"
    " state INTEGER NOT NULL, dsn TEXT NOT NULL, text TEXT, relay TEXT, told INTEGER NOT NULL, since INTEGER NOT NULL,"
    " n INTEGER NOT NULL," /* keeps the order */
    " PRIMARY KEY (job, address)) WITHOUT ROWID;";

static const char schema_serial[] = "ALTER TABLE jobs ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;";
static const char schema_success[] = "ALTER TABLE job_rcpts ADD COLUMN success INTEGER NOT NULL DEFAULT 0;";

/* The tables anew, since a UNIQUE constraint can't be changed. smtp, delta and differences: struct store_comparison. */
static const char schema_shadow[] =
    "CREATE TABLE new_jobs ("
    " job INTEGER PRIMARY KEY AUTOINCREMENT, iss TEXT NOT NULL, aud TEXT NOT NULL, id TEXT NOT NULL,"
    " shadow INTEGER NOT NULL,"
    " token TEXT NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL, sender TEXT NOT NULL, body_type INTEGER NOT NULL,"
    " smtputf8 INTEGER NOT NULL, declared INTEGER NOT NULL, ret TEXT, envid TEXT, peer TEXT NOT NULL,"
    " queue_id TEXT NOT NULL, received INTEGER NOT NULL, next INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " work INTEGER, serial INTEGER NOT NULL, UNIQUE (id, iss, aud, shadow));"
    "INSERT INTO new_jobs SELECT job, iss, aud, id, 0, token, size, digest, sender, body_type, smtputf8, declared, ret,"
    " envid, peer, queue_id, received, next, attempts, work, serial FROM jobs;"
    "CREATE TABLE new_rcpts ("
    " job INTEGER NOT NULL REFERENCES new_jobs ON DELETE CASCADE, address TEXT NOT NULL, notify TEXT, orcpt TEXT,"
    " state INTEGER NOT NULL, dsn TEXT NOT NULL, text TEXT, relay TEXT, told INTEGER NOT NULL, since INTEGER NOT NULL,"
    " n INTEGER NOT NULL, success INTEGER NOT NULL, smtp INTEGER NOT NULL, delta INTEGER NOT NULL, differences TEXT,"
    " PRIMARY KEY (job, address)) WITHOUT ROWID;"
    "INSERT INTO new_rcpts SELECT job, address, notify, orcpt, state, dsn, text, relay, told, since, n, success, 0, 0,"
    " NULL"
    " FROM job_rcpts;"
    "DROP TABLE job_rcpts; DROP TABLE jobs;"
    "ALTER TABLE new_jobs RENAME TO jobs; ALTER TABLE new_rcpts RENAME TO job_rcpts;"
    "CREATE INDEX jobs_pending ON jobs (job) WHERE work = 0;"
    "CREATE INDEX jobs_untold ON jobs (next) WHERE work = 1;"
    "CREATE INDEX jobs_settled ON jobs (received) WHERE work IS NULL;"
    "CREATE INDEX jobs_queue_id ON jobs (queue_id) WHERE queue_id <> '';";

static const char *const steps[] = {schema_1,      trace_sqlite_schema, policy_cache_sqlite_schema,
                                    schema_serial, schema_success,      schema_shadow};
const struct sqlite_schema jobs_sqlite_schema = {"notification queue", steps, sizeof steps / sizeof steps[0]};

const char *job_state_name(enum job_state state)
{
    static const char *const names[JOB_STATES] = {
        [JOB_PENDING] = "pending", [JOB_DELIVERED] = "delivered", [JOB_FAILED] = "failed", [JOB_DEFERRED] = "deferred"};
    return names[state];
}

const char *job_outcome_name(bool shadow, enum job_state state)
{
    if (shadow && state == JOB_DELIVERED)
        return "deliverable";
    return shadow && state == JOB_FAILED ? "undeliverable" : job_state_name(state);
}

enum result jobs_open(const struct config *config, enum store_mode mode, struct jobs **jobs_r, struct error *err)
{
    struct jobs *j = mem_zero(1, sizeof *j);
    msec_t busy_timeout = config_time(config, "bridge.busy-timeout");
    j->dir = mem_strdup(config_string(config, "bridge.directory"));
    j->horizon = config_time(config, "bridge.retry-max") + CLOCK_SLACK;
    j->waiting = jobs_waiting_new();
    char *path = mem_printf("%s/jobs.db", j->dir);
    enum result r = RESULT_OK;
    if (mode == STORE_READ_WRITE)
        r = data_dir_make(j->dir, err);
    else if (access(path, R_OK) < 0)
        r = data_dir_fail("open the notification queue", path, err);
    if (r == RESULT_OK && mode == STORE_READ_WRITE)
        r = sqlite_writer_open(path, &jobs_sqlite_schema, busy_timeout, &j->writer, err);
    if (r == RESULT_OK)
        r = sqlite_pool_open(path, mode == STORE_READ_ONLY ? SQLITE_READ_ONLY : SQLITE_READER, &jobs_sqlite_schema,
                             busy_timeout, &j->readers, err);
    mem_free(&path);
    if (r != RESULT_OK)
        jobs_close(&j);
    *jobs_r = j;
    return r;
}

void jobs_flush(struct jobs *jobs)
{
    if (jobs->writer != NULL)
        sqlite_writer_flush(jobs->writer);
}

void jobs_close(struct jobs **jobs)
{
    struct jobs *j = *jobs;
    if (j == NULL)
        return;
    sqlite_writer_close(&j->writer);
    sqlite_pool_close(&j->readers);
    jobs_waiting_free(&j->waiting);
    mem_free(&j->dir);
    mem_free(jobs);
}

enum result jobs_writable(const struct jobs *jobs, struct error *err)
{
    if (jobs->writer != NULL)
        return RESULT_OK;
    return error_set(err, RESULT_PERM, "the notification queue %s is open for reading only", jobs->dir);
}

void jobs_bind_name(struct sqlite_stmt *st, const struct job_name *name)
{
    stmt_bind_text(st, name->id);
    stmt_bind_text(st, name->iss);
    stmt_bind_text(st, name->aud);
    stmt_bind_int(st, name->shadow);
}

enum result jobs_key(struct sqlite_db *db, const struct job_name *name, int64_t *key_r, struct error *err)
{
    *key_r = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT job FROM jobs WHERE id = ? AND iss = ? AND aud = ? AND shadow = ?");
    jobs_bind_name(st, name);
    while (stmt_row(st))
        *key_r = stmt_get_int(st);
    return stmt_end(st, err);
}

/* Forgets deferred recipients whose sender knows, and finds out what is left to do. */
static enum result update_work(struct sqlite_db *db, int64_t key, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "DELETE FROM job_rcpts WHERE job = ? AND state = ? AND told");
    stmt_bind_int(st, key);
    stmt_bind_int(st, JOB_DEFERRED);
    enum result r = stmt_run(st, err);
    if (r != RESULT_OK)
        return r;
    st = stmt_begin(db, "UPDATE jobs SET work = (SELECT min(CASE WHEN state = ?2 THEN 0 WHEN NOT told THEN 1 END)"
                        " FROM job_rcpts WHERE job = ?1) WHERE job = ?1");
    stmt_bind_int(st, key);
    stmt_bind_int(st, JOB_PENDING);
    return stmt_run(st, err);
}

/* ---- changes of one job ---- */

struct job_change {
    struct sqlite_change change;
    struct jobs *jobs;
    struct job *job; /* for told and later: iss, aud and id only */
    msec_t next;
};

static enum result apply_note(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct job *job = ((struct job_change *)c)->job;
    int64_t key = 0;
    enum result r = jobs_write_row(db, job, &key, err);
    for (size_t i = 0; r == RESULT_OK && i < job->nrcpts; i++)
        r = jobs_write_rcpt(db, key, i, &job->rcpts[i], err);
    if (r == RESULT_OK)
        r = jobs_waiting_write(((struct job_change *)c)->jobs, db, job, key, err);
    return r == RESULT_OK ? update_work(db, key, err) : r;
}

static void settled_note(struct sqlite_change *c, enum result result)
{
    const struct job_change *n = (struct job_change *)c;
    if (result == RESULT_OK)
        jobs_waiting_drop(n->jobs, n->job);
}

static enum result apply_told(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct job_name name = job_name(((struct job_change *)c)->job);
    int64_t key = 0;
    enum result r = jobs_key(db, &name, &key, err);
    if (r != RESULT_OK || key == 0)
        return r;
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE job_rcpts SET told = 1 WHERE job = ? AND state <> ?");
    stmt_bind_int(st, key);
    stmt_bind_int(st, JOB_PENDING);
    r = stmt_run(st, err);
    if (r != RESULT_OK)
        return r;
    st = stmt_begin(db, "UPDATE jobs SET attempts = 0 WHERE job = ?");
    stmt_bind_int(st, key);
    r = stmt_run(st, err);
    return r == RESULT_OK ? update_work(db, key, err) : r;
}

static enum result apply_later(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct job_change *l = (struct job_change *)c;
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE jobs SET next = ?, attempts = attempts + 1 WHERE id = ? AND iss = ? AND aud = ?"
                       " AND shadow = ?");
    const struct job_name name = job_name(l->job);
    stmt_bind_int(st, l->next);
    jobs_bind_name(st, &name);
    return stmt_run(st, err);
}

static void free_change(struct sqlite_change *c)
{
    struct job_change *n = (struct job_change *)c;
    job_free(&n->job);
    mem_free(&n);
}

static enum result change_job(struct jobs *jobs, struct job *job, const struct job_change *how, store_done *done,
                              void *arg, struct error *err)
{
    struct job_change *c = mem_dup(how, sizeof *how);
    c->change.free = free_change;
    c->jobs = jobs;
    c->job = job;
    if (jobs_writable(jobs, err) == RESULT_OK)
        return sqlite_writer_do(jobs->writer, &c->change, done, arg, err);
    free_change(&c->change);
    return RESULT_PERM;
}

static struct job *name_job(const struct job_name *name)
{
    struct job *job = mem_zero(1, sizeof *job);
    snprintf(job->iss, sizeof job->iss, "%s", name->iss);
    snprintf(job->aud, sizeof job->aud, "%s", name->aud);
    snprintf(job->m.id, sizeof job->m.id, "%s", name->id);
    job->shadow = name->shadow;
    return job;
}

enum result jobs_note(struct jobs *jobs, const struct job *job, store_done *done, void *arg, struct error *err)
{
    if (FAILPOINT(job_note))
        return error_set(err, RESULT_TEMP, "commit: disk I/O error");
    const struct job_change how = {.change = {.apply = apply_note, .settled = settled_note}};
    return change_job(jobs, jobs_copy(job), &how, done, arg, err);
}

enum result jobs_told(struct jobs *jobs, const struct job_name *name, store_done *done, void *arg, struct error *err)
{
    const struct job_change how = {.change = {.apply = apply_told}};
    return change_job(jobs, name_job(name), &how, done, arg, err);
}

enum result jobs_receipt_later(struct jobs *jobs, const struct job_name *name, msec_t next, store_done *done, void *arg,
                               struct error *err)
{
    const struct job_change how = {.change = {.apply = apply_later}, .next = next};
    return change_job(jobs, name_job(name), &how, done, arg, err);
}

/* ---- forgetting ---- */

struct purge {
    struct sqlite_change change;
    msec_t before;
    size_t max;
    int64_t *keys;
    size_t n;
};

static enum result find_old(struct purge *p, struct sqlite_db *db, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT job FROM jobs WHERE work IS NULL AND received < ? ORDER BY received LIMIT ?");
    p->n = 0;
    stmt_bind_int(st, p->before);
    stmt_bind_int(st, (int64_t)p->max);
    while (p->n < p->max && stmt_row(st))
        p->keys[p->n++] = stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result apply_purge(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct purge *p = (struct purge *)c;
    enum result r = find_old(p, db, err);
    for (size_t i = 0; r == RESULT_OK && i < p->n; i++) {
        r = trace_sqlite_forget(db, p->keys[i], err);
        if (r != RESULT_OK)
            break;
        struct sqlite_stmt *st = stmt_begin(db, "DELETE FROM jobs WHERE job = ?"); /* and its recipients */
        stmt_bind_int(st, p->keys[i]);
        r = stmt_run(st, err);
    }
    return r;
}

enum result jobs_purge(struct jobs *jobs, msec_t history, size_t max, bool *more_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    struct purge p = {.change.apply = apply_purge, .before = clock_now() - history, .max = max};
    *more_r = false;
    enum result r = jobs_writable(jobs, err);
    if (r != RESULT_OK || max == 0)
        return r;
    p.keys = mem_zero(max, sizeof *p.keys);
    r = sqlite_pool_take(jobs->readers, &db, err);
    if (r == RESULT_OK)
        r = find_old(&p, db, err); /* mostly nothing: no need for a transaction */
    sqlite_pool_give(jobs->readers, &db);
    if (r == RESULT_OK && p.n > 0)
        r = sqlite_writer_run(jobs->writer, &p.change, err);
    *more_r = r == RESULT_OK && p.n == max;
    mem_free(&p.keys);
    return r;
}

/* ---- policies ---- */

enum result jobs_policy_load(struct jobs *jobs, const char *domain, struct policy_cache_entry **entry_r,
                             struct error *err)
{
    return policy_cache_sqlite_load(jobs->readers, domain, entry_r, err);
}

enum result jobs_policy_save(struct jobs *jobs, const struct policy_cache_entry *entry, store_done *done, void *arg,
                             struct error *err)
{
    enum result r = jobs_writable(jobs, err);
    return r == RESULT_OK ? policy_cache_sqlite_save(jobs->writer, entry, done, arg, err) : r;
}
