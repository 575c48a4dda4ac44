#include "t/unit/test.h"

#include <netinet/in.h>

#include "lib/mem.h"
#include "lib/netaddr.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static struct netaddr ip(const char *text)
{
    struct netaddr a;
    if (!netaddr_parse(text, 25, &a))
        fail_msg("%s", text);
    return a;
}

static void literals(void **state)
{
    (void)state;
    char text[NETADDR_TEXT_SIZE];
    struct netaddr a = ip("192.0.2.1");
    assert_int_equal(a.len, sizeof(struct sockaddr_in));
    assert_int_equal(netaddr_port(&a), 25);
    netaddr_text(&a, text);
    assert_string_equal(text, "192.0.2.1:25");
    a = ip("2001:DB8::1");
    assert_int_equal(a.len, sizeof(struct sockaddr_in6));
    netaddr_set_port(&a, 65535);
    netaddr_text(&a, text);
    assert_string_equal(text, "[2001:db8::1]:65535");
    netaddr_ip(&a, text);
    assert_string_equal(text, "2001:db8::1");
    a = ip("::ffff:192.0.2.1");
    netaddr_text(&a, text);
    assert_string_equal(text, "192.0.2.1:25");
    static const char *const bad[] = {"",      "1.2.3",  "1.2.3.4.5", "256.1.1.1", "0x7f.1",
                                      "[::1]", "::1%lo", "localhost", " 1.2.3.4"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(netaddr_parse(bad[i], 0, &a));
    a = (struct netaddr){0};
    netaddr_text(&a, text);
    assert_string_equal(text, "unknown");
}

static void endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } good[] = {
        {"127.0.0.1:25", "127.0.0.1:25"},         {"[::1]:8443", "[::1]:8443"},
        {"inet:127.0.0.1:25", "127.0.0.1:25"},    {"inet:[::1]:25", "[::1]:25"},
        {"localhost:0", "127.0.0.1:0"},           {"*:443", "[::]:443"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
    };
    static const char *const bad[] = {
        "",
        ":",
        ":25",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:999999999999",
        "127.0.0.1:-1",
        "::1:25",
        "[::1]",
        "[::1]25",
        "[127.0.0.1]:25",
        "[]:25",
        "mail.b.test:25",
        "unix:",
        "unix:x",
        "inet:",
        "inet:/x",
        "inet:unix:/x",
        "127.0.0.1:25 ",
        "[::1%lo]:25",
        "[:25",
    };
    struct netaddr a;
    struct error err;
    char text[NETADDR_TEXT_SIZE];
    for (size_t i = 0; i < COUNT(good); i++) {
        if (netaddr_endpoint(good[i].text, &a, &err) != RESULT_OK)
            fail_msg("%s: %s", good[i].text, err.text);
        netaddr_text(&a, text);
        assert_string_equal(text, good[i].want);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        err.text[0] = '\0';
        if (netaddr_endpoint(bad[i], &a, &err) != RESULT_PERM || err.text[0] == '\0')
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

static void unix_paths(void **state)
{
    (void)state;
    struct netaddr a;
    char path[200] = "unix:/";
    char text[NETADDR_TEXT_SIZE];
    memset(path + 6, 'x', 106);
    assert_int_equal(netaddr_endpoint(path, &a, NULL), RESULT_OK); /* 107 bytes fit */
    assert_int_equal(a.len, sizeof(struct sockaddr_un));
    netaddr_text(&a, text);
    assert_string_equal(text, path);
    assert_int_equal(netaddr_port(&a), 0);
    path[112] = 'x';
    assert_int_equal(netaddr_endpoint(path, &a, NULL), RESULT_PERM);
}

static void equality(void **state)
{
    (void)state;
    struct netaddr a = ip("192.0.2.1");
    struct netaddr b = ip("::ffff:192.0.2.1");
    struct netaddr c = ip("::1");
    struct netaddr u;
    netaddr_set_port(&b, 99);
    assert_true(netaddr_equal_ip(&a, &b));
    assert_false(netaddr_equal_ip(&a, &c));
    assert_int_equal(netaddr_endpoint("unix:/x", &u, NULL), RESULT_OK);
    assert_false(netaddr_equal_ip(&u, &u)); /* not an IP address */
}

static void lists(void **state)
{
    (void)state;
    static const char *const blocks[] = {"10.0.0.0/8", "192.0.2.128/25", "198.51.100.7", "2001:db8::/33", "::1"};
    static const char *const in[] = {"10.255.255.255",   "192.0.2.128", "192.0.2.255",    "198.51.100.7",
                                     "2001:db8:7fff::1", "::1",         "::ffff:10.1.1.1"};
    static const char *const out[] = {"11.0.0.0", "192.0.2.127", "198.51.100.6", "2001:db8:8000::1",
                                      "::2",      "::",          "a00::1"};
    struct netaddr_list *l;
    struct netaddr a;
    assert_int_equal(netaddr_list_parse(blocks, COUNT(blocks), &l, NULL), RESULT_OK);
    for (size_t i = 0; i < COUNT(in); i++) {
        a = ip(in[i]);
        if (!netaddr_list_has(l, &a))
            fail_msg("%s should be in", in[i]);
    }
    for (size_t i = 0; i < COUNT(out); i++) {
        a = ip(out[i]);
        if (netaddr_list_has(l, &a))
            fail_msg("%s should not be in", out[i]);
    }
    assert_int_equal(netaddr_endpoint("unix:/x", &a, NULL), RESULT_OK);
    assert_false(netaddr_list_has(l, &a));
    netaddr_list_free(&l);
    netaddr_list_free(&l);

    a = ip("127.0.0.1");
    assert_false(netaddr_list_has(NULL, &a));
    assert_int_equal(netaddr_list_parse(NULL, 0, &l, NULL), RESULT_OK);
    assert_false(netaddr_list_has(l, &a));
    netaddr_list_free(&l);
    static const char *const all[] = {"0.0.0.0/0"};
    assert_int_equal(netaddr_list_parse(all, 1, &l, NULL), RESULT_OK);
    assert_true(netaddr_list_has(l, &a));
    a = ip("::1");
    assert_false(netaddr_list_has(l, &a));
    netaddr_list_free(&l);
}

static void bad_blocks(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "/",
                                      "/8",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8x",
                                      "10.0.0.1/8",
                                      "10/8",
                                      "2001:db8::/129",
                                      "2001:db8::1/64",
                                      "::ffff:10.0.0.0/104",
                                      "b.test",
                                      "[::1]/128",
                                      "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/8",
                                      "1.2.3.4/8/8"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *const two[] = {"10.0.0.0/8", bad[i]};
        struct netaddr_list *l;
        struct error err = {0};
        if (netaddr_list_parse(two, 2, &l, &err) != RESULT_PERM)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_null(l);
        assert_true(strstr(err.text, bad[i]) != NULL);
    }
}

static void global_addresses(void **state)
{
    (void)state;
    static const char *const global[] = {
        "1.0.0.0",         "8.8.8.8",         "9.255.255.255",    "11.0.0.0",        "100.63.255.255",
        "100.128.0.0",     "126.255.255.255", "128.0.0.0",        "169.253.255.255", "169.255.0.0",
        "172.15.255.255",  "172.32.0.0",      "192.0.1.0",        "192.0.3.0",       "192.88.98.255",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",   "198.20.0.0",      "198.51.99.255",
        "203.0.114.0",     "223.255.255.255", "2000::1",          "2001:200::1",     "2001:4860:4860::8888",
        "2001:db7::1",     "2001:db9::1",     "2620:fe::fe",      "2a00:1450::1",    "3ffe::1",
        "3fff:1000::1",    "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1",
    };
    for (size_t i = 0; i < COUNT(global); i++) {
        struct netaddr a = ip(global[i]);
        if (!netaddr_is_global(&a))
            fail_msg("%s was refused", global[i]);
    }
}

static void refused_addresses(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.0",
        "192.0.0.171",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.255",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "64:ff9b:0:1::1",
        "100::1",
        "100:0:0:1::1",
        "1fff::1",
        "2001::1",
        "2001:0:808:808::f7f7:f7f7",
        "2001:1::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:a00:1::1",
        "2002:7f00:1::1",
        "2002:c0a8:101::",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ffff::1",
    };
    struct netaddr a;
    for (size_t i = 0; i < COUNT(refused); i++) {
        a = ip(refused[i]);
        if (netaddr_is_global(&a))
            fail_msg("%s was let through", refused[i]);
    }
    assert_int_equal(netaddr_endpoint("unix:/x", &a, NULL), RESULT_OK);
    assert_false(netaddr_is_global(&a));
    a = (struct netaddr){0};
    assert_false(netaddr_is_global(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(unix_paths),
        cmocka_unit_test(equality),
        cmocka_unit_test(lists),
        cmocka_unit_test(bad_blocks),
        cmocka_unit_test(global_addresses),
        cmocka_unit_test(refused_addresses),
    };
    return test_run("netaddr", tests);
}
