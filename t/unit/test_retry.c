#include "t/unit/test.h"

#include "lib/retry.h"

enum { SEC = 1000, MIN = 60 * SEC };

static void check_range(unsigned attempts, msec_t min, msec_t max, msec_t want)
{
    for (int i = 0; i < 200; i++) {
        msec_t d = retry_delay(attempts, min, max, 0);
        assert_true(d <= want);
        assert_true(d >= want - want / 4);
    }
}

static void doubles_up_to_the_bound(void **state)
{
    (void)state;
    check_range(1, 30 * SEC, 60 * MIN, 30 * SEC);
    check_range(2, 30 * SEC, 60 * MIN, 60 * SEC);
    check_range(5, 30 * SEC, 60 * MIN, 8 * MIN);
    check_range(8, 30 * SEC, 60 * MIN, 60 * MIN);
    check_range(9, 30 * SEC, 60 * MIN, 60 * MIN);
    check_range(UINT32_MAX, 30 * SEC, 60 * MIN, 60 * MIN);
    check_range(UINT32_MAX, 1, INT64_MAX, INT64_MAX);
    check_range(1, 60 * MIN, 30 * SEC, 30 * SEC); /* the upper bound wins */
    check_range(0, 10 * SEC, MIN, 10 * SEC);
}

static void jitter_spreads(void **state)
{
    (void)state;
    msec_t low = 1000 * SEC;
    msec_t high = 0;
    for (int i = 0; i < 1000; i++) {
        msec_t d = retry_delay(1, 1000 * SEC, 2000 * SEC, 0);
        low = d < low ? d : low;
        high = d > high ? d : high;
    }
    assert_true(high - low > 200 * SEC);
}

static void never_a_busy_loop(void **state)
{
    (void)state;
    assert_int_equal(retry_delay(1, 0, 0, 0), 1);
    assert_int_equal(retry_delay(UINT32_MAX, 0, MIN, 0), 1);
    assert_int_equal(retry_delay(1, -5, MIN, -5), 1);
    assert_int_equal(retry_delay(1, 3, 3, 0), 3); /* too short for jitter */
}

static void peers_wish_is_a_lower_bound(void **state)
{
    (void)state;
    assert_int_equal(retry_delay(1, SEC, 60 * MIN, 5 * MIN), 5 * MIN);
    assert_int_equal(retry_delay(1, SEC, 60 * MIN, 600 * MIN), 60 * MIN);
    assert_true(retry_delay(1, 10 * MIN, 60 * MIN, SEC) >= 7 * MIN);
}

static void seed_repeats(void **state)
{
    (void)state;
    msec_t first[20];
    retry_seed(42);
    for (int i = 0; i < 20; i++)
        first[i] = retry_delay(3, MIN, 60 * MIN, 0);
    retry_seed(42);
    bool differ = false;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(retry_delay(3, MIN, 60 * MIN, 0), first[i]);
        differ = differ || first[i] != first[0];
    }
    assert_true(differ);
    retry_seed(0);
}

static void retry_after(void **state)
{
    (void)state;
    const msec_t year = INT64_C(365) * 24 * 60 * MIN;
    const msec_t now = INT64_C(784111777) * 1000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(retry_after_parse("120", now), 120 * SEC);
    assert_int_equal(retry_after_parse("0", now), 0);
    assert_int_equal(retry_after_parse("999999999", now), year);
    assert_int_equal(retry_after_parse("99999999999999999999999999", now), year);
    assert_int_equal(retry_after_parse("Sun, 06 Nov 1994 08:50:37 GMT", now), MIN);
    assert_int_equal(retry_after_parse("Sunday, 06-Nov-94 08:50:37 GMT", now), MIN);
    assert_int_equal(retry_after_parse("Sun Nov  6 08:50:37 1994", now), MIN);
    assert_int_equal(retry_after_parse("Sun, 06 Nov 1994 08:49:36 GMT", now), 0); /* past */
    assert_int_equal(retry_after_parse("Fri, 31 Dec 9999 23:59:59 GMT", now), year);
    static const char *const bad[] = {"",
                                      " ",
                                      "-1",
                                      "+1",
                                      "1.5",
                                      "1s",
                                      " 1",
                                      "0x10",
                                      "soon",
                                      "Sun, 06 Nov 2094",
                                      "Sun, 06 Nov 2094 08:50:37 GMTx",
                                      "Sun, 99 Nov 2094 08:50:37 GMT"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(retry_after_parse(bad[i], now), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_up_to_the_bound),
        cmocka_unit_test(jitter_spreads),
        cmocka_unit_test(never_a_busy_loop),
        cmocka_unit_test(peers_wish_is_a_lower_bound),
        cmocka_unit_test(seed_repeats),
        cmocka_unit_test(retry_after),
    };
    return test_run("retry", tests);
}
