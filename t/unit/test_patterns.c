/* Lists of patterns: inline, and in tables. */
#include "t/unit/test.h"

#include "lib/patterns.h"
#include "t/unit/postmap.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct patterns *made(enum patterns_kind kind, const char *const *words, size_t n)
{
    struct patterns *p;
    struct error err = {.text = ""};
    if (patterns_new(kind, words, n, &p, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return p;
}

static struct patterns *one(enum patterns_kind kind, const char *word)
{
    return made(kind, &word, 1);
}

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *address;
        bool match;
    } cases[] = {
        {"*", "a@b.test", true},
        {"*", "", true},
        {"b.test", "a@B.TEST", true},
        {"@b.test", "a@b.test", true},
        {"*@b.test", "a@b.test", true},
        {"B\xc3\x9c"
         "cher.test",
         "a@xn--bcher-kva.test", true},
        {"b.test", "a@c.b.test", false},
        {"b.test", "b.test", false}, /* an address without a domain */
        {".b.test", "a@c.b.test", true},
        {"*@.b.test", "a@d.c.b.test", true},
        {".b.test", "a@b.test", false},
        {".b.test", "a@ab.test", false},
        {".b.test", "a@aab.test", false},
        {"a@c.test", "a@b@c.test", false},
        {".b.test", "a@.b.test", false},
        {"A@b.test", "a@B.test", true},
        {"a@b.test", "aa@b.test", false},
        {"a@b.test", "a@c.b.test", false},
        {"\"x@y\"@b.test", "\"x@y\"@b.test", true},
        {"x@y", "\"x@y\"@b.test", false},
        {"b.test", "", false},
        {"localhost", "a@LOCALHOST", true},
        {"b.test", "@b.test", true},
        {"bob@", "BOB@any.test", true},
        {"bob@", "bobby@any.test", false},
        {"sales-*@b.test", "sales-eu@B.test", true},
        {"sales-*@b.test", "sales@b.test", false},
        {"*@*.b.test", "x@y.b.test", true},
        {"*@*.b.test", "x@b.test", false},
        {"b*.test", "x@bb.test", true},
        {"b*.test", "b@c.test", false},
        {"*bob*", "x@bob.test", true},
        {"bücher.example", "x@xn--bcher-kva.example", true},
        {"x@xn--bcher-kva.example", "X@BÜCHER.example", true},
        {"x@xn--bcher-kva.example", "X@Bücher.example", true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct patterns *p = one(PATTERNS_ADDRESS, cases[i].pattern);
        const char *which;
        if ((patterns_match_address(p, cases[i].address, &which, NULL) == MATCH_YES) != cases[i].match)
            fail_msg("pattern \"%s\", address \"%s\"", cases[i].pattern, cases[i].address);
        assert_true(cases[i].match ? strcmp(which, cases[i].pattern) == 0 : which == NULL);
        patterns_free(&p);
    }
}

static void exceptions(void **state)
{
    (void)state;
    static const char *const words[] = {"!vip@b.test", "b.test", "!*"};
    struct patterns *p = made(PATTERNS_ADDRESS, words, COUNT(words));
    const char *which;
    assert_int_equal(patterns_match_address(p, "vip@b.test", &which, NULL), MATCH_NO);
    assert_string_equal(which, "!vip@b.test");
    assert_int_equal(patterns_match_address(p, "bob@b.test", &which, NULL), MATCH_YES);
    assert_string_equal(which, "b.test");
    assert_int_equal(patterns_match_address(p, "bob@c.test", NULL, NULL), MATCH_NO);
    patterns_free(&p);
    assert_null(p);
    p = made(PATTERNS_ADDRESS, NULL, 0);
    assert_int_equal(patterns_match_address(p, "bob@b.test", NULL, NULL), MATCH_NO);
    patterns_free(&p);
}

static void domains(void **state)
{
    (void)state;
    static const char *const words[] = {"b.test", ".c.test", "postmaster@d.test", "x@"};
    struct patterns *p = made(PATTERNS_ADDRESS, words, COUNT(words));
    assert_int_equal(patterns_match_domain(p, "b.test", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_domain(p, "x.c.test", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_domain(p, "c.test", NULL, NULL), MATCH_NO);
    assert_int_equal(patterns_match_domain(p, "d.test", NULL, NULL), MATCH_NO);
    patterns_free(&p);
}

static void logins(void **state)
{
    (void)state;
    static const char *const words[] = {"Alice", "test-*", "bob@a.test"};
    struct patterns *p = made(PATTERNS_LOGIN, words, COUNT(words));
    assert_int_equal(patterns_match_login(p, "alice", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_login(p, "alice@a.test", NULL, NULL), MATCH_NO);
    assert_int_equal(patterns_match_login(p, "test-7", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_login(p, "BOB@a.test", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_login(p, "", NULL, NULL), MATCH_NO);
    patterns_free(&p);
}

static bool client_matches(const char *word, const char *ip)
{
    struct netaddr a;
    struct patterns *p = one(PATTERNS_CLIENT, word);
    assert_true(ip == NULL || netaddr_parse(ip, 0, &a));
    bool yes = patterns_match_client(p, ip != NULL ? &a : NULL, NULL, NULL) == MATCH_YES;
    patterns_free(&p);
    return yes;
}

static void clients(void **state)
{
    (void)state;
    assert_true(client_matches("local", NULL));
    assert_true(client_matches("local", "127.0.0.9"));
    assert_true(client_matches("local", "::1"));
    assert_true(client_matches("local", "::ffff:127.0.0.1"));
    assert_false(client_matches("local", "192.0.2.1"));
    assert_false(client_matches("local", "2001:db8::1"));
    assert_true(client_matches("192.0.2.0/24", "192.0.2.1"));
    assert_false(client_matches("192.0.2.0/24", "192.0.3.1"));
    assert_false(client_matches("192.0.2.0/24", NULL));
    assert_true(client_matches("2001:db8::/32", "2001:db8::1"));
    assert_true(client_matches("*", NULL));
    assert_true(client_matches("*", "192.0.2.1"));
}

static void malformed(void **state)
{
    (void)state;
    static const struct {
        enum patterns_kind kind;
        const char *word;
    } bad[] = {
        {PATTERNS_ADDRESS, ""},        {PATTERNS_ADDRESS, "!"},           {PATTERNS_ADDRESS, "a b"},
        {PATTERNS_ADDRESS, "<a@b>"},   {PATTERNS_ADDRESS, "a@b,c@d"},     {PATTERNS_ADDRESS, "@"},
        {PATTERNS_ADDRESS, "*@"},      {PATTERNS_CLIENT, "300.0.0.0/8"},  {PATTERNS_CLIENT, "localhost"},
        {PATTERNS_ADDRESS, "hash:/x"}, {PATTERNS_ADDRESS, "cdb:/none/x"}, {PATTERNS_ADDRESS, "."},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct patterns *p;
        struct error err;
        if (patterns_new(bad[i].kind, &bad[i].word, 1, &p, &err) == RESULT_OK)
            fail_msg("\"%s\" was taken", bad[i].word);
        assert_null(p);
    }
}

/* The keys of an address in the order of access(5); the first that is there decides. */
static void tables(void **state)
{
    (void)state;
    struct temp_dir dir;
    temp_dir_make(&dir);
    temp_write(&dir, "t",
               "b.test yes\nvip@b.test no\n.b.test yes\nsub.b.test no\npostmaster@ yes\n"
               "xn--bcher-kva.example yes\nönly.example yes\n192.0.2 yes\n192.0.2.9 no\n2001:db8 yes\nalice yes\n",
               0644);
    static const struct {
        const char *address;
        bool match;
    } cases[] = {
        {"bob@b.test", true},        {"VIP@B.test", false},      {"x@deep.sub.b.test", true},
        {"x@sub.b.test", false},     {"x@c.test", false},        {"Postmaster@c.test", true},
        {"postmaster@b.test", true}, {"x@bücher.example", true}, {"x@önly.example", true},
    };
    struct patterns *p = one(PATTERNS_ADDRESS, table_name(&dir, "texthash", "t"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        if ((patterns_match_address(p, cases[i].address, NULL, NULL) == MATCH_YES) != cases[i].match)
            fail_msg("%s", cases[i].address);
    }
    assert_int_equal(patterns_match_domain(p, "b.test", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_domain(p, "postmaster", NULL, NULL), MATCH_NO);
    patterns_free(&p);
    assert_true(client_matches(table_name(&dir, "texthash", "t"), "192.0.2.1"));
    assert_false(client_matches(table_name(&dir, "texthash", "t"), "192.0.2.9"));
    assert_true(client_matches(table_name(&dir, "texthash", "t"), "2001:db8::1"));
    assert_false(client_matches(table_name(&dir, "texthash", "t"), "2001:db9::1"));
    assert_false(client_matches(table_name(&dir, "texthash", "t"), NULL));
    p = one(PATTERNS_LOGIN, table_name(&dir, "texthash", "t"));
    assert_int_equal(patterns_match_login(p, "Alice", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_login(p, "bob", NULL, NULL), MATCH_NO);
    patterns_free(&p);

    temp_write(&dir, "r", "/^bob@b\\.test$/ yes\n/^b\\.test$/ yes\n", 0644);
    p = one(PATTERNS_ADDRESS, table_name(&dir, "regexp", "r")); /* never asked about parts of an address */
    assert_int_equal(patterns_match_address(p, "BOB@b.test", NULL, NULL), MATCH_YES);
    assert_int_equal(patterns_match_address(p, "carol@b.test", NULL, NULL), MATCH_NO);
    assert_int_equal(patterns_match_domain(p, "b.test", NULL, NULL), MATCH_YES);
    struct error err;
    unlink(temp_path(&dir, "r"));
    assert_int_equal(patterns_match_address(p, "bob@b.test", NULL, &err), MATCH_FAILED);
    patterns_free(&p);
    temp_dir_remove(&dir);
}

static void globs(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"", "", true},         {"*", "", true},        {"a*", "a", true},     {"a*b", "ab", true},
        {"a*b", "axbxb", true}, {"a*b", "axbx", false}, {"*a*a*", "aa", true}, {"*a*a*", "a", false},
        {"abc", "abcd", false}, {"abcd", "abc", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (glob_match(cases[i].pattern, cases[i].text) != cases[i].match)
            fail_msg("%s %s", cases[i].pattern, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses), cmocka_unit_test(exceptions), cmocka_unit_test(domains), cmocka_unit_test(logins),
        cmocka_unit_test(clients),   cmocka_unit_test(malformed),  cmocka_unit_test(tables),  cmocka_unit_test(globs),
    };
    return test_run("patterns", tests);
}
