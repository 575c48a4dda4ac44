#include "t/unit/test.h"

#include "lib/config.h"
#include "lib/eligibility.h"

#define BASE "domains = {a.test, bücher.example}\npolicy { outbound = https://s.a.test }\n"

static struct eligibility *configured(const char *more)
{
    struct config *c;
    struct eligibility *s = NULL;
    struct error err = {.text = ""};
    char text[2000];
    snprintf(text, sizeof text, "%s", more);
    if (config_parse(text, "t.conf", &c, &err) != RESULT_OK || eligibility_new(c, &s, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    config_free(&c); /* nothing must point into it */
    return s;
}

static struct netaddr address(const char *ip)
{
    struct netaddr a;
    assert_true(netaddr_parse(ip, 25, &a));
    return a;
}

static void expect(const char *actual, const char *expected)
{
    if (expected == NULL ? actual != NULL : actual == NULL || strcmp(actual, expected) != 0)
        fail_msg("\"%s\", not \"%s\"", actual ? actual : "(divert)", expected ? expected : "(divert)");
}

static void messages(void **state)
{
    (void)state;
    struct eligibility *s = configured(BASE "milter { max-size = 1M }");
    struct netaddr local = address("127.0.0.1");
    const struct eligibility_message good = {
        .sender = "alice@a.test", .params_known = true, .can_divert = true, .client = &local};
    struct eligibility_message m = good;
    expect(eligibility_of_message(s, &m, NULL), NULL);
    m.sender = "Alice@A.TEST";
    expect(eligibility_of_message(s, &m, NULL), NULL);
    m.sender = "a@xn--bcher-kva.example";
    expect(eligibility_of_message(s, &m, NULL), NULL);
    m.sender = "a@bücher.example";
    expect(eligibility_of_message(s, &m, NULL), "8-bit sender without SMTPUTF8");
    m.smtputf8 = true;
    expect(eligibility_of_message(s, &m, NULL), NULL);
    m = good;
    m.sender = "";
    expect(eligibility_of_message(s, &m, NULL), "null sender");
    m.sender = NULL;
    expect(eligibility_of_message(s, &m, NULL), "malformed sender");
    m.sender = "no domain";
    expect(eligibility_of_message(s, &m, NULL), "malformed sender");
    m.sender = "alice@sub.a.test";
    expect(eligibility_of_message(s, &m, NULL), "sender domain is not ours");
    m.sender = "alice@[127.0.0.1]";
    expect(eligibility_of_message(s, &m, NULL), "sender domain is not ours");
    m = good;
    m.params_known = false;
    expect(eligibility_of_message(s, &m, NULL), "unknown MAIL parameter");
    m = good;
    m.can_divert = false;
    expect(eligibility_of_message(s, &m, NULL), "the MTA's milter protocol is too old");
    m = good;
    m.size = 1 << 20;
    expect(eligibility_of_message(s, &m, NULL), NULL);
    m.size++;
    expect(eligibility_of_message(s, &m, NULL), "larger than max-size");
    eligibility_free(&s);
    assert_null(s);
}

static void clients(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *client;
        bool authenticated, divert;
    } cases[] = {
        {"{authenticated, local}", NULL, false, true},
        {"{authenticated, local}", "127.8.9.1", false, true},
        {"{authenticated, local}", "::1", false, true},
        {"{authenticated, local}", "::ffff:127.0.0.1", false, true},
        {"{authenticated, local}", "192.0.2.1", false, false},
        {"{authenticated, local}", "2001:db8::1", false, false},
        {"{authenticated, local}", "192.0.2.1", true, true},
        {"{authenticated}", "127.0.0.1", false, false},
        {"{authenticated}", NULL, false, false},
        {"{local}", "192.0.2.1", true, false},
        {"{}", "127.0.0.1", true, false},
        {"{any}", "192.0.2.1", false, true},
        {"{192.0.2.0/24}", "192.0.2.77", false, true},
        {"{192.0.2.0/24}", "192.0.3.77", false, false},
        {"{192.0.2.0/24}", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        struct netaddr a = {0};
        snprintf(text, sizeof text, BASE "milter { divert-clients = %s }", cases[i].setting);
        struct eligibility *s = configured(text);
        if (cases[i].client != NULL)
            a = address(cases[i].client);
        struct eligibility_message m = {.sender = "a@a.test",
                                        .params_known = true,
                                        .can_divert = true,
                                        .authenticated = cases[i].authenticated,
                                        .client = cases[i].client ? &a : NULL};
        expect(eligibility_of_message(s, &m, NULL), cases[i].divert ? NULL : "client is not in divert-clients");
        eligibility_free(&s);
    }
}

static void switched_off(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"milter { divert = no }\npolicy { outbound = https://s.a.test }", "milter.divert is off"},
        {"policy { outbound = https://s.a.test mode = none }", "policy.mode is none"},
        {"", "policy.outbound is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, "domains = a.test\n%s", cases[i][0]);
        struct eligibility *s = configured(text);
        struct eligibility_message m = {.sender = "a@a.test", .params_known = true, .can_divert = true};
        expect(eligibility_of_message(s, &m, NULL), cases[i][1]);
        eligibility_free(&s);
    }
}

static void bad_clients(void **state)
{
    (void)state;
    struct config *c;
    struct eligibility *s;
    struct error err;
    assert_int_equal(config_parse("\nmilter { divert-clients = {local, 300.0.0.0/8} }", "t.conf", &c, &err), RESULT_OK);
    assert_int_equal(eligibility_new(c, &s, &err), RESULT_PERM);
    assert_null(s);
    assert_int_equal(strncmp(err.text, "t.conf:2: divert-clients: ", 26), 0);
    config_free(&c);
}

static void recipients(void **state)
{
    (void)state;
    struct eligibility *s = configured(BASE);
    const struct eligibility_rcpt good = {
        .address = "bob@b.test", .params_known = true, .transport_known = true, .mailer = "smtp"};
    struct eligibility_rcpt r = good;
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.address = "\"b o b\"@x.B.test";
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.address = "bob@c.test";
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.address = "postmaster";
    expect(eligibility_of_rcpt(s, &r, NULL), "malformed address");
    r.address = NULL;
    expect(eligibility_of_rcpt(s, &r, NULL), "malformed address");
    r.address = "bob@[192.0.2.1]";
    expect(eligibility_of_rcpt(s, &r, NULL), "no domain that could take part");
    r.address = "bob@localhost";
    expect(eligibility_of_rcpt(s, &r, NULL), "no domain that could take part");
    r.address = "b\xc3\xb6"
                "b@b.test";
    expect(eligibility_of_rcpt(s, &r, NULL), "8-bit address without SMTPUTF8");
    r.smtputf8 = true;
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.address = "b\xc3@b.test";
    expect(eligibility_of_rcpt(s, &r, NULL), "malformed address");
    r = good;
    r.params_known = false;
    expect(eligibility_of_rcpt(s, &r, NULL), "unknown RCPT parameter");
    eligibility_free(&s);
}

static void transports(void **state)
{
    (void)state;
    struct eligibility *s = configured(BASE);
    struct eligibility_rcpt r = {
        .address = "bob@b.test", .params_known = true, .transport_known = true, .mailer = "relay"};
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.mailer = "virtual";
    expect(eligibility_of_rcpt(s, &r, NULL), "transport is not in milter.transports");
    r.transport_known = false; /* who can't tell isn't asked */
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.transport_known = true;
    r.mailer = NULL;
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    r.address = "carol@a.test";
    expect(eligibility_of_rcpt(s, &r, NULL), "our own domain, transport unknown");
    r.mailer = "smtp";
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    eligibility_free(&s);
    s = configured(BASE "milter { transports = {} }");
    r.mailer = "local";
    expect(eligibility_of_rcpt(s, &r, NULL), NULL);
    eligibility_free(&s);
}

static void policies(void **state)
{
    (void)state;
    const struct eligibility_policy good = {
        .state = DISCOVERY_POLICY, .mode = POLICY_ENFORCE, .inbound = true, .max_size = 1000};
    struct eligibility_policy p = good;
    expect(eligibility_of_policy(&p, 0, NULL), NULL);
    expect(eligibility_of_policy(&p, 1000, NULL), NULL);
    expect(eligibility_of_policy(&p, 1001, NULL), "larger than the policy's max_size");
    p.inbound = false;
    expect(eligibility_of_policy(&p, 0, NULL), "policy names no inbound");
    p = good;
    p.mode = POLICY_TESTING;
    expect(eligibility_of_policy(&p, 0, NULL), NULL);
    assert_int_equal(eligibility_action(RULES_DIVERT, &p), RULES_SHADOW); /* the mail itself by SMTP */
    assert_int_equal(eligibility_action(RULES_SMTP, &p), RULES_SMTP);
    assert_int_equal(eligibility_action(RULES_DIVERT, &good), RULES_DIVERT);
    assert_int_equal(eligibility_action(RULES_SHADOW, &good), RULES_SHADOW);
    p.mode = POLICY_NONE;
    expect(eligibility_of_policy(&p, 0, NULL), "policy is in mode none");
    p.state = DISCOVERY_NONE;
    expect(eligibility_of_policy(&p, 0, NULL), "domain takes no part");
    p.state = DISCOVERY_UNKNOWN;
    expect(eligibility_of_policy(&p, 0, NULL), "domain is not known yet");
}

static void note_gate(void *arg, const char *gate, const char *why_not)
{
    strcat(arg, gate);
    strcat(arg, why_not == NULL ? "." : "!");
}

static void gates_in_order(void **state)
{
    (void)state;
    char seen[500] = "";
    const struct eligibility_trace trace = {note_gate, seen};
    struct eligibility *s = configured(BASE);
    struct eligibility_message m = {.sender = "alice@a.test", .params_known = true, .can_divert = true};
    eligibility_of_message(s, &m, &trace);
    assert_string_equal(seen, "switched on.MTA.sender.client.MAIL parameters.max-size.");
    seen[0] = '\0';
    m.sender = "x@elsewhere.test"; /* ends at the first that is closed */
    eligibility_of_message(s, &m, &trace);
    assert_string_equal(seen, "switched on.MTA.sender!");
    seen[0] = '\0';
    struct eligibility_policy p = {.state = DISCOVERY_POLICY, .mode = POLICY_ENFORCE, .inbound = true, .max_size = 9};
    eligibility_of_policy(&p, 10, &trace);
    assert_string_equal(seen, "drain and breaker.discovery.policy mode.policy inbound.policy max_size!");
    eligibility_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages),    cmocka_unit_test(clients),        cmocka_unit_test(switched_off),
        cmocka_unit_test(bad_clients), cmocka_unit_test(recipients),     cmocka_unit_test(transports),
        cmocka_unit_test(policies),    cmocka_unit_test(gates_in_order),
    };
    return test_run("eligibility", tests);
}
