/* What the files of the bridge queue's SQLite backend share. */
#ifndef PONTOON_JOBS_SQLITE_H
#define PONTOON_JOBS_SQLITE_H

#include "lib/jobs.h"
#include "lib/sqlite_pool.h"
#include "lib/sqlite_writer.h"

struct jobs_waiting; /* jobs_sqlite_events.c: lines about jobs that are not written yet */

extern const struct sqlite_schema jobs_sqlite_schema;

struct jobs {
    char *dir;
    msec_t horizon;               /* no receipt is due later than this from now, unless the clock went back */
    struct sqlite_writer *writer; /* NULL: opened read-only */
    struct sqlite_pool *readers;
    struct jobs_waiting *waiting; /* the writer thread's */
};

/* RESULT_PERM if there is no writer. */
enum result jobs_writable(const struct jobs *jobs, struct error *err);

/* Binds id, iss, aud, shadow. */
void jobs_bind_name(struct sqlite_stmt *st, const struct job_name *name);
/* The row of a job, 0 if there is none. */
enum result jobs_key(struct sqlite_db *db, const struct job_name *name, int64_t *key_r, struct error *err);

/* ---- jobs_sqlite_rows.c: struct job from and to rows ---- */

enum result jobs_write_row(struct sqlite_db *db, const struct job *job, int64_t *key_r, struct error *err);
/* `n`: its place in the order. */
enum result jobs_write_rcpt(struct sqlite_db *db, int64_t key, size_t n, const struct job_rcpt *rcpt,
                            struct error *err);
struct job *jobs_copy(const struct job *job);
/* Takes a statement over JOBS_COLUMNS to its end, then reads the recipients. */
#define JOBS_COLUMNS                                                                                              \
    "j.job, j.iss, j.aud, j.id, j.token, j.size, j.digest, j.sender, j.body_type, j.smtputf8, j.declared, j.ret," \
    " j.envid, j.peer, j.queue_id, j.received, j.next, j.attempts, j.serial, j.shadow"
enum result jobs_read_list(struct sqlite_db *db, struct sqlite_stmt *st, struct job_list **list_r, struct error *err);

/* ---- jobs_sqlite_events.c ---- */

struct jobs_waiting *jobs_waiting_new(void);
void jobs_waiting_free(struct jobs_waiting **w);
/* In the writer thread: the lines that waited for this job to be written, in its transaction; and when that is committed. */
enum result jobs_waiting_write(struct jobs *jobs, struct sqlite_db *db, const struct job *job, int64_t key,
                               struct error *err);
void jobs_waiting_drop(struct jobs *jobs, const struct job *job);

#endif
