/*
 * The store in an SQLite database: opening, schema, and what needs no file of its own. See store.h for the contract;
 * store_sqlite_put.c takes messages, _work.c claims, _warn.c the same for delay warnings, _settle.c changes states, _resume.c looks whether it is a copy of what it was, _body.c serves, _read.c shows, _purge.c
 * forgets.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/policy_cache_sqlite.h"
#include "lib/stops_sqlite.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

enum { EVENTS_WAITING_MAX = 10000, CLOCK_SLACK = 10 * 1000 };

/*
 * States are stored as the numbers of enum rcpt_state. `work` is enum store_work, NULL for final states; `due` is
 * `next`, or the end of the lease while there is an owner: so claiming is one range of one index, whose cost
 * doesn't grow with what waits or what is settled. A message is open (settled IS NULL) exactly as long as it has
 * a body. totals: recipients by state, then 100 bodies, 101 their bytes, 102 open messages.
 */
static const char schema_1[] =
    "CREATE TABLE bodies ("
    " body INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, size INTEGER NOT NULL,"
    " file TEXT,"  /* below bodies/, or */
    " data BLOB);" /* inline */
    "CREATE UNIQUE INDEX bodies_file ON bodies (file) WHERE file IS NOT NULL;"

    "CREATE TABLE messages ("
    " message INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body INTEGER REFERENCES bodies,"
    " trace BLOB, size INTEGER NOT NULL, digest BLOB NOT NULL,"
    " sender TEXT NOT NULL, body_type INTEGER NOT NULL, smtputf8 INTEGER NOT NULL, declared INTEGER NOT NULL,"
    " ret TEXT, envid TEXT, iss TEXT NOT NULL,"
    " queue_id TEXT NOT NULL, message_id TEXT NOT NULL, client TEXT NOT NULL, login TEXT NOT NULL,"
    " submission BLOB," /* digest of what makes a resubmission the same: see store_sqlite_put.c */
    " created INTEGER NOT NULL, expires INTEGER NOT NULL, settled INTEGER,"
    " CHECK ((settled IS NULL) = (body IS NOT NULL)));"
    "CREATE INDEX messages_open ON messages (id) WHERE settled IS NULL;"
    "CREATE INDEX messages_settled ON messages (settled) WHERE settled IS NOT NULL;"
    "CREATE INDEX messages_body ON messages (body) WHERE body IS NOT NULL;"
    "CREATE INDEX messages_queue_id ON messages (queue_id) WHERE queue_id <> '';"
    "CREATE INDEX messages_message_id ON messages (trim(message_id, ' <>')) WHERE message_id <> '';"
    "CREATE INDEX messages_submission ON messages (submission, created) WHERE submission IS NOT NULL;"

    "CREATE TABLE recipients ("
    " rid INTEGER PRIMARY KEY AUTOINCREMENT," /* never used again: late news must not hit another one */
    " message INTEGER NOT NULL REFERENCES messages ON DELETE CASCADE,"
    " address TEXT NOT NULL, domain TEXT NOT NULL, notify TEXT, orcpt TEXT,"
    " state INTEGER NOT NULL, attempts INTEGER NOT NULL, next INTEGER NOT NULL, since INTEGER NOT NULL,"
    " offered INTEGER NOT NULL DEFAULT 0, fetched INTEGER NOT NULL DEFAULT 0,"
    " dsn TEXT NOT NULL DEFAULT '', text TEXT, peer TEXT,"
    " owner TEXT, due INTEGER NOT NULL,"
    " work INTEGER GENERATED ALWAYS AS"
    " (CASE state WHEN 0 THEN 0 WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 2 END) VIRTUAL);"
    "CREATE INDEX recipients_message ON recipients (message);"
    "CREATE INDEX recipients_due ON recipients (work, due) WHERE work IS NOT NULL;"
    "CREATE INDEX recipients_owner ON recipients (owner) WHERE owner IS NOT NULL;"

    "CREATE TABLE totals (what INTEGER PRIMARY KEY, n INTEGER NOT NULL);"
    "INSERT INTO totals VALUES (0,0),(1,0),(2,0),(3,0),(4,0),(5,0),(6,0),(7,0),(100,0),(101,0),(102,0);"
    "CREATE TRIGGER recipients_in AFTER INSERT ON recipients BEGIN"
    " UPDATE totals SET n = n + 1 WHERE what = NEW.state; END;"
    "CREATE TRIGGER recipients_change AFTER UPDATE OF state ON recipients WHEN OLD.state <> NEW.state BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = OLD.state;"
    " UPDATE totals SET n = n + 1 WHERE what = NEW.state; END;"
    "CREATE TRIGGER recipients_out AFTER DELETE ON recipients BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = OLD.state; END;"
    "CREATE TRIGGER bodies_in AFTER INSERT ON bodies BEGIN"
    " UPDATE totals SET n = n + 1 WHERE what = 100; UPDATE totals SET n = n + NEW.size WHERE what = 101; END;"
    "CREATE TRIGGER bodies_out AFTER DELETE ON bodies BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = 100; UPDATE totals SET n = n - OLD.size WHERE what = 101; END;"
    "CREATE TRIGGER messages_in AFTER INSERT ON messages WHEN NEW.settled IS NULL BEGIN"
    " UPDATE totals SET n = n + 1 WHERE what = 102; END;"
    "CREATE TRIGGER messages_change AFTER UPDATE OF settled ON messages"
    " WHEN OLD.settled IS NULL AND NEW.settled IS NOT NULL BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = 102; END;";

static const char schema_fetching[] = "ALTER TABLE recipients ADD COLUMN fetching INTEGER NOT NULL DEFAULT 0;";

/*
 * Shadows, and for `pontoon report` what ended notifying: cause is enum rcpt_event, NULL while undecided. The recipient
 * says as well that it is of a shadow, for the triggers (its message may be gone before it). totals of shadows: 200 +
 * state, and 302 open messages.
 */
static const char schema_shadow[] =
    "ALTER TABLE messages ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipients ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipients ADD COLUMN cause INTEGER;"
    "ALTER TABLE recipients ADD COLUMN cause_text TEXT;"
    "ALTER TABLE recipients ADD COLUMN smtp INTEGER NOT NULL DEFAULT 0;" /* enum store_smtp_copy */
    "ALTER TABLE recipients ADD COLUMN delta INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE recipients ADD COLUMN differences TEXT;"
    "CREATE INDEX messages_oldest ON messages (id) WHERE settled IS NULL AND NOT shadow;"
    "INSERT INTO totals VALUES (8,0),(200,0),(201,0),(202,0),(203,0),(204,0),(205,0),(206,0),(207,0),(208,0),(302,0);"
    "DROP TRIGGER recipients_in; DROP TRIGGER recipients_change; DROP TRIGGER recipients_out;"
    "DROP TRIGGER messages_in; DROP TRIGGER messages_change;"
    "CREATE TRIGGER recipients_in AFTER INSERT ON recipients BEGIN"
    " UPDATE totals SET n = n + 1 WHERE what = NEW.state + 200 * NEW.shadow; END;"
    "CREATE TRIGGER recipients_change AFTER UPDATE OF state ON recipients WHEN OLD.state <> NEW.state BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = OLD.state + 200 * OLD.shadow;"
    " UPDATE totals SET n = n + 1 WHERE what = NEW.state + 200 * NEW.shadow; END;"
    "CREATE TRIGGER recipients_out AFTER DELETE ON recipients BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = OLD.state + 200 * OLD.shadow; END;"
    "CREATE TRIGGER messages_in AFTER INSERT ON messages WHEN NEW.settled IS NULL BEGIN"
    " UPDATE totals SET n = n + 1 WHERE what = 102 + 200 * NEW.shadow; END;"
    "CREATE TRIGGER messages_change AFTER UPDATE OF settled ON messages"
    " WHEN OLD.settled IS NULL AND NEW.settled IS NOT NULL BEGIN"
    " UPDATE totals SET n = n - 1 WHERE what = 102 + 200 * NEW.shadow; END;";

/* claims: how many there were for notifications. */
static const char schema_serial[] = "ALTER TABLE recipients ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;"
                                    "CREATE TABLE claims (n INTEGER NOT NULL); INSERT INTO claims VALUES (0);";

/*
 * DSNs about success and delay. report: enum store_report, what the receiving MTA leaves to us. warned: when the sender was
 * told of the delay, 0 not yet; warning: not before this, or the end of somebody's lease on that work.
 */
static const char schema_reports[] =
    "ALTER TABLE messages ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE messages ADD COLUMN warning INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX messages_unwarned ON messages (created) WHERE settled IS NULL AND warned = 0 AND NOT shadow;"
    "ALTER TABLE recipients ADD COLUMN report INTEGER NOT NULL DEFAULT 0;"
    "DROP INDEX recipients_due;"
    "ALTER TABLE recipients DROP COLUMN work;"
    "ALTER TABLE recipients ADD COLUMN work INTEGER GENERATED ALWAYS AS"
    " (CASE state WHEN 0 THEN 0 WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 2 WHEN 9 THEN 3 END) VIRTUAL;"
    "CREATE INDEX recipients_due ON recipients (work, due) WHERE work IS NOT NULL;"
    "INSERT INTO totals VALUES (9,0),(209,0);";

static const char schema_by_smtp[] = "ALTER TABLE messages ADD COLUMN by_smtp INTEGER NOT NULL DEFAULT 0;";

/* waiting: recipients that are queued or accepted (states 0 and 1), no shadows, of each domain that has some. */
static const char schema_waiting[] =
    "CREATE TABLE waiting (domain TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO waiting SELECT domain, count(*) FROM recipients WHERE state < 2 AND NOT shadow GROUP BY domain;"
    "CREATE TRIGGER waiting_in AFTER INSERT ON recipients WHEN NEW.state < 2 AND NOT NEW.shadow BEGIN"
    " INSERT INTO waiting VALUES (NEW.domain, 1) ON CONFLICT (domain) DO UPDATE SET n = n + 1; END;"
    "CREATE TRIGGER waiting_change AFTER UPDATE OF state ON recipients"
    " WHEN (OLD.state < 2) <> (NEW.state < 2) AND NOT NEW.shadow BEGIN"
    " INSERT INTO waiting VALUES (NEW.domain, iif(NEW.state < 2, 1, -1))"
    "  ON CONFLICT (domain) DO UPDATE SET n = n + excluded.n;"
    " DELETE FROM waiting WHERE domain = NEW.domain AND n = 0; END;"
    "CREATE TRIGGER waiting_out AFTER DELETE ON recipients WHEN OLD.state < 2 AND NOT OLD.shadow BEGIN"
    " UPDATE waiting SET n = n - 1 WHERE domain = OLD.domain;"
    " DELETE FROM waiting WHERE domain = OLD.domain AND n = 0; END;";

static const char *const steps[] = {
    schema_1,      trace_sqlite_schema, policy_cache_sqlite_schema, schema_fetching, schema_shadow,
    schema_serial, schema_reports,      stops_sqlite_schema,        schema_by_smtp,  schema_waiting};
const struct sqlite_schema store_sqlite_schema = {"store", steps, sizeof steps / sizeof steps[0]};

static enum result make_dirs(const struct store *s, struct error *err)
{
    enum result r = data_dir_make(s->dir, err);
    if (r == RESULT_OK)
        r = data_dir_make(s->incoming, err);
    if (r == RESULT_OK)
        r = body_file_make_dirs(s->dir, err);
    return r;
}

static enum result open_database(struct store *s, enum store_mode mode, msec_t busy_timeout, struct error *err)
{
    char *path = mem_printf("%s/store.db", s->dir);
    enum result r = RESULT_OK;
    if (mode == STORE_READ_WRITE)
        r = make_dirs(s, err);
    else if (access(path, R_OK) < 0)
        r = data_dir_fail("open the store", path, err);
    if (r == RESULT_OK && mode == STORE_READ_WRITE)
        r = sqlite_writer_open(path, &store_sqlite_schema, busy_timeout, &s->writer, err);
    if (r == RESULT_OK)
        r = sqlite_pool_open(path, mode == STORE_READ_ONLY ? SQLITE_READ_ONLY : SQLITE_READER, &store_sqlite_schema,
                             busy_timeout, &s->readers, err);
    mem_free(&path);
    return r;
}

static msec_t longest_wait(const struct config *config)
{
    static const char *const waits[] = {"store.retry-max", "store.lease", "store.dsn-hold", "milter.notify-hold"};
    msec_t longest = 0;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        msec_t wait = config_time(config, waits[i]);
        longest = wait > longest ? wait : longest;
    }
    return longest + CLOCK_SLACK;
}

enum result store_open(const struct config *config, enum store_mode mode, const char *node, struct store **store_r,
                       struct error *err)
{
    struct store *s = mem_zero(1, sizeof *s);
    s->dir = mem_strdup(config_string(config, "store.directory"));
    s->incoming = mem_printf("%s/incoming", s->dir);
    s->node = mem_strdup(node);
    pthread_mutex_init(&s->purging, NULL);
    s->inline_max = (uint64_t)config_number(config, "store.inline-max");
    s->horizon = longest_wait(config);
    s->wakeup = store_wakeup_sender();
    enum result r = open_database(s, mode, config_time(config, "store.busy-timeout"), err);
    if (r != RESULT_OK)
        store_close(&s);
    *store_r = s;
    return r;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    if (s == NULL)
        return;
    sqlite_writer_close(&s->writer);
    sqlite_pool_close(&s->readers);
    pthread_mutex_destroy(&s->purging);
    if (s->wakeup >= 0)
        close(s->wakeup);
    mem_free(&s->dir);
    mem_free(&s->incoming);
    mem_free(&s->node);
    mem_free(sp);
}

void store_flush(struct store *s)
{
    if (s->writer != NULL)
        sqlite_writer_flush(s->writer);
}

const char *store_incoming_dir(const struct store *store)
{
    return store->incoming;
}

enum result store_do(struct store *s, struct sqlite_change *c, store_done *done, void *arg, struct error *err)
{
    if (s->writer != NULL)
        return sqlite_writer_do(s->writer, c, done, arg, err);
    c->free(c);
    return error_set(err, RESULT_PERM, "the store %s is open for reading only", s->dir);
}

/* ---- trace events ---- */

struct note {
    struct sqlite_change change;
    msec_t when;
    char *id, *address, *what, *text;
};

static enum result apply_note(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct note *n = (struct note *)c;
    int64_t message = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT message FROM messages WHERE id = ?");
    stmt_bind_text(st, n->id);
    while (stmt_row(st))
        message = stmt_get_int(st);
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK || message == 0)
        return r;
    return trace_sqlite_add(db, message, n->when, n->what, n->address, n->text, err);
}

static void free_note(struct sqlite_change *c)
{
    struct note *n = (struct note *)c;
    mem_free(&n->id);
    mem_free(&n->address);
    mem_free(&n->what);
    mem_free(&n->text);
    mem_free(&n);
}

void store_add_event(struct store *store, const char *id, const char *address, const char *what, const char *text)
{
    if (store->writer == NULL || sqlite_writer_waiting(store->writer) > EVENTS_WAITING_MAX)
        return;
    struct note *n = mem_zero(1, sizeof *n);
    n->change = (struct sqlite_change){.apply = apply_note, .free = free_note, .lazy = true};
    n->when = clock_now();
    n->id = mem_strdup(id);
    n->address = mem_strdup(address);
    n->what = mem_strdup(what);
    n->text = mem_strdup(text);
    sqlite_writer_submit(store->writer, &n->change, NULL, NULL);
}

/* ---- policies ---- */

enum result store_policy_load(struct store *store, const char *domain, struct policy_cache_entry **entry_r,
                              struct error *err)
{
    return policy_cache_sqlite_load(store->readers, domain, entry_r, err);
}

enum result store_policy_save(struct store *store, const struct policy_cache_entry *entry, store_done *done, void *arg,
                              struct error *err)
{
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    return policy_cache_sqlite_save(store->writer, entry, done, arg, err);
}
