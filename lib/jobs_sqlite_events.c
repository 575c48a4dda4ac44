/*
 * The bridge's trace lines. Most are about a job that is written only once it is decided (the fast path writes once, at
 * the end), so lines without a job wait in memory until it comes, and are written in its transaction; a bound lets the oldest go.
 * All of it is the writer thread's.
 */
#include <string.h>

#include "lib/hash.h"
#include "lib/jobs_sqlite.h"
#include "lib/mem.h"
#include "lib/trace_sqlite.h"

enum { BUCKETS = 4096, WAITING_MAX = 50000, QUEUED_MAX = 10000 };

struct line {
    struct sqlite_change change;
    struct jobs *jobs;
    msec_t when;
    char *iss, *aud, *id, *address, *what, *text;
    bool shadow;
    bool kept;                /* there is no such job yet: it is among those that wait */
    struct line *bucket_next; /* oldest first */
    struct line *older, *newer;
};

struct jobs_waiting {
    struct line *buckets[BUCKETS];
    struct line *oldest, *newest;
    size_t n;
};

static void line_free(struct line *l)
{
    mem_free(&l->iss);
    mem_free(&l->aud);
    mem_free(&l->id);
    mem_free(&l->address);
    mem_free(&l->what);
    mem_free(&l->text);
    mem_free(&l);
}

/* Only the id: peers choose ids, but a collision costs no more than a comparison. */
static struct line **bucket_of(struct jobs_waiting *w, const char *id)
{
    return &w->buckets[hash_text(id) % BUCKETS];
}

/* Takes the line out of its bucket, at `at`, and out of the list by age. */
static struct line *take(struct jobs_waiting *w, struct line **at)
{
    struct line *l = *at;
    *at = l->bucket_next;
    *(l->older ? &l->older->newer : &w->oldest) = l->newer;
    *(l->newer ? &l->newer->older : &w->newest) = l->older;
    l->bucket_next = l->older = l->newer = NULL;
    w->n--;
    return l;
}

static void drop_oldest(struct jobs_waiting *w)
{
    struct line **at = bucket_of(w, w->oldest->id);
    while (*at != w->oldest)
        at = &(*at)->bucket_next;
    line_free(take(w, at));
}

static void keep(struct jobs_waiting *w, struct line *l)
{
    struct line **at = bucket_of(w, l->id);
    while (*at != NULL)
        at = &(*at)->bucket_next;
    *at = l;
    l->older = w->newest;
    *(w->newest ? &w->newest->newer : &w->oldest) = l;
    w->newest = l;
    if (++w->n > WAITING_MAX)
        drop_oldest(w);
}

struct jobs_waiting *jobs_waiting_new(void)
{
    return mem_zero(1, sizeof(struct jobs_waiting));
}

void jobs_waiting_free(struct jobs_waiting **w)
{
    if (*w == NULL)
        return;
    while ((*w)->oldest != NULL)
        drop_oldest(*w);
    mem_free(w);
}

static struct job_name line_name(const struct line *l)
{
    return (struct job_name){l->iss, l->aud, l->id, l->shadow};
}

static enum result apply_line(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct line *l = (struct line *)c;
    const struct job_name name = line_name(l);
    int64_t key = 0;
    enum result r = jobs_key(db, &name, &key, err);
    if (r != RESULT_OK || l->kept)
        return r;
    if (key != 0)
        return trace_sqlite_add(db, key, l->when, l->what, l->address, l->text, err);
    l->kept = true;
    keep(l->jobs->waiting, l);
    return RESULT_OK;
}

static void end_line(struct sqlite_change *c)
{
    struct line *l = (struct line *)c;
    if (!l->kept)
        line_free(l);
}

/* The next line of this job at `at` or behind it in its bucket; its place, or NULL. */
static struct line **next_of(struct line **at, const struct job_name *name)
{
    for (; *at != NULL; at = &(*at)->bucket_next) {
        const struct job_name its = line_name(*at);
        if (job_name_same(&its, name))
            return at;
    }
    return NULL;
}

enum result jobs_waiting_write(struct jobs *jobs, struct sqlite_db *db, const struct job *job, int64_t key,
                               struct error *err)
{
    const struct job_name name = job_name(job);
    enum result r = RESULT_OK;
    struct line **at = next_of(bucket_of(jobs->waiting, job->m.id), &name);
    for (; r == RESULT_OK && at != NULL; at = next_of(&(*at)->bucket_next, &name))
        r = trace_sqlite_add(db, key, (*at)->when, (*at)->what, (*at)->address, (*at)->text, err);
    return r;
}

void jobs_waiting_drop(struct jobs *jobs, const struct job *job)
{
    const struct job_name name = job_name(job);
    struct line **at = bucket_of(jobs->waiting, job->m.id);
    while ((at = next_of(at, &name)) != NULL)
        line_free(take(jobs->waiting, at));
}

void jobs_add_event(struct jobs *jobs, const struct job_name *name, const char *address, const char *what,
                    const char *text)
{
    if (jobs->writer == NULL || sqlite_writer_waiting(jobs->writer) > QUEUED_MAX)
        return;
    struct line *l = mem_zero(1, sizeof *l);
    l->change = (struct sqlite_change){.apply = apply_line, .free = end_line, .lazy = true};
    l->jobs = jobs;
    l->when = clock_now();
    l->iss = mem_strdup(name->iss);
    l->aud = mem_strdup(name->aud);
    l->id = mem_strdup(name->id);
    l->shadow = name->shadow;
    l->address = mem_strdup(address);
    l->what = mem_strdup(what);
    l->text = mem_strdup(text);
    sqlite_writer_submit(jobs->writer, &l->change, NULL, NULL);
}

static enum result read_events(struct sqlite_db *db, const struct job_name *name, struct trace_list *list,
                               struct error *err)
{
    int64_t key = 0;
    enum result r = jobs_key(db, name, &key, err);
    return r == RESULT_OK && key != 0 ? trace_sqlite_read(db, key, list, err) : r;
}

enum result jobs_events(struct jobs *jobs, const struct job_name *name, struct store_event **events_r, size_t *n_r,
                        struct error *err)
{
    struct sqlite_db *db = NULL;
    struct trace_list list = {0};
    enum result r = sqlite_pool_take(jobs->readers, &db, err);
    if (r == RESULT_OK)
        r = read_events(db, name, &list, err);
    sqlite_pool_give(jobs->readers, &db);
    if (r != RESULT_OK) {
        store_events_free(&list.events, list.n);
        list.n = 0;
    }
    *events_r = list.events;
    *n_r = list.n;
    return r;
}
