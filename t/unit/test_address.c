#include "t/unit/test.h"

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/utf8.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void utf8_is_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "a",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2g",
                                      "\xe0\x9f\xbf",
                                      "\xe0\xa0",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe1\x80g",
                                      "\xf1\x80\x80",
                                      "\xf1\x80\x80g"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(utf8_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (utf8_valid(bad[i]))
            fail_msg("bad sequence %zu was taken", i);
    }
}

static void check_path(const char *path, const char *want)
{
    struct error err = {0};
    char *address = address_from_path(path, &err);
    if (want == NULL) {
        assert_null(address);
        assert_int_equal(err.result, RESULT_PERM);
        assert_true(err.text[0] != '\0');
        return;
    }
    assert_non_null(address);
    assert_string_equal(address, want);
    mem_free(&address);
}

static void paths(void **state)
{
    (void)state;
    check_path("<>", "");
    check_path("<a@b.test>", "a@b.test");
    check_path("a@b.test", "a@b.test");
    check_path("<@one.test,@two.test:a@b.test>", "a@b.test");
    check_path("@one.test:a@b.test", "a@b.test");
    check_path("<\"a>b@c:d\"@b.test>", "\"a>b@c:d\"@b.test");
    check_path("<no brackets needed@b.test>", "no brackets needed@b.test");
    check_path("<\xff@b.test>", "\xff@b.test"); /* kept as it is: address_valid() judges */
    check_path("postmaster", "postmaster");
    check_path("", NULL);
    check_path("<", NULL);
    check_path("<a@b.test", NULL);
    check_path("<a@b\n.test>", NULL);
    check_path("a\x7f@b.test", NULL);
    check_path("a\tb@b.test", NULL);
    assert_null(address_from_path("<", NULL));
}

static void path_lengths(void **state)
{
    (void)state;
    char path[ADDRESS_MAX + 4];
    memset(path, 'a', sizeof path);
    path[ADDRESS_MAX] = '\0';
    check_path(path, path);
    path[ADDRESS_MAX] = 'a';
    path[ADDRESS_MAX + 1] = '\0';
    check_path(path, NULL);
    path[0] = '<';
    path[ADDRESS_MAX + 1] = '>';
    path[ADDRESS_MAX + 2] = '\0';
    char *address = address_from_path(path, NULL);
    assert_int_equal(strlen(address), ADDRESS_MAX);
    mem_free(&address);
    path[ADDRESS_MAX + 1] = 'a';
    path[ADDRESS_MAX + 2] = '>';
    path[ADDRESS_MAX + 3] = '\0';
    check_path(path, NULL);
}

static void valid_addresses(void **state)
{
    (void)state;
    static const char *const ascii[] = {
        "a@b.test",         "a.b+c=d@b.test",       "!#$%&'*+-/=?^_`{|}~@b.test", "\"\"@b.test",
        "\"a b\"@b.test",   "\"a@b\"@b.test",       "\"a\\\"b\\\\\"@b.test",      "a@localhost",
        "a@1-2.test",       "a@[192.0.2.1]",        "a@[IPv6:2001:db8::1]",       "a@[ipv6:::1]",
        "a@r3---sn.b.test", "a@xn--bcher-kva.test",
    };
    static const char *const utf8[] = {"\xc3\xa4@b.test", "\"\xc3\xa4 b\"@b.test",
                                       ("a@b\xc3\xbc"
                                        "cher.test")};
    bool is_utf8 = true;
    for (size_t i = 0; i < COUNT(ascii); i++) {
        if (!address_valid(ascii[i], &is_utf8) || is_utf8)
            fail_msg("%s", ascii[i]);
    }
    for (size_t i = 0; i < COUNT(utf8); i++) {
        if (!address_valid(utf8[i], &is_utf8) || !is_utf8)
            fail_msg("%s", utf8[i]);
    }
    assert_true(address_valid("a@b.test", NULL));
}

static void invalid_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "@",
        "a@",
        "@b.test",
        "a@@b.test",
        "a@b@c.test",
        ".a@b.test",
        "a.@b.test",
        "a..b@b.test",
        "a b@b.test",
        "<a@b.test>",
        "a@b.test>",
        "a@b.test ",
        "a@b..test",
        "a@.test",
        "a@test.",
        "a@-b.test",
        "a@b-.test",
        "a@b_c.test",
        "a@b c.test",
        "\"a@b.test",
        "\"a\"b@b.test",
        "\"a\nb\"@b.test",
        "\"a\\",
        "\"a\\\n\"@b.test",
        "a\\b@b.test",
        "a(x)@b.test",
        "a,b@b.test",
        "a@[]",
        "a@[192.0.2]",
        "a@[192.0.2.1",
        "a@[2001:db8::1]",
        "a@[IPv6:192.0.2.1]",
        "a@[IPv6:1:2]",
        "a@[x-tag:y]",
        "a@[192.0.2.1].test",
        "\xff@b.test",
        "a@\xed\xa0\x80.test",
        "a@xn--a.test",
        "a@b.test\r\nRCPT TO:<x@y.test>",
        "\"\\\xc3\xa4\"@b.test",
    };
    bool is_utf8;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (address_valid(bad[i], &is_utf8))
            fail_msg("\"%s\" was taken", bad[i]);
        assert_false(is_utf8);
    }
    char big[ADDRESS_MAX + 2];
    memset(big, 'a', sizeof big - 1);
    big[ADDRESS_MAX + 1] = '\0';
    memcpy(big + ADDRESS_MAX + 1 - 7, "@b.test", 7);
    assert_false(address_valid(big, NULL));
    assert_true(address_valid(big + 1, NULL));
}

static void domain_of_an_address(void **state)
{
    (void)state;
    assert_string_equal(address_domain("a@B.test"), "B.test");
    assert_string_equal(address_domain("\"x@y\"@b.test"), "b.test");
    assert_string_equal(address_domain("\"x@y\""), "");
    assert_string_equal(address_domain("a@b@c.test"), "c.test");
    assert_string_equal(address_domain("\"a@c.test"), "c.test");
    assert_string_equal(address_domain("postmaster"), "");
    assert_string_equal(address_domain(""), "");
    assert_string_equal(address_domain("a@"), "");
}

static void check_domain(const char *domain, const char *want)
{
    char out[DOMAIN_MAX + 1];
    bool ok = domain_normalize(domain, out);
    if (ok != (want != NULL))
        fail_msg("%s: %s", domain, ok ? out : "refused");
    assert_string_equal(out, want != NULL ? want : "");
}

static void domains(void **state)
{
    (void)state;
    check_domain("B.Test", "b.test");
    check_domain("b.test.", "b.test");
    check_domain("r3---sn.b.test", "r3---sn.b.test");
    check_domain("B\xc3\x9c"
                 "cher.test",
                 "xn--bcher-kva.test");
    check_domain("fa\xc3\x9f.test", "xn--fa-hia.test"); /* nontransitional: not "fass" */
    check_domain("XN--BCHER-KVA.test", "xn--bcher-kva.test");
    check_domain("\xe6\x97\xa5\xe6\x9c\xac\xe3\x80\x82jp", "xn--wgv71a.jp"); /* ideographic full stop */
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "test",
        "localhost",
        "b..test",
        ".b.test",
        "b.test..",
        "b_c.test",
        "-b.test",
        "b-.test",
        "b c.test",
        "[192.0.2.1]",
        "192.0.2.1",
        "10.0x1",
        "1.2.3.4.",
        "\xef\xbc\x91.\xef\xbc\x92",
        "xn--a.test",
        "\xff.test",
        "b.test:25",
        "b/c.test",
        "i\xe2\x9d\xa4.test",
        "b.test\n",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        check_domain(bad[i], NULL);
}

static void domain_lengths(void **state)
{
    (void)state;
    char label[80] = "";
    char out[DOMAIN_MAX + 1];
    memset(label, 'a', 64);
    strcpy(label + 64, ".test");
    assert_false(domain_normalize(label, out));
    assert_true(domain_normalize(label + 1, out));

    char big[4 * 63 + 3 + 1];
    memset(big, 'a', sizeof big);
    big[63] = big[127] = big[191] = '.';
    big[253] = '\0';
    assert_true(domain_normalize(big, out));
    assert_int_equal(strlen(out), DOMAIN_MAX);
    big[253] = '.'; /* a trailing dot does not count */
    big[254] = '\0';
    assert_true(domain_normalize(big, out));
    big[253] = 'a';
    assert_false(domain_normalize(big, out));

    char *huge = mem_alloc(1000001);
    memset(huge, 'a', 1000000);
    huge[1000000] = '\0';
    assert_false(domain_normalize(huge, out));
    mem_free(&huge);
}

static void check_normal(const char *address, const char *want)
{
    char *got = address_normalize(address);
    assert_string_equal(got, want);
    mem_free(&got);
}

static void normal_addresses(void **state)
{
    (void)state;
    check_normal("User@B.TEST", "User@b.test");
    check_normal("u@b\xc3\xbc"
                 "cher.test",
                 "u@xn--bcher-kva.test");
    check_normal("u@LocalHost", "u@localhost");
    check_normal("u@[IPv6:2001:DB8::1]", "u@[ipv6:2001:db8::1]");
    check_normal("\"x@Y\"@B.test", "\"x@Y\"@b.test");
    check_normal("User", "User");
    check_normal("", "");
}

static void xtext(void **state)
{
    (void)state;
    char *text = xtext_encode("a+b=c d\xc3\xa4~!");
    assert_string_equal(text, "a+2Bb+3Dc+20d+C3+A4~!");
    char *plain = xtext_decode(text);
    assert_string_equal(plain, "a+b=c d\xc3\xa4~!");
    mem_free(&text);
    mem_free(&plain);
    plain = xtext_decode("");
    assert_string_equal(plain, "");
    mem_free(&plain);
    text = xtext_encode("");
    assert_string_equal(text, "");
    mem_free(&text);

    static const char *const bad[] = {"+",        "+2",   "+2b", "+G0",    "+0G", "a=b", "a b",  "a\n",
                                      "\xc3\xa4", "\x7f", "+00", "+0D+0A", "+7F", "+",   "a++2B"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (xtext_valid(bad[i]))
            fail_msg("\"%s\" was taken", bad[i]);
    }
    assert_true(xtext_valid("rfc822"));
    char big[XTEXT_MAX + 2];
    memset(big, 'a', sizeof big - 1);
    big[XTEXT_MAX + 1] = '\0';
    assert_false(xtext_valid(big));
    assert_true(xtext_valid(big + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_strict),    cmocka_unit_test(paths),
        cmocka_unit_test(path_lengths),      cmocka_unit_test(valid_addresses),
        cmocka_unit_test(invalid_addresses), cmocka_unit_test(domain_of_an_address),
        cmocka_unit_test(domains),           cmocka_unit_test(domain_lengths),
        cmocka_unit_test(normal_addresses),  cmocka_unit_test(xtext),
    };
    return test_run("address", tests);
}
