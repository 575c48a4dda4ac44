/* Who may fetch; begin and end of a fetch, noted for recall, return to SMTP and trace. See store.h. */
#include "lib/mem.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

/*
 * The capability is one for all recipients at a site. So it is enough that one may be fetched for; but none may have been taken back while
 * the peer was told of it and never said that it holds nothing: it would deliver to that one as well.
 */
enum result store_check_access(struct sqlite_db *db, const char *id, const char *aud, enum store_access *access_r,
                               struct error *err)
{
    bool known = false, wanted = false, endangered = false;
    struct sqlite_stmt *st = stmt_begin(
        db, "SELECT state, offered FROM recipients WHERE message = (SELECT message FROM messages WHERE id = ?)"
            " AND domain = ?");
    stmt_bind_text(st, id);
    stmt_bind_text(st, aud);
    while (stmt_row(st)) {
        enum rcpt_state state = (enum rcpt_state)stmt_get_int(st);
        bool offered = stmt_get_int(st) != 0;
        known = true;
        wanted = wanted || rcpt_state_fetchable(state);
        endangered = endangered || (offered && rcpt_state_taken_back(state));
    }
    *access_r = !known ? STORE_ACCESS_UNKNOWN : (wanted && !endangered ? STORE_ACCESS_OK : STORE_ACCESS_GONE);
    return stmt_end(st, err);
}

struct fetch {
    struct sqlite_change change;
    msec_t when;
    bool only, whole;
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
    enum store_access access;
    int64_t message = 0;
    enum result r = store_check_access(db, f->id, f->aud, &access, err);
    if (r == RESULT_OK && access != STORE_ACCESS_OK)
        return error_set(err, RESULT_PERM, "%s may not be fetched any more by %s", f->id, f->aud);
    if (r != RESULT_OK)
        return r;
    /* For those for whom it may be: rcpt_state_fetchable(). */
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE recipients SET fetched = CASE WHEN ? AND fetching <> 0 THEN fetching ELSE fetched END,"
                       " fetching = ?, offered = 1 WHERE message = (SELECT message FROM messages WHERE id = ?)"
                       " AND domain = ? AND state IN (0, 1) RETURNING message");
    stmt_bind_int(st, f->only);
    return update(st, f, &message, err);
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

enum result store_fetch_begin(struct store *store, const char *id, const char *aud, bool only, store_done *done,
                              void *arg, struct error *err)
{
    struct fetch *f = fetch_new(id, aud);
    f->only = only;
    f->change = (struct sqlite_change){.apply = apply_begin, .free = free_fetch};
    return store_do(store, &f->change, done, arg, err);
}

enum result store_fetch_end(struct store *store, const char *id, const char *aud, bool whole, const char *peer,
                            store_done *done, void *arg, struct error *err)
{
    struct fetch *f = fetch_new(id, aud);
    /* Until a whole fetch is noted it counts as one under way, which binds us as much; so the flush can wait for the verdict's. */
    f->change = (struct sqlite_change){.apply = apply_end, .free = free_fetch, .lazy = whole};
    f->whole = whole;
    f->peer = mem_strdup(peer);
    return store_do(store, &f->change, done, arg, err);
}
