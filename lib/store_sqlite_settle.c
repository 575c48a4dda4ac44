/* What became of recipients: events, leases given up, and the end of messages and bodies. See store.h. */
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/stops_sqlite.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

enum { HURRY = 500 }; /* ms: not at once, as a copy of the stops (lib/stops.h) may be a second old */

/* ---- body files that a transaction makes superfluous ---- */

static void files_add(struct store_files *f, char *name)
{
    f->names = mem_grow(f->names, f->n + 1, sizeof *f->names);
    f->names[f->n++] = name;
}

void store_files_clear(struct store_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        mem_free(&f->names[i]);
    mem_free(&f->names);
    f->n = 0;
}

void store_files_remove(struct store_files *f, const char *dir)
{
    for (size_t i = 0; i < f->n; i++)
        body_file_remove(dir, f->names[i]);
    store_files_clear(f);
}

/* ---- one event ---- */

static bool same_work(enum rcpt_state a, enum rcpt_state b)
{
    return a == b || (rcpt_state_fetchable(a) && rcpt_state_fetchable(b)); /* queued and accepted: notifications */
}

/* News of a DSN: what the peer said of the recipient stays, for the next try and for the admin. */
static bool concerns_dsn(enum rcpt_event event)
{
    return event == RCPT_EV_BOUNCE_DONE || event == RCPT_EV_BOUNCE_LATER || event == RCPT_EV_REPORT_DONE ||
           event == RCPT_EV_REPORT_LATER;
}

static enum result update_rcpt(struct sqlite_db *db, const struct store_settlement *s, enum rcpt_state old,
                               enum rcpt_state state, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db,
        "UPDATE recipients SET state = ?1, attempts = CASE WHEN ?2 THEN attempts + 1 ELSE 0 END,"
        " next = ?3, due = ?3, since = CASE WHEN ?4 THEN since ELSE ?5 END,"
        " offered = CASE WHEN ?10 THEN 0 ELSE offered END, fetched = CASE WHEN ?10 THEN 0 ELSE fetched END,"
        " fetching = CASE WHEN ?10 THEN 0 ELSE fetching END,"
        " dsn = CASE WHEN ?16 THEN dsn ELSE ?6 END, text = CASE WHEN ?16 THEN text ELSE ?7 END,"
        " peer = CASE WHEN ?16 THEN peer ELSE ?8 END, report = CASE WHEN ?16 THEN report ELSE ?17 END, owner = NULL,"
        " cause = CASE WHEN ?11 THEN ?12 ELSE cause END, cause_text = CASE WHEN ?11 THEN ?7 ELSE cause_text END,"
        " smtp = ?13, delta = ?14, differences = ?15 WHERE rid = ?9");
    msec_t now = clock_now();
    stmt_bind_int(st, state);
    stmt_bind_int(st, same_work(old, state));
    stmt_bind_int(st, s->next ? s->next : now);
    stmt_bind_int(st, old == state);
    stmt_bind_int(st, now);
    stmt_bind_text(st, s->dsn);
    stmt_bind_text(st, s->text);
    stmt_bind_text(st, s->peer);
    stmt_bind_int(st, s->rid);
    stmt_bind_int(st, rcpt_event_clears_doubt(s->event));
    stmt_bind_int(st, rcpt_state_fetchable(old) && !rcpt_state_fetchable(state));
    stmt_bind_int(st, s->event == RCPT_EV_UNREPORTED ? RCPT_EV_DELIVERED : s->event);
    stmt_bind_int(st, s->comparison.smtp);
    stmt_bind_int(st, s->comparison.delta);
    stmt_bind_text(st, s->comparison.differences);
    stmt_bind_int(st, concerns_dsn(s->event));
    stmt_bind_int(st, s->report);
    return stmt_run(st, err);
}

/*
 * Work of a domain that is being drained, or whose breaker is open, that the peer has not fetched: the return to SMTP need
 * not wait for the backoff. In this transaction, as whoever settles may not know of the stop yet.
 */
static enum result hurry_stopped(struct sqlite_db *db, int64_t rid, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db, "UPDATE recipients SET next = min(next, ?1), due = min(due, ?1) WHERE rid = ?2 AND fetching = 0"
            " AND fetched = 0 AND (EXISTS (SELECT 1 FROM drains AS d WHERE d.domain IN ('', recipients.domain,"
            " (SELECT m.iss FROM messages AS m WHERE m.message = recipients.message)))"
            " OR EXISTS (SELECT 1 FROM peers AS p WHERE p.domain = recipients.domain AND p.failures > 0"
            " AND p.breaker = ?3))");
    stmt_bind_int(st, clock_now() + HURRY);
    stmt_bind_int(st, rid);
    stmt_bind_int(st, STORE_BREAKER_OPEN);
    return stmt_run(st, err);
}

static enum result trace_comparison(struct sqlite_db *db, const struct store_comparison *c, int64_t message,
                                    const char *address, struct error *err)
{
    if (c->smtp == STORE_SMTP_UNKNOWN)
        return RESULT_OK;
    char *text = store_comparison_text(c);
    enum result r = trace_sqlite_add(db, message, clock_now(), store_comparison_what(c), address, text, err);
    mem_free(&text);
    return r;
}

/* The trace says the state that was reached, or the event that kept it; then who said what. */
static enum result trace_event(struct sqlite_db *db, const struct store_settlement *s, enum rcpt_state old,
                               enum rcpt_state state, int64_t message, const char *address, struct error *err)
{
    const char *what = old == state ? rcpt_event_name(s->event) : rcpt_state_name(state);
    const char *text = s->text ? s->text : "", *peer = s->peer ? s->peer : "";
    char *line = mem_printf("%s%s%s%s%s", s->dsn, s->dsn[0] && text[0] ? " " : "", text, peer[0] ? " -- " : "", peer);
    enum result r = trace_sqlite_add(db, message, clock_now(), what, address, line[0] ? line : NULL, err);
    mem_free(&line);
    return r == RESULT_OK ? trace_comparison(db, &s->comparison, message, address, err) : r;
}

/* A fetch was faster than the return: the peer is asked, at once. (A recall disturbs nobody's work.) */
static enum result leave_taken(struct sqlite_db *db, const struct store_settlement *s, struct error *err)
{
    if (s->event != RCPT_EV_FALLBACK)
        return RESULT_OK;
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE recipients SET owner = NULL, next = ?1, due = ?1 WHERE rid = ?2"
                                            " AND work = 0");
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, s->rid);
    return stmt_run(st, err);
}

enum result store_apply_event(struct sqlite_db *db, const struct store_settlement *s, bool *changed_r,
                              int64_t *message_r, struct error *err)
{
    enum rcpt_state old = RCPT_STATES, state;
    char *address = NULL;
    bool taken = false, shadow = false;
    int64_t serial = 0;
    *changed_r = false;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT state, message, address, fetching <> 0 OR fetched <> 0, shadow, serial FROM recipients"
                       " WHERE rid = ?");
    stmt_bind_int(st, s->rid);
    while (stmt_row(st)) {
        old = (enum rcpt_state)stmt_get_int(st);
        *message_r = stmt_get_int(st);
        mem_free(&address);
        address = stmt_get_text(st);
        taken = stmt_get_int(st) != 0;
        shadow = stmt_get_int(st) != 0;
        serial = stmt_get_int(st);
    }
    enum result r = stmt_end(st, err);
    if (s->serial != 0 && s->serial != serial) {
        old = RCPT_STATES;
    } else if (r == RESULT_OK && s->unless_fetched && taken) {
        old = RCPT_STATES;
        r = leave_taken(db, s, err);
    }
    /* Without effect also on a lease: whoever changed the state has taken it, or works under it now. */
    if (r == RESULT_OK && old < RCPT_STATES && rcpt_state_next(old, s->event, shadow, &state)) {
        *changed_r = true;
        r = update_rcpt(db, s, old, state, err);
        if (r == RESULT_OK && rcpt_state_fetchable(state))
            r = hurry_stopped(db, s->rid, err);
        if (r == RESULT_OK)
            r = trace_event(db, s, old, state, *message_r, address, err);
    }
    mem_free(&address);
    return r;
}

/* ---- one DSN for what fails together ---- */

/*
 * DSNs wait a little for recipients of the same message that may still join them. When all others have been tried, nothing
 * will: as with the end of a delivery round in an MTA. Attempts of its own are a backoff, which stays.
 */
static enum result end_round(struct sqlite_db *db, int64_t message, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db, "UPDATE recipients SET next = ?2, due = ?2 WHERE message = ?1 AND work IN (?3, ?4) AND attempts = 0"
            " AND owner IS NULL AND due > ?2 AND NOT EXISTS (SELECT 1 FROM recipients WHERE message = ?1"
            " AND ((state IN (?5, ?6) AND attempts = 0) OR state = ?7))");
    stmt_bind_int(st, message);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, STORE_BOUNCE);
    stmt_bind_int(st, STORE_REPORT);
    stmt_bind_int(st, RCPT_QUEUED);
    stmt_bind_int(st, RCPT_RETURNING);
    stmt_bind_int(st, RCPT_ACCEPTED);
    return stmt_run(st, err);
}

/* ---- the end of a message ---- */

static enum result body_of(struct sqlite_db *db, int64_t message, int64_t *body_r, struct error *err)
{
    *body_r = 0;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT body FROM messages AS m WHERE message = ? AND settled IS NULL AND NOT EXISTS"
                       " (SELECT 1 FROM recipients AS r WHERE r.message = m.message AND r.work IS NOT NULL)");
    stmt_bind_int(st, message);
    while (stmt_row(st))
        *body_r = stmt_get_int(st);
    return stmt_end(st, err);
}

enum result store_finish_message(struct sqlite_db *db, int64_t message, struct store_files *files, struct error *err)
{
    int64_t body = 0;
    enum result r = body_of(db, message, &body, err);
    if (r != RESULT_OK || body == 0)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE messages SET settled = ?, body = NULL, trace = NULL WHERE message = ?");
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, message);
    r = stmt_run(st, err);
    if (r != RESULT_OK)
        return r;
    st = stmt_begin(
        db,
        "DELETE FROM bodies WHERE body = ?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE body = ?1) RETURNING file");
    stmt_bind_int(st, body);
    while (stmt_row(st)) {
        if (!stmt_get_null(st))
            files_add(files, stmt_get_text(st));
    }
    return stmt_end(st, err);
}

/* ---- store_settle() ---- */

struct settle {
    struct sqlite_change change;
    const struct store *store;
    struct store_settlement *list;
    size_t n;
    bool *changed;
    struct store_files files;
};

static enum result apply_settle(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct settle *s = (struct settle *)c;
    enum result r = RESULT_OK;
    int64_t *messages = mem_zero(s->n, sizeof *messages);
    store_files_clear(&s->files);
    for (size_t i = 0; r == RESULT_OK && i < s->n; i++)
        r = store_apply_event(db, &s->list[i], &s->changed[i], &messages[i], err);
    for (size_t i = 0; r == RESULT_OK && i < s->n; i++) {
        if (messages[i] == 0 || (i + 1 < s->n && messages[i + 1] == messages[i]))
            continue;
        r = end_round(db, messages[i], err);
        if (r == RESULT_OK)
            r = store_finish_message(db, messages[i], &s->files, err);
    }
    mem_free(&messages);
    return r;
}

static void settled_settle(struct sqlite_change *c, enum result result)
{
    struct settle *s = (struct settle *)c;
    if (result == RESULT_OK)
        store_files_remove(&s->files, s->store->dir);
}

static void free_settle(struct sqlite_change *c)
{
    struct settle *s = (struct settle *)c;
    for (size_t i = 0; i < s->n; i++) { /* ours: copied below */
        mem_release((void *)(uintptr_t)s->list[i].text);
        mem_release((void *)(uintptr_t)s->list[i].peer);
        mem_release((void *)(uintptr_t)s->list[i].comparison.differences);
    }
    store_files_clear(&s->files);
    mem_free(&s->changed);
    mem_free(&s->list);
    mem_free(&s);
}

static struct store_settlement copy_settlement(const struct store_settlement *s)
{
    struct store_settlement copy = *s;
    copy.text = mem_strdup(s->text);
    copy.peer = mem_strdup(s->peer);
    copy.comparison.differences = mem_strdup(s->comparison.differences);
    return copy;
}

enum result store_settle(struct store *store, const struct store_settlement *list, size_t n, bool *changed_r,
                         store_done *done, void *arg, struct error *err)
{
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    struct settle *s = mem_zero(1, sizeof *s);
    s->change = (struct sqlite_change){.apply = apply_settle, .settled = settled_settle, .free = free_settle};
    s->store = store;
    s->list = mem_zero(n, sizeof *s->list);
    s->changed = mem_zero(n, sizeof *s->changed);
    for (s->n = 0; s->n < n; s->n++)
        s->list[s->n] = copy_settlement(&list[s->n]);
    if (done != NULL) {
        sqlite_writer_submit(store->writer, &s->change, done, arg);
        return RESULT_OK;
    }
    enum result r = sqlite_writer_run(store->writer, &s->change, err);
    if (r == RESULT_OK && changed_r != NULL)
        memcpy(changed_r, s->changed, n * sizeof *changed_r);
    free_settle(&s->change);
    return r;
}
