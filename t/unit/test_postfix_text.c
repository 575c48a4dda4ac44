/* ctl/postfix_text.c: what postconf(1) prints, lists with braces, milters, networks, restrictions; and nonsense. */
#include "t/unit/test.h"

#include "ctl/postfix_text.h"
#include "lib/mem.h"

static const char master[] =
    "smtp       inet  n       -       y       -       -       smtpd\n"
    "127.0.0.1:10025 inet n   -       -       -       3       smtpd -o mynetworks= -o {smtpd_milters=$indirect, inet:x:1}\n"
    "private/odd unix -       -       n       -       0       cleanup\n";

static void services(void **state)
{
    (void)state;
    struct postfix_services s;
    struct error err;
    assert_int_equal(postfix_text_services(master, &s, &err), RESULT_OK);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.items[0].name, "smtp");
    assert_int_equal(s.items[0].chroot, 'y');
    assert_int_equal(s.items[0].processes, -1);
    assert_int_equal(s.items[1].chroot, '-');
    assert_int_equal(s.items[1].processes, 3);
    assert_string_equal(s.items[1].command, "smtpd");
    assert_int_equal(s.items[2].processes, 0);
    assert_int_equal(postfix_text_own("127.0.0.1:10025/inet/mynetworks =\n"
                                      "127.0.0.1:10025/inet/smtpd_milters = $indirect, inet:x:1\n"
                                      "127.0.0.1:10025/inet/x = a = /b/\n"
                                      "private/odd/unix/always_bcc = x@y\n"
                                      "gone/inet/a = b\n",
                                      &s, &err),
                     RESULT_OK);
    assert_int_equal(s.items[0].own.n, 0);
    assert_int_equal(s.items[1].own.n, 3);
    assert_true(postfix_settings_have(&s.items[1].own, "mynetworks"));
    assert_string_equal(postfix_settings_get(&s.items[1].own, "mynetworks"), "");
    assert_string_equal(postfix_settings_get(&s.items[1].own, "smtpd_milters"), "$indirect, inet:x:1");
    assert_string_equal(postfix_settings_get(&s.items[1].own, "x"), "a = /b/");
    assert_string_equal(postfix_settings_get(&s.items[2].own, "always_bcc"), "x@y");
    postfix_services_free(&s);
}

static void nonsense(void **state)
{
    (void)state;
    static const char *const bad[] = {"smtp inet n", "smtp inet n - y - -", "\001", " \n \n"};
    struct postfix_services s;
    struct postfix_settings v;
    struct error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(postfix_text_services(bad[i], &s, &err), RESULT_PERM);
        postfix_services_free(&s);
    }
    assert_int_equal(postfix_text_services("", &s, &err), RESULT_OK);
    assert_int_equal(postfix_text_own("a = b", &s, &err), RESULT_PERM);
    assert_int_equal(postfix_text_own("a/b = /c/d", &s, &err), RESULT_PERM);
    postfix_services_free(&s);
    assert_int_equal(postfix_text_settings("no equals", &v, &err), RESULT_PERM);
    postfix_settings_free(&v);
    assert_int_equal(postfix_text_settings("= value", &v, &err), RESULT_PERM);
    postfix_settings_free(&v);
}

static void bounds(void **state)
{
    (void)state;
    struct postfix_services s;
    struct error err;
    char *text = mem_alloc(POSTFIX_SERVICES_MAX * 20 + 40), *p = text;
    for (int i = 0; i <= POSTFIX_SERVICES_MAX; i++)
        p += sprintf(p, "a inet n - y - - b\n");
    assert_int_equal(postfix_text_services(text, &s, &err), RESULT_PERM);
    assert_int_equal(s.n, POSTFIX_SERVICES_MAX);
    postfix_services_free(&s);
    mem_free(&text);
}

static void last_setting_counts(void **state)
{
    (void)state;
    struct postfix_settings v;
    assert_int_equal(postfix_text_settings("a = 1\n\nb =\na = 2", &v, NULL), RESULT_OK);
    assert_int_equal(v.n, 3);
    assert_string_equal(postfix_settings_get(&v, "a"), "2");
    assert_string_equal(postfix_settings_get(&v, "c"), "");
    assert_false(postfix_settings_have(&v, "c"));
    postfix_settings_free(&v);
}

/* The elements, each in < >. */
static const char *split(const char *list)
{
    static char out[500];
    size_t n = 0;
    out[0] = '\0';
    for (char *w; (w = postfix_text_next(&list)) != NULL; mem_free(&w))
        n += (size_t)snprintf(out + n, sizeof out - n, "<%s>", w);
    return out;
}

static void lists(void **state)
{
    (void)state;
    assert_string_equal(split(""), "");
    assert_string_equal(split(" , ,\t"), "");
    assert_string_equal(split("a,b  c,\td"), "<a><b><c><d>");
    assert_string_equal(split("a, { b, c = {d e} }, f"), "<a><{ b, c = {d e} }><f>");
    assert_string_equal(split("inline:{{a b} = c},d"), "<inline:{{a b} = c}><d>");
    assert_string_equal(split("{ never, ends"), "<{ never, ends>");
    assert_string_equal(split("} a"), "<}><a>");
    assert_true(postfix_text_has_word("no_milters, No_Header_Body_Checks", "no_header_body_checks"));
    assert_false(postfix_text_has_word("no_milters_x", "no_milters"));
}

static void milters(void **state)
{
    (void)state;
    struct postfix_milter *m;
    size_t n = postfix_text_milters(
        "inet:localhost:8891, { unix:pontoon/milter.sock, default_action=accept, { protocol = 6 } },{}", &m);
    assert_int_equal(n, 3);
    assert_string_equal(m[0].endpoint, "inet:localhost:8891");
    assert_int_equal(m[0].own.n, 0);
    assert_string_equal(m[1].endpoint, "unix:pontoon/milter.sock");
    assert_string_equal(postfix_settings_get(&m[1].own, "default_action"), "accept");
    assert_string_equal(postfix_settings_get(&m[1].own, "protocol"), "6");
    assert_string_equal(m[2].endpoint, "");
    postfix_milters_free(&m, n);
    assert_int_equal(postfix_text_milters("", &m), 0);
    assert_null(m);
}

static void times(void **state)
{
    (void)state;
    assert_int_equal(postfix_text_time("30"), 30000);
    assert_int_equal(postfix_text_time("30s"), 30000);
    assert_int_equal(postfix_text_time("5D"), 5LL * 86400000);
    assert_int_equal(postfix_text_time("2w"), 14LL * 86400000);
    assert_int_equal(postfix_text_time("0h"), 0);
    static const char *const bad[] = {"", "s", "5y", "5 d", "-1", "12345678901s"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(postfix_text_time(bad[i]), -1);
}

static enum postfix_match match(const char *list, const char *ip)
{
    struct netaddr a;
    assert_true(netaddr_parse(ip, 0, &a));
    return postfix_text_match(list, &a);
}

static void networks(void **state)
{
    (void)state;
    assert_int_equal(match("", "127.0.0.1"), POSTFIX_NO);
    assert_int_equal(match("127.0.0.0/8 [::1]/128", "127.0.0.1"), POSTFIX_YES);
    assert_int_equal(match("127.0.0.0/8 [::1]/128", "::1"), POSTFIX_YES);
    assert_int_equal(match("[::1]", "::1"), POSTFIX_YES);
    assert_int_equal(match("localhost", "127.0.0.1"), POSTFIX_YES);
    assert_int_equal(match("localhost", "::1"), POSTFIX_YES);
    assert_int_equal(match("192.0.2.0/24, 10.0.0.1", "127.0.0.1"), POSTFIX_NO);
    assert_int_equal(match("!127.0.0.1, 127.0.0.0/8", "127.0.0.1"), POSTFIX_NO);
    assert_int_equal(match("hash:/etc/networks", "127.0.0.1"), POSTFIX_UNKNOWN);
    assert_int_equal(match("hash:/etc/networks 127.0.0.1", "127.0.0.1"), POSTFIX_YES);
}

static void restrictions(void **state)
{
    (void)state;
    assert_true(postfix_text_lets_all_in(""));
    assert_true(postfix_text_lets_all_in("permit"));
    assert_true(postfix_text_lets_all_in("permit_mynetworks, check_recipient_access hash:x"));
    assert_true(postfix_text_lets_all_in("permit_mynetworks permit reject"));
    assert_false(postfix_text_lets_all_in("permit_mynetworks, reject_unauth_destination"));
    assert_false(postfix_text_lets_all_in("permit_mynetworks,reject"));
    assert_false(
        postfix_text_lets_all_in("check_policy_service { inet:x:1, timeout=2s } defer_unauth_destination permit"));
}

static void inet_names(void **state)
{
    (void)state;
    char host[POSTFIX_HOST_SIZE];
    uint16_t port;
    assert_true(postfix_text_inet("10025", host, &port));
    assert_string_equal(host, "");
    assert_int_equal(port, 10025);
    assert_true(postfix_text_inet("127.0.0.1:smtp", host, &port));
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(port, 25);
    assert_true(postfix_text_inet("[::1]:10025", host, &port));
    assert_string_equal(host, "::1");
    assert_false(postfix_text_inet("127.0.0.1:0", host, &port));
    assert_false(postfix_text_inet("127.0.0.1:70000", host, &port));
    assert_false(postfix_text_inet("no-such-service-name", host, &port));
    assert_false(postfix_text_inet("", host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services),   cmocka_unit_test(nonsense),     cmocka_unit_test(bounds),
        cmocka_unit_test(lists),      cmocka_unit_test(milters),      cmocka_unit_test(times),
        cmocka_unit_test(networks),   cmocka_unit_test(restrictions), cmocka_unit_test(last_setting_counts),
        cmocka_unit_test(inet_names),
    };
    return test_run("postfix_text", tests);
}
