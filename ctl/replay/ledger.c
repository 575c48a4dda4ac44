/* The journal of a replay: see ledger.h. */
#include "ctl/replay/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mem.h"

enum { BUSY_TIMEOUT = 5000 };

static const char *const steps[] = {
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE copies (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, round INTEGER NOT NULL, way TEXT NOT NULL,"
    " origin TEXT NOT NULL, size INTEGER NOT NULL, notes INTEGER NOT NULL, digest BLOB NOT NULL, sender TEXT NOT NULL,"
    " begun INTEGER NOT NULL, answered INTEGER, state INTEGER NOT NULL, reply TEXT);"
    "CREATE TABLE rcpts (copy INTEGER NOT NULL, address TEXT NOT NULL, refused TEXT, arrived INTEGER NOT NULL DEFAULT 0,"
    " first INTEGER, PRIMARY KEY (copy, address)) WITHOUT ROWID;"
    "CREATE TABLE arrivals (id INTEGER PRIMARY KEY, copy INTEGER NOT NULL, arrived INTEGER NOT NULL, size INTEGER NOT NULL,"
    " equal INTEGER NOT NULL, hops TEXT NOT NULL, watched TEXT NOT NULL, file TEXT NOT NULL);"
    "CREATE INDEX arrivals_copy ON arrivals (copy);"
    "CREATE TABLE unsendable (round INTEGER NOT NULL, number INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,"
    " PRIMARY KEY (round, number)) WITHOUT ROWID;"
    "CREATE TABLE strays (id INTEGER PRIMARY KEY, arrived INTEGER NOT NULL, what TEXT NOT NULL);",
    "CREATE INDEX rcpts_not_reached ON rcpts (copy) WHERE arrived = 0 AND refused IS NULL;"
    "ALTER TABLE arrivals ADD COLUMN digest BLOB NOT NULL DEFAULT x'';"
    "ALTER TABLE copies ADD COLUMN left_out INTEGER NOT NULL DEFAULT 0;",
};
static const struct sqlite_schema schema = {"journal of a replay", steps, sizeof steps / sizeof *steps};

struct ledger {
    struct sqlite_db *db;
    bool failed;
    struct error err;
};

static enum result make_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, RESULT_PERM, "%s: %s", path, strerror(errno));
    close(fd);
    return RESULT_OK;
}

enum result ledger_open(const char *path, struct ledger **l_r, struct error *err)
{
    struct ledger *l = mem_zero(1, sizeof *l);
    enum result r = make_file(path, err);
    if (r == RESULT_OK)
        r = sqlite_db_open(path, SQLITE_WRITER, BUSY_TIMEOUT, &l->db, err);
    if (r == RESULT_OK)
        r = sqlite_db_upgrade(l->db, &schema, err);
    if (r == RESULT_OK) /* what is looked up was written lately: more pages would be memory for nothing */
        r = sqlite_db_run(l->db, "PRAGMA cache_size=-1000", err);
    if (r != RESULT_OK) {
        ledger_close(&l);
        return r;
    }
    *l_r = l;
    return RESULT_OK;
}

void ledger_close(struct ledger **l)
{
    if (*l == NULL)
        return;
    if ((*l)->db != NULL) {
        ledger_commit(*l, NULL);
        sqlite_db_close(&(*l)->db);
    }
    mem_free(l);
}

struct sqlite_db *ledger_db(struct ledger *l)
{
    return l->db;
}

static void keep(struct ledger *l, enum result result, const struct error *err)
{
    if (result == RESULT_OK || l->failed)
        return;
    l->failed = true;
    l->err = *err;
}

enum result ledger_commit(struct ledger *l, struct error *err)
{
    struct error e;
    if (!l->failed && sqlite_db_in_transaction(l->db))
        keep(l, sqlite_db_run(l->db, "COMMIT", &e), &e);
    return l->failed ? error_set(err, l->err.result, "%s", l->err.text) : RESULT_OK;
}

/* A statement that writes; NULL when something failed before. */
static struct sqlite_stmt *begin(struct ledger *l, const char *sql)
{
    struct error e;
    if (!l->failed && !sqlite_db_in_transaction(l->db))
        keep(l, sqlite_db_run(l->db, "BEGIN", &e), &e);
    return l->failed ? NULL : stmt_begin(l->db, sql);
}

static void end(struct ledger *l, struct sqlite_stmt *st)
{
    struct error e;
    keep(l, stmt_run(st, &e), &e);
}

/* ---- facts ---- */

void ledger_set(struct ledger *l, const char *name, const char *value)
{
    struct sqlite_stmt *st = begin(l, "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)");
    if (st == NULL)
        return;
    stmt_bind_text(st, name);
    stmt_bind_text(st, value);
    end(l, st);
}

char *ledger_get(struct ledger *l, const char *name)
{
    struct error e;
    char *value = NULL;
    struct sqlite_stmt *st = stmt_begin(l->db, "SELECT value FROM facts WHERE name = ?");
    stmt_bind_text(st, name);
    if (stmt_row(st))
        value = stmt_get_text(st);
    keep(l, stmt_end(st, &e), &e);
    return value;
}

/* ---- what is sent ---- */

static void add_rcpts(struct ledger *l, const struct ledger_copy *c)
{
    for (size_t i = 0; i < c->envelope->nrcpts; i++) {
        struct sqlite_stmt *st = begin(l, "INSERT OR REPLACE INTO rcpts (copy, address) VALUES (?, ?)");
        if (st == NULL)
            return;
        stmt_bind_int(st, (int64_t)c->id);
        stmt_bind_text(st, c->envelope->rcpts[i].address);
        end(l, st);
    }
}

void ledger_begun(struct ledger *l, const struct ledger_copy *c)
{
    struct sqlite_stmt *st = begin(
        l, "INSERT OR REPLACE INTO copies (id, number, round, way, origin, size, notes, digest, sender, begun, state,"
           " left_out) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    if (st == NULL)
        return;
    stmt_bind_int(st, (int64_t)c->id);
    stmt_bind_int(st, (int64_t)c->number);
    stmt_bind_int(st, (int64_t)c->round);
    stmt_bind_text(st, c->way);
    stmt_bind_text(st, c->origin);
    stmt_bind_int(st, (int64_t)c->size);
    stmt_bind_int(st, c->notes);
    stmt_bind_blob(st, c->digest, DIGEST_SIZE);
    stmt_bind_text(st, c->envelope->sender);
    stmt_bind_int(st, c->begun);
    stmt_bind_int(st, LEDGER_BEGUN);
    stmt_bind_int(st, (int64_t)c->left_out);
    end(l, st);
    add_rcpts(l, c);
}

void ledger_refused_rcpt(struct ledger *l, uint64_t copy, const char *address, const char *reply)
{
    struct sqlite_stmt *st = begin(l, "UPDATE rcpts SET refused = ? WHERE copy = ? AND address = ?");
    if (st == NULL)
        return;
    stmt_bind_text(st, reply);
    stmt_bind_int(st, (int64_t)copy);
    stmt_bind_text(st, address);
    end(l, st);
}

void ledger_answered(struct ledger *l, uint64_t copy, enum ledger_state state, msec_t when, const char *reply)
{
    struct sqlite_stmt *st = begin(l, "UPDATE copies SET state = ?, answered = ?, reply = ? WHERE id = ?");
    if (st == NULL)
        return;
    stmt_bind_int(st, state);
    stmt_bind_int(st, when);
    stmt_bind_text(st, reply);
    stmt_bind_int(st, (int64_t)copy);
    end(l, st);
}

void ledger_unsendable(struct ledger *l, uint64_t number, uint64_t round, const char *origin, const char *reason)
{
    struct sqlite_stmt *st =
        begin(l, "INSERT OR REPLACE INTO unsendable (round, number, origin, reason) VALUES (?, ?, ?, ?)");
    if (st == NULL)
        return;
    stmt_bind_int(st, (int64_t)round);
    stmt_bind_int(st, (int64_t)number);
    stmt_bind_text(st, origin);
    stmt_bind_text(st, reason);
    end(l, st);
}

/* ---- what arrives ---- */

enum result ledger_expected(struct ledger *l, uint64_t copy, bool *known_r, uint8_t digest_r[DIGEST_SIZE],
                            struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(l->db, "SELECT digest FROM copies WHERE id = ?");
    stmt_bind_int(st, (int64_t)copy);
    *known_r = stmt_row(st);
    if (*known_r) {
        size_t len;
        const void *digest = stmt_get_blob(st, &len);
        *known_r = len == DIGEST_SIZE;
        if (*known_r)
            memcpy(digest_r, digest, DIGEST_SIZE);
    }
    return stmt_end(st, err);
}

/* `address` NULL: each recipient of the copy. *first_r: recipients that it is the first arrival for. */
static void count_rcpt(struct ledger *l, const struct ledger_arrival *a, const char *address, unsigned *first_r)
{
    struct error e;
    struct sqlite_stmt *st = stmt_begin(l->db, "SELECT count(*) FROM rcpts WHERE copy = ?1 AND (?2 IS NULL OR address ="
                                               " ?2 COLLATE NOCASE) AND arrived = 0 AND refused IS NULL");
    stmt_bind_int(st, (int64_t)a->copy);
    stmt_bind_text(st, address);
    if (stmt_row(st))
        *first_r += (unsigned)stmt_get_int(st);
    keep(l, stmt_end(st, &e), &e);
    st = begin(l, "UPDATE rcpts SET arrived = arrived + 1, first = coalesce(first, ?1) WHERE copy = ?2 AND"
                  " (?3 IS NULL OR address = ?3 COLLATE NOCASE)");
    if (st == NULL)
        return;
    stmt_bind_int(st, a->when);
    stmt_bind_int(st, (int64_t)a->copy);
    stmt_bind_text(st, address);
    end(l, st);
    if (!l->failed && address != NULL &&
        sqlite_db_changes(l->db) == 0) { /* rewritten on the way: still a recipient's */
        char what[1200];
        snprintf(what, sizeof what, "copy %llu arrived for <%s>, to whom it was not sent", (unsigned long long)a->copy,
                 address);
        ledger_stray(l, a->when, what);
    }
}

static void add_arrival(struct ledger *l, const struct ledger_arrival *a)
{
    char hops[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < a->nhops && n < sizeof hops - 24; i++)
        n += (size_t)snprintf(hops + n, sizeof hops - n, "%s%lld", i > 0 ? " " : "", (long long)a->hops[i]);
    struct sqlite_stmt *st = begin(l, "INSERT INTO arrivals (copy, arrived, size, equal, hops, watched, file,"
                                      " digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    if (st == NULL)
        return;
    stmt_bind_int(st, (int64_t)a->copy);
    stmt_bind_int(st, a->when);
    stmt_bind_int(st, (int64_t)a->size);
    stmt_bind_int(st, a->equal);
    stmt_bind_text(st, hops);
    stmt_bind_text(st, a->watched);
    stmt_bind_text(st, a->file);
    stmt_bind_blob(st, a->digest, DIGEST_SIZE);
    end(l, st);
}

void ledger_arrived(struct ledger *l, const struct ledger_arrival *a, unsigned *new_r)
{
    *new_r = 0;
    add_arrival(l, a);
    if (a->nrcpts == 0)
        count_rcpt(l, a, NULL, new_r);
    for (size_t i = 0; i < a->nrcpts; i++)
        count_rcpt(l, a, a->rcpts[i], new_r);
}

enum result ledger_lacks(struct ledger *l, uint64_t copy, const char *address, bool *lacks_r, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(l->db, "SELECT 1 FROM rcpts WHERE copy = ?1 AND (?2 IS NULL OR address = ?2 COLLATE"
                          " NOCASE) AND arrived = 0 LIMIT 1");
    stmt_bind_int(st, (int64_t)copy);
    stmt_bind_text(st, address);
    *lacks_r = stmt_row(st);
    return stmt_end(st, err);
}

void ledger_stray(struct ledger *l, msec_t when, const char *what)
{
    struct sqlite_stmt *st = begin(l, "INSERT INTO strays (arrived, what) VALUES (?, ?)");
    if (st == NULL)
        return;
    stmt_bind_int(st, when);
    stmt_bind_text(st, what);
    end(l, st);
}

/* ---- going on ---- */

static enum result mark_unknown(struct ledger *l, struct error *err)
{
    struct sqlite_stmt *st = begin(l, "UPDATE copies SET state = ? WHERE state = ?");
    if (st != NULL) {
        stmt_bind_int(st, LEDGER_UNKNOWN);
        stmt_bind_int(st, LEDGER_BEGUN);
        end(l, st);
    }
    return ledger_commit(l, err);
}

enum result ledger_resume(struct ledger *l, struct ledger_position *p_r, struct error *err)
{
    *p_r = (struct ledger_position){0};
    struct sqlite_stmt *st = stmt_begin(l->db, "SELECT id, number, round FROM copies ORDER BY id DESC LIMIT 1");
    if (stmt_row(st)) {
        p_r->copy = (uint64_t)stmt_get_int(st);
        p_r->number = (uint64_t)stmt_get_int(st);
        p_r->round = (uint64_t)stmt_get_int(st);
    }
    if (stmt_end(st, err) != RESULT_OK)
        return err->result;
    st = stmt_begin(l->db, "SELECT round, number FROM unsendable ORDER BY round DESC, number DESC LIMIT 1");
    if (stmt_row(st)) {
        p_r->last_unsendable_round = (uint64_t)stmt_get_int(st);
        p_r->last_unsendable = (uint64_t)stmt_get_int(st);
    }
    if (stmt_end(st, err) != RESULT_OK)
        return err->result;
    st = stmt_begin(
        l->db, "SELECT count(*) FROM (SELECT round, number FROM copies UNION SELECT round, number FROM unsendable)");
    if (stmt_row(st))
        p_r->messages = (uint64_t)stmt_get_int(st);
    if (stmt_end(st, err) != RESULT_OK)
        return err->result;
    return mark_unknown(l, err);
}

enum result ledger_is_waiting(struct ledger *l, bool *waiting_r, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(l->db, "SELECT 1 FROM rcpts INDEXED BY rcpts_not_reached CROSS JOIN copies ON copies.id = rcpts.copy"
                          " WHERE arrived = 0 AND refused IS NULL AND copies.state IN (0, 1) LIMIT 1");
    *waiting_r = stmt_row(st);
    return stmt_end(st, err);
}
