#include "t/unit/test.h"

#include "lib/result.h"

static void text_is_cut_and_cleaned(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, RESULT_TEMP, "a\r\nb%c", 0x7f), RESULT_TEMP);
    assert_string_equal(err.text, "a??b?");
    char big[2000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    error_set_dsn(&err, RESULT_PERM, "5.1.1", "%s", big);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    assert_string_equal(err.dsn, "5.1.1");
    error_prefix(&err, "%s", big);
    assert_int_equal(strlen(err.text), ERROR_TEXT_MAX - 1);
    assert_int_equal(err.result, RESULT_PERM);
}

static void prefix_goes_in_front(void **state)
{
    (void)state;
    struct error err;
    error_set(&err, RESULT_PERM, "no such file");
    error_prefix(&err, "open %s", "/x");
    assert_string_equal(err.text, "open /x: no such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_cut_and_cleaned),
        cmocka_unit_test(prefix_goes_in_front),
    };
    return test_run("result", tests);
}
