/* Due work: holds, leases, order, grouping, and that none of it depends on how much waits. */
#include "t/unit/store_fixture.h"

static struct site site;

static int set_up(void **state)
{
    (void)state;
    site_make(&site, "");
    test_time = 1700000000000;
    clock_set_source(test_clock);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    site_remove(&site);
    return 0;
}

static struct store_entries *claim_from(struct store *store, enum store_work work, size_t max, msec_t *next_r)
{
    struct error err = {0};
    struct store_entries *list = NULL;
    if (store_claim(store, work, max, 60000, &list, next_r, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return list;
}

/* How many recipients a claim gets. */
static size_t claim_n(struct store *store, enum store_work work, msec_t *next_r)
{
    size_t n = 0;
    struct store_entries *list = claim_from(store, work, 1000, next_r);
    for (size_t i = 0; i < list->n; i++)
        n += list->entries[i].nrcpts;
    store_entries_free(&list);
    return n;
}

static size_t claim_released(struct store *store, const char *id)
{
    struct error err = {0};
    struct store_entries *list = NULL;
    size_t n = 0;
    const char *const ids[] = {"NOSUCH", id, id};
    assert_int_equal(store_claim_messages(store, ids, 2, 60000, &list, &err), RESULT_OK);
    for (size_t i = 0; i < list->n; i++)
        n += list->entries[i].nrcpts;
    store_entries_free(&list);
    return n;
}

/* The same claim, another notification: news about the first are none about the second, and the lease begins anew. */
static void claimed_again(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"b@b.test", "c@b.test"}};
    char *id = put(site.store, &l);
    struct error err = {0};
    msec_t next;
    int64_t serial = 0;
    const int64_t rids[] = {rid_of(site.store, id, 0), rid_of(site.store, id, 1)};
    assert_int_equal(store_claim_again(site.store, rids, 2, 60000, &serial, &err), RESULT_PERM); /* not ours */
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 2);
    const int64_t first = rcpt_of(site.store, id, 0).serial;
    settle(site.store, rids[1], RCPT_EV_DELIVERED); /* a receipt */
    test_time += 50000;
    assert_int_equal(store_claim_again(site.store, rids, 2, 60000, &serial, &err), RESULT_OK);
    assert_true(serial != first && rcpt_of(site.store, id, 0).serial == serial);
    assert_int_equal(rcpt_of(site.store, id, 1).serial, first);
    test_time += 50000;
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
    struct store_settlement late = {.rid = rids[0], .event = RCPT_EV_DEFERRED, .serial = first};
    bool changed = true;
    assert_int_equal(store_settle(site.store, &late, 1, &changed, NULL, NULL, &err), RESULT_OK);
    assert_false(changed);
    mem_free(&id);
}

static void nothing_due(void **state)
{
    (void)state;
    msec_t next = 0;
    uint64_t commits = sqlite_writer_commits(site.store->writer);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
    assert_int_equal(next, -1);
    struct letter l = {.hold = 500};
    char *id = put(site.store, &l);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
    assert_int_equal(next, test_time + 500);
    assert_int_equal(sqlite_writer_commits(site.store->writer), commits + 1); /* looking costs no flush */
    mem_free(&id);
}

/* Everything was put off by a clock that ran a day ahead. */
static void clock_goes_back(void **state)
{
    (void)state;
    const msec_t day = 86400 * 1000;
    msec_t next = 0;
    struct letter l = {.hold = 500};
    test_time += day;
    char *waiting = put(site.store, &l);
    test_time += 500;
    char *leased = put(site.store, &(struct letter){0});
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 2);
    test_time -= day;
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 2);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0); /* under a new lease */
    mem_free(&waiting);
    mem_free(&leased);
}

static struct store_entry *claim_one(struct store_entries **list_r)
{
    msec_t next;
    *list_r = claim_from(site.store, STORE_NOTIFY, 10, &next);
    assert_int_equal((*list_r)->n, 1);
    return (*list_r)->entries;
}

/* The clock is set: ages stay as they were, and so do waits; what came since has its time from the new clock already. */
static void clock_is_set(void **state)
{
    (void)state;
    const msec_t day = 86400 * 1000;
    for (int way = -1; way <= 1; way += 2) {
        struct error err;
        struct store_entries *list;
        msec_t next;
        uint64_t moved = 0;
        const msec_t created = test_time;
        char *old = put(site.store, &(struct letter){0});
        struct store_entry *e = claim_one(&list);
        const msec_t life = e->expires - created;
        store_entries_free(&list);
        settle_next(site.store, rid_of(site.store, old, 0), RCPT_EV_ACCEPTED, test_time + 30000);
        assert_int_equal(store_fetch_begin(site.store, old, "b.test", true, NULL, NULL, &err), RESULT_OK);
        test_time += way * day + 5000;
        char *since = put(site.store, &(struct letter){.hold = 7000});
        assert_int_equal(store_clock_set(site.store, way * day, 5000, &moved, &err), RESULT_OK);
        assert_int_equal(moved, 1);
        assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
        assert_int_equal(next, test_time + 7000); /* of what came since */
        test_time += 25000;
        list = claim_from(site.store, STORE_NOTIFY, 10, &next);
        assert_int_equal(list->n, 2);
        e = &list->entries[strcmp(list->entries[0].id, old) == 0 ? 0 : 1];
        assert_int_equal(e->created, created + way * day);
        assert_int_equal(e->expires, e->created + life);
        assert_int_equal(e->rcpts[0].fetching, created + way * day);
        assert_int_equal(e->rcpts[0].fetched, 0);
        for (size_t i = 0; i < list->n; i++)
            settle(site.store, list->entries[i].rcpts[0].rid, RCPT_EV_DELIVERED);
        store_entries_free(&list);
        mem_free(&old);
        mem_free(&since);
    }
}

/* Nobody could try while the store was down, and nobody could tell it anything: patience begins anew, and nothing has expired. */
static void pause_ages_nothing(void **state)
{
    (void)state;
    const msec_t pause = 6 * 86400 * (msec_t)1000;
    struct error err;
    struct store_entries *list;
    struct store_pause told;
    assert_int_equal(store_alive(site.store, true, &err), RESULT_OK);
    char *id = put(site.store, &(struct letter){.rcpts = {"a@b.test", "x@c.test"}});
    assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_fetch_end(site.store, id, "b.test", true, "peer", NULL, NULL, &err), RESULT_OK);
    list = find(site.store, id);
    const msec_t expires = list->entries[0].expires;
    store_entries_free(&list);
    test_time += pause;
    assert_int_equal(store_resume(site.store, &told, &err), RESULT_OK);
    assert_int_equal(told.doubted, 2);
    list = find(site.store, id);
    assert_int_equal(list->entries[0].expires, expires + pause);
    assert_int_equal(list->entries[0].rcpts[0].fetched, test_time);
    assert_int_equal(list->entries[0].rcpts[1].fetching, test_time);
    store_entries_free(&list);
    mem_free(&id);
}

/* One that finds out about the pause, and is killed before all is in doubt: the next start goes on, and prolongs nothing twice. */
static void cut_short_after_a_pause(void **state)
{
    (void)state;
    const msec_t pause = 86400 * (msec_t)1000;
    char path[128], sql[300];
    struct error err;
    struct store_pause told;
    struct sqlite_db *db = NULL;
    char *id[3];
    assert_int_equal(store_alive(site.store, true, &err), RESULT_OK);
    for (size_t i = 0; i < 3; i++, test_time++)
        id[i] = put(site.store, &(struct letter){0});
    struct store_entries *list = find(site.store, id[0]);
    const msec_t life = list->entries[0].expires - list->entries[0].created;
    store_entries_free(&list);
    test_time += pause;
    snprintf(path, sizeof path, "%s/store/store.db", site.dir);
    snprintf(sql, sizeof sql,
             "INSERT INTO meta VALUES ('doubt_after', '%s'), ('doubt_last', '%s'), ('doubt_pause', %lld)", id[0], id[1],
             (long long)pause);
    assert_int_equal(sqlite_db_open(path, SQLITE_WRITER, 1000, &db, &err), RESULT_OK);
    assert_int_equal(sqlite_db_run(db, sql, &err), RESULT_OK);
    sqlite_db_close(&db);
    assert_int_equal(store_alive(site.store, false, &err), RESULT_OK); /* as with each transaction */
    assert_int_equal(store_resume(site.store, &told, &err), RESULT_OK);
    assert_int_equal(told.doubted, 1); /* the second; the first was done, the third came since */
    test_time += 1000;
    assert_int_equal(store_resume(site.store, &told, &err), RESULT_OK);
    assert_int_equal(told.doubted, 0);
    for (size_t i = 0; i < 3; i++) {
        list = find(site.store, id[i]);
        const struct store_entry *e = &list->entries[0];
        assert_int_equal(e->expires, e->created + life + (i == 1 ? pause : 0));
        assert_int_equal(e->rcpts[0].fetching, i == 1 ? test_time - 1000 : 0);
        store_entries_free(&list);
        mem_free(&id[i]);
    }
    assert_int_equal(sqlite_db_open(path, SQLITE_WRITER, 1000, &db, &err), RESULT_OK);
    assert_int_equal(sqlite_db_run(db, sql, &err), RESULT_OK);
    sqlite_db_close(&db);
    test_time += pause;
    assert_int_equal(store_resume(site.store, &told, &err), RESULT_OK);
    assert_int_equal(told.doubted, 3); /* another pause came in between */
}

/* More than go into one transaction. */
static void pause_with_many_waiting(void **state)
{
    (void)state;
    enum { MANY = 601 };
    struct error err;
    struct store_pause told;
    static char *id[MANY];
    assert_int_equal(store_alive(site.store, true, &err), RESULT_OK);
    for (size_t i = 0; i < MANY; i++)
        id[i] = put(site.store, &(struct letter){0});
    const msec_t created = test_time;
    test_time += 3600 * 1000;
    assert_int_equal(store_resume(site.store, &told, &err), RESULT_OK);
    assert_int_equal(told.doubted, MANY);
    for (size_t i = 0; i < MANY; i++) {
        struct store_entries *list = find(site.store, id[i]);
        assert_int_equal(list->entries[0].expires, created + 1000000 + 3600 * 1000);
        assert_int_equal(list->entries[0].rcpts[0].fetching, test_time);
        store_entries_free(&list);
        mem_free(&id[i]);
    }
    assert_int_equal(store_resume(site.store, &told, &err), RESULT_OK);
    assert_int_equal(told.doubted, 0);
}

static void hold_ends_by_time_or_release(void **state)
{
    (void)state;
    msec_t next = 0;
    struct letter l = {.rcpts = {"a@b.test", "b@b.test", "c@c.test"}, .hold = 500};
    char *first = put(site.store, &l), *second = put(site.store, &l);
    assert_int_equal(claim_released(site.store, first), 3);
    assert_int_equal(claim_released(site.store, first), 0); /* once */
    test_time += 499;
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
    assert_int_equal(next, test_time + 1);
    test_time += 1;
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 3);
    assert_int_equal(claim_released(site.store, second), 0);
    /* A late wake-up doesn't hurry what was tried and deferred. */
    settle_next(site.store, rid_of(site.store, first, 0), RCPT_EV_DEFERRED, test_time + 1000);
    assert_int_equal(claim_released(site.store, first), 0);
    mem_free(&first);
    mem_free(&second);
}

static void grouped_by_message_and_domain(void **state)
{
    (void)state;
    msec_t next;
    struct letter l = {.rcpts = {"a@b.test", "x@c.test", "b@B.test"}};
    char *one = put(site.store, &l), *two = put(site.store, &l);
    struct store_entries *list = claim_from(site.store, STORE_NOTIFY, 100, &next);
    assert_int_equal(list->n, 4);
    assert_string_equal(list->entries[0].id, one);
    assert_int_equal(list->entries[0].nrcpts, 2);
    assert_string_equal(list->entries[0].rcpts[1].address, "b@B.test");
    assert_string_equal(list->entries[1].id, one);
    assert_string_equal(list->entries[1].rcpts[0].domain, "c.test");
    assert_string_equal(list->entries[2].id, two);
    assert_string_equal(list->entries[0].envelope.sender, "a@a.test");
    assert_string_equal(list->entries[0].iss, "a.test");
    store_entries_free(&list);
    mem_free(&one);
    mem_free(&two);
}

static void oldest_first_and_no_more_than_max(void **state)
{
    (void)state;
    msec_t next;
    char *ids[5];
    for (int i = 0; i < 5; i++) {
        struct letter l = {.hold = 100 - i * 10};
        ids[i] = put(site.store, &l);
    }
    test_time += 100;
    for (int i = 4; i >= 0; i--) {
        struct store_entries *list = claim_from(site.store, STORE_NOTIFY, 1, &next);
        assert_int_equal(list->n, 1);
        assert_string_equal(list->entries[0].id, ids[i]);
        if (i > 0)
            assert_true(next <= test_time); /* there is more */
        else
            assert_int_equal(next, test_time + 60000); /* the leases' end */
        store_entries_free(&list);
        mem_free(&ids[i]);
    }
}

/* A claim that is full in the middle of a message takes the rest of it along: of its domain, and if it is due. */
static void no_message_is_cut_in_two(void **state)
{
    (void)state;
    msec_t next;
    struct error err = {0};
    struct letter l = {.rcpts = {"a@b.test", "x@c.test", "b@b.test", "c@b.test", "d@b.test", "e@b.test"}};
    char *one = put(site.store, &l), *two = put(site.store, &l);
    int64_t later = rid_of(site.store, one, 5);
    struct store_entries *list = claim_from(site.store, STORE_NOTIFY, 100, &next);
    store_entries_free(&list);
    assert_int_equal(store_postpone(site.store, &later, 1, test_time + 50, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_release_leases(site.store, &err), RESULT_OK);
    list = claim_from(site.store, STORE_NOTIFY, 3, &next);
    assert_int_equal(list->n, 2);
    assert_int_equal(list->entries[0].nrcpts, 4); /* a, b, c, d */
    assert_int_equal(list->entries[1].nrcpts, 1); /* x */
    assert_string_equal(list->entries[0].rcpts[3].address, "d@b.test");
    store_entries_free(&list);
    list = claim_from(site.store, STORE_NOTIFY, 2, &next); /* a and x, then x has no rest */
    assert_int_equal(list->n, 2);
    assert_int_equal(list->entries[0].nrcpts, 1);
    assert_string_equal(list->entries[0].id, two);
    store_entries_free(&list);
    mem_free(&one);
    mem_free(&two);
}

static void lease_expires_or_is_released(void **state)
{
    (void)state;
    msec_t next;
    struct error err = {0};
    struct store *other = site_open(&site, STORE_READ_WRITE, "node2");
    struct letter l = {0};
    char *id = put(site.store, &l);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 1);
    assert_int_equal(claim_n(other, STORE_NOTIFY, &next), 0);
    assert_int_equal(next, test_time + 60000);
    assert_int_equal(store_release_leases(other, &err), RESULT_OK); /* not theirs */
    assert_int_equal(claim_n(other, STORE_NOTIFY, &next), 0);
    assert_int_equal(store_release_leases(site.store, &err), RESULT_OK); /* a new start of node1 */
    assert_int_equal(claim_n(other, STORE_NOTIFY, &next), 1);
    test_time += 59999;
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
    test_time += 1; /* node2 is dead */
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 1);

    /* node2 isn't dead after all: it may not put back what is no longer its own, but its news counts. */
    int64_t rid = rid_of(site.store, id, 0);
    assert_int_equal(store_postpone(other, &rid, 1, test_time + 5, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(claim_n(other, STORE_NOTIFY, &next), 0);
    assert_int_equal(next, test_time + 60000);
    assert_true(settle(other, rid, RCPT_EV_DELIVERED));
    store_close(&other);
    mem_free(&id);
}

static void postponed_is_due_then(void **state)
{
    (void)state;
    msec_t next;
    struct error err = {0};
    struct letter l = {0};
    char *id = put(site.store, &l);
    int64_t rid = rid_of(site.store, id, 0);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 1);
    assert_int_equal(store_postpone(site.store, &rid, 1, test_time + 50, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(rcpt_of(site.store, id, 0).attempts, 0);
    assert_int_equal(rcpt_of(site.store, id, 0).next, test_time + 50);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 0);
    assert_int_equal(next, test_time + 50);
    test_time += 50;
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 1);
    mem_free(&id);
}

static void each_kind_of_work_has_its_queue(void **state)
{
    (void)state;
    msec_t next;
    struct letter l = {.rcpts = {"a@b.test", "b@b.test", "c@b.test", "d@b.test"}};
    char *id = put(site.store, &l);
    settle(site.store, rid_of(site.store, id, 0), RCPT_EV_ACCEPTED);
    settle(site.store, rid_of(site.store, id, 1), RCPT_EV_FALLBACK);
    settle(site.store, rid_of(site.store, id, 2), RCPT_EV_REJECTED);
    assert_int_equal(claim_n(site.store, STORE_RETURN, &next), 1);
    assert_int_equal(claim_n(site.store, STORE_BOUNCE, &next), 1);
    assert_int_equal(claim_n(site.store, STORE_NOTIFY, &next), 2); /* accepted ones are asked about again */
    /* Settled, it is nobody's work: */
    settle(site.store, rid_of(site.store, id, 1), RCPT_EV_RETURN_DONE);
    settle(site.store, rid_of(site.store, id, 2), RCPT_EV_DELIVERED);
    assert_int_equal(claim_n(site.store, STORE_RETURN, &next), 0);
    assert_int_equal(next, -1);
    assert_int_equal(claim_n(site.store, STORE_BOUNCE, &next), 0);
    assert_int_equal(next, -1);
    mem_free(&id);
}

/* News without effect gives up nobody's lease: here a late "deferred" while the return is under way. */
static void late_news_leaves_the_lease(void **state)
{
    (void)state;
    msec_t next;
    struct letter l = {0};
    char *id = put(site.store, &l);
    int64_t rid = rid_of(site.store, id, 0);
    settle(site.store, rid, RCPT_EV_FALLBACK);
    assert_int_equal(claim_n(site.store, STORE_RETURN, &next), 1);
    assert_false(settle(site.store, rid, RCPT_EV_DEFERRED));
    assert_int_equal(claim_n(site.store, STORE_RETURN, &next), 0);
    mem_free(&id);
}

/* ---- cost ---- */

static enum result apply_fill(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    (void)c;
    struct sqlite_stmt *st = stmt_begin(
        db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
        " INSERT INTO recipients (message, address, domain, state, attempts, next, since, due)"
        " SELECT (SELECT message FROM messages LIMIT 1), 'x@b.test', 'b.test', CASE WHEN i % 2 THEN 0 ELSE 4 END, 0,"
        " ?1 + i, ?1, ?1 + i FROM n");
    stmt_bind_int(st, test_time + 1000000);
    return stmt_run(st, err);
}

static msec_t time_claims(void)
{
    msec_t next, begin = clock_mono();
    for (int i = 0; i < 200; i++)
        assert_int_equal(claim_n(site.store, i % 2 ? STORE_RETURN : STORE_NOTIFY, &next), 0);
    return clock_mono() - begin;
}

/* 50,000 waiting and 50,000 settled recipients don't make a claim dearer. */
static void cost_is_independent_of_backlog(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.hold = 1000000};
    char *id = put(site.store, &l);
    msec_t few = time_claims();
    struct sqlite_change fill = {.apply = apply_fill};
    assert_int_equal(sqlite_writer_run(site.store->writer, &fill, &err), RESULT_OK);
    msec_t many = time_claims();
    if (many > few * 4 + 200) /* reading 50,000 rows 200 times takes seconds */
        fail_msg("200 claims take %lld ms with a backlog, %lld without", (long long)many, (long long)few);
    mem_free(&id);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(clock_goes_back),
        TEST(clock_is_set),
        TEST(pause_ages_nothing),
        TEST(cut_short_after_a_pause),
        TEST(pause_with_many_waiting),
        TEST(nothing_due),
        TEST(claimed_again),
        TEST(hold_ends_by_time_or_release),
        TEST(grouped_by_message_and_domain),
        TEST(oldest_first_and_no_more_than_max),
        TEST(no_message_is_cut_in_two),
        TEST(lease_expires_or_is_released),
        TEST(postponed_is_due_then),
        TEST(each_kind_of_work_has_its_queue),
        TEST(late_news_leaves_the_lease),
        TEST(cost_is_independent_of_backlog),
    };
    return test_run("store_claim", tests);
}
