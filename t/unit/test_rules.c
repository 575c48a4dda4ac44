/* Rules: each condition, three values, percentages, hours, and the errors of a configuration. */
#include "t/unit/test.h"

#include <time.h>

#include "lib/mem.h"
#include "lib/rules.h"
#include "lib/rules_hours.h"
#include "t/unit/temp_dir.h"

static struct config *config;

static struct rules *rules(const char *text)
{
    struct rules *r = NULL;
    struct error err = {.text = ""};
    if (config_parse(text, "t.conf", &config, &err) != RESULT_OK || rules_new(config, &r, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    config_free(&config); /* rules don't point into it */
    return r;
}

static const struct rules_facts plain = {
    .sender = "alice@a.test", .recipient = "bob@b.test", .size_known = true, .headers_known = true, .size = 5000};

static void expect(const struct rules *r, const struct rules_facts *f, const char *rule, enum rules_action action)
{
    struct rules_decision d = rules_judge(r, f, NULL);
    if (!rules_decided(&d) || d.rule == NULL)
        fail_msg("open: 0x%x", d.possible);
    assert_string_equal(d.rule, rule);
    assert_int_equal(d.action, action);
}

static void open_between(const struct rules *r, const struct rules_facts *f, unsigned possible)
{
    struct rules_decision d = rules_judge(r, f, NULL);
    assert_null(d.rule);
    assert_int_equal(d.possible, possible);
}

enum { DIVERT = 1U << RULES_DIVERT, SMTP = 1U << RULES_SMTP, SHADOW = 1U << RULES_SHADOW };

static void no_rules(void **state)
{
    (void)state;
    struct rules *r = rules("");
    expect(r, &plain, "default", RULES_DIVERT);
    rules_free(&r);
    r = rules("rules-default = shadow");
    expect(r, &plain, "default", RULES_SHADOW);
    rules_free(&r);
    assert_null(r);
}

static void first_match_decides(void **state)
{
    (void)state;
    struct rules *r = rules("rules-default = smtp\n"
                            "rule one { recipients = carol@b.test action = divert }\n"
                            "rule two { recipients = b.test senders = alice@a.test action = shadow }\n"
                            "rule three { recipients = b.test }\n"
                            "rule four { action = divert }\n");
    struct rules_facts f = plain;
    expect(r, &f, "two", RULES_SHADOW);
    f.sender = "mallory@a.test"; /* all conditions of a rule must hold */
    expect(r, &f, "three", RULES_SMTP);
    f.recipient = "Carol@B.test";
    expect(r, &f, "one", RULES_DIVERT);
    f.recipient = "x@c.test";
    expect(r, &f, "four", RULES_DIVERT);
    rules_free(&r);
}

static void people(void **state)
{
    (void)state;
    struct rules *r = rules("rules-default = smtp\n"
                            "rule user { users = {alice, test-*} action = divert }\n"
                            "rule client { clients = {local, 192.0.2.0/24} action = shadow }\n"
                            "rule nobody { recipients = {} action = divert }\n");
    struct rules_facts f = plain;
    struct netaddr a;
    f.login = "test-7";
    expect(r, &f, "user", RULES_DIVERT);
    f.login = "bob";
    expect(r, &f, "client", RULES_SHADOW);
    assert_true(netaddr_parse("192.0.2.7", 0, &a));
    f.client = &a;
    expect(r, &f, "client", RULES_SHADOW);
    assert_true(netaddr_parse("192.0.3.7", 0, &a));
    f.login = NULL;
    expect(r, &f, "default", RULES_SMTP);
    rules_free(&r);
}

static void sizes_and_headers(void **state)
{
    (void)state;
    struct rules *r =
        rules("rule big { min-size = 10K action = smtp }\n"
              "rule bulk { headers = {\"Precedence: bulk\", \"List-Id\", \"X-Kind: news*letter\"} action = shadow }\n"
              "rule small { max-size = 100 action = smtp }\n");
    struct rules_facts f = plain;
    expect(r, &f, "default", RULES_DIVERT);
    f.size = 10240;
    expect(r, &f, "big", RULES_SMTP);
    f.size = 10239;
    expect(r, &f, "default", RULES_DIVERT);
    f.size = 100;
    expect(r, &f, "small", RULES_SMTP);
    f.size = 101;
    expect(r, &f, "default", RULES_DIVERT);
    static const struct {
        const char *name, *value;
        bool match;
    } cases[] = {
        {"precedence", " Bulk\r\n", true},    {"Precedence", "\n\tbulk ", true},
        {"Precedence", "bulky", false},       {"List-ID", "", true},
        {"X-Kind", "News\r\n  letter", true}, {"X-Kind", "letter news", false},
        {"X-Precedence", "bulk", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_headers *h = rules_headers_new(r);
        rules_headers_add(r, h, "Subject", "x");
        rules_headers_add(r, h, cases[i].name, cases[i].value);
        f.headers = h;
        f.headers_known = true;
        expect(r, &f, cases[i].match ? "bulk" : "default", cases[i].match ? RULES_SHADOW : RULES_DIVERT);
        rules_headers_free(&h);
        assert_null(h);
    }
    rules_free(&r);
}

/* What isn't known yet leaves a rule open, unless something else settles it. */
static void three_values(void **state)
{
    (void)state;
    struct rules *r = rules("rule one { min-size = 10K recipients = b.test action = smtp }\n"
                            "rule two { headers = X-News recipients = b.test action = shadow }\n"
                            "rule three { recipients = {b.test, d.test} action = divert }\n"
                            "rule four { max-size = 10K recipients = e.test action = smtp }\n"
                            "rule five { recipients = e.test action = smtp }\n");
    struct rules_facts f = plain;
    f.size_known = f.headers_known = false;
    open_between(r, &f, SMTP | SHADOW | DIVERT);
    f.size_known = true; /* 5000 */
    open_between(r, &f, SHADOW | DIVERT);
    f.headers_known = true;
    expect(r, &f, "three", RULES_DIVERT);
    f.headers_known = f.size_known = false;
    struct rules_headers *h = rules_headers_new(r);
    rules_headers_add(r, h, "x-news", "");
    f.headers = h; /* seen: it can't go away again */
    open_between(r, &f, SMTP | SHADOW);
    f.size_known = true;
    expect(r, &f, "two", RULES_SHADOW);
    rules_headers_free(&h);
    f.headers = NULL;
    f.size_known = false;
    f.recipient = "x@d.test";
    expect(r, &f, "three", RULES_DIVERT);
    f.recipient = "x@e.test"; /* by SMTP whichever it is */
    struct rules_decision d = rules_judge(r, &f, NULL);
    assert_null(d.rule);
    assert_true(rules_decided(&d));
    assert_int_equal(d.action, RULES_SMTP);
    rules_free(&r);
}

static void tables_that_fail(void **state)
{
    (void)state;
    struct temp_dir dir;
    char text[1000];
    temp_dir_make(&dir);
    temp_write(&dir, "t", "bob@b.test yes\n", 0644);
    snprintf(text, sizeof text,
             "rule early { recipients = c.test action = divert }\n"
             "rule other { recipients = texthash:%s senders = x.test action = divert }\n"
             "rule table { recipients = {texthash:%s} action = divert }\n"
             "rule late { action = divert }\n",
             dir.path, dir.path);
    struct rules *r = rules(text);
    struct rules_facts f = plain;
    expect(r, &f, "table", RULES_DIVERT);
    unlink(dir.path);
    struct rules_decision d = rules_judge(r, &f, NULL);
    assert_true(d.failed);
    expect(r, &f, "table", RULES_SMTP); /* not `other`: its sender settles it; not `late`: who knows */
    f.recipient = "x@c.test";
    expect(r, &f, "early", RULES_DIVERT);
    rules_free(&r);
    temp_dir_remove(&dir);
}

/* ---- percentages ---- */

static unsigned count_diverted(const char *percent, const char *seed, bool diverted[10000])
{
    char text[200];
    unsigned n = 0;
    snprintf(text, sizeof text, "rules-default = smtp\nrule p { percent = %s seed = \"%s\" action = divert }", percent,
             seed);
    struct rules *r = rules(text);
    for (int i = 0; i < 10000; i++) {
        char address[50];
        struct rules_facts f = plain;
        snprintf(address, sizeof address, "user%d@b%d.test", i, i % 7);
        f.recipient = address;
        struct rules_decision d = rules_judge(r, &f, NULL);
        diverted[i] = d.action == RULES_DIVERT;
        n += diverted[i];
    }
    rules_free(&r);
    return n;
}

static void percentages(void **state)
{
    (void)state;
    static bool before[10000], after[10000];
    static const struct {
        const char *percent;
        double share;
    } steps[] = {{"0", 0},        {"0.5", 0.005}, {"1", 0.01}, {"10", 0.1},
                 {"25.5", 0.255}, {"50", 0.5},    {"90", 0.9}, {"100", 1}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        unsigned n = count_diverted(steps[i].percent, "", after);
        double expected = 10000 * steps[i].share;
        double sigma = expected * (1 - steps[i].share); /* of a binomial distribution, squared */
        double off = (double)n - expected;
        if (off * off > 16 * sigma)
            fail_msg("%s%%: %u of 10000", steps[i].percent, n);
        for (int k = 0; i > 0 && k < 10000; k++)
            assert_true(after[k] || !before[k]); /* nobody ever leaves */
        memcpy(before, after, sizeof before);
    }
    count_diverted("50", "", before);
    count_diverted("50", "other", after);
    unsigned same = 0;
    for (int k = 0; k < 10000; k++)
        same += before[k] == after[k];
    assert_in_range(same, 4800, 5200); /* other people */
}

/* The same on every machine and in every version: it is in the documentation. */
static void shares_are_fixed(void **state)
{
    (void)state;
    assert_int_equal(rules_share("", "bob@b.test"), rules_share("", "BOB@B.Test"));
    assert_int_equal(rules_share("", "x@bücher.example"), rules_share("", "x@xn--bcher-kva.example"));
    assert_int_equal(rules_share("", "bob@b.test"), 3166);
    assert_int_equal(rules_share("s", "bob@b.test"), 3542);
}

/* ---- hours ---- */

static bool in_hours(const char *words, unsigned day, unsigned hour, unsigned minute)
{
    struct rules_hours *h;
    struct error err;
    assert_int_equal(rules_hours_new(&words, 1, &h, &err), RESULT_OK);
    bool yes = rules_hours_have(h, (day * 24 + hour) * 60 + minute);
    rules_hours_free(&h);
    return yes;
}

enum { MON, TUE, WED, THU, FRI, SAT, SUN };

static void hours(void **state)
{
    (void)state;
    assert_true(in_hours("Mon-Fri 08:00-18:00", MON, 8, 0));
    assert_true(in_hours("mon-fri 8:00-18:00", FRI, 17, 59));
    assert_false(in_hours("Mon-Fri 08:00-18:00", FRI, 18, 0));
    assert_false(in_hours("Mon-Fri 08:00-18:00", MON, 7, 59));
    assert_false(in_hours("Mon-Fri 08:00-18:00", SAT, 9, 0));
    assert_true(in_hours("Sat,Sun", SUN, 23, 59));
    assert_false(in_hours("Sat, Sun", MON, 0, 0));
    assert_true(in_hours("Sat-Mon", MON, 0, 0));
    assert_false(in_hours("Sat-Mon", TUE, 0, 0));
    assert_true(in_hours("22:00-06:00", WED, 23, 0));
    assert_true(in_hours("22:00-06:00", WED, 5, 59));
    assert_false(in_hours("22:00-06:00", WED, 6, 0));
    assert_true(in_hours("Sun 22:00-06:00", MON, 5, 0)); /* over the week's end */
    assert_false(in_hours("Sun 22:00-06:00", SUN, 5, 0));
    assert_true(in_hours("Sat 20:00-24:00", SAT, 23, 59));
    assert_false(in_hours("Sat 20:00-24:00", SUN, 0, 0));
    static const char *const bad[] = {"",
                                      "Mon-",
                                      "Mon-Foo",
                                      "8-18",
                                      "08:00",
                                      "08:00-",
                                      "25:00-26:00",
                                      "08:60-09:00",
                                      "08:00-08:00",
                                      "Mon 08:00-18:00 x",
                                      "24:00-01:00",
                                      "Monday",
                                      "08:0-09:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct rules_hours *h;
        struct error err;
        if (rules_hours_new(&bad[i], 1, &h, &err) == RESULT_OK)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    struct rules *r = rules("rule day { hours = {\"Mon-Fri 08:00-18:00\", Sat} action = smtp }");
    struct rules_facts f = plain;
    f.minute = (TUE * 24 + 9) * 60;
    expect(r, &f, "day", RULES_SMTP);
    f.minute = SAT * 24 * 60;
    expect(r, &f, "day", RULES_SMTP);
    f.minute = (TUE * 24 + 19) * 60;
    expect(r, &f, "default", RULES_DIVERT);
    rules_free(&r);
}

static void local_time(void **state)
{
    (void)state;
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    assert_int_equal(rules_minute(0), (THU * 24 + 1) * 60);                /* 1970-01-01 01:00 */
    assert_int_equal(rules_minute(1784635200000LL), (TUE * 24 + 14) * 60); /* 2026-07-21 12:00 UTC: summer time */
    setenv("TZ", "UTC", 1);
    tzset();
    assert_int_equal(rules_minute(1784635200000LL), (TUE * 24 + 12) * 60);
}

/* ---- configuration ---- */

static void errors(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\nrule default {\n }", "t.conf:3: a rule can't be called \"default\""},
        {"rule a {\n recipients = \"a b\" }", "t.conf:2: rule \"a\": recipients: \"a b\" is no pattern"},
        {"rule a {\n senders = hash:/x }", "t.conf:2: rule \"a\": senders: hash:/x: no table of type \"hash\""},
        {"rule a {\n users = cdb:/none/x }", "t.conf:2: rule \"a\": users: /none/x.cdb: No such file"},
        {"rule a {\n\n clients = 300.0.0.0/8 }", "t.conf:3: rule \"a\": clients: "},
        {"rule a {\n hours = Monday }", "t.conf:2: rule \"a\": hours: \"Monday\" is no time of the week"},
        {"rule a {\n headers = \": x\" }", "t.conf:2: rule \"a\": headers: \": x\" is no header"},
        {"rule a {\n min-size = 2K\n max-size = 1K }", "t.conf:3: rule \"a\": max-size: less than min-size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules *r;
        struct error err = {.text = ""};
        assert_int_equal(config_parse(cases[i][0], "t.conf", &config, &err), RESULT_OK);
        assert_int_not_equal(rules_new(config, &r, &err), RESULT_OK);
        assert_null(r);
        config_free(&config);
        if (strncmp(err.text, cases[i][1], strlen(cases[i][1])) != 0)
            fail_msg("\"%s\"\n  not \"%s\"", err.text, cases[i][1]);
    }
}

/* ---- the trace that `pontoon explain` prints ---- */

static void note(void *arg, const struct rules_try *t)
{
    static const char outcomes[] = {[RULES_NO] = '-', [RULES_YES] = '+', [RULES_OPEN] = '?', [RULES_FAILED] = '!'};
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%c%s(%s) ", outcomes[t->outcome], t->rule, t->condition ? t->condition : "");
}

static void trace(void **state)
{
    (void)state;
    char story[500] = "";
    struct rules_trace tr = {note, story};
    struct rules *r = rules("rule a { recipients = c.test }\n"
                            "rule b { min-size = 1K }\n"
                            "rule c { headers = X recipients = c.test }\n"
                            "rule d { percent = 0 }\n"
                            "rule e { recipients = b.test }\n"
                            "rule f { }\n");
    struct rules_facts f = plain;
    f.size_known = f.headers_known = false;
    rules_judge(r, &f, &tr);
    assert_string_equal(story, "-a(recipients) ?b(min-size) -c(recipients) -d(percent) +e() ");
    rules_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_rules),     cmocka_unit_test(first_match_decides),
        cmocka_unit_test(people),       cmocka_unit_test(sizes_and_headers),
        cmocka_unit_test(three_values), cmocka_unit_test(tables_that_fail),
        cmocka_unit_test(percentages),  cmocka_unit_test(shares_are_fixed),
        cmocka_unit_test(hours),        cmocka_unit_test(local_time),
        cmocka_unit_test(errors),       cmocka_unit_test(trace),
    };
    return test_run("rules", tests);
}
