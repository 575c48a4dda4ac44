/* What became of all that is remembered, for `pontoon report`: row by row, so that memory does not grow with the store. */
#include "lib/mem.h"
#include "lib/store_sqlite.h"

/* The strings of a row, which the statement gives us. */
struct row_strings {
    char *domain, *id, *text, *cause_text, *differences;
};

static void read_row(struct sqlite_stmt *st, struct store_history_row *row, struct row_strings *s)
{
    row->domain = s->domain = stmt_get_text(st);
    row->id = s->id = stmt_get_text(st);
    row->shadow = stmt_get_int(st) != 0;
    row->state = (enum rcpt_state)stmt_get_int(st);
    row->attempts = (unsigned)stmt_get_int(st);
    bool caused = !stmt_get_null(st);
    int64_t cause = stmt_get_int(st);
    row->cause = caused ? (enum rcpt_event)cause : RCPT_EVENTS;
    stmt_copy_text(st, row->dsn, sizeof row->dsn);
    row->text = s->text = stmt_get_text(st);
    row->cause_text = s->cause_text = stmt_get_text(st);
    row->created = stmt_get_int(st);
    row->since = stmt_get_int(st);
    row->fetched = stmt_get_int(st);
    row->reported = stmt_get_int(st) != 0;
    row->comparison.smtp = (enum store_smtp_copy)stmt_get_int(st);
    row->comparison.delta = stmt_get_int(st);
    row->comparison.differences = s->differences = stmt_get_text(st);
}

static void free_strings(struct row_strings *s)
{
    mem_free(&s->domain);
    mem_free(&s->id);
    mem_free(&s->text);
    mem_free(&s->cause_text);
    mem_free(&s->differences);
}

enum result store_history(struct store *store, const char *domain, msec_t since, store_history_fn *fn, void *arg,
                          struct error *err)
{
    struct sqlite_db *db = NULL;
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r != RESULT_OK)
        return r;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT r.domain, m.id, r.shadow, r.state, r.attempts, r.cause, r.dsn, r.text, r.cause_text,"
                       " m.created, r.since, r.fetched, r.report, r.smtp, r.delta, r.differences"
                       " FROM messages AS m JOIN recipients AS r ON r.message = m.message"
                       " WHERE m.created >= ?1 AND (?2 IS NULL OR r.domain = ?2)");
    stmt_bind_int(st, since);
    stmt_bind_text(st, domain);
    while (stmt_row(st)) {
        struct store_history_row row = {0};
        struct row_strings strings;
        read_row(st, &row, &strings);
        fn(arg, &row);
        free_strings(&strings);
    }
    r = stmt_end(st, err);
    sqlite_pool_give(store->readers, &db);
    return r;
}
