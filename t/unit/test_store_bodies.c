/* Bodies: one copy each, gone with the last message that needs it; in the database or in a file; reading; orphans. */
#include "t/unit/store_fixture.h"

#include <fcntl.h>

static struct site site;

static int set_up(void **state)
{
    (void)state;
    site_make(&site, "inline-max = 1K");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    site_remove(&site);
    return 0;
}

static char *pattern(size_t n, int seed)
{
    char *s = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++)
        s[i] = (char)('a' + (i * 31 + i / 97 + (size_t)seed * 7) % 26);
    s[n] = '\0';
    return s;
}

static struct store_body *open_body(const char *id)
{
    struct error err = {0};
    struct store_body *b = NULL;
    if (store_body_open_local(site.store, id, &b, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return b;
}

/* Reads all in pieces of `piece` and compares, also by digest. */
static void body_is(const char *id, const char *body, size_t piece)
{
    struct error err = {0};
    struct store_body *b = open_body(id);
    size_t size = strlen(TEST_TRACE) + strlen(body), at = 0;
    char *all = mem_alloc(size + piece);
    assert_int_equal(store_body_size(b), size);
    assert_int_equal(store_body_trace_len(b), strlen(TEST_TRACE));
    long n;
    while ((n = store_body_read(b, at, all + at, piece, &err)) > 0)
        at += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(at, size);
    assert_memory_equal(all, TEST_TRACE, strlen(TEST_TRACE));
    assert_memory_equal(all + strlen(TEST_TRACE), body, strlen(body));
    uint8_t digest[DIGEST_SIZE];
    digest_of(all, size, digest);
    assert_memory_equal(store_body_digest(b), digest, DIGEST_SIZE);
    mem_free(&all);
    store_body_close(&b);
}

/* Memory and file spools, around inline-max, come out as they went in. */
static void any_size_any_spool(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1023, 1024, 1025, 5000, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int file = 0; file < 2; file++) {
            char *body = pattern(sizes[i], (int)i * 2 + file);
            struct letter l = {.body = body, .memory = file ? 1 : 0};
            char *id = put(site.store, &l);
            body_is(id, body, 1);
            body_is(id, body, 4096);
            body_is(id, body, 1 << 20);
            mem_free(&id);
            mem_free(&body);
        }
    }
    assert_int_equal(files_below(&site, "bodies"), 6);
    assert_int_equal(files_below(&site, "incoming"), 0);
}

static enum store_access access_of(const char *id, const char *aud)
{
    struct error err = {0};
    struct store_body *b = NULL;
    enum store_access is;
    if (store_body_open(site.store, id, aud, &is, &b, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    assert_int_equal(b != NULL, is == STORE_ACCESS_OK);
    store_body_close(&b);
    return is;
}

static void who_may_fetch(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"a@b.test", "b@b.test", "c@c.test", "d@d.test"}};
    char *id = put(site.store, &l);
    assert_int_equal(access_of(id, "b.test"), STORE_ACCESS_OK);
    assert_int_equal(access_of(id, "e.test"), STORE_ACCESS_UNKNOWN);
    assert_int_equal(access_of("NOSUCH", "b.test"), STORE_ACCESS_UNKNOWN);
    settle(site.store, rid_of(site.store, id, 0), RCPT_EV_DELIVERED);
    assert_int_equal(access_of(id, "b.test"), STORE_ACCESS_OK); /* for the other one */
    settle(site.store, rid_of(site.store, id, 1), RCPT_EV_ACCEPTED);
    assert_int_equal(access_of(id, "b.test"), STORE_ACCESS_OK);
    settle(site.store, rid_of(site.store, id, 1), RCPT_EV_FALLBACK);
    assert_int_equal(access_of(id, "b.test"), STORE_ACCESS_GONE); /* revoked before it is handed back */
    settle(site.store, rid_of(site.store, id, 2), RCPT_EV_EXPIRED);
    assert_int_equal(access_of(id, "c.test"), STORE_ACCESS_GONE);
    struct store_body *b = open_body(id); /* but we may, for the DSN */
    store_body_close(&b);
    mem_free(&id);
}

static void set_state(struct sqlite_db *db, int64_t rid, int state, bool offered)
{
    struct error err = {0};
    struct sqlite_stmt *st = stmt_begin(db, "UPDATE recipients SET state = ?, offered = ?, fetching = 0 WHERE rid = ?");
    stmt_bind_int(st, state);
    stmt_bind_int(st, offered);
    stmt_bind_int(st, rid);
    if (stmt_run(st, &err) != RESULT_OK)
        fail_msg("%s", err.text);
}

/* HEAD and GET ask in two ways, one of which writes: they must say the same, of any two recipients at one site. */
static void a_look_and_a_fetch_have_one_rule(void **state)
{
    (void)state;
    static const bool open[RCPT_STATES] = {[RCPT_QUEUED] = true, [RCPT_ACCEPTED] = true};
    static const bool back[RCPT_STATES] = {[RCPT_RETURNING] = true,
                                           [RCPT_BOUNCING] = true,
                                           [RCPT_RETURNED] = true,
                                           [RCPT_BOUNCED] = true,
                                           [RCPT_RECALLED] = true};
    struct letter l = {.rcpts = {"a@b.test", "b@b.test", "c@c.test"}};
    char *id = put(site.store, &l);
    const int64_t first = rid_of(site.store, id, 0), second = rid_of(site.store, id, 1);
    struct error err = {0};
    struct sqlite_db *db = NULL;
    char path[300];
    snprintf(path, sizeof path, "%s/store/store.db", site.dir);
    assert_int_equal(sqlite_db_open(path, SQLITE_WRITER, 1000, &db, &err), RESULT_OK);
    for (int i = 0; i < RCPT_STATES * RCPT_STATES * 2; i++) {
        const int one = i / 2 / RCPT_STATES, other = i / 2 % RCPT_STATES;
        const bool told = i % 2;
        const bool may = (open[one] || open[other]) && !(told && back[one]);
        set_state(db, first, one, told);
        set_state(db, second, other, false);
        assert_int_equal(access_of(id, "b.test"), may ? STORE_ACCESS_OK : STORE_ACCESS_GONE);
        assert_true(rcpt_of(site.store, id, 0).fetching == 0 && rcpt_of(site.store, id, 1).fetching == 0);
        assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err),
                         may ? RESULT_OK : RESULT_PERM);
        assert_int_equal(rcpt_of(site.store, id, 0).fetching != 0, may && open[one]);
        assert_int_equal(rcpt_of(site.store, id, 1).fetching != 0, may && open[other]);
        assert_int_equal(access_of(id, "c.test"), STORE_ACCESS_OK);
    }
    sqlite_db_close(&db);
    mem_free(&id);
}

static void open_body_outlives_its_message(void **state)
{
    (void)state;
    for (int file = 0; file < 2; file++) {
        char *text = pattern(file ? 5000 : 500, file);
        char got[6000];
        struct error err = {0};
        struct letter l = {.body = text};
        char *id = put(site.store, &l);
        struct store_body *b = open_body(id);
        settle(site.store, rid_of(site.store, id, 0), RCPT_EV_DELIVERED);
        assert_int_equal(files_below(&site, "bodies"), 0);
        assert_int_equal(stats_of(site.store).bodies, 0);
        assert_int_equal(store_body_read(b, strlen(TEST_TRACE), got, sizeof got, &err), strlen(text));
        assert_memory_equal(got, text, strlen(text));
        store_body_close(&b);
        assert_int_equal(store_body_open_local(site.store, id, &b, &err), RESULT_PERM);
        assert_null(b);
        mem_free(&id);
        mem_free(&text);
    }
}

static void damaged_files_are_errors(void **state)
{
    (void)state;
    struct error err = {0};
    char path[300], got[6000];
    char *text = pattern(5000, 1);
    struct letter l = {.body = text};
    char *id = put(site.store, &l);
    struct sqlite_db *db = NULL;
    snprintf(path, sizeof path, "%s/store/store.db", site.dir);
    assert_int_equal(sqlite_db_open(path, SQLITE_READ_ONLY, 1000, &db, &err), RESULT_OK);
    struct sqlite_stmt *st = stmt_begin(db, "SELECT file FROM bodies");
    assert_true(stmt_row(st));
    char *name = stmt_get_text(st);
    stmt_end(st, NULL);
    sqlite_db_close(&db);
    snprintf(path, sizeof path, "%s/store/bodies/%s", site.dir, name);
    assert_int_equal(truncate(path, 4000), 0);
    struct store_body *b = open_body(id);
    assert_int_equal(store_body_read(b, 4000 + strlen(TEST_TRACE), got, sizeof got, &err), -1);
    assert_int_equal(err.result, RESULT_PERM);
    store_body_close(&b);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_body_open_local(site.store, id, &b, &err), RESULT_TEMP); /* it may be put back */
    assert_non_null(strstr(err.text, name));
    mem_free(&name);
    mem_free(&id);
    mem_free(&text);
}

/* ---- the property: a body is there exactly as long as a message with an unsettled recipient has it ---- */

enum { BODIES = 5, MESSAGES = 30, STEPS = 600 };

struct model {
    char *id;
    int body;
    int open; /* recipients */
};

static void check_model(const struct model *m, char *const *bodies)
{
    bool needed[BODIES] = {false};
    uint64_t n = 0, bytes = 0, messages = 0;
    int files = 0;
    for (int i = 0; i < MESSAGES; i++) {
        if (m[i].open > 0) {
            needed[m[i].body] = true;
            messages++;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        n += needed[i];
        bytes += needed[i] ? strlen(bodies[i]) : 0;
        files += needed[i] && strlen(bodies[i]) > 1024;
    }
    struct store_stats is = stats_of(site.store);
    assert_int_equal(is.bodies, n);
    assert_int_equal(is.body_bytes, bytes);
    assert_int_equal(is.messages, messages);
    assert_int_equal(files_below(&site, "bodies"), files);
    assert_int_equal(files_below(&site, "incoming"), 0);
}

static void random_step(struct model *m, char *const *bodies)
{
    static const enum rcpt_event ends[] = {RCPT_EV_DELIVERED, RCPT_EV_RECALL, RCPT_EV_REJECTED, RCPT_EV_DEFERRED};
    if (m->open == 0) {
        mem_free(&m->id);
        m->body = rand() % BODIES;
        m->open = 1 + rand() % 3;
        struct letter l = {.body = bodies[m->body],
                           .memory = (size_t)(rand() % 2),
                           .rcpts = {"1@b.test", m->open > 1 ? "2@b.test" : NULL, m->open > 2 ? "3@c.test" : NULL}};
        m->id = put(site.store, &l);
        return;
    }
    struct store_entries *list = find(site.store, m->id);
    const struct store_entry *e = &list->entries[0];
    const struct store_rcpt *r = &e->rcpts[(size_t)rand() % e->nrcpts];
    bool was = rcpt_state_final(r->state);
    settle(site.store, r->rid, r->state == RCPT_BOUNCING ? RCPT_EV_BOUNCE_DONE : ends[rand() % 4]);
    store_entries_free(&list);
    list = find(site.store, m->id);
    int open = 0;
    for (size_t i = 0; i < list->entries[0].nrcpts; i++)
        open += !rcpt_state_final(list->entries[0].rcpts[i].state);
    assert_in_range(m->open - open, 0, was ? 0 : 1);
    m->open = open;
    store_entries_free(&list);
    if (m->open > 0)
        body_is(m->id, bodies[m->body], 100000);
}

static void bodies_live_as_long_as_needed(void **state)
{
    (void)state;
    static const size_t sizes[BODIES] = {0, 100, 1024, 1025, 20000};
    struct model m[MESSAGES] = {{0}};
    char *bodies[BODIES];
    srand(4711);
    for (int i = 0; i < BODIES; i++)
        bodies[i] = pattern(sizes[i], i);
    for (int i = 0; i < STEPS; i++) {
        random_step(&m[rand() % MESSAGES], bodies);
        check_model(m, bodies);
    }
    for (int i = 0; i < MESSAGES; i++)
        mem_free(&m[i].id);
    for (int i = 0; i < BODIES; i++)
        mem_free(&bodies[i]);
}

/* ---- orphans ---- */

static void make_file(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/store/%s", site.dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0660);
    assert_true(fd >= 0);
    close(fd);
}

static msec_t later;

static msec_t late_clock(void)
{
    return later;
}

static void purge_all(void)
{
    struct error err = {0};
    bool more = true;
    for (int i = 0; more; i++) {
        if (store_purge(site.store, 1000000000000, 2, &more, &err) != RESULT_OK)
            fail_msg("%s", err.text);
        assert_true(i < 1000);
    }
}

static void orphans_are_removed(void **state)
{
    (void)state;
    char *text = pattern(5000, 3);
    struct letter l = {.body = text};
    char *id = put(site.store, &l);
    make_file("bodies/00/01JAAAAAAAAAAAAAAAAAAAAAAA");
    make_file("bodies/7f/01JAAAAAAAAAAAAAAAAAAAAAAB");
    make_file("bodies/7f/01JAAAAAAAAAAAAAAAAAAAAAAC");
    make_file("bodies/7f/01JAAAAAAAAAAAAAAAAAAAAAAD");
    make_file("bodies/ff/01JAAAAAAAAAAAAAAAAAAAAAAE");
    make_file("bodies/ff/README"); /* not ours */
    make_file("incoming/01JAAAAAAAAAAAAAAAAAAAAAAF");
    later = clock_now() + 3500 * 1000;
    clock_set_source(late_clock);
    purge_all();
    assert_int_equal(files_below(&site, "bodies"), 7); /* too young: somebody may be putting them */
    later += 200 * 1000;
    purge_all();
    assert_int_equal(files_below(&site, "bodies"), 7); /* not again within the hour, unless opened anew */
    store_close(&site.store);
    site.store = site_open(&site, STORE_READ_WRITE, "node1");
    purge_all();
    assert_int_equal(files_below(&site, "bodies"), 2);
    assert_int_equal(files_below(&site, "incoming"), 1);
    later += 24 * 3600 * 1000;
    store_close(&site.store);
    site.store = site_open(&site, STORE_READ_WRITE, "node1");
    purge_all();
    assert_int_equal(files_below(&site, "incoming"), 0);
    body_is(id, text, 4096);
    clock_set_source(NULL);
    mem_free(&id);
    mem_free(&text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(any_size_any_spool),
        TEST(who_may_fetch),
        TEST(a_look_and_a_fetch_have_one_rule),
        TEST(open_body_outlives_its_message),
        TEST(damaged_files_are_errors),
        TEST(bodies_live_as_long_as_needed),
        TEST(orphans_are_removed),
    };
    return test_run("store_bodies", tests);
}
