/* struct job from and to rows: see jobs_sqlite.h. */
#include <string.h>

#include "lib/jobs_sqlite.h"
#include "lib/mem.h"

/* ---- writing ---- */

enum result jobs_write_row(struct sqlite_db *db, const struct job *job, int64_t *key_r, struct error *err)
{
    const struct notification_message *m = &job->m;
    const struct envelope *e = &m->envelope;
    struct sqlite_stmt *st = stmt_begin(
        db,
        "INSERT INTO jobs (iss, aud, id, token, size, digest, sender, body_type, smtputf8, declared, ret, envid,"
        " peer, queue_id, received, next, attempts, serial, shadow)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id, iss, aud, shadow) DO UPDATE SET (token, size, digest, sender, body_type, smtputf8, declared,"
        " ret, envid, peer, queue_id, received, next, attempts, serial) = (excluded.token, excluded.size, excluded.digest,"
        " excluded.sender, excluded.body_type, excluded.smtputf8, excluded.declared, excluded.ret,"
        " excluded.envid, excluded.peer, excluded.queue_id, excluded.received, excluded.next,"
        " excluded.attempts, excluded.serial) RETURNING job");
    stmt_bind_text(st, job->iss);
    stmt_bind_text(st, job->aud);
    stmt_bind_text(st, m->id);
    stmt_bind_text(st, m->token);
    stmt_bind_int(st, (int64_t)m->size);
    stmt_bind_blob(st, m->digest, DIGEST_SIZE);
    stmt_bind_text(st, e->sender ? e->sender : "");
    stmt_bind_int(st, e->body);
    stmt_bind_int(st, e->smtputf8);
    stmt_bind_int(st, (int64_t)e->size);
    stmt_bind_text(st, e->ret);
    stmt_bind_text(st, e->envid);
    stmt_bind_text(st, job->peer);
    stmt_bind_text(st, job->queue_id);
    stmt_bind_int(st, job->received);
    stmt_bind_int(st, job->next);
    stmt_bind_int(st, job->attempts);
    stmt_bind_int(st, m->serial);
    stmt_bind_int(st, job->shadow);
    while (stmt_row(st))
        *key_r = stmt_get_int(st);
    return stmt_end(st, err);
}

enum result jobs_write_rcpt(struct sqlite_db *db, int64_t key, size_t n, const struct job_rcpt *rcpt, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db,
        "INSERT INTO job_rcpts (job, address, notify, orcpt, state, dsn, text, relay, told, since, success, n, smtp, delta,"
        " differences) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (job, address) DO UPDATE SET (notify, orcpt, state, dsn, text, relay, told, since, success, smtp,"
        " delta, differences) = (excluded.notify, excluded.orcpt, excluded.state, excluded.dsn, excluded.text,"
        " excluded.relay, excluded.told, excluded.since, excluded.success, excluded.smtp, excluded.delta, excluded.differences)");
    stmt_bind_int(st, key);
    stmt_bind_text(st, rcpt->address);
    stmt_bind_text(st, rcpt->notify);
    stmt_bind_text(st, rcpt->orcpt);
    stmt_bind_int(st, rcpt->state);
    stmt_bind_text(st, rcpt->dsn);
    stmt_bind_text(st, rcpt->text);
    stmt_bind_text(st, rcpt->relay);
    stmt_bind_int(st, rcpt->told);
    stmt_bind_int(st, rcpt->since);
    stmt_bind_int(st, rcpt->success);
    stmt_bind_int(st, (int64_t)n);
    stmt_bind_int(st, rcpt->comparison.smtp);
    stmt_bind_int(st, rcpt->comparison.delta);
    stmt_bind_text(st, rcpt->comparison.differences);
    return stmt_run(st, err);
}

struct job_name job_name(const struct job *job)
{
    return (struct job_name){job->iss, job->aud, job->m.id, job->shadow};
}

bool job_name_same(const struct job_name *a, const struct job_name *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->iss, b->iss) == 0 && strcmp(a->aud, b->aud) == 0 &&
           a->shadow == b->shadow;
}

struct job *jobs_copy(const struct job *job)
{
    struct job *copy = mem_dup(job, sizeof *job);
    envelope_init(&copy->m.envelope);
    envelope_copy_sender(&copy->m.envelope, &job->m.envelope);
    copy->rcpts = mem_zero(job->nrcpts, sizeof *copy->rcpts);
    for (size_t i = 0; i < job->nrcpts; i++) {
        struct job_rcpt *to = &copy->rcpts[i];
        *to = job->rcpts[i];
        to->address = mem_strdup(to->address);
        to->notify = mem_strdup(to->notify);
        to->orcpt = mem_strdup(to->orcpt);
        to->text = mem_strdup(to->text);
        to->relay = mem_strdup(to->relay);
        to->comparison.differences = mem_strdup(to->comparison.differences);
    }
    return copy;
}

/* ---- reading ---- */

static struct job *read_job(struct sqlite_stmt *st)
{
    struct job *job = mem_zero(1, sizeof *job);
    struct notification_message *m = &job->m;
    size_t len = 0;
    job->key = stmt_get_int(st);
    stmt_copy_text(st, job->iss, sizeof job->iss);
    stmt_copy_text(st, job->aud, sizeof job->aud);
    stmt_copy_text(st, m->id, sizeof m->id);
    stmt_copy_text(st, m->token, sizeof m->token);
    m->size = (uint64_t)stmt_get_int(st);
    const void *digest = stmt_get_blob(st, &len);
    if (len == DIGEST_SIZE)
        memcpy(m->digest, digest, DIGEST_SIZE);
    envelope_init(&m->envelope);
    m->envelope.sender = stmt_get_text(st);
    m->envelope.body = (enum body_type)stmt_get_int(st);
    m->envelope.smtputf8 = stmt_get_int(st) != 0;
    m->envelope.size = (uint64_t)stmt_get_int(st);
    m->envelope.ret = stmt_get_text(st);
    m->envelope.envid = stmt_get_text(st);
    stmt_copy_text(st, job->peer, sizeof job->peer);
    stmt_copy_text(st, job->queue_id, sizeof job->queue_id);
    job->received = stmt_get_int(st);
    job->next = stmt_get_int(st);
    job->attempts = (unsigned)stmt_get_int(st);
    m->serial = stmt_get_int(st);
    job->shadow = stmt_get_int(st) != 0;
    return job;
}

static void read_rcpt(struct job *job, struct sqlite_stmt *st)
{
    if ((job->nrcpts & (job->nrcpts - 1)) == 0) /* room for the next power of two */
        job->rcpts = mem_grow(job->rcpts, job->nrcpts ? job->nrcpts * 2 : 1, sizeof *job->rcpts);
    struct job_rcpt *r = &job->rcpts[job->nrcpts++];
    *r = (struct job_rcpt){.address = stmt_get_text(st)};
    r->notify = stmt_get_text(st);
    r->orcpt = stmt_get_text(st);
    r->state = (enum job_state)stmt_get_int(st);
    stmt_copy_text(st, r->dsn, sizeof r->dsn);
    r->text = stmt_get_text(st);
    r->relay = stmt_get_text(st);
    r->told = stmt_get_int(st) != 0;
    r->since = stmt_get_int(st);
    r->success = (enum verdict_dsn)stmt_get_int(st);
    r->comparison.smtp = (enum store_smtp_copy)stmt_get_int(st);
    r->comparison.delta = stmt_get_int(st);
    r->comparison.differences = stmt_get_text(st);
}

static enum result read_rcpts(struct sqlite_db *db, struct job *job, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db,
        "SELECT address, notify, orcpt, state, dsn, text, relay, told, since, success, smtp, delta, differences FROM job_rcpts"
        " WHERE job = ? ORDER BY n, address");
    stmt_bind_int(st, job->key);
    while (stmt_row(st))
        read_rcpt(job, st);
    return stmt_end(st, err);
}

enum result jobs_read_list(struct sqlite_db *db, struct sqlite_stmt *st, struct job_list **list_r, struct error *err)
{
    struct job_list *list = mem_zero(1, sizeof *list);
    while (stmt_row(st)) {
        if ((list->n & (list->n - 1)) == 0)
            list->jobs = mem_grow(list->jobs, list->n ? list->n * 2 : 1, sizeof(struct job *));
        list->jobs[list->n++] = read_job(st);
    }
    enum result r = stmt_end(st, err);
    for (size_t i = 0; r == RESULT_OK && i < list->n; i++)
        r = read_rcpts(db, list->jobs[i], err);
    if (r != RESULT_OK)
        job_list_free(&list);
    *list_r = list;
    return r;
}

void job_free(struct job **jobp)
{
    struct job *job = *jobp;
    if (job == NULL)
        return;
    for (size_t i = 0; i < job->nrcpts; i++) {
        struct job_rcpt *r = &job->rcpts[i];
        mem_free(&r->address);
        mem_free(&r->notify);
        mem_free(&r->orcpt);
        mem_free(&r->text);
        mem_free(&r->relay);
        mem_release((void *)(uintptr_t)r->comparison.differences);
    }
    mem_free(&job->rcpts);
    envelope_free(&job->m.envelope);
    mem_free(jobp);
}

void job_list_free(struct job_list **list)
{
    if (*list == NULL)
        return;
    for (size_t i = 0; i < (*list)->n; i++)
        job_free(&(*list)->jobs[i]); /* NULL if somebody took it */
    mem_free(&(*list)->jobs);
    mem_free(list);
}
