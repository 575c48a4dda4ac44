/* What the files of the store's SQLite backend share. Nobody else includes this but their tests. */
#ifndef PONTOON_STORE_SQLITE_H
#define PONTOON_STORE_SQLITE_H

#include <pthread.h>

#include "lib/body_file.h"
#include "lib/sqlite_pool.h"
#include "lib/sqlite_writer.h"
#include "lib/store.h"

struct store {
    char *dir, *incoming, *node;
    uint64_t inline_max;
    msec_t horizon;               /* nothing is due later than this from now, unless the clock went back */
    struct sqlite_writer *writer; /* NULL: opened read-only */
    struct sqlite_pool *readers;
    int wakeup;                   /* store_wakeup_sender() */
    _Atomic msec_t wakeup_again;  /* until then, by clock_mono(), a full queue is not waited for */
    pthread_mutex_t purging;      /* guards what follows: */
    struct body_file_sweep sweep; /* store_purge() */
    msec_t swept;                 /* by clock_mono(); 0: not yet */
};

extern const struct sqlite_schema store_sqlite_schema;

/* Hands a change to the writer; fails if there is none. Frees the change, at once or when it is done. */
enum result store_do(struct store *s, struct sqlite_change *c, store_done *done, void *arg, struct error *err);

/* An unbound socket to send wake-ups from, or -1. */
int store_wakeup_sender(void);

/* ---- store_sqlite_clock.c ---- */

struct store_shift {
    msec_t by;
    msec_t news_from, news_to; /* times between these are right already */
    msec_t due_to;             /* and what is due between news_from and this */
};
/* Moves the times of what waits. *moved_r: messages. */
enum result store_shift_times(struct sqlite_db *db, const struct store_shift *s, uint64_t *moved_r, struct error *err);

/* ---- store_sqlite_entry.c: rows to struct store_entry ---- */

struct store_entries_builder {
    struct store_entries *list;
    int64_t *messages; /* the row of each entry */
    size_t cap;
};
void store_builder_init(struct store_entries_builder *b);
struct store_entries *store_builder_finish(struct store_entries_builder *b); /* the list, or NULL if it was dropped */
void store_builder_drop(struct store_entries_builder *b);

/* The columns that store_read_rcpt() takes, from recipients AS r. */
#define STORE_RCPT_COLUMNS                                                                                                 \
    "r.message, r.rid, r.address, r.domain, r.notify, r.orcpt, r.state, r.serial, r.attempts, r.next, r.since, r.offered," \
    " r.fetching, r.fetched, r.dsn, r.text, r.peer, r.cause, r.cause_text, r.smtp, r.delta, r.differences, r.report"

/* Takes the statement's row; puts it into the entry of its message (and its domain, if `by_domain`), which is made if
   missing and filled in by store_builder_load(). */
struct store_rcpt *store_builder_rcpt(struct store_entries_builder *b, struct sqlite_stmt *st, bool by_domain);
struct store_entry *store_builder_entry(struct store_entries_builder *b, int64_t message);
/* Reads the messages' own columns. */
enum result store_builder_load(struct store_entries_builder *b, struct sqlite_db *db, struct error *err);

/* ---- store_sqlite_fetch.c: the one rule of who may fetch, for a look (HEAD) and for a fetch ---- */

/* Whether `aud` may fetch this message now. */
enum result store_check_access(struct sqlite_db *db, const char *id, const char *aud, enum store_access *access_r,
                               struct error *err);

/* ---- store_sqlite_settle.c: the one place that changes states ---- */

struct store_files { /* body files to remove after the commit */
    char **names;
    size_t n;
};
void store_files_remove(struct store_files *f, const char *dir); /* and clears the list */
void store_files_clear(struct store_files *f);

enum result store_apply_event(struct sqlite_db *db, const struct store_settlement *s, bool *changed_r,
                              int64_t *message_r, struct error *err);
/* If all recipients are final: the message is settled, and its body goes if it was the last one with it. */
enum result store_finish_message(struct sqlite_db *db, int64_t message, struct store_files *files, struct error *err);

#endif
