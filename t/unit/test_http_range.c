#include "t/unit/test.h"

#include "lib/http_server.h"

#define HUGE "99999999999999999999999999"

static void ranges(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        uint64_t size;
        enum http_range want;
        uint64_t first, last;
    } cases[] = {
        {"bytes=0-0", 100, RANGE_OK, 0, 0},
        {"bytes=0-99", 100, RANGE_OK, 0, 99},
        {"bytes=0-100", 100, RANGE_OK, 0, 99},
        {"bytes=50-", 100, RANGE_OK, 50, 99},
        {"Bytes= 50-60 ", 100, RANGE_OK, 50, 60},
        {"bytes=99-", 100, RANGE_OK, 99, 99},
        {"bytes=-1", 100, RANGE_OK, 99, 99},
        {"bytes=-100", 100, RANGE_OK, 0, 99},
        {"bytes=-1000", 100, RANGE_OK, 0, 99},
        {"bytes=-" HUGE, 100, RANGE_OK, 0, 99},
        {"bytes=5-" HUGE, 100, RANGE_OK, 5, 99},
        {"bytes=0-18446744073709551615", UINT64_MAX, RANGE_OK, 0, UINT64_MAX - 1},
        {"bytes=18446744073709551614-", UINT64_MAX, RANGE_OK, UINT64_MAX - 1, UINT64_MAX - 1},
        {"bytes=100-", 100, RANGE_BAD, 0, 0},
        {"bytes=100-200", 100, RANGE_BAD, 0, 0},
        {"bytes=" HUGE "-", 100, RANGE_BAD, 0, 0},
        {"bytes=-0", 100, RANGE_BAD, 0, 0},
        {"bytes=0-", 0, RANGE_BAD, 0, 0},
        {"bytes=-5", 0, RANGE_NONE, 0, 0},
        {NULL, 100, RANGE_NONE, 0, 0},
        {"", 100, RANGE_NONE, 0, 0},
        {"bytes", 100, RANGE_NONE, 0, 0},
        {"bytes=", 100, RANGE_NONE, 0, 0},
        {"bytes=-", 100, RANGE_NONE, 0, 0},
        {"bytes=1", 100, RANGE_NONE, 0, 0},
        {"bytes=5-4", 100, RANGE_NONE, 0, 0},
        {"bytes=1-2,4-5", 100, RANGE_NONE, 0, 0},
        {"bytes=1-2x", 100, RANGE_NONE, 0, 0},
        {"bytes=+1-2", 100, RANGE_NONE, 0, 0},
        {"bytes=--1", 100, RANGE_NONE, 0, 0},
        {"bytes=0x1-2", 100, RANGE_NONE, 0, 0},
        {"lines=1-2", 100, RANGE_NONE, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t first = 7777, last = 7777;
        enum http_range got = http_range_parse(cases[i].value, cases[i].size, &first, &last);
        if (got != cases[i].want)
            fail_msg("\"%s\" of %llu", cases[i].value, (unsigned long long)cases[i].size);
        if (got == RANGE_OK) {
            assert_int_equal(first, cases[i].first);
            assert_int_equal(last, cases[i].last);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges)};
    return test_run("http_range", tests);
}
