/* Discovery against a real DNS server and our own HTTPS server, with a clock that we turn. */
#include "t/unit/knot.h"

#include <pthread.h>

#include "lib/discovery.h"
#include "lib/http_server.h"

static struct site site;
static struct knot knot;
static struct dns *dns;
static struct http_client *http;
static struct tls_server *tls;
static struct http_server *server;
static struct peer_limits *peers;
static struct discovery *discovery;

static msec_t turned = 0; /* the clock's lead on 2026-01-01 */

static msec_t turned_clock(void)
{
    return 1767225600000 + turned;
}

/* ---- the policy server ---- */

#define POLICY "{\"version\":\"SSMP1\",\"mode\":\"%s\",\"max_age\":%d,\"inbound\":[\"https://bridge.a.test\"]}"

static struct {
    int status;
    char document[70000];
    unsigned requests;
    struct http_request *held;
    bool hold;
    char host[100];
} web;

static void handle(struct http_request *req, void *arg)
{
    (void)arg;
    web.requests++;
    assert_string_equal(http_request_path(req), "/.well-known/sender-store");
    snprintf(web.host, sizeof web.host, "%.*s", (int)strcspn(http_request_header(req, "Host"), ":"),
             http_request_header(req, "Host"));
    struct http_header location = {"Location", "https://sender-store.b.test/.well-known/sender-store"};
    if (web.hold)
        web.held = req;
    else
        http_reply(req, web.status, &location, web.status == 301, "application/json", web.document,
                   strlen(web.document));
}

static void publish(const char *mode, int max_age)
{
    web.status = 200;
    snprintf(web.document, sizeof web.document, POLICY, mode, max_age);
}

/* ---- the database ---- */

static struct {
    unsigned saves, loads;
    struct policy_cache_entry last;
    struct policy_cache_entry *stored; /* what load() gives, once */
} base;

static enum result load(void *arg, const char *domain, struct policy_cache_entry **entry_r, struct error *err)
{
    (void)arg, (void)err;
    base.loads++;
    *entry_r = NULL;
    if (base.stored != NULL && strcmp(base.stored->domain, domain) == 0) {
        *entry_r = base.stored;
        base.stored = NULL;
    }
    return RESULT_OK;
}

static void save(void *arg, const struct policy_cache_entry *entry)
{
    (void)arg;
    base.saves++;
    mem_free(&base.last.policy);
    base.last = *entry;
    base.last.policy = mem_strdup(entry->policy);
}

/* ---- set-up ---- */

#define A      "sender-store.a A 127.0.0.1\nsender-store.b A 127.0.0.1\n"
#define RECORD "_sender-store.a 300 TXT \"v=SSMP1; id=1\"\n"

static void start(const char *more)
{
    struct error err;
    struct config *config = site_config("discovery {\n ca-file = \"%s\"\n allow-addresses = {\"127.0.0.0/8\"}\n"
                                        " resolvers = {\"127.0.0.1:%u\"}\n policy-port = %u\n timeout = 10s\n %s\n}\n",
                                        site.ca, knot.port, http_server_port(server), more);
    struct discovery_backing backing = {load, save, NULL};
    assert_int_equal(dns_new(site.loop, config, &dns, &err), RESULT_OK);
    assert_int_equal(http_client_new(site.loop, dns, config, &http, &err), RESULT_OK);
    assert_int_equal(discovery_new(site.loop, dns, http, config, &backing, &discovery, &err), RESULT_OK);
    config_free(&config);
}

static void stop(void)
{
    discovery_free(&discovery);
    http_client_free(&http);
    dns_free(&dns);
}

static int site_begin(void **state)
{
    (void)state;
    struct error err;
    struct netaddr a;
    site_up(&site);
    peers = peer_limits_new(site.loop, "store");
    peers->most = peers->most_per_address = 50;
    struct http_server_limits limits = {
        .peers = peers, .section = "test", .header_max = 8192, .body_max = 1000, .idle_timeout = 20000};
    knot_up(&knot, &site, A RECORD, "");
    assert_int_equal(tls_server_new(site.chain, site.key, &tls, &err), RESULT_OK);
    server = http_server_new(site.loop, &limits, tls, handle, NULL);
    assert_true(netaddr_parse("127.0.0.1", 0, &a));
    assert_int_equal(http_server_listen(server, &a, &err), RESULT_OK);
    clock_set_source(turned_clock);
    return 0;
}

static int site_end(void **state)
{
    (void)state;
    clock_set_source(NULL);
    http_server_free(&server);
    peer_limits_free(&peers);
    tls_server_free(&tls);
    knot_down(&knot);
    site_down(&site);
    return 0;
}

static int up(void **state)
{
    (void)state;
    memset(&web, 0, sizeof web);
    memset(&base, 0, sizeof base);
    knot_change(&knot, A RECORD);
    publish("enforce", 86400);
    start("");
    return 0;
}

static int down(void **state)
{
    (void)state;
    stop();
    mem_free(&base.last.policy);
    policy_cache_entry_free(&base.stored);
    return 0;
}

/* ---- asking ---- */

struct answer {
    unsigned done;
    enum result result;
    enum policy_mode mode;
    struct error err;
};

static void on_answer(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct answer *a = arg;
    assert_int_equal(result == RESULT_OK, policy != NULL);
    assert_int_equal(result == RESULT_OK, err == NULL);
    a->done++;
    a->result = result;
    if (policy != NULL)
        a->mode = policy->mode;
    if (err != NULL)
        a->err = *err;
    loop_stop(site.loop);
}

static struct answer get(const char *domain, bool refresh)
{
    struct answer a = {0};
    discovery_get(discovery, domain, refresh, on_answer, &a);
    do
        site_run(&site); /* also takes away the stop of an answer that came at once */
    while (a.done == 0);
    assert_int_equal(a.done, 1);
    return a;
}

static enum discovery_state peek(const char *domain)
{
    struct error why;
    const struct policy *policy = NULL;
    enum discovery_state state = discovery_peek(discovery, domain, &policy, &why);
    assert_int_equal(state == DISCOVERY_POLICY, policy != NULL);
    assert_true(why.text[0] != '\0');
    discovery_release(&policy);
    return state;
}

/* Lets a background look-up come to its end: until the policy server was asked `requests` times. */
static void settle(unsigned requests)
{
    for (int i = 0; i < 500 && web.requests < requests; i++)
        site_linger(&site, 10);
    assert_int_equal(web.requests, requests);
    site_linger(&site, 50);
    assert_int_equal(web.requests, requests);
}

/* ---- the tests ---- */

static void a_domain_that_takes_part(void **state)
{
    (void)state;
    struct answer a = get("A.test.", false);
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.mode, POLICY_ENFORCE);
    assert_string_equal(web.host, "sender-store.a.test");
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    assert_int_equal(web.requests, 1);
    assert_int_equal(base.saves, 1);
    assert_string_equal(base.last.domain, "a.test");
    assert_string_equal(base.last.txt_id, "1");
    assert_string_equal(base.last.policy, web.document);
    assert_int_equal(base.last.usable_until, turned_clock() + 86400000);
    assert_int_equal(base.last.check_next, turned_clock() + 300000);
    assert_string_equal(base.last.error, "");
}

static void peeking_looks_in_the_background(void **state)
{
    (void)state;
    assert_int_equal(peek("a.test"), DISCOVERY_UNKNOWN);
    assert_int_equal(peek("a.test"), DISCOVERY_UNKNOWN);
    settle(1);
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    assert_int_equal(peek("not a domain"), DISCOVERY_NONE);
    assert_int_equal(peek("localhost"), DISCOVERY_NONE);
    assert_int_equal(get("[127.0.0.1]", false).result, RESULT_PERM);
}

static void records_that_do_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *records;
        enum result result;
        const char *why;
    } cases[] = {
        {"", RESULT_PERM, "no such name"},
        {"_sender-store.a A 127.0.0.1\n", RESULT_PERM, "no such record"},
        {"_sender-store.a TXT \"v=spf1 -all\"\n", RESULT_PERM, "no sender-store record"},
        {RECORD "_sender-store.a TXT \"v=SSMP1; id=2\"\n", RESULT_PERM, "2 sender-store records"},
        {RECORD "_sender-store.a TXT \"v=SSMP1;\"\n", RESULT_PERM, "2 sender-store records"},
        {"_sender-store.a TXT \"v=SSMP2; id=1\"\n", RESULT_PERM, "version"},
        {"_sender-store.a TXT \"v=SSMP1; id=\"\n", RESULT_PERM, "_sender-store.a.test"},
        {RECORD "_sender-store.a TXT \"v=spf1 -all\"\n", RESULT_OK, ""},
        {"_sender-store.a TXT \"v=SSMP1;\" \" id=1\"\n", RESULT_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char records[500];
        snprintf(records, sizeof records, "%s%s", A, cases[i].records);
        knot_change(&knot, records);
        stop();
        start("");
        web.requests = 0;
        struct answer a = get("a.test", false);
        if (a.result != cases[i].result || strstr(a.err.text, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].records, a.err.text);
        assert_int_equal(web.requests, a.result == RESULT_OK);
        assert_int_equal(peek("a.test"), a.result == RESULT_OK ? DISCOVERY_POLICY : DISCOVERY_NONE);
    }
    struct answer a = get("refused.example", false);
    assert_int_equal(a.result, RESULT_TEMP);
    assert_int_equal(peek("refused.example"), DISCOVERY_NONE);
    assert_true(base.last.error[0] != '\0');
}

static void documents_that_do_not_count(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *document;
        enum result result;
    } cases[] = {
        {404, "", RESULT_TEMP},
        {301, "", RESULT_TEMP},
        {503, "", RESULT_TEMP},
        {200, "", RESULT_PERM},
        {200, "{\"version\":\"SSMP9\",\"mode\":\"enforce\",\"max_age\":86400}", RESULT_PERM},
        {200, "{\"version\":\"SSMP1\",\"mode\":\"enforce\",\"max_age\":86400} x", RESULT_PERM},
        {200, "{\"version\":\"SSMP1\",\"mode\":\"none\",\"max_age\":86400}", RESULT_PERM},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stop();
        start("");
        web.status = cases[i].status;
        snprintf(web.document, sizeof web.document, "%s", cases[i].document);
        struct answer a = get("a.test", false);
        if (a.result != cases[i].result)
            fail_msg("%d %s: %s", cases[i].status, cases[i].document, a.err.text);
        assert_int_equal(peek("a.test"), DISCOVERY_NONE);
        assert_int_equal(web.requests, i + 1); /* what failed is remembered, too */
    }
    stop();
    start("");
    publish("enforce", 86400);
    size_t len = strlen(web.document);
    memset(web.document + len, ' ', 66000 - len);
    web.document[66000] = '\0';
    assert_int_equal(get("a.test", false).result, RESULT_TEMP);

    knot_change(&knot, "sender-store.a A 127.0.0.1\n" RECORD
                       "_sender-store.other TXT \"v=SSMP1; id=1\"\nsender-store.other A 127.0.0.1\n");
    publish("enforce", 86400);
    struct answer a = get("other.test", false); /* not in the certificate */
    assert_int_equal(a.result, RESULT_TEMP);
    assert_non_null(strstr(a.err.text, "certificate"));
}

static void failures_are_forgotten_after_a_while(void **state)
{
    (void)state;
    web.status = 503;
    assert_int_equal(get("a.test", false).result, RESULT_TEMP);
    publish("testing", 86400);
    turned += 9 * 60000;
    assert_int_equal(get("a.test", false).result, RESULT_TEMP);
    turned += 61000;
    assert_int_equal(peek("a.test"), DISCOVERY_UNKNOWN);
    settle(2);
    struct answer a = get("a.test", false);
    assert_int_equal(a.result, RESULT_OK);
    assert_int_equal(a.mode, POLICY_TESTING);
}

static void the_record_is_looked_at_again(void **state)
{
    (void)state;
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    turned += 301000;
    publish("testing", 86400);
    assert_int_equal(get("a.test", false).mode, POLICY_ENFORCE); /* at once, and looks behind our back */
    settle(1);                                                   /* the same id: nothing fetched */
    knot_change(&knot, A "_sender-store.a 300 TXT \"v=SSMP1; id=2\"\n");
    turned += 301000;
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    settle(2);
    assert_int_equal(get("a.test", false).mode, POLICY_TESTING);
    assert_string_equal(base.last.txt_id, "2");
    /* Past half of its time a policy is fetched anew, whatever its id. */
    turned += 86400000 / 2;
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    settle(3);
}

static void a_policy_outlives_failures_but_not_its_time(void **state)
{
    (void)state;
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    knot_change(&knot, A "_sender-store.a 300 TXT \"v=SSMP1; id=2\"\n");
    web.status = 503;
    turned += 301000;
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    settle(2);
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    assert_int_equal(base.saves, 1); /* the database keeps the good one */
    turned += 86400000;
    assert_int_equal(peek("a.test"), DISCOVERY_UNKNOWN);
    settle(3);
    assert_int_equal(get("a.test", false).result, RESULT_TEMP);
    assert_int_equal(base.saves, 2);
    assert_null(base.last.policy);
}

static void a_withdrawn_record_ends_it(void **state)
{
    (void)state;
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    knot_change(&knot, A);
    turned += 301000;
    peek("a.test");
    for (int i = 0; i < 500 && peek("a.test") == DISCOVERY_POLICY; i++)
        site_linger(&site, 10);
    assert_int_equal(peek("a.test"), DISCOVERY_NONE);
    assert_null(base.last.policy);
    assert_string_equal(base.last.error, "");
}

static void a_refresh_fetches_but_not_too_often(void **state)
{
    (void)state;
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    publish("testing", 86400);
    assert_int_equal(get("a.test", true).mode, POLICY_ENFORCE);
    assert_int_equal(web.requests, 1);
    turned += 60000;
    assert_int_equal(get("a.test", true).mode, POLICY_TESTING);
    assert_int_equal(web.requests, 2);
    turned += 60000;
    web.status = 500;
    struct answer a = get("a.test", true); /* who wanted it fresh hears that it isn't */
    assert_int_equal(a.result, RESULT_TEMP);
    assert_non_null(strstr(a.err.text, "500"));
    assert_int_equal(get("a.test", false).result, RESULT_OK);
}

static void one_look_up_for_many(void **state)
{
    (void)state;
    struct answer a[5] = {{0}};
    for (int i = 0; i < 5; i++)
        discovery_get(discovery, "a.test", false, on_answer, &a[i]);
    discovery_cancel(discovery, &a[3]);
    while (a[4].done == 0)
        site_run(&site);
    for (int i = 0; i < 5; i++)
        assert_int_equal(a[i].done, i != 3);
    assert_int_equal(web.requests, 1);
}

static struct answer again;

static void ask_again(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    (void)policy, (void)err;
    assert_int_equal(result, RESULT_OK);
    turned += 60000;
    discovery_cancel(discovery, arg); /* also the other one that is about to be called */
    discovery_get(discovery, "a.test", true, on_answer, &again);
}

static void callbacks_may_ask_and_cancel(void **state)
{
    (void)state;
    struct answer a = {0};
    again = a;
    discovery_get(discovery, "a.test", false, ask_again, &a);
    discovery_get(discovery, "a.test", false, ask_again, &a);
    while (again.done == 0)
        site_run(&site);
    assert_int_equal(again.done, 1);
    assert_int_equal(web.requests, 2);
}

static void look_ups_are_bounded(void **state)
{
    (void)state;
    stop();
    start("lookups-max = 1\n cache-max = 10");
    struct answer a = {0}, b = {0};
    discovery_get(discovery, "a.test", false, on_answer, &a);
    discovery_get(discovery, "b.test", false, on_answer, &b);
    assert_int_equal(b.done, 1);
    assert_int_equal(b.result, RESULT_TEMP);
    assert_non_null(strstr(b.err.text, "too many"));
    while (a.done == 0)
        site_run(&site);
    assert_int_equal(get("b.test", false).result, RESULT_PERM);
    /* Twelve more domains push the first out of memory. */
    for (int i = 0; i < 12; i++) {
        char domain[20];
        snprintf(domain, sizeof domain, "d%d.test", i);
        assert_int_equal(get(domain, false).result, RESULT_PERM);
    }
    assert_int_equal(web.requests, 1);
    assert_int_equal(get("a.test", false).result, RESULT_OK);
    assert_int_equal(web.requests, 2);
}

static struct policy_cache_entry *entry_of(const char *domain, const char *document)
{
    struct policy_cache_entry *e = mem_zero(1, sizeof *e);
    snprintf(e->domain, sizeof e->domain, "%s", domain);
    snprintf(e->txt_id, sizeof e->txt_id, "1");
    e->policy = mem_strdup(document);
    e->fetched = e->checked = turned_clock();
    e->usable_until = turned_clock() + 86400000;
    e->check_next = turned_clock() + 300000;
    return e;
}

static void the_database_remembers(void **state)
{
    (void)state;
    base.stored = entry_of("a.test", web.document);
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    assert_int_equal(web.requests, 0);
    /* What another process found meanwhile is taken over. */
    turned += 301000;
    publish("testing", 86400);
    base.stored = entry_of("a.test", web.document);
    assert_int_equal(peek("a.test"), DISCOVERY_POLICY);
    site_linger(&site, 100);
    assert_int_equal(get("a.test", false).mode, POLICY_TESTING);
    assert_int_equal(web.requests, 0);
    /* An entry that can't be read is as good as none. */
    base.stored = entry_of("b.test", "{}");
    assert_int_equal(peek("b.test"), DISCOVERY_UNKNOWN);
    assert_int_equal(get("b.test", false).result, RESULT_PERM);
    base.stored = entry_of("c.test", "x");
    mem_free(&base.stored->policy);
    assert_int_equal(peek("c.test"), DISCOVERY_NONE);
    assert_int_equal(get("c.test", false).result, RESULT_PERM);
}

static void freed_in_the_middle(void **state)
{
    (void)state;
    struct answer a = {0}, b = {0};
    web.hold = true;
    discovery_get(discovery, "a.test", false, on_answer, &a);
    while (web.held == NULL)
        site_linger(&site, 5);
    discovery_get(discovery, "b.test", false, on_answer, &b);
    site_linger(&site, 0); /* its question is out, or just answered */
    discovery_free(&discovery);
    http_reply(web.held, 200, NULL, 0, NULL, NULL, 0);
    site_linger(&site, 50);
    assert_int_equal(a.done, 0);
}

/* ---- other threads ---- */

enum { THREADS = 4 };
static int threads_done;

static void thread_done(void *arg)
{
    (void)arg;
    if (++threads_done == THREADS)
        loop_stop(site.loop);
}

static void *waits(void *arg)
{
    const struct policy *policy = NULL;
    enum discovery_state *state = arg;
    *state = discovery_wait(discovery, "a.test", 20000, &policy, NULL);
    for (int i = 0; i < 200; i++) {
        const struct policy *p = NULL;
        discovery_peek(discovery, "a.test", &p, NULL);
        discovery_release(&p);
    }
    discovery_release(&policy);
    loop_post(site.loop, thread_done, NULL);
    return NULL;
}

static void other_threads_may_wait(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    enum discovery_state states[THREADS];
    threads_done = 0;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, waits, &states[i]);
    site_run(&site);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(states[i], DISCOVERY_POLICY);
    }
    assert_int_equal(web.requests, 1);
    /* Nobody looks (the loop stands still): the wait ends by itself. */
    msec_t start_at = clock_mono();
    assert_int_equal(discovery_wait(discovery, "b.test", 150, NULL, NULL), DISCOVERY_UNKNOWN);
    assert_in_range(clock_mono() - start_at, 140, 5000);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_domain_that_takes_part),
        TEST(peeking_looks_in_the_background),
        TEST(records_that_do_not_count),
        TEST(documents_that_do_not_count),
        TEST(failures_are_forgotten_after_a_while),
        TEST(the_record_is_looked_at_again),
        TEST(a_policy_outlives_failures_but_not_its_time),
        TEST(a_withdrawn_record_ends_it),
        TEST(a_refresh_fetches_but_not_too_often),
        TEST(one_look_up_for_many),
        TEST(callbacks_may_ask_and_cancel),
        TEST(look_ups_are_bounded),
        TEST(the_database_remembers),
        TEST(freed_in_the_middle),
        TEST(other_threads_may_wait),
    };
    if (!knot_is_there()) {
        printf("1..0 # SKIP knotd is not installed (Debian: knot)\n");
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    log_set_hook(test_drop_line);
    return _cmocka_run_group_tests("discovery", tests, sizeof tests / sizeof tests[0], site_begin, site_end);
}
