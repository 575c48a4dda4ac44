/* Begin and end of a fetch, noted for recall, return to SMTP and trace. See store.h. */
#include "lib/mem.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

struct fetch {
    struct sqlite_change change;
    msec_t when;
    bool whole;
    char *id, *aud, *peer;
};

static struct fetch *fetch_new(const char *id, const char *aud)
{
    struct fetch *f = mem_zero(1, sizeof *f);
    f->when = clock_now();
    f->id = mem_strdup(id);
    f->aud = mem_strdup(aud);
    return f;
}

static void free_fetch(struct sqlite_change *c)
{
    struct fetch *f = (struct fetch *)c;
    mem_free(&f->id);
    mem_free(&f->aud);
    mem_free(&f->peer);
    mem_free(&f);
}

/* Runs an update of the recipients at `aud`; *message_r is 0 if there were none. */
static enum result update(struct sqlite_stmt *st, const struct fetch *f, int64_t *message_r, struct error *err)
{
    *message_r = 0;
    stmt_bind_int(st, f->when);
    stmt_bind_text(st, f->id);
    stmt_bind_text(st, f->aud);
    while (stmt_row(st))
        *message_r = stmt_get_int(st);
    return stmt_end(st, err);
}

static enum result apply_begin(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct fetch *f = (struct fetch *)c;
    int64_t message = 0;
    /*
     * States as in rcpt_state_fetchable(): queued, accepted. None at this site may have been taken back (returning, bouncing, returned,
     * bounced, recalled) while the peer was told of it and never said that it holds nothing: it would deliver to that one as well.
     */
    enum result r = update(stmt_begin(db, "UPDATE recipients SET fetching = ?, offered = 1 WHERE message ="
                                          " (SELECT message FROM messages WHERE id = ?) AND domain = ?"
                                          " AND state IN (0, 1) AND NOT EXISTS (SELECT 1 FROM recipients AS o WHERE"
                                          " o.message = recipients.message AND o.domain = recipients.domain"
                                          " AND o.offered AND o.state IN (2, 3, 5, 6, 7)) RETURNING message"),
                           f, &message, err);
    if (r == RESULT_OK && message == 0)
        return error_set(err, RESULT_PERM, "%s may not be fetched any more by %s", f->id, f->aud);
    return r;
}

static enum result apply_end(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct fetch *f = (struct fetch *)c;
    int64_t message = 0;
    enum result r = update(f->whole ? stmt_begin(db, "UPDATE recipients SET fetching = 0, fetched = ? WHERE message ="
                                                     " (SELECT message FROM messages WHERE id = ?) AND domain = ?"
                                                     " AND fetching <> 0 RETURNING message")
                                    : stmt_begin(db, "UPDATE recipients SET fetching = 0 WHERE ? <> 0 AND message ="
                                                     " (SELECT message FROM messages WHERE id = ?) AND domain = ?"
                                                     " RETURNING message"),
                           f, &message, err);
    if (r != RESULT_OK || message == 0)
        return r;
    return trace_sqlite_add(db, message, f->when, f->whole ? "fetched" : "fetch broke off", f->aud, f->peer, err);
}

enum result store_fetch_begin(struct store *store, const char *id, const char *aud, store_done *done, void *arg,
                              struct error *err)
{
    struct fetch *f = fetch_new(id, aud);
    f->change = (struct sqlite_change){.apply = apply_begin, .free = free_fetch};
    return store_do(store, &f->change, done, arg, err);
}

enum result store_fetch_end(struct store *store, const char *id, const char *aud, bool whole, const char *peer,
                            store_done *done, void *arg, struct error *err)
{
    struct fetch *f = fetch_new(id, aud);
    f->change = (struct sqlite_change){.apply = apply_end, .free = free_fetch};
    f->whole = whole;
    f->peer = mem_strdup(peer);
    return store_do(store, &f->change, done, arg, err);
}
