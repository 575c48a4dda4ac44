/*
 * The one writer of an open database: a thread of its own that commits in groups. What is queued when a commit begins
 * shares its flush. When one of them fails half-way the group is run again, each in a savepoint, so that it spoils no neighbour's change.
 */
#ifndef PONTOON_SQLITE_WRITER_H
#define PONTOON_SQLITE_WRITER_H

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/result.h"
#include "lib/sqlite_db.h"

struct sqlite_writer;

typedef void sqlite_done(void *arg, enum result result, const struct error *err);

/* One change; the first member of a struct that knows its details. Set the functions, leave the rest zero. */
struct sqlite_change {
    /* Inside the transaction. May run again: a group that fails or can't be committed is taken apart. What it found must be the last run's. */
    enum result (*apply)(struct sqlite_change *c, struct sqlite_db *db, struct error *err);
    /* After the commit or the failure, before anybody is told; may be NULL. */
    void (*settled)(struct sqlite_change *c, enum result result);
    /* Frees a submitted change; one that is run belongs to its caller. */
    void (*free)(struct sqlite_change *c);
    bool lazy;     /* nobody waits for it: it may wait a little (0.2 s) for a commit to ride along with */
    bool in_doubt; /* out: COMMIT itself failed, so after a crash the change may be there or not */

    /* the writer's own */
    struct sqlite_change *next;
    sqlite_done *done;
    void *arg;
    enum result result;
    struct error err;
    sem_t finished;
};

/*
 * Opens (makes) the database at `path`, brings its schema up to date and starts the thread. A lock is waited
 * for as long as busy_timeout says, but half a minute while it opens.
 */
enum result sqlite_writer_open(const char *path, const struct sqlite_schema *schema, msec_t busy_timeout,
                               struct sqlite_writer **w_r, struct error *err);
/* Commits what is queued and ends. Nothing may be queued any more. */
void sqlite_writer_close(struct sqlite_writer **w);

/* Waits until it is durable or has failed. Never from a `done` (that is the writer's thread). */
enum result sqlite_writer_run(struct sqlite_writer *w, struct sqlite_change *c, struct error *err);
/* Returns at once; `done` (may be NULL) is called from the writer's thread. Callers bound how much they submit. */
void sqlite_writer_submit(struct sqlite_writer *w, struct sqlite_change *c, sqlite_done *done, void *arg);
/* Runs (and frees) it if there is no `done`, else submits it. */
enum result sqlite_writer_do(struct sqlite_writer *w, struct sqlite_change *c, sqlite_done *done, void *arg,
                             struct error *err);

/* Returns when all that was queued before is done, and those who asked for it were told. */
void sqlite_writer_flush(struct sqlite_writer *w);

uint64_t sqlite_writer_commits(struct sqlite_writer *w);
size_t sqlite_writer_waiting(struct sqlite_writer *w); /* changes queued */

#endif
