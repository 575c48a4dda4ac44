/* Due work: claims under a lease, and what gives them up without an event. See store.h. */
#include <string.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/store_sqlite.h"

enum { DSN_RCPTS_MAX = 1000 }; /* of one message in one DSN: store.h says so */

/* ---- claiming ---- */

struct claim {
    struct sqlite_change change;
    const char *node;
    msec_t lease;
    enum store_work work;   /* for store_claim() */
    size_t max;             /* the same */
    const char *const *ids; /* for store_claim_messages(), else NULL */
    size_t nids;
    struct store_entries_builder found;
    msec_t next;
};

static enum result first_due(struct sqlite_db *db, enum store_work work, msec_t *due_r, struct error *err)
{
    *due_r = -1;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT due FROM recipients WHERE work = ? ORDER BY due LIMIT 1");
    stmt_bind_int(st, work);
    while (stmt_row(st))
        *due_r = stmt_get_int(st);
    return stmt_end(st, err);
}

/* The last one that a claim got room for. */
struct last_due {
    int64_t rid;
    msec_t due;
};

/* What is due of the same message and domain: cut in two it would be notified, and fetched, twice. */
static enum result select_rest(struct claim *c, struct sqlite_db *db, const struct last_due *last, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " STORE_RCPT_COLUMNS " FROM recipients AS l JOIN recipients AS r USING (message, domain)"
                       " WHERE l.rid = ?1 AND +r.work = ?2 AND r.due <= ?3 AND (r.due, r.rid) > (?4, ?1)"
                       " ORDER BY r.due, r.rid LIMIT ?5");
    stmt_bind_int(st, last->rid);
    stmt_bind_int(st, c->work);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, last->due);
    stmt_bind_int(st, (int64_t)c->max);
    while (stmt_row(st))
        store_builder_rcpt(&c->found, st, true);
    return stmt_end(st, err);
}

static enum result select_due(struct claim *c, struct sqlite_db *db, struct error *err)
{
    struct last_due last = {0};
    size_t n = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT " STORE_RCPT_COLUMNS ", r.due FROM recipients AS r"
                                            " WHERE r.work = ? AND r.due <= ? ORDER BY r.due, r.rid LIMIT ?");
    stmt_bind_int(st, c->work);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, (int64_t)c->max);
    for (; stmt_row(st); n++) {
        last.rid = store_builder_rcpt(&c->found, st, true)->rid;
        last.due = stmt_get_int(st);
    }
    enum result r = stmt_end(st, err);
    return r == RESULT_OK && n == c->max ? select_rest(c, db, &last, err) : r;
}

/* DSNs are one for a message: what is not due yet comes along with what is. */
static enum result select_due_dsns(struct claim *c, struct sqlite_db *db, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT " STORE_RCPT_COLUMNS " FROM (SELECT r.*, row_number() OVER"
                       " (PARTITION BY r.message ORDER BY r.rid) AS place FROM recipients AS r WHERE r.work = ?1"
                       " AND (r.owner IS NULL OR r.due <= ?2) AND r.message IN (SELECT message FROM recipients"
                       " WHERE work = ?1 AND due <= ?2 GROUP BY message ORDER BY min(due) LIMIT ?3)) AS r"
                       " WHERE place <= ?4 ORDER BY r.message, r.rid");
    stmt_bind_int(st, c->work);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, (int64_t)c->max);
    stmt_bind_int(st, DSN_RCPTS_MAX);
    while (stmt_row(st))
        store_builder_rcpt(&c->found, st, false);
    return stmt_end(st, err);
}

/* What a hold keeps back: never tried, and nobody's (or nobody's any more). */
static enum result select_released(struct claim *c, struct sqlite_db *db, const char *id, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db, "SELECT " STORE_RCPT_COLUMNS " FROM messages AS m JOIN recipients AS r ON r.message = m.message"
            " WHERE m.id = ? AND r.state = ? AND r.attempts = 0 AND (r.owner IS NULL OR r.due <= ?) ORDER BY r.rid");
    stmt_bind_text(st, id);
    stmt_bind_int(st, RCPT_QUEUED);
    stmt_bind_int(st, clock_now());
    while (stmt_row(st))
        store_builder_rcpt(&c->found, st, true);
    return stmt_end(st, err);
}

/*
 * That it was offered is noted before anything is sent: whoever takes it back while the notification is under way, or after a crash, must
 * know that the peer may hold a promise for it.
 */
static enum result lease_entry(const struct claim *c, struct sqlite_db *db, struct store_entry *e, int64_t serial,
                               struct error *err)
{
    enum result r = RESULT_OK;
    for (size_t i = 0; r == RESULT_OK && i < e->nrcpts; i++) {
        if (serial != 0)
            e->rcpts[i].serial = serial;
        struct sqlite_stmt *st = stmt_begin(
            db, "UPDATE recipients SET owner = ?, due = ?, serial = ?, offered = offered OR ? WHERE rid = ?");
        stmt_bind_text(st, c->node);
        stmt_bind_int(st, clock_now() + c->lease);
        stmt_bind_int(st, e->rcpts[i].serial);
        stmt_bind_int(st, serial != 0);
        stmt_bind_int(st, e->rcpts[i].rid);
        r = stmt_run(st, err);
    }
    return r;
}

/* The number of this claim, which its notifications carry: news about an earlier one must not count as news about them. */
static enum result next_serial(struct sqlite_db *db, int64_t *serial_r, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE claims SET n = n % ? + 1 RETURNING n");
    stmt_bind_int(st, NOTIFICATION_SERIAL_MAX);
    while (stmt_row(st))
        *serial_r = stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result apply_claim(struct sqlite_change *change, struct sqlite_db *db, struct error *err)
{
    struct claim *c = (struct claim *)change;
    enum result r = RESULT_OK;
    store_builder_drop(&c->found); /* of an earlier try */
    store_builder_init(&c->found);
    if (c->ids == NULL)
        r = c->work == STORE_BOUNCE || c->work == STORE_REPORT ? select_due_dsns(c, db, err) : select_due(c, db, err);
    for (size_t i = 0; r == RESULT_OK && c->ids != NULL && i < c->nids; i++)
        r = select_released(c, db, c->ids[i], err);
    if (r == RESULT_OK)
        r = store_builder_load(&c->found, db, err);
    int64_t serial = 0;
    if (r == RESULT_OK && c->found.list->n > 0 && c->work == STORE_NOTIFY)
        r = next_serial(db, &serial, err);
    for (size_t i = 0; r == RESULT_OK && i < c->found.list->n; i++)
        r = lease_entry(c, db, &c->found.list->entries[i], serial, err);
    if (r == RESULT_OK && c->ids == NULL)
        r = first_due(db, c->work, &c->next, err);
    return r;
}

static enum result run_claim(struct store *store, struct claim *c, struct store_entries **entries_r, struct error *err)
{
    *entries_r = NULL;
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    c->change.apply = apply_claim;
    c->node = store->node;
    enum result r = sqlite_writer_run(store->writer, &c->change, err);
    if (r == RESULT_OK)
        *entries_r = store_builder_finish(&c->found);
    else
        store_builder_drop(&c->found);
    return r;
}

/* ---- again ---- */

struct again {
    struct sqlite_change change;
    const char *node; /* the store's */
    const int64_t *rids;
    size_t n;
    msec_t lease;
    int64_t serial;
    int64_t ours;
};

static enum result apply_again(struct sqlite_change *change, struct sqlite_db *db, struct error *err)
{
    struct again *a = (struct again *)change;
    a->ours = 0;
    enum result r = next_serial(db, &a->serial, err);
    for (size_t i = 0; r == RESULT_OK && i < a->n; i++) {
        struct sqlite_stmt *st = stmt_begin(db, "UPDATE recipients SET due = ?, serial = ?, offered = 1"
                                                " WHERE rid = ? AND owner = ? AND work = ?");
        stmt_bind_int(st, clock_now() + a->lease);
        stmt_bind_int(st, a->serial);
        stmt_bind_int(st, a->rids[i]);
        stmt_bind_text(st, a->node);
        stmt_bind_int(st, STORE_NOTIFY);
        r = stmt_run(st, err);
        a->ours += sqlite_db_changes(db);
    }
    return r;
}

enum result store_claim_again(struct store *store, const int64_t *rids, size_t n, msec_t lease, int64_t *serial_r,
                              struct error *err)
{
    struct again a = {.change.apply = apply_again, .node = store->node, .rids = rids, .n = n, .lease = lease};
    enum result r = store->writer != NULL ? sqlite_writer_run(store->writer, &a.change, err)
                                          : error_set(err, RESULT_PERM, "the store is open for reading only");
    if (r == RESULT_OK && a.ours == 0)
        return error_set(err, RESULT_PERM, "it was settled meanwhile");
    *serial_r = a.serial;
    return r;
}

/* ---- a clock that went back ---- */

struct mend {
    struct sqlite_change change;
    enum store_work work;
    msec_t horizon;
    int64_t mended;
};

static enum result last_due_of(struct sqlite_db *db, enum store_work work, msec_t *due_r, struct error *err)
{
    *due_r = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT due FROM recipients WHERE work = ? ORDER BY due DESC LIMIT 1");
    stmt_bind_int(st, work);
    while (stmt_row(st))
        *due_r = stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result apply_mend(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct mend *m = (struct mend *)c;
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE recipients SET owner = NULL, next = ?1, due = ?1 WHERE work = ?2 AND due > ?3");
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, m->work);
    stmt_bind_int(st, clock_now() + m->horizon);
    enum result r = stmt_run(st, err);
    m->mended = sqlite_db_changes(db);
    return r;
}

/*
 * What would be due later than any wait can make it was put off by another clock: it is due now, which *next_r says (`db` itself
 * does not see the change yet).
 */
static enum result mend_clock(struct store *store, struct sqlite_db *db, enum store_work work, msec_t *next_r,
                              struct error *err)
{
    msec_t last = 0;
    enum result r = last_due_of(db, work, &last, err);
    if (r != RESULT_OK || last <= clock_now() + store->horizon || store->writer == NULL)
        return r;
    struct mend m = {.change.apply = apply_mend, .work = work, .horizon = store->horizon};
    r = sqlite_writer_run(store->writer, &m.change, err);
    if (r != RESULT_OK || m.mended == 0)
        return r;
    *next_r = clock_now();
    log_warning("the clock went back: %lld recipients were due only in %lld s, longer than any wait; due now",
                (long long)m.mended, (long long)(last - clock_now()) / 1000);
    return r;
}

enum result store_claim(struct store *store, enum store_work work, size_t max, msec_t lease,
                        struct store_entries **entries_r, msec_t *next_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *entries_r = NULL;
    *next_r = -1;
    /* Mostly nothing is due: a read finds that out without a flush. */
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK)
        r = mend_clock(store, db, work, next_r, err);
    if (r == RESULT_OK && *next_r < 0)
        r = first_due(db, work, next_r, err);
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK)
        return r;
    if (*next_r < 0 || *next_r > clock_now() || max == 0) {
        *entries_r = mem_zero(1, sizeof **entries_r);
        return RESULT_OK;
    }
    if (FAILPOINT(claim))
        return error_set(err, RESULT_TEMP, "claim due work: database is locked");
    struct claim c = {.lease = lease, .work = work, .max = max};
    r = run_claim(store, &c, entries_r, err);
    (void)FAILPOINT(claimed);
    *next_r = c.next;
    return r;
}

enum result store_claim_messages(struct store *store, const char *const *ids, size_t n, msec_t lease,
                                 struct store_entries **entries_r, struct error *err)
{
    struct claim c = {.lease = lease, .ids = ids, .nids = n};
    return run_claim(store, &c, entries_r, err);
}

/* ---- giving up without an event ---- */

struct postponement {
    struct sqlite_change change;
    const char *node; /* the store's */
    int64_t *rids;
    size_t n;
    msec_t next;
};

/* Only what is still ours: somebody else may have claimed it after our lease, or settled it. */
static enum result apply_postponement(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct postponement *p = (struct postponement *)c;
    enum result r = RESULT_OK;
    for (size_t i = 0; r == RESULT_OK && i < p->n; i++) {
        struct sqlite_stmt *st =
            stmt_begin(db, "UPDATE recipients SET next = ?1, due = ?1, owner = NULL WHERE rid = ?2 AND owner = ?3");
        stmt_bind_int(st, p->next);
        stmt_bind_int(st, p->rids[i]);
        stmt_bind_text(st, p->node);
        r = stmt_run(st, err);
    }
    return r;
}

static void free_postponement(struct sqlite_change *c)
{
    struct postponement *p = (struct postponement *)c;
    mem_free(&p->rids);
    mem_free(&p);
}

enum result store_postpone(struct store *store, const int64_t *rids, size_t n, msec_t next, store_done *done, void *arg,
                           struct error *err)
{
    struct postponement *p = mem_zero(1, sizeof *p);
    p->change = (struct sqlite_change){.apply = apply_postponement, .free = free_postponement};
    p->node = store->node;
    p->rids = mem_dup(rids, n * sizeof *rids);
    p->n = n;
    p->next = next;
    return store_do(store, &p->change, done, arg, err);
}

static enum result apply_release(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct postponement *p = (struct postponement *)c;
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE recipients SET owner = NULL, due = next WHERE owner = ?");
    stmt_bind_text(st, p->node);
    return stmt_run(st, err);
}

enum result store_release_leases(struct store *store, struct error *err)
{
    struct postponement *p = mem_zero(1, sizeof *p);
    p->change = (struct sqlite_change){.apply = apply_release, .free = free_postponement};
    p->node = store->node;
    return store_do(store, &p->change, NULL, NULL, err);
}
