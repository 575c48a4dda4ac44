/* ctl/show.c, ctl/table.c: moments, ages, sizes, columns, and text that a terminal or a JSON reader must survive. */
#include "t/unit/test.h"

#include "ctl/show.h"
#include "lib/mem.h"

#define AGE(ms, text) assert_string_equal(show_age((ms), age), (text))
#define SIZE(n, text) assert_string_equal(show_size((n), size), (text))

static void test_when(void **state)
{
    (void)state;
    char when[SHOW_WHEN_SIZE];
    assert_string_equal(show_when(0, when), "-");
    assert_string_equal(show_when(1, when), "1970-01-01T00:00:00.001Z");
    assert_string_equal(show_when(1795489920123, when), "2026-11-24T03:12:00.123Z");
}

static void test_age(void **state)
{
    (void)state;
    char age[SHOW_AGE_SIZE];
    AGE(0, "0ms");
    AGE(999, "999ms");
    AGE(1000, "1.000s");
    AGE(59999, "59.999s");
    AGE(60000, "1m00s");
    AGE(3599999, "59m59s");
    AGE(3600000, "1h00m");
    AGE(86399999, "23h59m");
    AGE(86400000, "1d00h");
    AGE(5LL * 86400000 + 4 * 3600000, "5d04h");
    AGE(-1500, "-1.500s");
    AGE(INT64_MAX, "106751991167d07h");
}

static void test_next(void **state)
{
    (void)state;
    char next[SHOW_AGE_SIZE];
    assert_string_equal(show_next(0, 1000, next), "-");
    assert_string_equal(show_next(1000, 1000, next), "now");
    assert_string_equal(show_next(500, 1000, next), "now");
    assert_string_equal(show_next(181000, 1000, next), "in 3m00s");
}

static void test_size(void **state)
{
    (void)state;
    char size[SHOW_SIZE_SIZE];
    SIZE(0, "0");
    SIZE(1023, "1023");
    SIZE(1024, "1.0K");
    SIZE(12595, "12.3K");
    SIZE(102348, "99.9K");
    SIZE(102400, "100K");
    SIZE(1024 * 1024 - 1, "1.0M");
    SIZE(200ULL << 20, "200M");
    SIZE(UINT64_MAX, "16.0E");
}

/* What `print` writes; to free(). */
static char *printed(void (*print)(FILE *out, void *arg), void *arg)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    print(out, arg);
    fclose(out);
    return text;
}

static void print_text(FILE *out, void *arg)
{
    show_text(out, arg);
}

static void test_text(void **state)
{
    (void)state;
    char raw[] = "a\x1b[2J\r\n\t\x7f gr\xc3\xbc \xc2\x9b[2J \xe9";
    char *text = printed(print_text, raw);
    assert_string_equal(text, "a?[2J???? gr\xc3\xbc ??[2J ?");
    free(text);
}

static void print_table(FILE *out, void *arg)
{
    struct show_table *t = arg;
    show_table_print(&t, out, 2);
    assert_null(t);
}

static void test_table(void **state)
{
    (void)state;
    struct show_table *t = show_table_new(3);
    show_table_add(t, (const char *[]){"one", "gr\xc3\xbcn", "end"});
    show_table_add(t, (const char *[]){"longer", "x", NULL});
    show_table_add(t, (const char *[]){"", "b\ngone", "e"});
    char *text = printed(print_table, t);
    assert_string_equal(text, "  one     gr\xc3\xbcn    end\n"
                              "  longer  x\n"
                              "          b?gone  e\n");
    free(text);
}

static void test_table_grows(void **state)
{
    (void)state;
    struct show_table *t = show_table_new(1);
    for (int i = 0; i < 1000; i++)
        show_table_add(t, (const char *[]){"x"});
    char *text = printed(print_table, t);
    assert_int_equal(strlen(text), 4000);
    free(text);
}

static void print_json(FILE *out, void *arg)
{
    show_json_line(out, arg);
}

static void test_json(void **state)
{
    (void)state;
    json_t *a = json_array();
    json_array_append_new(a, show_json_text(NULL));
    json_array_append_new(a, show_json_text(""));
    json_array_append_new(a, show_json_text("gr\xc3\xbc"));
    json_array_append_new(a, show_json_text("bad \xff\xfe"));
    json_array_append_new(a, show_json_when(0));
    json_array_append_new(a, show_json_when(1795489920123));
    char *text = printed(print_json, a);
    assert_string_equal(text, "[null,null,\"gr\xc3\xbc\",\"bad ??\",null,\"2026-11-24T03:12:00.123Z\"]\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when),        cmocka_unit_test(test_age),  cmocka_unit_test(test_next),
        cmocka_unit_test(test_size),        cmocka_unit_test(test_text), cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_grows), cmocka_unit_test(test_json),
    };
    return test_run("show", tests);
}
