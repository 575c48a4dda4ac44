#include "t/unit/test.h"

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/mem.h"

static void assert_bad(const char *text, size_t len, const char *wanted)
{
    struct error err;
    json_t *j = json_parse(text, len, 100, "doc", &err);
    if (j != NULL)
        fail_msg("taken: %s", text);
    assert_int_equal(err.result, RESULT_PERM);
    if (strncmp(err.text, wanted, strlen(wanted)) != 0)
        fail_msg("%s: error is \"%s\", but wanted \"%s\"", text, err.text, wanted);
}

static void refuses_what_is_not_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1",
        "\"x\"",
        "{\"a\":1,\"a\":2}",
        "{} x",
        "{\"a\":1,}",
        "[1 2]",
        "{a:1}",
        "{'a':1}",
        "[NaN]",
        "[\"\\u0000\"]",
        "[\"\\ud800\"]",
        "[\"\xff\"]",
        "[\"a\nb\"]",
        "\xef\xbb\xbf{}",
        "[01]",
        "[99999999999999999999]",
        "// no\n{}",
        "{\"\\u0000\":1}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_bad(bad[i], strlen(bad[i]), "doc: not strict JSON: line ");
    assert_bad("{}\0", 3, "doc: not strict JSON: line ");
    assert_bad(NULL, 0, "doc: not strict JSON: line ");
}

static void bounds_size_and_depth(void **state)
{
    (void)state;
    struct error err;
    char big[102] = "[";
    memset(big + 1, ' ', 99);
    big[99] = ']';
    json_t *j = json_parse(big, 100, 100, "doc", &err);
    assert_non_null(j);
    json_decref(j);
    assert_bad(big, 101, "doc: longer than 100 bytes");

    j = json_parse("[[[[[[[[1]]]]]]]]", 17, 100, "doc", &err);
    assert_non_null(j);
    json_decref(j);
    assert_bad("[[[[[[[[[1]]]]]]]]]", 19, "doc: JSON nested more than 8 deep");
    assert_bad("[[[[[[[[{}]]]]]]]]", 18, "doc: JSON nested more than 8 deep");
    assert_bad("[\"\\\"]\",[[[[[[[[1]]]]]]]]]", 24, "doc: JSON nested more than 8 deep");
    /* Brackets in strings and side by side don't count. */
    const char *flat = "[\"[[[[[[[[[[\",\"\\\"[[[[[[[[[\",[],[],[],[],[],[],[],[],[]]";
    j = json_parse(flat, strlen(flat), 100, "doc", &err);
    assert_non_null(j);
    json_decref(j);
}

static const char sample[] = "{\"s\":\"abc\",\"nul\":\"a\\u0000b\",\"n\":5,\"r\":5.0,\"b\":true,\"null\":null,"
                             "\"a\":[1,2,3],\"empty\":[],\"o\":{}}";

static json_t *load_sample(void)
{
    json_t *j = json_loads(sample, JSON_ALLOW_NUL, NULL);
    assert_non_null(j);
    return j;
}

static void typed_access(void **state)
{
    (void)state;
    struct error err;
    json_t *j = load_sample();
    const char *s;
    int64_t n;
    bool b;
    const json_t *a;
    assert_int_equal(json_need_string(j, "", "s", 3, &s, &err), RESULT_OK);
    assert_string_equal(s, "abc");
    assert_int_equal(json_want_string(j, "", "absent", 3, &s, &err), RESULT_OK);
    assert_null(s);
    assert_int_equal(json_need_int(j, "", "n", 5, 5, &n, &err), RESULT_OK);
    assert_int_equal(n, 5);
    assert_int_equal(json_want_bool(j, "", "b", false, &b, &err), RESULT_OK);
    assert_true(b);
    assert_int_equal(json_want_bool(j, "", "absent", true, &b, &err), RESULT_OK);
    assert_true(b);
    assert_int_equal(json_need_array(j, "", "a", 3, &a, &err), RESULT_OK);
    assert_int_equal(json_array_size(a), 3);
    assert_int_equal(json_want_array(j, "", "empty", 3, &a, &err), RESULT_OK);
    assert_non_null(a);
    assert_int_equal(json_want_array(j, "", "absent", 3, &a, &err), RESULT_OK);
    assert_null(a);
    json_decref(j);
}

#define assert_access(call, wanted)              \
    do {                                         \
        assert_int_equal((call), RESULT_PERM);   \
        assert_string_equal(err.text, (wanted)); \
    } while (0)

static void errors_name_the_member(void **state)
{
    (void)state;
    struct error err;
    json_t *j = load_sample();
    const char *s;
    int64_t n;
    bool b;
    const json_t *a;
    assert_access(json_need_string(j, "m[3]", "absent", 9, &s, &err), "m[3].absent: missing");
    assert_access(json_need_string(j, "m[3]", "n", 9, &s, &err), "m[3].n: not a string");
    assert_access(json_want_string(j, "", "null", 9, &s, &err), "null: not a string");
    assert_access(json_need_string(j, "m", "nul", 9, &s, &err), "m.nul: holds a NUL");
    assert_access(json_need_string(j, "", "s", 2, &s, &err), "s: longer than 2 bytes");
    assert_access(json_need_int(j, "", "absent", 0, 9, &n, &err), "absent: missing");
    assert_access(json_need_int(j, "x", "r", 0, INT64_MAX, &n, &err), "x.r: not a whole number of at least 0");
    assert_access(json_need_int(j, "x", "s", 0, 9, &n, &err), "x.s: not a whole number from 0 to 9");
    assert_access(json_need_int(j, "x", "n", 6, 9, &n, &err), "x.n: not a whole number from 6 to 9");
    assert_access(json_need_int(j, "x", "n", 0, 4, &n, &err), "x.n: not a whole number from 0 to 4");
    assert_access(json_want_bool(j, "", "n", false, &b, &err), "n: neither true nor false");
    assert_access(json_need_array(j, "", "absent", 9, &a, &err), "absent: missing");
    assert_access(json_need_array(j, "", "o", 9, &a, &err), "o: not an array");
    assert_access(json_need_array(j, "", "empty", 9, &a, &err), "empty: empty");
    assert_access(json_need_array(j, "", "a", 2, &a, &err), "a: more than 2 members");
    assert_access(json_want_array(j, "", "a", 2, &a, &err), "a: more than 2 members");
    const json_t *array = json_object_get(j, "a");
    assert_access(json_need_string(array, "m[3]", "s", 9, &s, &err), "m[3]: not an object");
    assert_access(json_want_string(json_array_get(array, 7), "", "s", 9, &s, &err), "the document: not an object");
    json_decref(j);
}

static void set_knows_what_it_has(void **state)
{
    (void)state;
    json_t *set = json_object();
    assert_true(json_set_add(set, "a"));
    assert_true(json_set_add(set, ""));
    assert_false(json_set_add(set, "a"));
    assert_false(json_set_add(set, ""));
    json_decref(set);
}

static void lossy_string_is_always_utf8(void **state)
{
    (void)state;
    json_t *j = json_string_lossy("a\xff\xc3\xa9\xc3z\xe2\x82");
    assert_non_null(j);
    assert_string_equal(json_string_value(j), "a?\xc3\xa9?z??");
    json_decref(j);
}

static void text_is_compact(void **state)
{
    (void)state;
    struct error err;
    json_t *j = json_parse("{ \"b\" : [ 1, 2 ],\n \"a\" : null }", 31, 100, "doc", &err);
    char *text = json_text(j);
    assert_string_equal(text, "{\"b\":[1,2],\"a\":null}");
    mem_free(&text);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_strict),
        cmocka_unit_test(bounds_size_and_depth),
        cmocka_unit_test(typed_access),
        cmocka_unit_test(errors_name_the_member),
        cmocka_unit_test(set_knows_what_it_has),
        cmocka_unit_test(lossy_string_is_always_utf8),
        cmocka_unit_test(text_is_compact),
    };
    return test_run("json", tests);
}
