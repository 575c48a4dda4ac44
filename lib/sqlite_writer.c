/* Group commit: see sqlite_writer.h. */
#include "lib/sqlite_writer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "lib/data_dir.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/thread.h"

enum {
    GROUP_MAX = 256, /* changes in one transaction */
    LAZY_WAIT_MS = 200,
    OPEN_PATIENCE = 30000, /* ms: when a site starts, all its daemons open the store, and one makes the schema */
};

struct sqlite_writer {
    struct sqlite_db *db;
    pthread_t thread;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t queued;
    struct sqlite_change *first, **last;
    size_t waiting, eager; /* changes queued; those of them that are not lazy */
    bool closing;
    uint64_t commits;
};

static void roll_back(struct sqlite_writer *w)
{
    if (sqlite_db_in_transaction(w->db))
        sqlite_db_run(w->db, "ROLLBACK", NULL);
}

static enum result commit(struct sqlite_writer *w, struct error *err)
{
    enum result r = FAILPOINT(commit_before) ? error_set(err, RESULT_TEMP, "commit: disk I/O error")
                                             : sqlite_db_run(w->db, "COMMIT", err);
    if (r != RESULT_OK) {
        roll_back(w);
        return r;
    }
    pthread_mutex_lock(&w->lock);
    w->commits++;
    pthread_mutex_unlock(&w->lock);
    (void)FAILPOINT(commit_after);
    return RESULT_OK;
}

static void settle(struct sqlite_change *c, enum result r, const struct error *err)
{
    c->result = r;
    c->err = *err;
}

/* A transaction of its own. */
static void run_alone(struct sqlite_writer *w, struct sqlite_change *c)
{
    struct error err = {0};
    enum result r = sqlite_db_run(w->db, "BEGIN IMMEDIATE", &err);
    if (r == RESULT_OK) {
        r = c->apply(c, w->db, &err);
        if (r != RESULT_OK) {
            roll_back(w);
        } else {
            r = commit(w, &err);
            c->in_doubt = r != RESULT_OK;
        }
    }
    settle(c, r, &err);
}

/*
 * The group as one transaction, as long as no change fails when it has written something: mostly none does, and a savepoint for each
 * would copy its pages.
 */
static bool run_plainly(struct sqlite_writer *w, struct sqlite_change *group)
{
    bool clean = true;
    for (struct sqlite_change *c = group; clean && c != NULL; c = c->next) {
        struct error err = {0};
        int64_t rows = sqlite_db_rows_changed(w->db);
        enum result r = c->apply(c, w->db, &err);
        settle(c, r, &err);
        clean = sqlite_db_in_transaction(w->db) && (r == RESULT_OK || sqlite_db_rows_changed(w->db) == rows);
    }
    return clean;
}

/* One change of a group. False: the whole transaction is gone (SQLite rolls back by itself when the disk is full). */
static bool run_with_savepoint(struct sqlite_writer *w, struct sqlite_change *c)
{
    struct error err = {0};
    if (sqlite_db_run(w->db, "SAVEPOINT change", &err) != RESULT_OK)
        return false;
    enum result r = c->apply(c, w->db, &err);
    if (!sqlite_db_in_transaction(w->db))
        return false;
    if (r != RESULT_OK && sqlite_db_run(w->db, "ROLLBACK TO change", NULL) != RESULT_OK)
        return false;
    if (sqlite_db_run(w->db, "RELEASE change", NULL) != RESULT_OK)
        return false;
    settle(c, r, &err);
    return true;
}

/* The group once more, so that those who fail spoil nobody's change. */
static bool run_apart(struct sqlite_writer *w, struct sqlite_change *group)
{
    roll_back(w);
    bool whole = sqlite_db_run(w->db, "BEGIN IMMEDIATE", NULL) == RESULT_OK;
    for (struct sqlite_change *c = group; whole && c != NULL; c = c->next)
        whole = run_with_savepoint(w, c);
    return whole;
}

static void run_group(struct sqlite_writer *w, struct sqlite_change *group)
{
    struct error err = {0};
    if (group->next == NULL) {
        run_alone(w, group);
        return;
    }
    enum result r = sqlite_db_run(w->db, "BEGIN IMMEDIATE", &err);
    if (r != RESULT_OK) { /* nobody got the lock: trying one by one would only multiply the wait */
        for (struct sqlite_change *c = group; c != NULL; c = c->next)
            settle(c, r, &err);
        return;
    }
    if ((run_plainly(w, group) || run_apart(w, group)) && commit(w, &err) == RESULT_OK)
        return;
    roll_back(w);
    for (struct sqlite_change *c = group; c != NULL; c = c->next)
        run_alone(w, c);
}

static void tell_submitter(struct sqlite_change *c)
{
    if (c->done != NULL)
        c->done(c->arg, c->result, &c->err);
    else if (c->result != RESULT_OK)
        log_error("%s", c->err.text);
    c->free(c);
}

/* Last those who wait in sqlite_writer_run(), each by itself: its change is gone as soon as it knows. */
static void tell_group(struct sqlite_change *group)
{
    struct sqlite_change *next, *waited_for = NULL;
    for (struct sqlite_change *c = group; c != NULL; c = next) {
        next = c->next;
        if (c->settled != NULL)
            c->settled(c, c->result);
        if (c->free != NULL) {
            tell_submitter(c);
        } else {
            c->next = waited_for;
            waited_for = c;
        }
    }
    for (struct sqlite_change *c = waited_for; c != NULL; c = next) {
        next = c->next;
        sem_post(&c->finished);
    }
}

/* With the lock held: cuts off up to GROUP_MAX changes. */
static struct sqlite_change *take_group(struct sqlite_writer *w)
{
    struct sqlite_change *group = w->first, **end = &w->first;
    for (int n = 0; n < GROUP_MAX && *end != NULL; n++) {
        w->waiting--;
        w->eager -= !(*end)->lazy;
        end = &(*end)->next;
    }
    w->first = *end;
    *end = NULL;
    if (w->first == NULL)
        w->last = &w->first;
    return group;
}

/* With the lock held: waits for something to do. */
static void wait_for_work(struct sqlite_writer *w)
{
    while (w->first == NULL && !w->closing)
        pthread_cond_wait(&w->queued, &w->lock);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LAZY_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (w->eager == 0 && w->waiting < GROUP_MAX && !w->closing) {
        if (pthread_cond_timedwait(&w->queued, &w->lock, &until) == ETIMEDOUT)
            break;
    }
}

static void *writer_main(void *arg)
{
    struct sqlite_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        wait_for_work(w);
        if (w->first == NULL)
            break; /* closing */
        struct sqlite_change *group = take_group(w);
        pthread_mutex_unlock(&w->lock);
        run_group(w, group);
        tell_group(group);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void start_thread(struct sqlite_writer *w)
{
    int e = thread_start(&w->thread, writer_main, w);
    if (e != 0)
        log_fatal("cannot start a thread: %s", strerror(e));
}

enum result sqlite_writer_open(const char *path, const struct sqlite_schema *schema, msec_t busy_timeout,
                               struct sqlite_writer **w_r, struct error *err)
{
    struct sqlite_writer *w = mem_zero(1, sizeof *w);
    *w_r = NULL;
    enum result r = data_dir_file(path, err);
    if (r == RESULT_OK)
        r = sqlite_db_open(path, SQLITE_WRITER, busy_timeout > OPEN_PATIENCE ? busy_timeout : OPEN_PATIENCE, &w->db,
                           err);
    if (r == RESULT_OK)
        r = sqlite_db_upgrade(w->db, schema, err);
    if (r != RESULT_OK) {
        sqlite_db_close(&w->db);
        mem_free(&w);
        return r;
    }
    sqlite_db_busy_timeout(w->db, busy_timeout);
    w->last = &w->first;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->queued, &attr);
    pthread_condattr_destroy(&attr);
    start_thread(w);
    *w_r = w;
    return RESULT_OK;
}

void sqlite_writer_close(struct sqlite_writer **wp)
{
    struct sqlite_writer *w = *wp;
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_signal(&w->queued);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    sqlite_db_close(&w->db);
    pthread_cond_destroy(&w->queued);
    pthread_mutex_destroy(&w->lock);
    mem_free(wp);
}

/* With the lock held. The writer is only woken for what wait_for_work() waits for: each wake-up costs two switches of threads. */
static void enqueue(struct sqlite_writer *w, struct sqlite_change *c)
{
    bool first = w->first == NULL;
    c->next = NULL;
    *w->last = c;
    w->last = &c->next;
    w->waiting++;
    w->eager += !c->lazy;
    if (first || (!c->lazy && w->eager == 1) || w->waiting == GROUP_MAX)
        pthread_cond_signal(&w->queued);
}

enum result sqlite_writer_run(struct sqlite_writer *w, struct sqlite_change *c, struct error *err)
{
    if (pthread_equal(pthread_self(), w->thread))
        log_panic("a change waits for itself: a `done' callback must submit");
    c->free = NULL;
    c->lazy = false;
    sem_init(&c->finished, 0, 0);
    pthread_mutex_lock(&w->lock);
    enqueue(w, c);
    pthread_mutex_unlock(&w->lock);
    while (sem_wait(&c->finished) != 0)
        continue; /* a signal */
    sem_destroy(&c->finished);
    if (err != NULL && c->result != RESULT_OK)
        *err = c->err;
    return c->result;
}

void sqlite_writer_submit(struct sqlite_writer *w, struct sqlite_change *c, sqlite_done *done, void *arg)
{
    c->done = done;
    c->arg = arg;
    pthread_mutex_lock(&w->lock);
    enqueue(w, c);
    pthread_mutex_unlock(&w->lock);
}

enum result sqlite_writer_do(struct sqlite_writer *w, struct sqlite_change *c, sqlite_done *done, void *arg,
                             struct error *err)
{
    if (done != NULL) {
        sqlite_writer_submit(w, c, done, arg);
        return RESULT_OK;
    }
    void (*release)(struct sqlite_change *) = c->free;
    enum result r = sqlite_writer_run(w, c, err);
    release(c);
    return r;
}

static enum result apply_nothing(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    (void)c, (void)db, (void)err;
    return RESULT_OK;
}

void sqlite_writer_flush(struct sqlite_writer *w)
{
    struct sqlite_change nothing = {.apply = apply_nothing};
    (void)sqlite_writer_run(w, &nothing, NULL);
}

uint64_t sqlite_writer_commits(struct sqlite_writer *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t n = w->commits;
    pthread_mutex_unlock(&w->lock);
    return n;
}

size_t sqlite_writer_waiting(struct sqlite_writer *w)
{
    pthread_mutex_lock(&w->lock);
    size_t n = w->waiting;
    pthread_mutex_unlock(&w->lock);
    return n;
}
