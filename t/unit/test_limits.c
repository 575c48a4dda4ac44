/* lib/limits.c: rates, counts, the bound on the table, and how much is logged; with a clock of our own. */
#include "t/unit/test.h"

#include "lib/limits.h"

static msec_t now = 1000000;
static msec_t turned_clock(void)
{
    return now;
}

static unsigned lines;
static char last[1000];
static void catch_line(enum log_level level, const char *text)
{
    (void)level;
    lines++;
    snprintf(last, sizeof last, "%s", text);
}

static struct limits *all;
static struct limit *l;

static int up(void **state)
{
    (void)state;
    clock_set_mono_source(turned_clock);
    log_set_hook(catch_line);
    lines = 0;
    all = limits_new(NULL);
    l = limits_add(all, "test.rate");
    return 0;
}

static int down(void **state)
{
    (void)state;
    limits_free(&all);
    clock_set_mono_source(NULL);
    return 0;
}

static unsigned take_all(const char *key)
{
    unsigned n = 0;
    while (limit_take(l, key, NULL))
        n++;
    return n;
}

static void a_lower_burst_holds_at_once(void **state)
{
    (void)state;
    limit_set_rate(l, 10, 30);
    assert_true(limit_take(l, "a", NULL));
    limit_set_rate(l, 1, 5);
    assert_int_equal(take_all("a"), 5);
}

static void a_burst_then_the_rate(void **state)
{
    (void)state;
    unsigned wait;
    limit_set_rate(l, 10, 30);
    assert_int_equal(take_all("a"), 30);
    assert_false(limit_take(l, "a", &wait));
    assert_int_equal(wait, 1);
    assert_int_equal(take_all("b"), 30); /* another one is not touched */
    for (int second = 0; second < 5; second++) {
        now += 1000;
        assert_int_equal(take_all("a"), 10);
    }
    now += 100;
    assert_int_equal(take_all("a"), 1);
    now += 1000LL * 3600 * 24 * 365 * 100; /* no overflow, and no more than a burst */
    assert_int_equal(take_all("a"), 30);
    limit_set_rate(l, 0, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(limit_take(l, "a", NULL));
}

static void debts_and_credits(void **state)
{
    (void)state;
    unsigned wait;
    limit_set_rate(l, 100, 100);
    limit_charge(l, "a", 1100);
    assert_false(limit_allows(l, "a", &wait));
    assert_int_equal(wait, 11);
    limit_credit(l, "a", 1001);
    assert_true(limit_allows(l, "a", NULL));
    limit_charge(l, "a", 1);
    limit_credit(l, "a", 5000); /* more than the burst: it may have been notified of one large thing */
    limit_charge(l, "a", 4999);
    assert_true(limit_allows(l, "a", NULL));
    limit_charge(l, "a", 1);
    assert_false(limit_allows(l, "a", NULL));
    for (int i = 0; i < 1000; i++)
        limit_credit(l, "b", 60); /* small credits don't pile up */
    limit_charge(l, "b", 100);
    assert_false(limit_allows(l, "b", NULL));
}

static void counts(void **state)
{
    (void)state;
    assert_int_equal(limit_held(l, "a"), 0);
    limit_hold(l, "a");
    limit_hold(l, "a");
    limit_hold(l, "b");
    assert_int_equal(limit_held(l, "a"), 2);
    limit_release(l, "a");
    assert_int_equal(limit_held(l, "a"), 1);
    assert_int_equal(limit_held(l, "b"), 1);
}

static void the_table_is_bounded_and_keeps_who_holds(void **state)
{
    (void)state;
    char key[40];
    limit_set_rate(l, 1, 5);
    limit_hold(l, "holder");
    take_all("holder");
    take_all("early");
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(limit_take(l, key, NULL));
    }
    json_t *j = limits_json(all);
    assert_in_range(json_integer_value(json_object_get(json_array_get(j, 0), "keys")), 1000, 10001);
    json_decref(j);
    assert_int_equal(limit_held(l, "holder"), 1);
    assert_false(limit_allows(l, "holder", NULL));
    assert_true(limit_allows(l, "early", NULL)); /* forgotten */
    limit_release(l, "holder");
}

static void the_log_is_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        limit_refused(l, "192.0.2.1", "refused [192.0.2.1] number %d", i);
    assert_int_equal(lines, 20);
    assert_string_equal(last, "warning: refused [192.0.2.1] number 19");
    limits_say(all);
    assert_int_equal(lines, 21);
    assert_string_equal(last, "warning: limit test.rate: [192.0.2.1]: ... and 980 more like it in the last minute");
    limits_say(all); /* nothing new */
    assert_int_equal(lines, 21);
    lines = 0;
    char key[40];
    for (int i = 0; i < 30000; i++) { /* from everywhere */
        snprintf(key, sizeof key, "k%d", i);
        limit_refused(l, key, "refused %s", key);
    }
    assert_int_equal(lines, 60);
    limits_say(all);
    assert_int_equal(lines, 71);
    assert_string_equal(
        last, "warning: limit test.rate: ... and 29930 more like it in the last minute, from 9990 others or more");
    json_t *j = limits_json(all);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 0), "refused")), 31000);
    json_decref(j);
}

static void keys_of_addresses(void **state)
{
    (void)state;
    static const char *const want[][2] = {{"192.0.2.1", "192.0.2.1"},
                                          {"::ffff:192.0.2.1", "192.0.2.1"},
                                          {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
                                          {"2001:db8:1:2::1", "2001:db8:1:2::/64"},
                                          {"2001:db8:1:3::1", "2001:db8:1:3::/64"},
                                          {"::1", "::/64"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct netaddr a;
        char key[LIMIT_KEY_SIZE];
        assert_true(netaddr_parse(want[i][0], 443, &a));
        limit_key_of(&a, key);
        assert_string_equal(key, want[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lower_burst_holds_at_once, up, down),
        cmocka_unit_test_setup_teardown(a_burst_then_the_rate, up, down),
        cmocka_unit_test_setup_teardown(debts_and_credits, up, down),
        cmocka_unit_test_setup_teardown(counts, up, down),
        cmocka_unit_test_setup_teardown(the_table_is_bounded_and_keeps_who_holds, up, down),
        cmocka_unit_test_setup_teardown(the_log_is_bounded, up, down),
        cmocka_unit_test_setup_teardown(keys_of_addresses, up, down),
    };
    return test_run("limits", tests);
}
