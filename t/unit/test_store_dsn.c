/* The store's part in DSNs: one for a message and outcome, warnings once, and what a DSN says stays the peer's words. */
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

static struct store_entries *claim(enum store_work work, msec_t *next_r)
{
    struct error err = {0};
    struct store_entries *list = NULL;
    if (store_claim(site.store, work, 100, 60000, &list, next_r, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return list;
}

/* "2 1": a claim of two messages, the first with two recipients, the second with one. */
static const char *shape(struct store_entries *list)
{
    static char text[100];
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; list != NULL && i < list->n; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%zu", i ? " " : "", list->entries[i].nrcpts);
    store_entries_free(&list);
    return text;
}

static const char *claim_shape(enum store_work work)
{
    msec_t next;
    return shape(claim(work, &next));
}

static void fail_rcpt(const char *id, size_t i)
{
    settle_next(site.store, rid_of(site.store, id, i), RCPT_EV_REJECTED, test_time + 60000);
}

static void waits_for_those_not_tried_yet(void **state)
{
    (void)state;
    msec_t next;
    struct letter l = {.rcpts = {"a@b.test", "b@c.test", "c@d.test", "d@e.test"}};
    char *id = put(site.store, &l);
    fail_rcpt(id, 0);
    assert_string_equal(shape(claim(STORE_BOUNCE, &next)), "");
    assert_int_equal(next, test_time + 60000); /* dsn-hold */
    test_time += 10;
    fail_rcpt(id, 1);
    settle(site.store, rid_of(site.store, id, 2), RCPT_EV_DEFERRED); /* was tried: may take days */
    assert_string_equal(claim_shape(STORE_BOUNCE), "");
    settle(site.store, rid_of(site.store, id, 3), RCPT_EV_DELIVERED);
    assert_string_equal(claim_shape(STORE_BOUNCE), "2"); /* of two domains, in one */
    mem_free(&id);
}

static void but_not_longer_than_the_hold(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"a@b.test", "b@c.test", "c@d.test"}};
    char *id = put(site.store, &l);
    fail_rcpt(id, 0);
    settle(site.store, rid_of(site.store, id, 2), RCPT_EV_ACCEPTED); /* its receipt may come any moment */
    test_time += 59990;
    fail_rcpt(id, 1);
    test_time += 9;
    assert_string_equal(claim_shape(STORE_BOUNCE), "");
    test_time += 1;
    assert_string_equal(claim_shape(STORE_BOUNCE), "2"); /* and the second's own hold is not waited for */
    assert_string_equal(claim_shape(STORE_BOUNCE), "");  /* leased */
    fail_rcpt(id, 2);                                    /* too late for that one */
    assert_string_equal(claim_shape(STORE_BOUNCE), "1");
    mem_free(&id);
}

static void other_messages_have_their_own(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"a@b.test", "b@c.test"}};
    char *one = put(site.store, &l), *two = put(site.store, &l);
    for (size_t i = 0; i < 2; i++) {
        fail_rcpt(one, i);
        fail_rcpt(two, i);
    }
    assert_string_equal(claim_shape(STORE_BOUNCE), "2 2");
    mem_free(&one);
    mem_free(&two);
}

static void assert_says(const char *id, enum store_work work, const char *dsn, const char *text)
{
    msec_t next;
    struct store_entries *list = claim(work, &next);
    assert_int_equal(list->n, 1);
    assert_string_equal(list->entries[0].id, id);
    assert_string_equal(list->entries[0].rcpts[0].dsn, dsn);
    assert_string_equal(list->entries[0].rcpts[0].text, text);
    store_entries_free(&list);
}

static void settle_words(int64_t rid, enum rcpt_event event, const char *dsn, const char *text,
                         enum store_report report, msec_t next)
{
    struct error err = {0};
    struct store_settlement s = {.rid = rid, .event = event, .text = text, .report = report, .next = next};
    snprintf(s.dsn, sizeof s.dsn, "%s", dsn);
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
}

/* The local MTA's "not now" is not why the recipient failed. */
static void the_reason_survives_a_deferred_dsn(void **state)
{
    (void)state;
    struct letter l = {0};
    char *id = put(site.store, &l);
    int64_t rid = rid_of(site.store, id, 0);
    settle_words(rid, RCPT_EV_REJECTED, "5.1.1", "550 5.1.1 no such user", STORE_REPORT_NONE, 0);
    assert_says(id, STORE_BOUNCE, "5.1.1", "550 5.1.1 no such user");
    settle_words(rid, RCPT_EV_BOUNCE_LATER, "4.3.2", "421 shutting down", STORE_REPORT_NONE, test_time + 100);
    assert_string_equal(claim_shape(STORE_BOUNCE), ""); /* a backoff is no hold */
    test_time += 100;
    assert_says(id, STORE_BOUNCE, "5.1.1", "550 5.1.1 no such user");
    settle_words(rid, RCPT_EV_BOUNCE_DONE, "2.0.0", "250 queued", STORE_REPORT_NONE, 0);
    struct store_entries *list = find(site.store, id);
    assert_int_equal(list->entries[0].rcpts[0].state, RCPT_BOUNCED);
    assert_string_equal(list->entries[0].rcpts[0].text, "550 5.1.1 no such user");
    store_entries_free(&list);
    mem_free(&id);
}

static void success_reports_outlive_a_restart(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"a@b.test", "b@c.test"}};
    char *id = put(site.store, &l);
    int64_t first = rid_of(site.store, id, 0), second = rid_of(site.store, id, 1);
    settle_words(first, RCPT_EV_UNREPORTED, "2.0.0", "250 taken", STORE_REPORT_RELAYED, test_time + 60000);
    assert_string_equal(claim_shape(STORE_REPORT), "");
    settle_words(second, RCPT_EV_UNREPORTED, "2.1.5", "250 in the mailbox", STORE_REPORT_DELIVERED, test_time + 60000);
    store_close(&site.store);
    site.store = site_open(&site, STORE_READ_WRITE, "node1");
    msec_t next;
    struct store_entries *list = claim(STORE_REPORT, &next);
    assert_int_equal(list->n, 1);
    assert_int_equal(list->entries[0].nrcpts, 2);
    assert_int_equal(list->entries[0].rcpts[0].report, STORE_REPORT_RELAYED);
    assert_int_equal(list->entries[0].rcpts[1].report, STORE_REPORT_DELIVERED);
    store_entries_free(&list);
    assert_false(settle(site.store, first, RCPT_EV_DELIVERED)); /* a repeated receipt changes nothing */
    settle_words(first, RCPT_EV_REPORT_LATER, "4.0.0", "not now", STORE_REPORT_NONE, test_time + 100);
    assert_int_equal(rcpt_of(site.store, id, 0).report, STORE_REPORT_RELAYED);
    assert_int_equal(stats_of(site.store).bodies, 1); /* its header is needed */
    settle(site.store, first, RCPT_EV_REPORT_DONE);
    settle(site.store, second, RCPT_EV_REPORT_DONE);
    assert_int_equal(rcpt_of(site.store, id, 1).state, RCPT_DELIVERED);
    assert_int_equal(rcpt_of(site.store, id, 1).cause, RCPT_EV_DELIVERED);
    assert_int_equal(stats_of(site.store).bodies, 0);
    mem_free(&id);
}

/* ---- warnings ---- */

static const char *warnings(msec_t older_than, msec_t *next_r)
{
    struct error err = {0};
    struct store_entries *list = NULL;
    if (store_claim_warnings(site.store, test_time - older_than, 10, 1000, &list, next_r, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return shape(list);
}

static void settle_warning(const char *id, msec_t again)
{
    struct error err = {0};
    assert_int_equal(store_settle_warning(site.store, id, again, NULL, NULL, &err), RESULT_OK);
}

static void warns_once_about_what_is_undecided(void **state)
{
    (void)state;
    msec_t next;
    struct letter l = {.rcpts = {"a@b.test", "b@c.test", "c@d.test", "d@e.test"}};
    char *id = put(site.store, &l);
    settle(site.store, rid_of(site.store, id, 0), RCPT_EV_DELIVERED);
    settle(site.store, rid_of(site.store, id, 1), RCPT_EV_ACCEPTED);
    fail_rcpt(id, 2);
    assert_string_equal(warnings(5000, &next), "");
    assert_int_equal(next, test_time);
    test_time += 5001;
    assert_string_equal(warnings(5000, &next), "2");
    assert_string_equal(warnings(5000, &next), ""); /* leased */
    assert_int_equal(next, -1);
    test_time += 1000; /* who had the lease died */
    assert_string_equal(warnings(5000, &next), "2");
    settle_warning(id, test_time + 500); /* the MTA did not take it */
    assert_string_equal(warnings(5000, &next), "");
    test_time += 500;
    assert_string_equal(warnings(5000, &next), "2");
    settle_warning(id, 0);
    test_time += 100000;
    assert_string_equal(warnings(5000, &next), "");
    mem_free(&id);
}

static void does_not_warn_for_nothing(void **state)
{
    (void)state;
    msec_t next;
    struct letter l = {0}, shadow = {.shadow = true};
    char *settled = put(site.store, &l), *copy = put(site.store, &shadow), *expired = put(site.store, &l);
    settle(site.store, rid_of(site.store, settled, 0), RCPT_EV_DELIVERED);
    test_time += 1000000; /* the fixture's expire-after */
    assert_string_equal(warnings(5000, &next), "");
    mem_free(&settled);
    mem_free(&copy);
    mem_free(&expired);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(waits_for_those_not_tried_yet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(but_not_longer_than_the_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_messages_have_their_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reason_survives_a_deferred_dsn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(success_reports_outlive_a_restart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(warns_once_about_what_is_undecided, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_warn_for_nothing, set_up, tear_down),
    };
    return test_run("store_dsn", tests);
}
