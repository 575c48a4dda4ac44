/* Looking into the bridge's queue: see jobs.h. */
#include "lib/jobs_sqlite.h"
#include "lib/mem.h"

enum { SEARCH_MAX = 1000 };

/* Gives the connection back and passes the result on. */
static enum result finish(struct jobs *jobs, struct sqlite_db *db, enum result r)
{
    sqlite_pool_give(jobs->readers, &db);
    return r;
}

enum result jobs_find(struct jobs *jobs, const struct job_name *name, struct job **job_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    struct job_list *list = NULL;
    *job_r = NULL;
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " JOBS_COLUMNS " FROM jobs AS j WHERE id = ? AND iss = ? AND aud = ? AND shadow = ?");
    jobs_bind_name(st, name);
    r = jobs_read_list(db, st, &list, err);
    if (r == RESULT_OK && list->n > 0) {
        *job_r = list->jobs[0];
        list->jobs[0] = NULL;
    }
    job_list_free(&list);
    return finish(jobs, db, r);
}

enum result jobs_pending(struct jobs *jobs, int64_t after, size_t max, struct job_list **list_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *list_r = NULL;
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " JOBS_COLUMNS " FROM jobs AS j WHERE work = 0 AND job > ? ORDER BY job LIMIT ?");
    stmt_bind_int(st, after);
    stmt_bind_int(st, (int64_t)max);
    return finish(jobs, db, jobs_read_list(db, st, list_r, err));
}

/* When the first receipt is due that is not among the first `skip`. */
static enum result next_receipt(struct sqlite_db *db, size_t skip, msec_t *next_r, struct error *err)
{
    *next_r = -1;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT next FROM jobs WHERE work = 1 ORDER BY next, job LIMIT 1 OFFSET ?");
    stmt_bind_int(st, (int64_t)skip);
    while (stmt_row(st))
        *next_r = stmt_get_int(st);
    return stmt_end(st, err);
}

enum result jobs_receipts_due(struct jobs *jobs, size_t max, struct job_list **list_r, msec_t *next_r,
                              struct error *err)
{
    struct sqlite_db *db = NULL;
    *list_r = NULL;
    *next_r = -1;
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " JOBS_COLUMNS
                       " FROM jobs AS j WHERE work = 1 AND (next <= ?1 OR next > ?1 + ?2) ORDER BY next, job LIMIT ?3");
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, jobs->horizon);
    stmt_bind_int(st, (int64_t)max);
    r = jobs_read_list(db, st, list_r, err);
    if (r == RESULT_OK)
        r = next_receipt(db, (*list_r)->n, next_r, err);
    if (r != RESULT_OK)
        job_list_free(list_r);
    return finish(jobs, db, r);
}

enum result jobs_search(struct jobs *jobs, const char *what, size_t max, struct job_list **list_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *list_r = NULL;
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT " JOBS_COLUMNS " FROM jobs AS j WHERE job IN"
                                            " (SELECT job FROM jobs WHERE id = ?1 UNION"
                                            "  SELECT job FROM jobs WHERE queue_id = ?1 AND queue_id <> '')"
                                            " ORDER BY received DESC, job DESC LIMIT ?2");
    stmt_bind_text(st, what);
    stmt_bind_int(st, (int64_t)(max < SEARCH_MAX ? max : SEARCH_MAX));
    return finish(jobs, db, jobs_read_list(db, st, list_r, err));
}

enum result jobs_list(struct jobs *jobs, size_t max, struct job_list **list_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *list_r = NULL;
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " JOBS_COLUMNS " FROM jobs AS j WHERE job IN"
                       " (SELECT job FROM jobs WHERE work = 0 UNION ALL SELECT job FROM jobs WHERE work = 1)"
                       " ORDER BY job LIMIT ?");
    stmt_bind_int(st, (int64_t)max);
    return finish(jobs, db, jobs_read_list(db, st, list_r, err));
}

enum result jobs_stats(struct jobs *jobs, struct jobs_stats *stats_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *stats_r = (struct jobs_stats){0};
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT total(r.state = ?1), total(r.state <> ?1 AND NOT r.told), (SELECT count(*) FROM jobs)"
                       " FROM (SELECT job FROM jobs WHERE work = 0 UNION ALL SELECT job FROM jobs WHERE work = 1) AS j"
                       " JOIN job_rcpts AS r ON r.job = j.job");
    stmt_bind_int(st, JOB_PENDING);
    while (stmt_row(st)) {
        stats_r->pending = (uint64_t)stmt_get_int(st);
        stats_r->untold = (uint64_t)stmt_get_int(st);
        stats_r->known = (uint64_t)stmt_get_int(st);
    }
    return finish(jobs, db, stmt_end(st, err));
}

enum result jobs_verify(struct jobs *jobs, msec_t wait, struct error *err)
{
    struct sqlite_db *db = NULL;
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    r = sqlite_db_verify(db, wait, err);
    sqlite_pool_give(jobs->readers, &db);
    return r;
}
