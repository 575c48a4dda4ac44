#include "t/unit/test.h"

#include "lib/buf.h"
#include "lib/mem.h"

static void grows_and_stays_terminated(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1000);
    assert_string_equal(buf_str(&b), "");
    for (int i = 0; i < 100; i++)
        assert_true(buf_printf(&b, "%02d", i));
    assert_int_equal(b.len, 200);
    assert_int_equal(strlen(buf_str(&b)), 200);
    buf_drop(&b, 196);
    assert_string_equal(buf_str(&b), "9899");
    char *s = buf_take(&b);
    assert_string_equal(s, "9899");
    assert_int_equal(b.len, 0);
    mem_free(&s);
    buf_free(&b);
}

static void bound_sticks(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4);
    assert_true(buf_add_str(&b, "1234"));
    assert_false(buf_add_char(&b, '5'));
    assert_true(b.overflow);
    buf_drop(&b, 4);
    assert_false(buf_add_char(&b, '5')); /* an earlier overflow is not forgotten */
    buf_clear(&b);
    assert_true(buf_add_char(&b, '5'));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(bound_sticks),
    };
    return test_run("buf", tests);
}
