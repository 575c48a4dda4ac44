/* DNS look-ups against a real server. */
#include "t/unit/knot.h"

#include <time.h>

#include "lib/clock.h"
#include "lib/dns.h"

static struct site site;
static struct knot knot;
static struct dns *dns;

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

#define ZONE                                                       \
    "one 120 TXT \"v=SSMP1; id=7\"\n"                              \
    "long TXT \"" HUNDRED HUNDRED "\" \"" HUNDRED "\"\n"           \
    "two TXT \"first\"\ntwo TXT \"second\"\n"                      \
    "alias 30 CNAME one\n"                                         \
    "both A 127.0.0.2\nboth A 127.0.0.3\nboth AAAA ::1\n"          \
    "four A 127.0.0.4\nsix AAAA 2001:db8::6\nonly-txt TXT \"x\"\n" \
    "mail A 127.0.0.5\n"

static const char zone_of_all[] = ZONE;
static const char zone[] = ZONE "brief 7 A 127.0.0.8\nzero 0 A 127.0.0.8\n";
static const char reverse[] =
    "5.0.0 PTR Mail.test.\n6.0.0 PTR mail.test.\n7.0.0 PTR one\\032two.test.\n8.0.0 PTR none.test.\n"
    "10.0.0 PTR one_two.test.\n";

struct answer {
    unsigned done;
    enum result result;
    size_t n;
    uint32_t ttl;
    char text[400], other[400];
    char address[DNS_ADDRESSES_MAX][NETADDR_TEXT_SIZE];
    struct error err;
};

static void finished(struct answer *a, enum result result, size_t n, const struct error *err)
{
    a->done++;
    a->result = result;
    a->n = n;
    if (err != NULL)
        a->err = *err;
    assert_int_equal(err == NULL, result == RESULT_OK);
    loop_stop(site.loop);
}

static void on_txt(void *arg, enum result result, const struct dns_txt *records, size_t n, uint32_t ttl,
                   const struct error *err)
{
    struct answer *a = arg;
    a->ttl = ttl;
    if (n > 0)
        snprintf(a->text, sizeof a->text, "%s", records[0].text);
    if (n > 1)
        snprintf(a->other, sizeof a->other, "%s", records[1].text);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(strlen(records[i].text), records[i].len);
    finished(a, result, n, err);
}

static void on_addresses(void *arg, enum result result, const struct netaddr *addresses, size_t n,
                         const struct error *err)
{
    struct answer *a = arg;
    for (size_t i = 0; i < n; i++)
        netaddr_text(&addresses[i], a->address[i]);
    finished(a, result, n, err);
}

static void on_name(void *arg, enum result result, const char *name, const struct error *err)
{
    struct answer *a = arg;
    if (name != NULL)
        snprintf(a->text, sizeof a->text, "%s", name);
    assert_int_equal(name != NULL, result == RESULT_OK);
    finished(a, result, 0, err);
}

static struct answer run(struct answer *a)
{
    assert_int_equal(a->done, 0); /* never before the call returns */
    site_run(&site);
    assert_int_equal(a->done, 1);
    return *a;
}

static struct answer txt(const char *name)
{
    struct answer a = {0};
    dns_txt(dns, name, on_txt, &a);
    return run(&a);
}

static struct answer addresses(const char *name)
{
    struct answer a = {0};
    dns_addresses(dns, name, 443, on_addresses, &a);
    return run(&a);
}

static struct answer name_of(const char *ip)
{
    struct answer a = {0};
    struct netaddr address;
    assert_true(netaddr_parse(ip, 25, &address));
    dns_name(dns, &address, on_name, &a);
    return run(&a);
}

static void start_dns(uint16_t port, const char *timeout)
{
    struct error err;
    struct config *config =
        site_config("discovery {\n resolvers = {\"127.0.0.1:%u\"}\n dns-timeout = %s\n}\n", port, timeout);
    assert_int_equal(dns_new(site.loop, config, &dns, &err), RESULT_OK);
    config_free(&config);
}

static int up(void **state)
{
    (void)state;
    site_up(&site);
    knot_up(&knot, &site, zone, reverse);
    start_dns(knot.port, "5s");
    return 0;
}

static int down(void **state)
{
    (void)state;
    dns_free(&dns);
    knot_down(&knot);
    site_down(&site);
    return 0;
}

static void txt_records(void **state)
{
    (void)state;
    struct answer a = txt("one.test");
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.n, 1);
    assert_string_equal(a.text, "v=SSMP1; id=7");
    assert_int_equal(a.ttl, 120);
    a = txt("long.test");
    assert_string_equal(a.text, HUNDRED HUNDRED HUNDRED);
    assert_int_equal(a.ttl, 300);
    a = txt("two.test");
    assert_int_equal(a.n, 2);
    assert_true(strcmp(a.text, a.other) != 0);
    a = txt("alias.test"); /* the alias lives shorter than what it leads to */
    assert_string_equal(a.text, "v=SSMP1; id=7");
    assert_int_equal(a.ttl, 30);
}

static void what_is_not_there_and_what_cannot_be_known(void **state)
{
    (void)state;
    struct answer a = txt("none.test");
    assert_int_equal(a.result, RESULT_PERM);
    assert_int_equal(a.n, 0);
    assert_non_null(strstr(a.err.text, "none.test"));
    assert_int_equal(txt("four.test").result, RESULT_PERM);
    assert_int_equal(txt("a..test").result, RESULT_PERM);
    assert_int_equal(txt("name.of.a.zone.that.is.refused").result, RESULT_TEMP);
    assert_int_equal(addresses("only-txt.test").result, RESULT_PERM);
    assert_int_equal(addresses("none.test").result, RESULT_PERM);
    assert_int_equal(addresses("refused.example").result, RESULT_TEMP);
}

static void both_families(void **state)
{
    (void)state;
    struct answer a = addresses("both.test");
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.n, 3);
    bool v6 = false;
    for (size_t i = 0; i < a.n; i++)
        v6 = v6 || strcmp(a.address[i], "[::1]:443") == 0;
    assert_true(v6);
    a = addresses("four.test");
    assert_int_equal(a.n, 1);
    assert_string_equal(a.address[0], "127.0.0.4:443");
    a = addresses("six.test");
    assert_int_equal(a.n, 1);
    assert_string_equal(a.address[0], "[2001:db8::6]:443");
    a = addresses("192.0.2.1"); /* no question asked */
    assert_string_equal(a.address[0], "192.0.2.1:443");
    a = addresses("2001:db8::1");
    assert_string_equal(a.address[0], "[2001:db8::1]:443");
}

static msec_t later;

static msec_t later_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + later;
}

static void addresses_are_kept_for_their_ttl(void **state)
{
    (void)state;
    char changed[2000];
    assert_string_equal(addresses("brief.test").address[0], "127.0.0.8:443");
    assert_int_equal(addresses("zero.test").result, RESULT_OK);
    snprintf(changed, sizeof changed, "%sbrief 7 A 127.0.0.9\nzero 0 A 127.0.0.9\n", zone_of_all);
    knot_change(&knot, changed);
    assert_string_equal(addresses("zero.test").address[0], "127.0.0.9:443");
    assert_string_equal(addresses("brief.test").address[0], "127.0.0.8:443");
    struct answer a = {0};
    dns_addresses(dns, "brief.test", 25, on_addresses, &a);
    assert_string_equal(run(&a).address[0], "127.0.0.8:25");
    later = 8000;
    clock_set_mono_source(later_clock);
    assert_string_equal(addresses("brief.test").address[0], "127.0.0.9:443");
    clock_set_mono_source(NULL);
}

static void names_must_lead_back(void **state)
{
    (void)state;
    struct answer a = name_of("127.0.0.5");
    assert_int_equal(a.result, RESULT_OK);
    assert_string_equal(a.text, "mail.test");
    a = name_of("127.0.0.6"); /* the name has another address */
    assert_int_equal(a.result, RESULT_PERM);
    assert_int_equal(name_of("127.0.0.7").result, RESULT_PERM); /* no host name */
    assert_int_equal(name_of("127.0.0.10").result, RESULT_PERM);
    assert_int_equal(name_of("127.0.0.8").result, RESULT_PERM); /* a name without address */
    assert_int_equal(name_of("127.0.0.9").result, RESULT_PERM); /* no name */
    assert_int_equal(name_of("192.0.2.1").result, RESULT_TEMP); /* refused */
    a = name_of("2001:db8::1:ab");
    assert_int_equal(a.result, RESULT_TEMP);
    assert_non_null(strstr(a.err.text, "b.a.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"));
}

static void silence_ends(void **state)
{
    (void)state;
    int deaf = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(deaf, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(deaf, (struct sockaddr *)&address, &len), 0);
    dns_free(&dns);
    start_dns(ntohs(address.sin_port), "200ms");
    msec_t start = clock_mono();
    struct answer a = txt("one.test");
    assert_int_equal(a.result, RESULT_TEMP);
    assert_in_range(clock_mono() - start, 150, 2000);
    assert_int_equal(addresses("one.test").result, RESULT_TEMP);
    assert_int_equal(name_of("127.0.0.5").result, RESULT_TEMP);

    struct answer late = {0};
    dns_txt(dns, "one.test", on_txt, &late);
    dns_addresses(dns, "192.0.2.1", 1, on_addresses, &late);
    dns_free(&dns); /* calls them back */
    assert_int_equal(late.done, 2);
    loop_run(site.loop); /* takes the stop of the callbacks away */
    start_dns(knot.port, "5s");
    close(deaf);
}

static void bad_resolvers_are_refused(void **state)
{
    (void)state;
    struct error err;
    struct dns *none = NULL;
    struct config *config = site_config("discovery {\n resolvers = {\"not an address\"}\n}\n");
    assert_int_equal(dns_new(site.loop, config, &none, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "discovery.resolvers"));
    assert_null(none);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(txt_records),
        cmocka_unit_test(what_is_not_there_and_what_cannot_be_known),
        cmocka_unit_test(both_families),
        cmocka_unit_test(names_must_lead_back),
        cmocka_unit_test(addresses_are_kept_for_their_ttl),
        cmocka_unit_test(silence_ends),
        cmocka_unit_test(bad_resolvers_are_refused),
    };
    if (!knot_is_there()) {
        printf("1..0 # SKIP knotd is not installed (Debian: knot)\n");
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    log_set_hook(test_drop_line);
    return _cmocka_run_group_tests("dns", tests, sizeof tests / sizeof tests[0], up, down);
}
