/* Peers, their breakers, and where they were last notified: see store_stops.h. */
#include <string.h>

#include "lib/mem.h"
#include "lib/stops_sqlite.h"
#include "lib/store_sqlite.h"

enum {
    PEERS_MAX = 100000,
    CLAIM_MAX = 100,
    NOTE_AGAIN = 24 * 3600 * 1000, /* ms: how exactly it is known when a peer was last notified */
};

/* ---- reading ---- */

static enum result collect_peers(struct sqlite_stmt *st, struct store_peers *p, struct error *err)
{
    size_t cap = p->n;
    while (stmt_row(st)) {
        if (p->n == cap) {
            cap = cap ? cap * 2 : 8;
            p->list = mem_grow(p->list, cap, sizeof *p->list);
        }
        struct store_peer *peer = &p->list[p->n++];
        *peer = (struct store_peer){0};
        stmt_copy_text(st, peer->domain, sizeof peer->domain);
        peer->breaker = (enum store_breaker)stmt_get_int(st);
        peer->failures = (unsigned)stmt_get_int(st);
        peer->failing = stmt_get_int(st);
        peer->changed = stmt_get_int(st);
        peer->probes = (unsigned)stmt_get_int(st);
        peer->next_probe = stmt_get_int(st);
        peer->error = stmt_get_text(st);
    }
    return stmt_end(st, err);
}

#define PEER_COLUMNS "domain, breaker, failures, failing, changed, probes, next_probe, error"

enum result store_peers_read(struct store *store, struct store_peers **peers_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *peers_r = mem_zero(1, sizeof **peers_r);
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK) {
        struct sqlite_stmt *st =
            stmt_begin(db, "SELECT " PEER_COLUMNS " FROM peers WHERE failures > 0 ORDER BY domain LIMIT ?");
        stmt_bind_int(st, PEERS_MAX);
        r = collect_peers(st, *peers_r, err);
    }
    sqlite_pool_give(store->readers, &db);
    if (r != RESULT_OK)
        store_peers_free(peers_r);
    return r;
}

void store_peers_free(struct store_peers **peers)
{
    if (*peers == NULL)
        return;
    for (size_t i = 0; i < (*peers)->n; i++)
        mem_free(&(*peers)->list[i].error);
    mem_free(&(*peers)->list);
    mem_free(peers);
}

/* ---- failures and answers ---- */

struct news {
    struct sqlite_change change;
    const char *domain, *text;
    const struct store_breaker_rule *rule; /* of a failure */
    bool ready;                            /* of a probe */
    msec_t next_probe;
    enum store_breaker breaker;
    bool changed;
};

static enum result run_news(struct store *store, struct news *n, struct error *err)
{
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    return sqlite_writer_run(store->writer, &n->change, err);
}

/* One more failure; the breaker's state before it, and what there is now. */
static enum result count_failure(const struct news *n, struct sqlite_db *db, enum store_breaker *before_r,
                                 unsigned *failures_r, msec_t *failing_r, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "INSERT INTO peers (domain, failures, failing, changed, error) VALUES (?1, 1, ?2, ?2, ?3)"
                       " ON CONFLICT (domain) DO UPDATE SET failures = failures + 1, error = ?3,"
                       " failing = CASE WHEN failures = 0 THEN ?2 ELSE failing END"
                       " RETURNING breaker, failures, failing");
    stmt_bind_text(st, n->domain);
    stmt_bind_int(st, clock_now());
    stmt_bind_text(st, n->text);
    while (stmt_row(st)) {
        *before_r = (enum store_breaker)stmt_get_int(st);
        *failures_r = (unsigned)stmt_get_int(st);
        *failing_r = stmt_get_int(st);
    }
    return stmt_end(st, err);
}

/* On trial `probes` goes on counting, so that a peer that answers probes and fails at messages is asked less and less. */
static enum result open_breaker(const struct news *n, struct sqlite_db *db, enum store_breaker before,
                                struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE peers SET breaker = ?, changed = ?, next_probe = ?,"
                                            " probes = CASE WHEN ? THEN probes + 1 ELSE 0 END WHERE domain = ?");
    stmt_bind_int(st, STORE_BREAKER_OPEN);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, n->next_probe);
    stmt_bind_int(st, before == STORE_BREAKER_TRIAL);
    stmt_bind_text(st, n->domain);
    enum result r = stmt_run(st, err);
    return r == RESULT_OK ? stops_sqlite_hasten(db, n->domain, err) : r;
}

static enum result apply_failed(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct news *n = (struct news *)c;
    enum store_breaker before = STORE_BREAKER_CLOSED;
    unsigned failures = 0;
    msec_t failing = 0;
    n->changed = false;
    enum result r = count_failure(n, db, &before, &failures, &failing, err);
    if (r != RESULT_OK)
        return r;
    bool enough = n->rule->failures > 0 && failures >= n->rule->failures && clock_now() - failing >= n->rule->time;
    n->breaker = before;
    if (before == STORE_BREAKER_OPEN || (before == STORE_BREAKER_CLOSED && !enough))
        return RESULT_OK;
    n->breaker = STORE_BREAKER_OPEN;
    n->changed = true;
    return open_breaker(n, db, before, err);
}

enum result store_peer_failed(struct store *store, const char *domain, const struct store_breaker_rule *rule,
                              const char *text, msec_t next_probe, enum store_breaker *breaker_r, bool *changed_r,
                              struct error *err)
{
    struct news n = {
        .change.apply = apply_failed, .domain = domain, .text = text, .rule = rule, .next_probe = next_probe};
    enum result r = run_news(store, &n, err);
    *breaker_r = n.breaker;
    *changed_r = n.changed;
    return r;
}

static enum result apply_answered(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct news *n = (struct news *)c;
    n->changed = false;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT breaker FROM peers WHERE domain = ?");
    stmt_bind_text(st, n->domain);
    while (stmt_row(st))
        n->changed = stmt_get_int(st) != STORE_BREAKER_CLOSED;
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK)
        return r;
    st = stmt_begin(db, "UPDATE peers SET breaker = 0, failures = 0, failing = 0, changed = ?, probes = 0,"
                        " next_probe = 0, error = NULL WHERE domain = ? AND failures > 0");
    stmt_bind_int(st, clock_now());
    stmt_bind_text(st, n->domain);
    return stmt_run(st, err);
}

enum result store_peer_answered(struct store *store, const char *domain, bool *changed_r, struct error *err)
{
    struct news n = {.change.apply = apply_answered, .domain = domain};
    enum result r = run_news(store, &n, err);
    *changed_r = n.changed;
    return r;
}

/* ---- probes ---- */

struct probe_claim {
    struct sqlite_change change;
    msec_t until;
    struct store_peers *found;
};

static enum result apply_claim(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct probe_claim *p = (struct probe_claim *)c;
    store_peers_free(&p->found); /* of an earlier try */
    p->found = mem_zero(1, sizeof *p->found);
    struct sqlite_stmt *st =
        stmt_begin(db, "UPDATE peers SET next_probe = ?1 WHERE domain IN (SELECT domain FROM peers WHERE failures > 0"
                       " AND breaker = ?2 AND next_probe <= ?3 LIMIT ?4) RETURNING " PEER_COLUMNS);
    stmt_bind_int(st, p->until);
    stmt_bind_int(st, STORE_BREAKER_OPEN);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, CLAIM_MAX);
    return collect_peers(st, p->found, err);
}

enum result store_peer_claim_probes(struct store *store, msec_t until, struct store_peers **peers_r, struct error *err)
{
    struct probe_claim p = {.change.apply = apply_claim, .until = until};
    *peers_r = NULL;
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    enum result r = sqlite_writer_run(store->writer, &p.change, err);
    if (r != RESULT_OK)
        store_peers_free(&p.found);
    *peers_r = p.found;
    return r;
}

static enum result apply_probed(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct news *n = (struct news *)c;
    struct sqlite_stmt *st;
    if (n->ready) {
        st = stmt_begin(db, "UPDATE peers SET breaker = ?2, changed = ?3 WHERE domain = ?1 AND breaker = ?4");
        stmt_bind_text(st, n->domain);
        stmt_bind_int(st, STORE_BREAKER_TRIAL);
        stmt_bind_int(st, clock_now());
    } else {
        st = stmt_begin(db, "UPDATE peers SET probes = probes + 1, next_probe = ?2, error = ?3"
                            " WHERE domain = ?1 AND breaker = ?4");
        stmt_bind_text(st, n->domain);
        stmt_bind_int(st, n->next_probe);
        stmt_bind_text(st, n->text);
    }
    stmt_bind_int(st, STORE_BREAKER_OPEN);
    enum result r = stmt_run(st, err);
    n->changed = n->ready && sqlite_db_changes(db) > 0;
    return r;
}

enum result store_peer_probed(struct store *store, const char *domain, bool ready, const char *text, msec_t next_probe,
                              bool *changed_r, struct error *err)
{
    struct news n = {
        .change.apply = apply_probed, .domain = domain, .ready = ready, .text = text, .next_probe = next_probe};
    enum result r = run_news(store, &n, err);
    *changed_r = n.changed;
    return r;
}

/* ---- where it was last notified ---- */

struct note {
    struct sqlite_change change;
    char *domain, *urls;
};

static enum result apply_note(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    const struct note *n = (struct note *)c;
    struct sqlite_stmt *st =
        stmt_begin(db, "INSERT INTO peers (domain, inbound, noted) VALUES (?1, ?2, ?3) ON CONFLICT (domain)"
                       " DO UPDATE SET inbound = ?2, noted = ?3 WHERE inbound IS NOT ?2 OR noted < ?4");
    stmt_bind_text(st, n->domain);
    stmt_bind_text(st, n->urls);
    stmt_bind_int(st, clock_now());
    stmt_bind_int(st, clock_now() - NOTE_AGAIN);
    return stmt_run(st, err);
}

static void free_note(struct sqlite_change *c)
{
    struct note *n = (struct note *)c;
    mem_free(&n->domain);
    mem_free(&n->urls);
    mem_free(&n);
}

void store_peer_note_inbound(struct store *store, const char *domain, const char *urls)
{
    if (store->writer == NULL)
        return;
    struct note *n = mem_zero(1, sizeof *n);
    n->change = (struct sqlite_change){.apply = apply_note, .free = free_note, .lazy = true};
    n->domain = mem_strdup(domain);
    n->urls = mem_strdup(urls);
    sqlite_writer_submit(store->writer, &n->change, NULL, NULL);
}

enum result store_peer_inbound(struct store *store, const char *domain, char **urls_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *urls_r = NULL;
    enum result r = sqlite_pool_take(store->readers, &db, err);
    if (r == RESULT_OK) {
        struct sqlite_stmt *st = stmt_begin(db, "SELECT inbound FROM peers WHERE domain = ?");
        stmt_bind_text(st, domain);
        while (stmt_row(st))
            *urls_r = stmt_get_text(st);
        r = stmt_end(st, err);
    }
    sqlite_pool_give(store->readers, &db);
    return r;
}
