/* Drains, breakers, and what they make due: lib/store_stops.h, and the copy in memory of lib/stops.h. */
#include "t/unit/store_fixture.h"

#include "lib/stops.h"

static struct site site;
static struct error err;

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

static bool drain(const char *domain, bool on)
{
    bool changed = false;
    if (store_drain(site.store, domain, on, &changed, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return changed;
}

static const struct store_breaker_rule rule = {.failures = 3, .time = 10000};

static enum store_breaker failed(const char *domain, bool *changed_r)
{
    enum store_breaker state;
    if (store_peer_failed(site.store, domain, &rule, "it broke", test_time + 5000, &state, changed_r, &err) !=
        RESULT_OK)
        fail_msg("%s", err.text);
    return state;
}

static void open_breaker_of(const char *domain)
{
    bool changed;
    for (int i = 0; i < 3; i++)
        failed(domain, &changed);
    test_time += rule.time;
    assert_int_equal(failed(domain, &changed), STORE_BREAKER_OPEN);
}

static size_t due_now(void)
{
    size_t n = 0;
    msec_t next;
    struct store_entries *list = NULL;
    if (store_claim(site.store, STORE_NOTIFY, 100, 60000, &list, &next, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < list->n; i++)
        n += list->entries[i].nrcpts;
    store_entries_free(&list);
    return n;
}

static void refuses(struct letter l, bool expected)
{
    char *id = try_put(site.store, &l, &err);
    assert_int_equal(l.result.drained, expected);
    if (expected) {
        assert_null(id);
        assert_non_null(strstr(err.text, "being drained"));
    } else {
        assert_non_null(id);
    }
    mem_free(&id);
    mem_free(&l.result.resubmission_of);
}

/* Mail to the domain, from it, and everything; mail that it does not concern goes on. */
static void a_drain_refuses_new_mail(void **state)
{
    (void)state;
    struct letter to_b = {0}, to_both = {.rcpts = {"x@c.test", "y@b.test"}}, other = {.rcpts = {"x@c.test"}},
                  from_b = {.sender = "z@b.test", .rcpts = {"x@c.test"}};
    assert_true(drain("b.test", true));
    assert_false(drain("b.test", true));
    refuses(to_b, true);
    refuses(to_both, true);
    refuses(from_b, true);
    refuses(other, false);
    assert_true(drain("", true));
    refuses(other, true);
    assert_true(drain("b.test", false));
    refuses(to_b, true);
    assert_true(drain("", false));
    assert_false(drain("", false));
    refuses(to_b, false);
}

/* What only passes through, by LMTP: nothing hinders it but a drain of everything, which has to end with an empty store. */
static void a_drain_of_everything_takes_nothing_at_all(void **state)
{
    (void)state;
    struct letter passing = {.rcpts = {"x@b.test"}, .returning = {"a rule"}},
                  some = {.rcpts = {"x@b.test", "y@b.test"}, .returning = {"a rule"}},
                  null = {.sender = "", .rcpts = {"x"}, .returning = {"null sender"}};
    assert_true(drain("b.test", true));
    refuses(passing, false);
    refuses(some, true);
    assert_true(drain("", true));
    refuses(passing, true);
    refuses(null, true);
    assert_true(drain("", false));
    refuses(passing, false);
    refuses(null, false);
    assert_true(drain("b.test", false));
}

/* A client that comes again for a message that is in the store already: it is not sent by SMTP as well. */
static void a_resubmission_is_not_refused(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"x@b.test"}, .message_id = "<1@a.test>", .client = "c", .window = 3600000};
    char *first = put(site.store, &l);
    drain("b.test", true);
    struct letter again = l, more = l;
    more.rcpts[1] = "y@b.test";
    char *id = put(site.store, &again);
    assert_int_equal(again.result.stored, 0);
    assert_string_equal(again.result.resubmission_of, first);
    mem_free(&id);
    id = put(site.store, &more);
    assert_int_equal(more.result.stored, 1);
    mem_free(&id);
    mem_free(&first);
    mem_free(&again.result.resubmission_of);
    mem_free(&more.result.resubmission_of);
}

/* What is put off becomes due, and what is settled later does not wait for its backoff either. */
static void a_drain_makes_work_due(void **state)
{
    (void)state;
    struct letter b = {0}, c = {.rcpts = {"x@c.test"}};
    char *id_b = put(site.store, &b), *id_c = put(site.store, &c);
    int64_t rid_b = rid_of(site.store, id_b, 0);
    settle_next(site.store, rid_b, RCPT_EV_UNREACHABLE, test_time + 3600000);
    settle_next(site.store, rid_of(site.store, id_c, 0), RCPT_EV_UNREACHABLE, test_time + 3600000);
    assert_int_equal(due_now(), 0);
    drain("b.test", true);
    assert_int_equal(due_now(), 1);                                           /* and in hand now */
    settle_next(site.store, rid_b, RCPT_EV_UNREACHABLE, test_time + 3600000); /* by one who does not know */
    assert_int_equal(due_now(), 0);
    test_time += 1000;
    assert_int_equal(due_now(), 1);
    if (store_fetch_begin(site.store, id_b, "b.test", true, NULL, NULL, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    settle_next(site.store, rid_b, RCPT_EV_UNREACHABLE, test_time + 3600000); /* what the peer has keeps its backoff */
    test_time += 1000;
    assert_int_equal(due_now(), 0);
    mem_free(&id_b);
    mem_free(&id_c);
}

/* A return that a fetch was faster than gives up its lease: the peer is asked at once. */
static void a_return_that_comes_too_late(void **state)
{
    (void)state;
    struct letter l = {0};
    char *id = put(site.store, &l);
    assert_int_equal(due_now(), 1);
    if (store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    bool changed = true;
    struct store_settlement s = {.rid = rid_of(site.store, id, 0), .event = RCPT_EV_FALLBACK, .unless_fetched = true};
    if (store_settle(site.store, &s, 1, &changed, NULL, NULL, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    assert_false(changed);
    assert_int_equal(rcpt_of(site.store, id, 0).state, RCPT_QUEUED);
    assert_int_equal(due_now(), 1);
    mem_free(&id);
}

static void what_a_drain_waits_for(void **state)
{
    (void)state;
    struct letter b = {.rcpts = {"1@b.test", "2@b.test"}}, c = {.rcpts = {"x@c.test"}};
    char *id_b = put(site.store, &b), *id_c = put(site.store, &c);
    struct store_waits *w = NULL;
    store_fetch_begin(site.store, id_b, "b.test", true, NULL, NULL, &err);
    settle(site.store, rid_of(site.store, id_b, 1), RCPT_EV_USE_SMTP);
    assert_int_equal(store_waits_read(site.store, "b.test", &w, &err), RESULT_OK);
    assert_int_equal(w->rcpts, 2);
    assert_int_equal(w->n, 2);
    for (size_t i = 0; i < w->n; i++) {
        assert_string_equal(w->list[i].domain, "b.test");
        assert_int_equal(w->list[i].rcpts, 1);
        assert_int_equal(w->list[i].taken, w->list[i].wait == STORE_WAIT_TAKEN ? test_time : 0);
    }
    assert_true((w->list[0].wait == STORE_WAIT_TAKEN && w->list[1].wait == STORE_WAIT_RETURN) ||
                (w->list[1].wait == STORE_WAIT_TAKEN && w->list[0].wait == STORE_WAIT_RETURN));
    store_waits_free(&w);
    assert_int_equal(store_waits_read(site.store, "", &w, &err), RESULT_OK);
    assert_int_equal(w->rcpts, 3);
    store_waits_free(&w);
    assert_int_equal(store_waits_read(site.store, "a.test", &w, &err), RESULT_OK); /* the sender's */
    assert_int_equal(w->rcpts, 3);
    store_waits_free(&w);
    assert_int_equal(store_waits_read(site.store, "d.test", &w, &err), RESULT_OK);
    assert_int_equal(w->rcpts, 0);
    store_waits_free(&w);
    mem_free(&id_b);
    mem_free(&id_c);
}

/* Number and time: neither alone. */
static void when_a_breaker_opens(void **state)
{
    (void)state;
    bool changed;
    for (int i = 0; i < 10; i++)
        assert_int_equal(failed("b.test", &changed), STORE_BREAKER_CLOSED);
    test_time += rule.time;
    assert_int_equal(failed("c.test", &changed), STORE_BREAKER_CLOSED);
    assert_int_equal(failed("b.test", &changed), STORE_BREAKER_OPEN);
    assert_true(changed);
    assert_int_equal(failed("b.test", &changed), STORE_BREAKER_OPEN);
    assert_false(changed);
    struct store_peers *peers = NULL;
    assert_int_equal(store_peers_read(site.store, &peers, &err), RESULT_OK);
    assert_int_equal(peers->n, 2);
    assert_string_equal(peers->list[0].domain, "b.test");
    assert_int_equal(peers->list[0].failures, 12);
    assert_int_equal(peers->list[0].failing, test_time - rule.time);
    assert_int_equal(peers->list[0].next_probe, test_time + 5000);
    assert_string_equal(peers->list[0].error, "it broke");
    assert_int_equal(peers->list[1].breaker, STORE_BREAKER_CLOSED);
    store_peers_free(&peers);
    assert_int_equal(store_peer_answered(site.store, "c.test", &changed, &err), RESULT_OK);
    assert_false(changed); /* it was closed */
    assert_int_equal(store_peer_answered(site.store, "b.test", &changed, &err), RESULT_OK);
    assert_true(changed);
    assert_int_equal(store_peers_read(site.store, &peers, &err), RESULT_OK);
    assert_int_equal(peers->n, 0);
    store_peers_free(&peers);
    assert_int_equal(failed("b.test", &changed), STORE_BREAKER_CLOSED); /* it counts from one again */
}

static void an_open_breaker_makes_work_due(void **state)
{
    (void)state;
    struct letter l = {0};
    char *id = put(site.store, &l);
    settle_next(site.store, rid_of(site.store, id, 0), RCPT_EV_UNREACHABLE, test_time + 3600000);
    assert_int_equal(due_now(), 0);
    open_breaker_of("b.test");
    assert_int_equal(due_now(), 1);
    mem_free(&id);
}

static size_t claim_probes(struct store *store)
{
    struct store_peers *peers = NULL;
    if (store_peer_claim_probes(store, test_time + 60000, &peers, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    size_t n = peers->n;
    store_peers_free(&peers);
    return n;
}

/* One node asks at one time; a peer that is there is on trial, where one failure is enough. */
static void probes(void **state)
{
    (void)state;
    bool changed;
    struct store *other = site_open(&site, STORE_READ_WRITE, "node2");
    open_breaker_of("b.test");
    assert_int_equal(claim_probes(other), 0); /* not yet */
    test_time += 5000;
    assert_int_equal(claim_probes(other), 1);
    assert_int_equal(claim_probes(site.store), 0);
    assert_int_equal(store_peer_probed(other, "b.test", false, "still away", test_time + 1000, &changed, &err),
                     RESULT_OK);
    assert_false(changed);
    test_time += 1000;
    assert_int_equal(claim_probes(site.store), 1);
    assert_int_equal(store_peer_probed(site.store, "b.test", true, NULL, 0, &changed, &err), RESULT_OK);
    assert_true(changed);
    assert_int_equal(claim_probes(site.store), 0);
    struct store_stops *stops = NULL;
    assert_int_equal(store_stops_read(other, &stops, &err), RESULT_OK);
    assert_int_equal(stops->n, 0);
    store_stops_free(&stops);
    assert_int_equal(failed("b.test", &changed), STORE_BREAKER_OPEN);
    assert_true(changed);
    struct store_peers *peers = NULL;
    assert_int_equal(store_peers_read(other, &peers, &err), RESULT_OK);
    assert_int_equal(peers->list[0].probes, 2);
    store_peers_free(&peers);
    store_close(&other);
}

/* Who is asked, and in which direction. */
static void the_copy_in_memory(void **state)
{
    (void)state;
    struct stops *s = stops_new(site.store);
    assert_int_equal(stops_find(s, "a.test", "b.test"), STORE_STOP_NONE);
    unsigned before = stops_renew(s);
    assert_int_equal(stops_renew(s), before);
    open_breaker_of("b.test");
    drain("c.test", true);
    assert_int_equal(stops_find(s, "a.test", "b.test"), STORE_STOP_NONE); /* less than a second old */
    assert_int_not_equal(stops_renew(s), before);
    assert_int_equal(stops_find(s, "a.test", "b.test"), STORE_STOP_BREAKER);
    assert_int_equal(stops_find(s, "b.test", "a.test"), STORE_STOP_NONE); /* a breaker is about mail to it */
    assert_int_equal(stops_find(s, "a.test", "c.test"), STORE_STOP_DRAIN);
    assert_int_equal(stops_find(s, "c.test", "a.test"), STORE_STOP_DRAIN);
    assert_int_equal(stops_find(s, "", "a.test"), STORE_STOP_NONE);
    drain("b.test", true);
    stops_renew(s);
    assert_int_equal(stops_find(s, "a.test", "b.test"), STORE_STOP_DRAIN); /* the stronger of the two */
    drain("c.test", false);
    drain("b.test", false);
    drain("", true);
    stops_renew(s);
    assert_int_equal(stops_find(s, "", "x.test"), STORE_STOP_DRAIN);
    assert_null(stops_words(STORE_STOP_NONE));
    assert_non_null(stops_words(STORE_STOP_BREAKER));
    stops_free(&s);
}

static void where_a_peer_was_notified(void **state)
{
    (void)state;
    char *urls = NULL;
    bool changed;
    assert_int_equal(store_peer_inbound(site.store, "b.test", &urls, &err), RESULT_OK);
    assert_null(urls);
    store_peer_note_inbound(site.store, "b.test", "https://one.test\nhttps://two.test");
    failed("b.test", &changed); /* rides along; and leaves the URLs alone */
    assert_int_equal(store_peer_inbound(site.store, "b.test", &urls, &err), RESULT_OK);
    assert_string_equal(urls, "https://one.test\nhttps://two.test");
    mem_free(&urls);
    store_peer_note_inbound(site.store, "b.test", "https://three.test");
    failed("b.test", &changed);
    assert_int_equal(store_peer_inbound(site.store, "b.test", &urls, &err), RESULT_OK);
    assert_string_equal(urls, "https://three.test");
    mem_free(&urls);
    struct store_peers *peers = NULL;
    assert_int_equal(store_peers_read(site.store, &peers, &err), RESULT_OK);
    assert_int_equal(peers->list[0].failures, 2);
    store_peers_free(&peers);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_drain_refuses_new_mail),
        TEST(a_drain_of_everything_takes_nothing_at_all),
        TEST(a_resubmission_is_not_refused),
        TEST(a_drain_makes_work_due),
        TEST(a_return_that_comes_too_late),
        TEST(what_a_drain_waits_for),
        TEST(when_a_breaker_opens),
        TEST(an_open_breaker_makes_work_due),
        TEST(probes),
        TEST(the_copy_in_memory),
        TEST(where_a_peer_was_notified),
    };
    return test_run("store_stops", tests);
}
