/*
 * The bridge's notification queue: what was promised to senders and not yet settled, and what became
 * of everything for as long as a sender may ask again. Every durable change of the receiving side goes
 * through here. No SQL outside jobs_sqlite*.c.
 *
 * A job is one message (iss, id) from one sender domain with its recipients at one of our domains (aud): each
 * domain has a notification and a token of its own. A shadow is a job of its own: it never meets the message of the same
 * id that was notified to be delivered. States per recipient:
 *   JOB_PENDING    promised ("accepted"), to be worked on
 *   JOB_DELIVERED  the MTA took it
 *   JOB_FAILED     the MTA refused it for good, or the content was wrong
 *   JOB_DEFERRED   the MTA said later: the sender is to be told, and will notify again
 * and for each whether the sender has been told (a verdict or receipt answered).
 *
 * Threads and group commit as in lib/store.h: `done` is called from the writer thread.
 */
#ifndef PONTOON_JOBS_H
#define PONTOON_JOBS_H

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/notification.h"
#include "lib/result.h"
#include "lib/store.h" /* store_done */

struct jobs;

enum job_state { JOB_PENDING, JOB_DELIVERED, JOB_FAILED, JOB_DEFERRED, JOB_STATES };
const char *job_state_name(enum job_state state);
/* The same for people: of a shadow "deliverable" and "undeliverable", as nothing is. */
const char *job_outcome_name(bool shadow, enum job_state state);

enum result jobs_open(const struct config *config, enum store_mode mode, struct jobs **jobs_r, struct error *err);
/* Returns when all changes that were begun are done, well or badly, and their `done' was called. */
void jobs_flush(struct jobs *jobs);
void jobs_close(struct jobs **jobs);

struct job_rcpt {
    char *address;
    char *notify, *orcpt; /* or NULL */
    enum job_state state;
    char dsn[ERROR_DSN_MAX];
    char *text;                         /* the MTA's reply, or NULL */
    char *relay;                        /* the MTA that said it, "127.0.0.3[127.0.0.3]:10025", or NULL */
    enum verdict_dsn success;           /* who makes the success DSN that was asked for */
    bool told;                          /* the sender knows */
    msec_t since;                       /* when it came into this state */
    struct store_comparison comparison; /* of a shadow; its strings are ours */
};

struct job {
    int64_t key; /* the row's, once it has one: for jobs_pending(); jobs_note() ignores it */
    char iss[DOMAIN_MAX + 1], aud[DOMAIN_MAX + 1];
    bool shadow;                   /* to be asked about, fetched and compared, and never handed over */
    struct notification_message m; /* its envelope has no recipients: they are below */
    char peer[64];                 /* the notifier's address as text */
    char queue_id[64];             /* the receiving MTA's, from its 250, or "" */
    msec_t received;
    msec_t next;       /* when pending work or an untold receipt is due */
    unsigned attempts; /* receipt attempts */
    struct job_rcpt *rcpts;
    size_t nrcpts;
};
void job_free(struct job **job);

struct job_list {
    struct job **jobs;
    size_t n;
};
void job_list_free(struct job_list **list);

/* What one job is called: all four make it. Borrowed strings. */
struct job_name {
    const char *iss, *aud, *id;
    bool shadow;
};
struct job_name job_name(const struct job *job);
bool job_name_same(const struct job_name *a, const struct job_name *b);

/* What is known of it: NULL if nothing. A read: never waits for a writer. */
enum result jobs_find(struct jobs *jobs, const struct job_name *name, struct job **job_r, struct error *err);

/*
 * Writes the job as it stands (inserts or replaces job and recipients, recipients not mentioned stay as they
 * are). This is the durable note after the MTA's 250, the promise before an "accepted", and the
 * answer for later questions, all the same thing.
 */
enum result jobs_note(struct jobs *jobs, const struct job *job, store_done *done, void *arg, struct error *err);
/* The sender has been told of all settled recipients of this job; deferred ones are forgotten (it asks again). */
enum result jobs_told(struct jobs *jobs, const struct job_name *name, store_done *done, void *arg, struct error *err);
/* The receipt could not be sent: again at `next`. */
enum result jobs_receipt_later(struct jobs *jobs, const struct job_name *name, msec_t next, store_done *done, void *arg,
                               struct error *err);

/* Jobs with pending recipients (restart), oldest first, behind the one with key `after` (0: from the start). */
enum result jobs_pending(struct jobs *jobs, int64_t after, size_t max, struct job_list **list_r, struct error *err);
/* Jobs with untold settled recipients and none pending, due by now; *next_r: when the next one that is not in the list is due,
   -1 none. */
enum result jobs_receipts_due(struct jobs *jobs, size_t max, struct job_list **list_r, msec_t *next_r,
                              struct error *err);

/* ctl: by pontoon id, MTA queue id; newest first. */
enum result jobs_search(struct jobs *jobs, const char *what, size_t max, struct job_list **list_r, struct error *err);
enum result jobs_list(struct jobs *jobs, size_t max, struct job_list **list_r,
                      struct error *err); /* pending or untold */

struct jobs_stats {
    uint64_t pending, untold, known; /* recipients, recipients, jobs */
};
enum result jobs_stats(struct jobs *jobs, struct jobs_stats *stats_r, struct error *err);

/* As store_verify(). */
enum result jobs_verify(struct jobs *jobs, msec_t wait, struct error *err);

/* The bridge's trace of a message; same form as the store's. */
void jobs_add_event(struct jobs *jobs, const struct job_name *name, const char *address, const char *what,
                    const char *text);
enum result jobs_events(struct jobs *jobs, const struct job_name *name, struct store_event **events_r, size_t *n_r,
                        struct error *err);

/* Forgets settled and told jobs received more than `history` ms ago, and pending ones never. */
enum result jobs_purge(struct jobs *jobs, msec_t history, size_t max, bool *more_r, struct error *err);

enum result jobs_policy_load(struct jobs *jobs, const char *domain, struct policy_cache_entry **entry_r,
                             struct error *err);
enum result jobs_policy_save(struct jobs *jobs, const struct policy_cache_entry *entry, store_done *done, void *arg,
                             struct error *err);

#endif
