/* Shadows in the store: counted apart, never returned or bounced, and never in the way of mail. */
#include "t/unit/store_fixture.h"

static struct site site;

static int set_up(void **state)
{
    (void)state;
    site_make(&site, "");
    clock_set_source(test_clock);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    site_remove(&site);
    return 0;
}

static struct store_entries *claim(enum store_work work)
{
    struct store_entries *list = NULL;
    struct error err = {0};
    msec_t next;
    if (store_claim(site.store, work, 1000, 60000, &list, &next, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return list;
}

/* Both states that a shadow can be in, times all events, through the database. */
static void whole_table(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * RCPT_EVENTS; i++) {
        enum rcpt_event e = (enum rcpt_event)(i / 2);
        struct letter l = {.shadow = true};
        char *id = put(site.store, &l);
        int64_t rid = rid_of(site.store, id, 0);
        if (i % 2)
            assert_true(settle(site.store, rid, RCPT_EV_ACCEPTED));
        enum rcpt_state before = i % 2 ? RCPT_ACCEPTED : RCPT_QUEUED, next = before;
        assert_int_equal(settle(site.store, rid, e), rcpt_state_next(before, e, true, &next));
        assert_int_equal(rcpt_of(site.store, id, 0).state, next);
        mem_free(&id);
    }
    struct store_stats t = stats_of(site.store);
    uint64_t all = 0;
    for (int s = 0; s < RCPT_STATES; s++) {
        all += t.shadow_rcpts[s];
        assert_int_equal(t.rcpts[s], 0);
    }
    assert_int_equal(all, 2 * RCPT_EVENTS);
    assert_int_equal(t.shadow_rcpts[RCPT_QUEUED] + t.shadow_rcpts[RCPT_ACCEPTED], t.shadow_messages);
    assert_int_equal(t.shadow_rcpts[RCPT_RECALLED], 2);
    assert_int_equal(t.messages, 0);
    assert_int_equal(t.oldest, 0);
    test_time += 2000000; /* everything is due, and nothing of this kind */
    struct store_entries *list = claim(STORE_RETURN);
    assert_int_equal(list->n, 0);
    store_entries_free(&list);
    list = claim(STORE_BOUNCE);
    assert_int_equal(list->n, 0);
    store_entries_free(&list);
}

static void what_became_of_it_is_kept(void **state)
{
    (void)state;
    struct letter l = {.shadow = true};
    char *id = put(site.store, &l);
    struct error err = {0};
    struct store_settlement s = {
        .rid = rid_of(site.store, id, 0),
        .event = RCPT_EV_DELIVERED,
        .text = "fetched and verified",
        .comparison = {STORE_SMTP_ARRIVED, -1234, "header Subject changed\nbody differs"},
    };
    struct store_entries *list = find(site.store, id);
    assert_true(list->entries[0].shadow);
    assert_int_equal(list->entries[0].rcpts[0].cause, RCPT_EVENTS);
    store_entries_free(&list);
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
    list = find(site.store, id);
    const struct store_rcpt *r = &list->entries[0].rcpts[0];
    assert_int_equal(r->state, RCPT_SHADOWED);
    assert_int_equal(r->cause, RCPT_EV_DELIVERED);
    assert_string_equal(r->cause_text, "fetched and verified");
    assert_int_equal(r->comparison.smtp, STORE_SMTP_ARRIVED);
    assert_int_equal(r->comparison.delta, -1234);
    assert_string_equal(r->comparison.differences, "header Subject changed\nbody differs");
    store_entries_free(&list);
    assert_int_equal(stats_of(site.store).bodies, 0);
    mem_free(&id);
}

/* Of real mail the reason for its return stays although the return has words of its own. */
static void cause_survives_the_return(void **state)
{
    (void)state;
    struct letter l = {0};
    char *id = put(site.store, &l);
    int64_t rid = rid_of(site.store, id, 0);
    struct error err = {0};
    settle(site.store, rid, RCPT_EV_DEFERRED);
    assert_int_equal(rcpt_of(site.store, id, 0).cause, RCPT_EVENTS);
    struct store_settlement s = {.rid = rid, .event = RCPT_EV_USE_SMTP, .text = "not migrated"};
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
    s = (struct store_settlement){.rid = rid, .event = RCPT_EV_RETURN_DONE, .text = "250 queued"};
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
    struct store_entries *list = find(site.store, id);
    assert_int_equal(list->entries[0].rcpts[0].cause, RCPT_EV_USE_SMTP);
    assert_string_equal(list->entries[0].rcpts[0].cause_text, "not migrated");
    assert_string_equal(list->entries[0].rcpts[0].text, "250 queued");
    store_entries_free(&list);
    mem_free(&id);
}

static void a_shadow_holds_no_mail(void **state)
{
    (void)state;
    struct letter l = {.message_id = "<1@a.test>", .window = 60000, .shadow = true, .rcpts = {"b@b.test", "c@b.test"}};
    char *shadow = put(site.store, &l);
    struct letter again = l;
    char *twice = put(site.store, &again);
    assert_int_equal(again.result.stored, 0); /* no second shadow */
    assert_string_equal(again.result.resubmission_of, shadow);
    struct letter real = l;
    real.shadow = false;
    char *id = put(site.store, &real);
    assert_int_equal(real.result.stored, 2);
    assert_null(real.result.resubmission_of);
    struct letter third = l;
    char *after = put(site.store, &third);
    assert_int_equal(third.result.stored, 0);
    mem_free(&again.result.resubmission_of);
    mem_free(&third.result.resubmission_of);
    mem_free(&shadow);
    mem_free(&twice);
    mem_free(&after);
    mem_free(&id);
}

static void put_twice(struct letter *l)
{
    uint8_t digest[DIGEST_SIZE];
    struct error err = {0};
    size_t len = 0;
    struct spool *spool = letter_spool(site.store, l, digest, &len);
    struct letter real = *l;
    char *first = try_put_spool(site.store, &real, spool, digest, &err);
    assert_non_null(first);
    l->shadow = true;
    l->rcpts[0] = "c@c.test";
    char *second = try_put_spool(site.store, l, spool, digest, &err);
    assert_non_null(second);
    spool_free(&spool);
    assert_int_equal(stats_of(site.store).bodies, 1);
    assert_int_equal(stats_of(site.store).messages, 1);
    assert_int_equal(stats_of(site.store).shadow_messages, 1);
    settle(site.store, rid_of(site.store, first, 0), RCPT_EV_DELIVERED);
    assert_int_equal(stats_of(site.store).bodies, 1); /* the shadow's still */
    struct store_body *b = NULL;
    assert_int_equal(store_body_open_local(site.store, second, &b, &err), RESULT_OK);
    assert_int_equal(store_body_size(b), strlen(TEST_TRACE) + len);
    store_body_close(&b);
    settle(site.store, rid_of(site.store, second, 0), RCPT_EV_REJECTED);
    assert_int_equal(stats_of(site.store).bodies, 0);
    assert_int_equal(files_below(&site, "bodies"), 0);
    mem_free(&first);
    mem_free(&second);
}

static void one_spool_two_messages(void **state)
{
    (void)state;
    static const char large[300000] = "x";
    put_twice(&(struct letter){0});
    put_twice(&(struct letter){.body = large, .body_len = sizeof large, .memory = 1000}); /* a file */
    put_twice(&(struct letter){.body = large, .body_len = sizeof large}); /* memory, but too large inline */
    put_twice(&(struct letter){.body = "small", .memory = 1});            /* a file, but small */
}

static void count_row(void *arg, const struct store_history_row *row)
{
    unsigned *n = arg;
    assert_string_equal(row->domain, "b.test");
    n[row->shadow]++;
    if (row->cause == RCPT_EV_USE_SMTP)
        assert_string_equal(row->cause_text, "because");
}

static void history_row_by_row(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test", "c@c.test"}}, s = {.shadow = true, .rcpts = {"b@b.test", "x@b.test"}};
    char *mail = put(site.store, &l);
    settle(site.store, rid_of(site.store, mail, 0), RCPT_EV_USE_SMTP);
    test_time += 1000;
    char *shadow = put(site.store, &s);
    unsigned n[2] = {0};
    assert_int_equal(store_history(site.store, "b.test", 0, count_row, n, &err), RESULT_OK);
    assert_int_equal(n[false], 1);
    assert_int_equal(n[true], 2);
    n[false] = n[true] = 0;
    assert_int_equal(store_history(site.store, "b.test", test_time, count_row, n, &err), RESULT_OK);
    assert_int_equal(n[false], 0);
    assert_int_equal(n[true], 2);
    mem_free(&mail);
    mem_free(&shadow);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_table),
        TEST(what_became_of_it_is_kept),
        TEST(cause_survives_the_return),
        TEST(a_shadow_holds_no_mail),
        TEST(one_spool_two_messages),
        TEST(history_row_by_row),
    };
    return test_run("store_shadow", tests);
}
