/* lib/busy.c: who asked for time is left in peace for so long, and no longer than we want to wait. */
#include "t/unit/test.h"

#include "lib/busy.h"

static msec_t time_mono = 1000, time_now = 1795489920000;

static msec_t mono(void)
{
    return time_mono;
}

static msec_t now(void)
{
    return time_now;
}

static struct busy *busy;

static int set_up(void **state)
{
    (void)state;
    clock_set_mono_source(mono);
    clock_set_source(now);
    busy = busy_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    busy_free(&busy);
    clock_set_mono_source(NULL);
    clock_set_source(NULL);
    return 0;
}

static void until_it_is_over(void **state)
{
    (void)state;
    assert_int_equal(busy_left(busy, "b.test"), 0);
    assert_int_equal(busy_set(busy, "b.test", 5000, 60000), 5000);
    assert_int_equal(busy_left(busy, "b.test"), 5000);
    assert_int_equal(busy_left(busy, "c.test"), 0);
    time_mono += 4999;
    assert_int_equal(busy_left(busy, "b.test"), 1);
    time_mono += 1;
    assert_int_equal(busy_left(busy, "b.test"), 0);
    assert_int_equal(busy_set(busy, "b.test", 100, 60000), 100); /* asks again */
    assert_int_equal(busy_left(busy, "b.test"), 100);
}

/* The last word counts, also if it is a shorter wait. */
static void the_last_word_counts(void **state)
{
    (void)state;
    busy_set(busy, "b.test", 5000, 60000);
    busy_set(busy, "b.test", 2000, 60000);
    assert_int_equal(busy_left(busy, "b.test"), 2000);
    assert_int_equal(busy_set(busy, "b.test", 0, 60000), 0); /* it did not ask */
    assert_int_equal(busy_left(busy, "b.test"), 2000);
}

static void only_what_asks_for_time(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *retry_after;
        msec_t want;
    } cases[] = {
        {503, "7", 7000},
        {429, "7", 7000},
        {503, "0", 0},
        {503, NULL, 0},
        {500, "7", 0},
        {200, "7", 0},
        {503, "soon", 0},
        {503, "-7", 0},
        {503, "3600", 60000},                 /* at most what we want to wait */
        {503, "99999999999999999999", 60000}, /* a number without end */
        {503, "Tue, 24 Nov 2026 03:12:10 GMT", 10000},
        {503, "Tue, 24 Nov 2026 03:11:50 GMT", 0}, /* over */
        {503, "Tue, 24 Nov 2099 03:12:10 GMT", 60000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[20];
        snprintf(name, sizeof name, "%zu.test", i);
        assert_int_equal(busy_answered(busy, name, cases[i].status, cases[i].retry_after, 60000), cases[i].want);
        assert_int_equal(busy_left(busy, name), cases[i].want);
    }
}

/* A thousand names: the ones that were over first are forgotten. */
static void bounded(void **state)
{
    (void)state;
    char name[20];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d.test", i);
        busy_set(busy, name, 1000 + i, 60000);
    }
    int kept = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "%d.test", i);
        bool left = busy_left(busy, name) > 0;
        kept += left;
        assert_int_equal(left, i >= 500);
    }
    assert_int_equal(kept, 500);
    time_mono += 1000 + 600;
    assert_int_equal(busy_left(busy, "600.test"), 0);
    assert_int_equal(busy_left(busy, "601.test"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(until_it_is_over), TEST(the_last_word_counts),
                                       TEST(only_what_asks_for_time), TEST(bounded)};
    return test_run("busy", tests);
}
