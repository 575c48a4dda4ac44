/* Putting, finding, settling, resubmission, withdrawal, events, policies, purge. Claims, bodies and crashes have files
 * of their own. */
#include "t/unit/store_fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "lib/policy_cache.h"

static struct site site;

static int set_up(void **state)
{
    (void)state;
    site_make(&site, "inline-max = 1K");
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

static void what_is_put_is_found(void **state)
{
    (void)state;
    struct letter l = {.sender = "Ann@A.test",
                       .rcpts = {"bob@B.test", "carl@\xc3\xa4.test"},
                       .message_id = "<m1@a>",
                       .queue_id = "4XQ",
                       .client = "pc.a.test [10.0.0.1]",
                       .hold = 2000};
    char *id = put(site.store, &l);
    assert_int_equal(l.result.stored, 2);
    assert_null(l.result.resubmission_of);
    const char *const keys[] = {id, "4XQ", "<m1@a>", "m1@a"};
    for (size_t i = 0; i < 4; i++) {
        struct store_entries *list = find(site.store, keys[i]);
        assert_int_equal(list->n, 1);
        const struct store_entry *e = &list->entries[0];
        assert_string_equal(e->id, id);
        assert_string_equal(e->envelope.sender, "Ann@A.test");
        assert_string_equal(e->iss, "a.test");
        assert_string_equal(e->client, "pc.a.test [10.0.0.1]");
        assert_int_equal(e->created, test_time);
        assert_int_equal(e->expires, test_time + 1000000);
        assert_int_equal(e->size, strlen(TEST_TRACE) + 5);
        assert_int_equal(e->nrcpts, 2);
        assert_string_equal(e->rcpts[0].address, "bob@B.test");
        assert_string_equal(e->rcpts[0].domain, "b.test");
        assert_string_equal(e->rcpts[1].domain, "xn--4ca.test");
        assert_string_equal(e->rcpts[1].notify, "FAILURE");
        assert_int_equal(e->rcpts[0].state, RCPT_QUEUED);
        assert_int_equal(e->rcpts[0].next, test_time + 2000);
        assert_int_equal(e->rcpts[0].attempts, 0);
        assert_false(e->rcpts[0].offered);
        store_entries_free(&list);
    }
    struct store_entries *list = find(site.store, "");
    assert_int_equal(list->n, 0);
    store_entries_free(&list);
    mem_free(&id);
}

static void null_sender_and_bad_domains(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.sender = ""};
    char *id = put(site.store, &l);
    struct store_entries *list = find(site.store, id);
    assert_string_equal(list->entries[0].iss, "");
    store_entries_free(&list);
    mem_free(&id);
    struct letter bad = {.rcpts = {"b@[127.0.0.1]"}};
    assert_null(try_put(site.store, &bad, &err));
    assert_int_equal(err.result, RESULT_PERM);
    assert_non_null(strstr(err.text, "b@[127.0.0.1]"));
    struct letter worse = {.sender = "a@localhost"};
    assert_null(try_put(site.store, &worse, &err));
    assert_int_equal(stats_of(site.store).messages, 1);
}

/* All states times all events, through the database. */
static void whole_state_table(void **state)
{
    (void)state;
    static const enum rcpt_event ways[RCPT_STATES][2] = {
        [RCPT_QUEUED] = {RCPT_EVENTS, RCPT_EVENTS},
        [RCPT_ACCEPTED] = {RCPT_EV_ACCEPTED, RCPT_EVENTS},
        [RCPT_RETURNING] = {RCPT_EV_FALLBACK, RCPT_EVENTS},
        [RCPT_BOUNCING] = {RCPT_EV_REJECTED, RCPT_EVENTS},
        [RCPT_DELIVERED] = {RCPT_EV_DELIVERED, RCPT_EVENTS},
        [RCPT_RETURNED] = {RCPT_EV_FALLBACK, RCPT_EV_RETURN_DONE},
        [RCPT_BOUNCED] = {RCPT_EV_REJECTED, RCPT_EV_BOUNCE_DONE},
        [RCPT_RECALLED] = {RCPT_EV_RECALL, RCPT_EVENTS},
        [RCPT_REPORTING] = {RCPT_EV_UNREPORTED, RCPT_EVENTS},
    };
    for (int s = 0; s < RCPT_STATES; s++) {
        if (s == RCPT_SHADOWED) /* t/unit/test_store_shadow.c */
            continue;
        for (int e = 0; e < RCPT_EVENTS; e++) {
            struct letter l = {0};
            char *id = put(site.store, &l);
            int64_t rid = rid_of(site.store, id, 0);
            for (int i = 0; i < 2 && ways[s][i] != RCPT_EVENTS; i++)
                assert_true(settle(site.store, rid, ways[s][i]));
            struct store_rcpt before = rcpt_of(site.store, id, 0);
            assert_int_equal(before.state, s);
            test_time += 1000;
            enum rcpt_state next = before.state;
            bool listed = rcpt_state_next(before.state, (enum rcpt_event)e, false, &next);
            assert_int_equal(settle_next(site.store, rid, (enum rcpt_event)e, test_time + 5), listed);
            struct store_rcpt after = rcpt_of(site.store, id, 0);
            assert_int_equal(after.state, next);
            /* A DSN does not wait when there is nobody who could join it. */
            bool at_once = next != before.state && (next == RCPT_BOUNCING || next == RCPT_REPORTING);
            assert_int_equal(after.next, listed ? test_time + (at_once ? 0 : 5) : before.next);
            assert_int_equal(after.since, next == before.state ? before.since : test_time);
            mem_free(&id);
        }
    }
    struct store_stats t = stats_of(site.store);
    uint64_t all = 0, open = 0;
    for (int s = 0; s < RCPT_STATES; s++) {
        all += t.rcpts[s];
        open += rcpt_state_final((enum rcpt_state)s) ? 0 : t.rcpts[s];
    }
    assert_int_equal(all, (RCPT_STATES - 1) * RCPT_EVENTS);
    assert_int_equal(open, t.messages);
    assert_int_equal(t.bodies, 1); /* all the same one */
}

static void attempts_count_by_kind_of_work(void **state)
{
    (void)state;
    static const struct {
        enum rcpt_event event;
        unsigned attempts;
    } story[] = {{RCPT_EV_UNREACHABLE, 1},  {RCPT_EV_DEFERRED, 2},     {RCPT_EV_ACCEPTED, 3},
                 {RCPT_EV_ACCEPTED, 4},     {RCPT_EV_DEFERRED, 5},     {RCPT_EV_FALLBACK, 0},
                 {RCPT_EV_RETURN_LATER, 1}, {RCPT_EV_RETURN_LATER, 2}, {RCPT_EV_RETURN_FAILED, 0},
                 {RCPT_EV_BOUNCE_LATER, 1}, {RCPT_EV_BOUNCE_DONE, 0}};
    struct letter l = {0};
    char *id = put(site.store, &l);
    for (size_t i = 0; i < sizeof story / sizeof story[0]; i++) {
        assert_true(settle(site.store, rid_of(site.store, id, 0), story[i].event));
        assert_int_equal(rcpt_of(site.store, id, 0).attempts, story[i].attempts);
    }
    mem_free(&id);
}

/* Recall and return against a fetch: whichever is written first wins, and the other one sees it. */
static void a_fetch_and_a_recall_exclude_each_other(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test", "c@c.test"}};
    char *id = put(site.store, &l);
    bool changed[2];
    const struct store_settlement recall[2] = {
        {.rid = rid_of(site.store, id, 0), .event = RCPT_EV_RECALL, .unless_fetched = true},
        {.rid = rid_of(site.store, id, 1), .event = RCPT_EV_RECALL, .unless_fetched = true},
    };
    assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_settle(site.store, recall, 2, changed, NULL, NULL, &err), RESULT_OK);
    assert_false(changed[0]); /* being fetched */
    assert_true(changed[1]);
    assert_int_equal(store_fetch_begin(site.store, id, "c.test", true, NULL, NULL, &err), RESULT_PERM); /* recalled */
    assert_int_equal(store_fetch_begin(site.store, "NOSUCH", "c.test", true, NULL, NULL, &err), RESULT_PERM);
    assert_int_equal(store_fetch_end(site.store, id, "b.test", false, "p", NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_settle(site.store, recall, 1, changed, NULL, NULL, &err), RESULT_OK);
    assert_true(changed[0]); /* the fetch broke off: nothing was taken */
    mem_free(&id);
}

/*
 * t/model/ssmp.pml found this: a receipt that says "deferred", held up on its way while the peer was notified again and took the
 * message, would clear the doubt, and the message would go by SMTP as well.
 */
static void late_news_of_an_earlier_notification_change_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test"}};
    char *id = put(site.store, &l);
    int64_t serials[2];
    for (int i = 0; i < 2; i++) {
        struct store_entries *claimed = NULL;
        msec_t next;
        assert_int_equal(store_claim(site.store, STORE_NOTIFY, 10, 60000, &claimed, &next, &err), RESULT_OK);
        assert_int_equal(claimed->n, 1);
        serials[i] = claimed->entries[0].rcpts[0].serial;
        assert_int_equal(rcpt_of(site.store, id, 0).serial, serials[i]);
        store_entries_free(&claimed);
        assert_int_equal(store_release_leases(site.store, &err), RESULT_OK);
    }
    assert_true(serials[0] > 0 && serials[1] > serials[0]);
    store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err);
    store_fetch_end(site.store, id, "b.test", true, "p", NULL, NULL, &err);
    bool changed;
    struct store_settlement late = {.rid = rid_of(site.store, id, 0), .event = RCPT_EV_DEFERRED, .serial = serials[0]};
    assert_int_equal(store_settle(site.store, &late, 1, &changed, NULL, NULL, &err), RESULT_OK);
    assert_false(changed);
    assert_true(rcpt_of(site.store, id, 0).fetched != 0);
    late.serial = serials[1]; /* the answer to the last one counts */
    assert_int_equal(store_settle(site.store, &late, 1, &changed, NULL, NULL, &err), RESULT_OK);
    assert_true(changed);
    assert_true(rcpt_of(site.store, id, 0).fetched == 0);
    mem_free(&id);
}

/* A definite answer means that the peer holds nothing. */
static void definite_answers_clear_the_doubt(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test"}};
    char *id = put(site.store, &l);
    struct store_settlement s = {.rid = rid_of(site.store, id, 0), .event = RCPT_EV_UNREACHABLE};
    store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err);
    store_fetch_end(site.store, id, "b.test", true, "p", NULL, NULL, &err);
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
    assert_true(rcpt_of(site.store, id, 0).fetched != 0 && rcpt_of(site.store, id, 0).offered);
    s.event = RCPT_EV_DEFERRED;
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
    assert_false(rcpt_of(site.store, id, 0).fetched != 0 || rcpt_of(site.store, id, 0).offered);
    mem_free(&id);
}

static void claim_notifications(void)
{
    struct error err = {0};
    struct store_entries *list = NULL;
    msec_t next;
    assert_int_equal(store_claim(site.store, STORE_NOTIFY, 100, 60000, &list, &next, &err), RESULT_OK);
    store_entries_free(&list);
}

/*
 * The capability is one for all recipients at a site, and the peer may hold a promise for b: a fetch for c would deliver to b as well,
 * who goes by SMTP. So it is also while the notification is under way, and if a crash lost what became of it.
 */
static void no_fetch_for_one_beside_another_that_was_taken_back(void **state)
{
    (void)state;
    enum { ACCEPTED, UNDER_WAY, CRASHED, DEFERRED, CASES };
    for (int what = 0; what < CASES; what++) {
        struct error err = {0};
        struct letter l = {.rcpts = {"b@b.test", "c@b.test"}};
        char *id = put(site.store, &l);
        const int64_t b = rid_of(site.store, id, 0);
        claim_notifications();
        assert_true(rcpt_of(site.store, id, 0).offered && rcpt_of(site.store, id, 1).offered);
        if (what == ACCEPTED)
            settle(site.store, b, RCPT_EV_ACCEPTED);
        if (what == CRASHED)
            assert_int_equal(store_release_leases(site.store, &err), RESULT_OK);
        if (what == DEFERRED)
            settle(site.store, b, RCPT_EV_DEFERRED); /* it holds nothing */
        settle(site.store, b, RCPT_EV_FALLBACK);
        assert_int_equal(rcpt_of(site.store, id, 0).state, RCPT_RETURNING);
        assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err),
                         what == DEFERRED ? RESULT_OK : RESULT_PERM);
        assert_int_equal(rcpt_of(site.store, id, 1).fetching != 0, what == DEFERRED);
        mem_free(&id);
    }
}

/*
 * The first fetch was perhaps for b, and was perhaps whole: only a crash knows. The second one is for c and breaks off, which says
 * nothing about the first.
 */
static void a_fetch_whose_end_is_unknown_stays_in_doubt(void **state)
{
    (void)state;
    for (int alone = 0; alone < 2; alone++) {
        struct error err = {0};
        struct letter l = {.rcpts = {"b@b.test", "c@b.test"}};
        char *id = put(site.store, &l);
        assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err), RESULT_OK);
        assert_int_equal(store_fetch_begin(site.store, id, "b.test", alone, NULL, NULL, &err), RESULT_OK);
        assert_int_equal(store_fetch_end(site.store, id, "b.test", false, "peer", NULL, NULL, &err), RESULT_OK);
        /* Two at one time: the end of the last is that of both. */
        assert_int_equal(rcpt_of(site.store, id, 0).fetched != 0, alone);
        struct store_settlement s = {
            .rid = rid_of(site.store, id, 0), .event = RCPT_EV_FALLBACK, .unless_fetched = true};
        assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
        assert_int_equal(rcpt_of(site.store, id, 0).state, alone ? RCPT_QUEUED : RCPT_RETURNING);
        mem_free(&id);
    }
}

static void settling_leaves_words_and_a_trace(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test", "c@c.test"}};
    char *id = put(site.store, &l);
    bool changed[4] = {false, true, true, false};
    struct store_settlement s[4] = {
        {.rid = rid_of(site.store, id, 0),
         .event = RCPT_EV_UNREACHABLE,
         .text = "no route",
         .peer = "b[1]:2",
         .next = test_time + 7},
        {.rid = rid_of(site.store, id, 1), .event = RCPT_EV_RETURN_DONE},
        {.rid = 999999, .event = RCPT_EV_DELIVERED},
        {.rid = rid_of(site.store, id, 1), .event = RCPT_EV_DELIVERED, .dsn = "2.1.5", .text = "250 ok"},
    };
    assert_int_equal(store_settle(site.store, s, 4, changed, NULL, NULL, &err), RESULT_OK);
    assert_true(changed[0]);
    assert_false(changed[1]);
    assert_false(changed[2]);
    assert_true(changed[3]);
    struct store_entries *list = find(site.store, id);
    assert_string_equal(list->entries[0].rcpts[0].text, "no route");
    assert_string_equal(list->entries[0].rcpts[0].peer, "b[1]:2");
    assert_string_equal(list->entries[0].rcpts[1].dsn, "2.1.5");
    assert_null(list->entries[0].rcpts[1].peer);
    store_entries_free(&list);

    store_add_event(site.store, id, NULL, "notifying", "https://b");
    store_add_event(site.store, "NOSUCH", NULL, "notifying", NULL);
    assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(rcpt_of(site.store, id, 0).fetching, test_time);
    assert_int_equal(store_fetch_end(site.store, id, "b.test", true, "peer", NULL, NULL, &err), RESULT_OK);
    assert_int_equal(rcpt_of(site.store, id, 0).fetched, test_time);
    assert_int_equal(rcpt_of(site.store, id, 0).fetching, 0);
    assert_int_equal(rcpt_of(site.store, id, 1).fetched, 0);
    struct store_event *events = NULL;
    size_t n = 0;
    assert_int_equal(store_events(site.store, id, &events, &n, &err), RESULT_OK);
    assert_int_equal(n, 5);
    static const char *const what[] = {"stored", "unreachable", "delivered", "notifying", "fetched"};
    for (size_t i = 0; i < n; i++)
        assert_string_equal(events[i].what, what[i]);
    assert_string_equal(events[2].address, "c@c.test");
    assert_string_equal(events[2].text, "2.1.5 250 ok");
    store_events_free(&events, n);
    assert_int_equal(store_events(site.store, "NOSUCH", &events, &n, &err), RESULT_OK);
    assert_int_equal(n, 0);
    mem_free(&id);
}

/* Else the return of c would wait for a word about c that will never come. */
static void a_fetch_is_not_for_those_who_go_another_way(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test", "c@b.test"}};
    char *id = put(site.store, &l);
    struct store_settlement s = {.rid = rid_of(site.store, id, 1), .event = RCPT_EV_USE_SMTP};
    assert_int_equal(store_fetch_begin(site.store, id, "b.test", true, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_settle(site.store, &s, 1, NULL, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_fetch_end(site.store, id, "b.test", true, "peer", NULL, NULL, &err), RESULT_OK);
    assert_int_equal(rcpt_of(site.store, id, 0).fetched, test_time);
    assert_int_equal(rcpt_of(site.store, id, 1).fetched, 0);
    assert_false(rcpt_of(site.store, id, 1).offered);
    mem_free(&id);
}

static void resubmission_is_recognised(void **state)
{
    (void)state;
    struct letter l = {.rcpts = {"b@b.test", "c@c.test"}, .message_id = "<m@a>", .client = "x", .window = 60000};
    char *first = put(site.store, &l);

    struct letter again = l; /* the whole of it */
    char *id = put(site.store, &again);
    assert_int_equal(again.result.stored, 0);
    assert_string_equal(again.result.resubmission_of, first);
    mem_free(&again.result.resubmission_of);
    mem_free(&id);

    struct letter wider = l; /* one recipient more, one known one */
    wider.rcpts[0] = "new@b.test";
    id = put(site.store, &wider);
    assert_int_equal(wider.result.stored, 1);
    assert_string_equal(wider.result.resubmission_of, first);
    mem_free(&wider.result.resubmission_of);
    struct store_entries *list = find(site.store, id);
    assert_int_equal(list->entries[0].nrcpts, 1);
    assert_string_equal(list->entries[0].rcpts[0].address, "new@b.test");
    store_entries_free(&list);
    mem_free(&id);

    /* Each of these makes it another message. */
    struct letter others[5] = {l, l, l, l, l};
    others[0].client = "y";
    others[1].message_id = "<n@a>";
    others[2].body = "Other";
    others[3].sender = "z@a.test";
    others[4].window = 0;
    for (int i = 0; i < 5; i++) {
        id = put(site.store, &others[i]);
        assert_int_equal(others[i].result.stored, 2);
        assert_null(others[i].result.resubmission_of);
        mem_free(&id);
    }
    test_time += 70000; /* and so does time */
    struct letter late = l;
    id = put(site.store, &late);
    assert_int_equal(late.result.stored, 2);
    mem_free(&id);
    mem_free(&first);
}

/* Delivered at once, body long deleted: still the same message. Withdrawn: not held by anybody, so it is stored. */
static void resubmission_of_settled_and_withdrawn(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.message_id = "<m@a>", .window = 60000};
    char *first = put(site.store, &l);
    settle(site.store, rid_of(site.store, first, 0), RCPT_EV_DELIVERED);
    struct letter again = l;
    char *id = put(site.store, &again);
    assert_int_equal(again.result.stored, 0);
    mem_free(&again.result.resubmission_of);
    mem_free(&id);
    mem_free(&first);

    l.message_id = "<other@a>";
    first = put(site.store, &l);
    assert_int_equal(store_withdraw(site.store, first, &err), RESULT_OK);
    again = l;
    id = put(site.store, &again);
    assert_int_equal(again.result.stored, 1);
    assert_null(again.result.resubmission_of);
    mem_free(&id);
    mem_free(&first);
}

static void without_message_id_nothing_is_a_resubmission(void **state)
{
    (void)state;
    struct letter l = {.window = 60000};
    for (int i = 0; i < 2; i++) {
        char *id = put(site.store, &l);
        assert_int_equal(l.result.stored, 1);
        mem_free(&id);
    }
}

static void withdraw_only_what_nobody_knows(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {.rcpts = {"b@b.test", "c@c.test"}, .hold = 1000};
    char *id = put(site.store, &l);
    assert_int_equal(store_withdraw(site.store, id, &err), RESULT_OK);
    assert_int_equal(rcpt_of(site.store, id, 1).state, RCPT_RECALLED);
    assert_int_equal(stats_of(site.store).bodies, 0);
    assert_int_equal(store_withdraw(site.store, id, &err), RESULT_PERM);
    mem_free(&id);
    assert_int_equal(store_withdraw(site.store, "NOSUCH", &err), RESULT_PERM);

    id = put(site.store, &l);
    const char *const ids[] = {id};
    struct store_entries *list = NULL;
    assert_int_equal(store_claim_messages(site.store, ids, 1, 1000, &list, &err), RESULT_OK); /* being notified */
    store_entries_free(&list);
    assert_int_equal(store_withdraw(site.store, id, &err), RESULT_PERM);
    assert_int_equal(rcpt_of(site.store, id, 0).state, RCPT_QUEUED);
    assert_int_equal(store_release_leases(site.store, &err), RESULT_OK);
    settle(site.store, rid_of(site.store, id, 1), RCPT_EV_UNREACHABLE); /* was notified */
    assert_int_equal(store_withdraw(site.store, id, &err), RESULT_PERM);
    mem_free(&id);
}

static void list_walks_open_messages(void **state)
{
    (void)state;
    struct error err = {0};
    char *ids[7];
    for (int i = 0; i < 7; i++) {
        struct letter l = {0};
        ids[i] = put(site.store, &l);
        test_time += 10;
    }
    settle(site.store, rid_of(site.store, ids[3], 0), RCPT_EV_DELIVERED);
    static const int expect[] = {0, 1, 2, 4, 5, 6};
    size_t got = 0;
    char *after = NULL;
    for (;;) {
        struct store_entries *list = NULL;
        assert_int_equal(store_list(site.store, after, 2, &list, &err), RESULT_OK);
        mem_free(&after);
        for (size_t i = 0; i < list->n; i++)
            assert_string_equal(list->entries[i].id, ids[expect[got++]]);
        bool end = list->n == 0;
        if (!end)
            after = mem_strdup(list->entries[list->n - 1].id);
        store_entries_free(&list);
        if (end)
            break;
    }
    assert_int_equal(got, 6);
    assert_int_equal(stats_of(site.store).oldest, 1700000000000);
    for (int i = 0; i < 7; i++)
        mem_free(&ids[i]);
}

static void find_for_one_domain(void **state)
{
    (void)state;
    struct error err = {0};
    struct store_entries *list = NULL;
    struct letter l = {.rcpts = {"a@b.test", "c@c.test", "b@B.TEST"}};
    char *id = put(site.store, &l);
    assert_int_equal(store_find_for(site.store, id, "b.test", &list, &err), RESULT_OK);
    assert_int_equal(list->n, 1);
    assert_int_equal(list->entries[0].nrcpts, 2);
    assert_string_equal(list->entries[0].id, id);
    store_entries_free(&list);
    assert_int_equal(store_find_for(site.store, id, "d.test", &list, &err), RESULT_OK);
    assert_int_equal(list->n, 0);
    store_entries_free(&list);
    mem_free(&id);
}

static void purge_forgets_old_history_only(void **state)
{
    (void)state;
    struct error err = {0};
    bool more = false;
    char *ids[4];
    for (int i = 0; i < 4; i++) {
        struct letter l = {0};
        ids[i] = put(site.store, &l);
        if (i != 1)
            settle(site.store, rid_of(site.store, ids[i], 0), RCPT_EV_DELIVERED);
        test_time += 1000;
    }
    do
        assert_int_equal(store_purge(site.store, 1500, 1, &more, &err), RESULT_OK);
    while (more);
    static const size_t left[] = {0, 1, 0, 1}; /* 0 and 2 settled long enough ago; 1 waits; 3 is recent */
    for (int i = 0; i < 4; i++) {
        struct store_entries *list = find(site.store, ids[i]);
        assert_int_equal(list->n, left[i]);
        store_entries_free(&list);
        mem_free(&ids[i]);
    }
    assert_int_equal(stats_of(site.store).rcpts[RCPT_DELIVERED], 1);
}

static void policies_are_kept(void **state)
{
    (void)state;
    struct error err = {0};
    struct policy_cache_entry *got = NULL;
    struct policy_cache_entry e = {.domain = "b.test",
                                   .txt_id = "x1",
                                   .policy = mem_strdup("{}"),
                                   .fetched = 1,
                                   .usable_until = 2,
                                   .checked = 3,
                                   .check_next = 4,
                                   .error = "oops"};
    assert_int_equal(store_policy_load(site.store, "b.test", &got, &err), RESULT_OK);
    assert_null(got);
    assert_int_equal(store_policy_save(site.store, &e, NULL, NULL, &err), RESULT_OK);
    mem_free(&e.policy);
    assert_int_equal(store_policy_load(site.store, "b.test", &got, &err), RESULT_OK);
    assert_string_equal(got->policy, "{}");
    assert_string_equal(got->txt_id, "x1");
    assert_string_equal(got->error, "oops");
    assert_int_equal(got->usable_until, 2);
    assert_int_equal(got->check_next, 4);
    policy_cache_entry_free(&got);
    assert_int_equal(store_policy_save(site.store, &e, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(store_policy_load(site.store, "b.test", &got, &err), RESULT_OK);
    assert_null(got->policy);
    policy_cache_entry_free(&got);
}

static void wakeup_reaches_the_daemon(void **state)
{
    (void)state;
    struct error err = {0};
    char got[64];
    store_release(site.store, "01ABC"); /* nobody there: nothing happens */
    int old = store_wakeup_socket(site.store, &err);
    assert_true(old >= 0);
    int fd = store_wakeup_socket(site.store, &err); /* a stale one is in the way */
    assert_true(fd >= 0);
    store_release(site.store, "01ABC");
    ssize_t n = recv(fd, got, sizeof got, 0);
    assert_int_equal(n, 5);
    assert_memory_equal(got, "01ABC", 5);
    msec_t begun = clock_mono();
    for (int i = 0; i < 2000; i++) /* a reader that doesn't read is not waited for each time */
        store_release(site.store, "01ABC");
    assert_in_range(clock_mono() - begun, 0, 1000);
    close(fd);
    close(old);
}

enum { BURST = 3000 };

static void *read_slowly(void *arg)
{
    const int *fd = arg;
    char got[64];
    struct pollfd p = {.fd = *fd, .events = POLLIN};
    intptr_t n = 0;
    while (n < BURST && poll(&p, 1, 5000) == 1) {
        while (recv(*fd, got, sizeof got, 0) == 5)
            n++;
        if (n % 100 == 0)
            usleep(100);
    }
    return (void *)n;
}

/* Many sessions end at once: a reader whose queue is full is waited for. */
static void wakeups_are_not_lost(void **state)
{
    (void)state;
    struct error err;
    pthread_t reader;
    void *n = NULL;
    int fd = store_wakeup_socket(site.store, &err);
    assert_true(fd >= 0);
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, &fd), 0);
    for (int i = 0; i < BURST; i++)
        store_release(site.store, "01ABC");
    pthread_join(reader, &n);
    assert_int_equal((intptr_t)n, BURST);
    close(fd);
}

static void read_only_changes_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {0};
    char *id = put(site.store, &l);
    struct store *ro = site_open(&site, STORE_READ_ONLY, "ctl");
    struct store_entries *list = find(ro, id);
    assert_int_equal(list->n, 1);
    int64_t rid = list->entries[0].rcpts[0].rid;
    store_entries_free(&list);
    assert_null(try_put(ro, &l, &err));
    assert_int_equal(err.result, RESULT_PERM);
    struct store_settlement s = {.rid = rid, .event = RCPT_EV_DELIVERED};
    assert_int_equal(store_settle(ro, &s, 1, NULL, NULL, NULL, &err), RESULT_PERM);
    assert_int_equal(store_postpone(ro, &rid, 1, 1, NULL, NULL, &err), RESULT_PERM);
    assert_int_equal(store_withdraw(ro, id, &err), RESULT_PERM);
    store_add_event(ro, id, NULL, "x", NULL);
    store_close(&ro);
    mem_free(&id);
}

static void opening_says_what_is_wrong(void **state)
{
    (void)state;
    struct error err = {0};
    struct store *s = NULL;
    char path[200];
    store_close(&site.store);
    snprintf(path, sizeof path, "%s/store/store.db", site.dir);

    struct sqlite_db *db = NULL; /* from the future */
    assert_int_equal(sqlite_db_open(path, SQLITE_WRITER, 100, &db, &err), RESULT_OK);
    assert_int_equal(sqlite_db_run(db, "UPDATE meta SET value = 99 WHERE name = 'schema'", &err), RESULT_OK);
    sqlite_db_close(&db);
    assert_int_equal(store_open(site.config, STORE_READ_WRITE, "n", &s, &err), RESULT_PERM);
    assert_null(s);
    assert_non_null(strstr(err.text, "newer"));
    assert_int_equal(store_open(site.config, STORE_READ_ONLY, "n", &s, &err), RESULT_PERM);

    int fd = open(path, O_WRONLY | O_TRUNC); /* damaged */
    assert_int_equal(
        write(fd, "no database at all, not at all, never was one........................................", 80), 80);
    close(fd);
    assert_int_equal(store_open(site.config, STORE_READ_WRITE, "n", &s, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "store.db"));

    unlink(path); /* none */
    assert_int_equal(store_open(site.config, STORE_READ_ONLY, "n", &s, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "No such file"));
    assert_null(s);
}

static void modes_dont_depend_on_umask(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned mode;
    } files[] = {{"", 02770},         {"/incoming", 02770},    {"/bodies", 02770},     {"/bodies/7f", 02770},
                 {"/store.db", 0660}, {"/store.db-wal", 0660}, {"/store.db-shm", 0660}};
    site_remove(&site);
    mode_t old = umask(077);
    site_make(&site, "");
    struct letter l = {0};
    char *id = put(site.store, &l);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[200];
        struct stat st;
        snprintf(path, sizeof path, "%s/store%s", site.dir, files[i].name);
        assert_int_equal(stat(path, &st), 0);
        if ((st.st_mode & 07777) != files[i].mode)
            fail_msg("%s has mode %o", path, st.st_mode & 07777);
    }
    umask(old);
    mem_free(&id);
}

/* What came by LMTP and does not cross the bridge: due for SMTP at once, whatever its addresses look like. */
static void some_go_back_at_once(void **state)
{
    (void)state;
    struct error err = {0};
    struct letter l = {
        .rcpts = {"b@b.test", "c@[192.0.2.1]", "local"}, .returning = {NULL, "a rule", "no domain"}, .hold = 5000};
    char *id = put(site.store, &l);
    struct store_entries *list = find(site.store, id);
    assert_int_equal(list->entries[0].nrcpts, 3);
    assert_int_equal(list->entries[0].rcpts[0].state, RCPT_QUEUED);
    assert_int_equal(list->entries[0].rcpts[1].state, RCPT_RETURNING);
    assert_string_equal(list->entries[0].rcpts[1].text, "a rule");
    assert_int_equal(list->entries[0].rcpts[2].state, RCPT_RETURNING);
    store_entries_free(&list);
    msec_t next;
    assert_int_equal(store_claim(site.store, STORE_RETURN, 10, 60000, &list, &next, &err), RESULT_OK);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        n += list->entries[i].nrcpts;
    assert_int_equal(n, 2);
    store_entries_free(&list);
    /* The same address, to be diverted, needs a domain; so does the sender. */
    struct letter bad = {.rcpts = {"local"}};
    assert_null(try_put(site.store, &bad, &err));
    assert_int_equal(err.result, RESULT_PERM);
    struct letter strange = {.sender = "alice", .rcpts = {"b@b.test"}, .returning = {"malformed sender"}};
    char *other = put(site.store, &strange);
    mem_free(&other);
    mem_free(&id);
}

/* Bytes that no other message has need no Message-ID. */
static void unique_bytes_are_known_again(void **state)
{
    (void)state;
    struct letter l = {.unique_bytes = true, .window = 1000, .returning = {"a rule"}};
    char *id = put(site.store, &l);
    struct letter again = {.unique_bytes = true, .window = 1000};
    char *second = put(site.store, &again);
    assert_int_equal(again.result.stored, 0);
    assert_string_equal(again.result.resubmission_of, id);
    mem_free(&again.result.resubmission_of);
    struct letter other = {.window = 1000};
    char *third = put(site.store, &other);
    assert_int_equal(other.result.stored, 1);
    mem_free(&id);
    mem_free(&second);
    mem_free(&third);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_found),
        TEST(null_sender_and_bad_domains),
        TEST(whole_state_table),
        TEST(attempts_count_by_kind_of_work),
        TEST(no_fetch_for_one_beside_another_that_was_taken_back),
        TEST(a_fetch_whose_end_is_unknown_stays_in_doubt),
        TEST(settling_leaves_words_and_a_trace),
        TEST(a_fetch_is_not_for_those_who_go_another_way),
        TEST(a_fetch_and_a_recall_exclude_each_other),
        TEST(late_news_of_an_earlier_notification_change_nothing),
        TEST(definite_answers_clear_the_doubt),
        TEST(resubmission_is_recognised),
        TEST(resubmission_of_settled_and_withdrawn),
        TEST(without_message_id_nothing_is_a_resubmission),
        TEST(withdraw_only_what_nobody_knows),
        TEST(list_walks_open_messages),
        TEST(find_for_one_domain),
        TEST(purge_forgets_old_history_only),
        TEST(policies_are_kept),
        TEST(wakeup_reaches_the_daemon),
        TEST(wakeups_are_not_lost),
        TEST(read_only_changes_nothing),
        TEST(opening_says_what_is_wrong),
        TEST(modes_dont_depend_on_umask),
        TEST(some_go_back_at_once),
        TEST(unique_bytes_are_known_again),
    };
    return test_run("store", tests);
}
