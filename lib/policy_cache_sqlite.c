/* The policy cache in a database: see policy_cache_sqlite.h. */
#include "lib/policy_cache_sqlite.h"

#include "lib/failpoint.h"
#include "lib/mem.h"

const char policy_cache_sqlite_schema[] =
    "CREATE TABLE policies ("
    " domain TEXT PRIMARY KEY, txt_id TEXT NOT NULL, policy TEXT,"
    " fetched INTEGER NOT NULL, usable_until INTEGER NOT NULL,"
    " checked INTEGER NOT NULL, check_next INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID;";

static enum result load(struct sqlite_db *db, const char *domain, struct policy_cache_entry **entry_r,
                        struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT domain, txt_id, policy, fetched, usable_until, checked, check_next, error"
                       " FROM policies WHERE domain = ?");
    stmt_bind_text(st, domain);
    while (stmt_row(st)) {
        struct policy_cache_entry *e = mem_zero(1, sizeof *e);
        stmt_copy_text(st, e->domain, sizeof e->domain);
        stmt_copy_text(st, e->txt_id, sizeof e->txt_id);
        e->policy = stmt_get_text(st);
        e->fetched = stmt_get_int(st);
        e->usable_until = stmt_get_int(st);
        e->checked = stmt_get_int(st);
        e->check_next = stmt_get_int(st);
        stmt_copy_text(st, e->error, sizeof e->error);
        *entry_r = e;
    }
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK)
        policy_cache_entry_free(entry_r);
    return r;
}

enum result policy_cache_sqlite_load(struct sqlite_pool *readers, const char *domain,
                                     struct policy_cache_entry **entry_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *entry_r = NULL;
    enum result r = sqlite_pool_take(readers, &db, err);
    if (r == RESULT_OK)
        r = load(db, domain, entry_r, err);
    sqlite_pool_give(readers, &db);
    return r;
}

struct save {
    struct sqlite_change change;
    struct policy_cache_entry entry;
};

static enum result apply_save(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct policy_cache_entry *e = &((struct save *)c)->entry;
    struct sqlite_stmt *st =
        stmt_begin(db, "INSERT OR REPLACE INTO policies"
                       " (domain, txt_id, policy, fetched, usable_until, checked, check_next, error)"
                       " VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    stmt_bind_text(st, e->domain);
    stmt_bind_text(st, e->txt_id);
    stmt_bind_text(st, e->policy);
    stmt_bind_int(st, e->fetched);
    stmt_bind_int(st, e->usable_until);
    stmt_bind_int(st, e->checked);
    stmt_bind_int(st, e->check_next);
    stmt_bind_text(st, e->error);
    return stmt_run(st, err);
}

static void free_save(struct sqlite_change *c)
{
    struct save *s = (struct save *)c;
    mem_free(&s->entry.policy);
    mem_free(&s);
}

enum result policy_cache_sqlite_save(struct sqlite_writer *writer, const struct policy_cache_entry *entry,
                                     sqlite_done *done, void *arg, struct error *err)
{
    if (FAILPOINT(policy_save))
        return error_set(err, RESULT_TEMP, "keep the policy of %s: disk I/O error", entry->domain);
    struct save *s = mem_zero(1, sizeof *s);
    s->change.apply = apply_save;
    s->change.free = free_save;
    s->entry = *entry;
    s->entry.policy = mem_strdup(entry->policy);
    return sqlite_writer_do(writer, &s->change, done, arg, err);
}
