/* ctl/gather.c: one message's way, laid together from a store and a bridge's queue. */
#include "t/unit/test.h"

#include <ftw.h>
#include <unistd.h>

#include "ctl/trace.h"
#include "lib/mem.h"

static char dir[] = "/tmp/pontoon-gather.XXXXXX";
static struct site sites[2]; /* the sender's, the recipient's */
static msec_t now = 1795489920000;

static msec_t fake_clock(void)
{
    return now;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

#define MUST(call)                    \
    do {                              \
        struct error err = {0};       \
        if ((call) != RESULT_OK)      \
            fail_msg("%s", err.text); \
    } while (0)

static void configure(struct site *site, const char *hostname)
{
    char *text = mem_printf(
        "hostname = %s.test\nstore { directory = \"%s/%s-store\" }\nbridge { directory = \"%s/%s-bridge\" }\n",
        hostname, dir, hostname, dir, hostname);
    MUST(config_parse(text, "test.conf", &site->config, &err));
    mem_free(&text);
}

/* A stored message to two recipients; its id is `id`. */
static void put(struct store *store, const char *id, const char *queue_id, const char *message_id)
{
    struct envelope e;
    uint8_t digest[DIGEST_SIZE] = {1};
    struct store_put_result put = {0};
    struct spool *spool = spool_new(store_incoming_dir(store), 65536, UINT64_MAX);
    envelope_init(&e);
    mem_free(&e.sender);
    e.sender = mem_strdup("alice@a.test");
    envelope_add_rcpt(&e, "bob@b.test", NULL, NULL);
    envelope_add_rcpt(&e, "carol@b.test", NULL, NULL);
    MUST(spool_add(spool, "x\r\n", 3, &err));
    MUST(spool_finish(spool, &err));
    const struct store_message m = {.id = id,
                                    .queue_id = queue_id,
                                    .message_id = message_id,
                                    .client = "",
                                    .login = "",
                                    .envelope = &e,
                                    .trace = "",
                                    .size = 3,
                                    .digest = digest,
                                    .expire_after = 1000};
    MUST(store_put(store, &m, spool, &put, &err));
    mem_free(&put.resubmission_of);
    spool_free(&spool);
    envelope_free(&e);
}

/* What a bridge knows of a message of `iss` with this id. */
static void note(struct jobs *jobs, const char *iss, const char *id, const char *queue_id)
{
    struct job *j = mem_zero(1, sizeof *j);
    snprintf(j->iss, sizeof j->iss, "%s", iss);
    snprintf(j->aud, sizeof j->aud, "b.test");
    snprintf(j->m.id, sizeof j->m.id, "%s", id);
    snprintf(j->m.token, sizeof j->m.token, "token");
    snprintf(j->queue_id, sizeof j->queue_id, "%s", queue_id);
    envelope_init(&j->m.envelope);
    mem_free(&j->m.envelope.sender);
    j->m.envelope.sender = mem_printf("alice@%s", iss);
    j->m.size = 3;
    j->received = now;
    j->rcpts = mem_zero(1, sizeof *j->rcpts);
    j->nrcpts = 1;
    j->rcpts[0] = (struct job_rcpt){.address = mem_strdup("bob@b.test"),
                                    .state = JOB_DELIVERED,
                                    .dsn = "2.0.0",
                                    .text = mem_strdup("250 2.0.0 Ok"),
                                    .since = now};
    MUST(jobs_note(jobs, j, NULL, NULL, &err));
    jobs_add_event(jobs, &(struct job_name){iss, "b.test", id, false}, "bob@b.test", "delivered", iss);
    job_free(&j);
}

static int set_up(void **state)
{
    (void)state;
    clock_set_source(fake_clock);
    assert_non_null(mkdtemp(dir));
    configure(&sites[0], "a");
    configure(&sites[1], "b");
    MUST(store_open(sites[0].config, STORE_READ_WRITE, "test", &sites[0].store, &err));
    MUST(jobs_open(sites[1].config, STORE_READ_WRITE, &sites[1].jobs, &err));
    put(sites[0].store, "MESSAGE1", "QA1", "one@a.test");
    now += 5;
    note(sites[1].jobs, "a.test", "MESSAGE1", "QB1");
    note(sites[1].jobs, "evil.test", "MESSAGE1", "QB2");
    now += 7;
    store_add_event(sites[0].store, "MESSAGE1", "bob@b.test", "delivered", "late");
    put(sites[0].store, "MESSAGE2", "QA2", "one@a.test"); /* also makes the events before it durable */
    note(sites[1].jobs, "a.test", "MESSAGE3", "QB3");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        site_close(&sites[i]);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    clock_set_source(NULL);
    return 0;
}

/* The ids that `what` stands for, joined by spaces. */
static void assert_ids(const char *what, const char *expected)
{
    char *ids[TRACE_MESSAGES_MAX];
    char text[200] = "";
    size_t n;
    MUST(trace_find_ids(sites, 2, what, ids, &n, &err));
    for (size_t i = 0; i < n; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", ids[i]);
        mem_free(&ids[i]);
    }
    assert_string_equal(text, expected);
}

static void test_find(void **state)
{
    (void)state;
    assert_ids("MESSAGE1", "MESSAGE1");
    assert_ids("QA1", "MESSAGE1");
    assert_ids("QB1", "MESSAGE1");
    assert_ids("QB3", "MESSAGE3");
    assert_ids("one@a.test", "MESSAGE2 MESSAGE1");
    assert_ids("<one@a.test>", "MESSAGE2 MESSAGE1");
    assert_ids("nothing", "");
}

static void test_both_sides(void **state)
{
    (void)state;
    struct trace t;
    MUST(trace_gather(sites, 2, "MESSAGE1", &t, &err));
    assert_string_equal(t.queue_id, "QA1");
    assert_string_equal(t.receiver_queue_id, "QB1");
    assert_string_equal(t.message_id, "one@a.test");
    assert_string_equal(t.sender, "alice@a.test");
    assert_int_equal(t.nrcpts, 3); /* two of the store, one of the bridge */
    assert_string_equal(t.rcpts[2].side, "bridge");
    bool bridge_seen = false;
    for (size_t i = 0; i < t.nhops; i++) {
        assert_true(i == 0 || t.hops[i].when >= t.hops[i - 1].when);
        assert_string_equal(t.hops[i].host, strcmp(t.hops[i].side, "store") == 0 ? "a.test" : "b.test");
        /* another domain may have used the same id */
        assert_true(t.hops[i].text == NULL || strcmp(t.hops[i].text, "evil.test") != 0);
        bridge_seen = bridge_seen || strcmp(t.hops[i].side, "bridge") == 0;
    }
    assert_true(bridge_seen);
    assert_string_equal(t.hops[t.nhops - 1].text, "late");
    assert_int_equal(t.hops[t.nhops - 1].when - t.hops[0].when, 12);
    trace_free(&t);
}

static void test_one_side(void **state)
{
    (void)state;
    struct trace t;
    MUST(trace_gather(&sites[1], 1, "MESSAGE3", &t, &err));
    assert_string_equal(t.queue_id, "");
    assert_string_equal(t.receiver_queue_id, "QB3");
    assert_string_equal(t.sender, "alice@a.test");
    assert_int_equal(t.size, 3);
    assert_int_equal(t.nrcpts, 1);
    trace_free(&t);
}

static void test_nobody_knows(void **state)
{
    (void)state;
    struct trace t;
    MUST(trace_gather(sites, 2, "NOTHING", &t, &err));
    assert_int_equal(t.nhops, 0);
    assert_int_equal(t.nrcpts, 0);
    trace_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_both_sides),
        cmocka_unit_test(test_one_side),
        cmocka_unit_test(test_nobody_knows),
    };
    log_set_hook(test_drop_line);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("gather", tests, set_up, tear_down);
}
