/* What a replay proved: see report.h. Only asks the journal. */
#include "ctl/replay/report.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/replay/difference.h"
#include "lib/mem.h"

enum { HOPS_TEXT_MAX = 600 };

static size_t find_way(const struct report *r, const char *name)
{
    for (size_t i = 0; i < r->nways; i++) {
        if (strcmp(r->ways[i].name, name) == 0)
            return i;
    }
    return r->nways;
}

void report_add(struct report *r, const struct report_finding *f)
{
    r->findings = mem_grow(r->findings, r->nfindings + 1, sizeof *r->findings);
    r->findings[r->nfindings++] = (struct report_finding){
        .kind = f->kind,
        .copy = f->copy,
        .way = mem_strdup(f->way != NULL ? f->way : ""),
        .origin = mem_strdup(f->origin != NULL ? f->origin : ""),
        .rcpt = mem_strdup(f->rcpt != NULL ? f->rcpt : ""),
        .what = mem_strdup(f->what != NULL ? f->what : ""),
    };
}

void report_free(struct report *r)
{
    for (size_t i = 0; i < r->nfindings; i++) {
        mem_free(&r->findings[i].way);
        mem_free(&r->findings[i].origin);
        mem_free(&r->findings[i].rcpt);
        mem_free(&r->findings[i].what);
    }
    mem_free(&r->findings);
}

/* ---- copies ---- */

static enum result read_copies(struct sqlite_db *db, struct report *r, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "SELECT way, state, size, notes, begun, answered, left_out FROM copies");
    while (stmt_row(st)) {
        char name[100];
        stmt_copy_text(st, name, sizeof name);
        size_t i = find_way(r, name);
        int64_t state = stmt_get_int(st), size = stmt_get_int(st);
        unsigned notes = (unsigned)stmt_get_int(st);
        msec_t begun = stmt_get_int(st), answered = stmt_get_int(st);
        uint64_t left_out = (uint64_t)stmt_get_int(st);
        if (i == r->nways)
            continue;
        struct report_way *w = &r->ways[i];
        w->copies++;
        r->left_out += i == 0 ? left_out : 0;
        for (unsigned bit = 0; i == 0 && bit < CONTENT_NOTES; bit++)
            r->notes[bit] += (notes & (1u << bit)) != 0;
        r->messages += i == 0;
        if (r->begun == 0 || begun < r->begun)
            r->begun = begun;
        if (answered > r->ended)
            r->ended = answered;
        if (state == LEDGER_ACCEPTED) {
            w->accepted++;
            w->bytes += (uint64_t)size;
            latency_add(&w->accept, answered - begun);
        } else if (state == LEDGER_REFUSED) {
            w->refused++;
        } else {
            w->unknown++;
        }
    }
    return stmt_end(st, err);
}

static enum result read_rcpts(struct sqlite_db *db, struct report *r, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT way, state, begun, answered, refused IS NOT NULL, arrived, first FROM rcpts, copies"
                       " WHERE copies.id = rcpts.copy");
    while (stmt_row(st)) {
        char name[100];
        stmt_copy_text(st, name, sizeof name);
        size_t i = find_way(r, name);
        int64_t state = stmt_get_int(st);
        msec_t begun = stmt_get_int(st), answered = stmt_get_int(st);
        bool refused = stmt_get_int(st) != 0;
        int64_t arrived = stmt_get_int(st);
        msec_t first = stmt_get_int(st);
        if (i == r->nways)
            continue;
        struct report_way *w = &r->ways[i];
        w->rcpts++;
        w->refused_rcpts += refused || state == LEDGER_REFUSED;
        w->arrived += arrived > 0;
        w->doubled += arrived > 1;
        w->missing += arrived == 0 && !refused && state == LEDGER_ACCEPTED;
        if (arrived > 0 && state == LEDGER_ACCEPTED) {
            latency_add(&w->arrival, first - answered);
            latency_add(&w->whole, first - begun);
        }
        if (first > r->ended)
            r->ended = first;
    }
    return stmt_end(st, err);
}

/* "1000 2000 5000": the distances are the hops'. */
static void add_hops(struct report_way *w, char *text)
{
    msec_t last = 0;
    size_t hop = 0;
    for (char *word = strtok(text, " "); word != NULL && hop < REPORT_HOPS_MAX; word = strtok(NULL, " ")) {
        msec_t when = strtoll(word, NULL, 10);
        if (last != 0) {
            latency_add(&w->hops[hop++], when - last);
            w->nhops = hop > w->nhops ? hop : w->nhops;
        }
        last = when;
    }
}

static enum result read_arrivals(struct sqlite_db *db, struct report *r, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT way, equal, hops FROM arrivals, copies WHERE copies.id = arrivals.copy");
    while (stmt_row(st)) {
        char name[100], hops[HOPS_TEXT_MAX];
        stmt_copy_text(st, name, sizeof name);
        size_t i = find_way(r, name);
        bool equal = stmt_get_int(st) != 0;
        stmt_copy_text(st, hops, sizeof hops);
        if (i == r->nways)
            continue;
        r->ways[i].altered += !equal;
        add_hops(&r->ways[i], hops);
    }
    return stmt_end(st, err);
}

static enum result count(struct sqlite_db *db, const char *sql, uint64_t *n_r, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, sql);
    if (stmt_row(st))
        *n_r = (uint64_t)stmt_get_int(st);
    return stmt_end(st, err);
}

/* ---- what went wrong, by name ---- */

/* Rows of copy, way, origin, recipient, what. */
static enum result list(struct sqlite_db *db, struct report *r, const char *kind, const char *sql, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, sql);
    stmt_bind_int(st, REPORT_LIST_MAX);
    while (stmt_row(st)) {
        struct report_finding f = {.kind = kind, .copy = (uint64_t)stmt_get_int(st)};
        f.way = stmt_get_text(st);
        f.origin = stmt_get_text(st);
        f.rcpt = stmt_get_text(st);
        f.what = stmt_get_text(st);
        report_add(r, &f);
        mem_free(&f.way);
        mem_free(&f.origin);
        mem_free(&f.rcpt);
        mem_free(&f.what);
    }
    return stmt_end(st, err);
}

#define FROM_RCPTS " FROM rcpts, copies WHERE copies.id = rcpts.copy AND "
static const struct {
    const char *kind, *sql;
    bool watched; /* only asked when somebody looked for arrivals */
} lists[] = {
    {"missing",
     "SELECT id, way, origin, address, coalesce(reply, '')" FROM_RCPTS
     "arrived = 0 AND refused IS NULL AND state = 1 ORDER BY id LIMIT ?",
     true},
    {"doubled",
     "SELECT id, way, origin, address, 'arrived ' || arrived || ' times'" FROM_RCPTS "arrived > 1 ORDER BY id LIMIT ?",
     true},
    {"refused",
     "SELECT id, way, origin, address, coalesce(refused, reply, '')" FROM_RCPTS
     "(refused IS NOT NULL OR state = 2) ORDER BY id LIMIT ?",
     false},
    {"unknown",
     "SELECT id, way, origin, '', coalesce(reply, 'the run was interrupted') FROM copies WHERE state IN (0, 3)"
     " ORDER BY id LIMIT ?",
     false},
    {"unsendable", "SELECT 0, '', origin, '', reason FROM unsendable ORDER BY round, number LIMIT ?", false},
    {"stray", "SELECT 0, '', '', '', what FROM strays ORDER BY id LIMIT ?", true},
};

static enum result read_lists(struct sqlite_db *db, struct report *r, struct error *err)
{
    enum result result = RESULT_OK;
    for (size_t i = 0; i < sizeof lists / sizeof *lists && result == RESULT_OK; i++) {
        if (r->watched || !lists[i].watched)
            result = list(db, r, lists[i].kind, lists[i].sql, err);
    }
    return result;
}

/* ---- the two ways ---- */

/* What each way's first arrival of a message was. */
static enum result compare_ways(struct sqlite_db *db, struct report *r, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(
        db, "SELECT a.id, a.origin, x.digest, x.watched, x.arrived - a.begun, y.digest, y.watched, y.arrived - b.begun"
            " FROM copies a, copies b, arrivals x, arrivals y"
            " WHERE a.round = b.round AND a.number = b.number AND a.way = ? AND b.way = ? AND b.id = a.id + 1"
            " AND x.id = (SELECT min(id) FROM arrivals WHERE copy = a.id)"
            " AND y.id = (SELECT min(id) FROM arrivals WHERE copy = b.id)");
    stmt_bind_text(st, r->ways[0].name);
    stmt_bind_text(st, r->ways[1].name);
    while (stmt_row(st)) {
        struct comparison_side sides[2];
        struct report_finding f = {.kind = "different", .copy = (uint64_t)stmt_get_int(st)};
        f.origin = stmt_get_text(st);
        for (size_t i = 0; i < 2; i++) {
            size_t len;
            const void *digest = stmt_get_blob(st, &len);
            memset(sides[i].digest, 0, DIGEST_SIZE);
            memcpy(sides[i].digest, digest, len < DIGEST_SIZE ? len : DIGEST_SIZE);
            sides[i].way = r->ways[i].name;
            sides[i].fields = stmt_get_text(st);
            sides[i].took = stmt_get_int(st);
        }
        f.what = comparison_add(&r->comparison, &sides[0], &sides[1]);
        if (f.what != NULL && r->comparison.different <= REPORT_LIST_MAX)
            report_add(r, &f);
        mem_free(&f.origin);
        mem_free(&f.what);
        mem_free(&sides[0].fields);
        mem_free(&sides[1].fields);
    }
    return stmt_end(st, err);
}

/* ---- the timeline ---- */

static enum result add_times(struct sqlite_db *db, struct report *r, const char *sql, bool arrived, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, sql);
    while (stmt_row(st)) {
        msec_t when = stmt_get_int(st);
        if (when < r->begun)
            continue;
        size_t i = (size_t)((when - r->begun) / r->bucket);
        i = i < r->nbuckets ? i : r->nbuckets - 1;
        *(arrived ? &r->timeline[i].arrived : &r->timeline[i].sent) += 1;
    }
    return stmt_end(st, err);
}

static enum result read_timeline(struct sqlite_db *db, struct report *r, struct error *err)
{
    msec_t length = r->ended - r->begun + 1;
    if (r->begun == 0)
        return RESULT_OK;
    r->bucket = length / REPORT_BUCKETS_MAX + 1;
    if (r->bucket < REPORT_BUCKET_MIN)
        r->bucket = REPORT_BUCKET_MIN;
    r->nbuckets = (size_t)((length + r->bucket - 1) / r->bucket);
    for (size_t i = 0; i < r->nbuckets; i++)
        r->timeline[i].from = r->begun + (msec_t)i * r->bucket;
    enum result result = add_times(db, r, "SELECT begun FROM copies", false, err);
    return result == RESULT_OK ? add_times(db, r, "SELECT arrived FROM arrivals", true, err) : result;
}

enum result report_make(struct ledger *ledger, const struct options *o, struct report *r_r, struct error *err)
{
    struct sqlite_db *db = ledger_db(ledger);
    *r_r = (struct report){.watched = o->nsinks > 0 || o->nmaildirs > 0, .nways = o->nways};
    for (size_t i = 0; i < o->nways; i++)
        r_r->ways[i].name = o->ways[i].name;
    enum result result = read_copies(db, r_r, err);
    if (result == RESULT_OK)
        result = read_rcpts(db, r_r, err);
    if (result == RESULT_OK)
        result = read_arrivals(db, r_r, err);
    if (result == RESULT_OK)
        result = count(db, "SELECT count(*) FROM unsendable", &r_r->unsendable, err);
    if (result == RESULT_OK)
        result = count(db, "SELECT count(*) FROM strays", &r_r->strays, err);
    if (result == RESULT_OK)
        result = read_lists(db, r_r, err);
    if (result == RESULT_OK)
        result = difference_find(db, o, r_r, err);
    if (result == RESULT_OK && o->nways == 2)
        result = compare_ways(db, r_r, err);
    if (result == RESULT_OK)
        result = read_timeline(db, r_r, err);
    return result;
}

bool report_is_good(const struct report *r)
{
    bool good = r->messages > 0 && r->unsendable == 0 && r->strays == 0 && r->comparison.different == 0;
    for (size_t i = 0; i < r->nways; i++) {
        const struct report_way *w = &r->ways[i];
        good = good && w->refused_rcpts == 0 && w->unknown == 0;
        if (r->watched)
            good = good && w->missing == 0 && w->doubled == 0 && w->altered == 0;
    }
    return good;
}
