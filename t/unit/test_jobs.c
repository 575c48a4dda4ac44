#include "t/unit/test.h"

#include <pthread.h>

#include "lib/jobs_sqlite.h"
#include "lib/mem.h"
#include "lib/policy_cache.h"
#include "t/unit/store_fixture.h"

static char dir[64];
static struct config *config;
static struct jobs *jobs;

static struct jobs *open_jobs(enum store_mode mode)
{
    struct error err = {0};
    struct jobs *j = NULL;
    if (jobs_open(config, mode, &j, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return j;
}

static int set_up(void **state)
{
    (void)state;
    char text[200];
    struct error err = {0};
    strcpy(dir, "/tmp/pontoon-test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(text, sizeof text, "bridge { directory = \"%s/bridge\"\n }\n", dir);
    assert_int_equal(config_parse(text, "test.conf", &config, &err), RESULT_OK);
    jobs = open_jobs(STORE_READ_WRITE);
    test_time = 1700000000000;
    clock_set_source(test_clock);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    jobs_close(&jobs);
    config_free(&config);
    remove_tree(dir);
    clock_set_source(NULL);
    return 0;
}

/* A job with recipients "0@b.test", "1@b.test", …, in the states that the letters say: P pending, D, F, L (later),
 * small: told. */
static struct job *make_job(const char *id, const char *states)
{
    struct job *j = mem_zero(1, sizeof *j);
    strcpy(j->iss, "a.test");
    strcpy(j->aud, "b.test");
    snprintf(j->m.id, sizeof j->m.id, "%s", id);
    strcpy(j->m.token, "b.test~mac");
    j->m.size = 1234;
    j->m.serial = 42;
    memset(j->m.digest, 7, DIGEST_SIZE);
    j->m.envelope.sender = mem_strdup("x@a.test");
    j->m.envelope.smtputf8 = true;
    j->m.envelope.body = BODY_8BITMIME;
    j->m.envelope.ret = mem_strdup("HDRS");
    strcpy(j->peer, "127.0.0.2");
    j->received = test_time;
    j->next = test_time + 100;
    j->nrcpts = strlen(states);
    j->rcpts = mem_zero(j->nrcpts, sizeof *j->rcpts);
    for (size_t i = 0; i < j->nrcpts; i++) {
        static const char letters[] = "PDFLpdfl";
        size_t k = (size_t)(strchr(letters, states[i]) - letters);
        j->rcpts[i] = (struct job_rcpt){.address = mem_printf("%zu@b.test", i),
                                        .state = (enum job_state)(k % 4),
                                        .told = k >= 4,
                                        .since = test_time,
                                        .success = k % 4 == JOB_DELIVERED ? VERDICT_DSN_RELAYED : VERDICT_DSN_TAKEN,
                                        .dsn = "2.0.0"};
        j->rcpts[i].text = mem_strdup("250 ok");
    }
    return j;
}

static void note(const char *id, const char *states)
{
    struct error err = {0};
    struct job *j = make_job(id, states);
    if (jobs_note(jobs, j, NULL, NULL, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    job_free(&j);
}

/* The states of the job in the same letters, or "none". */
static const char *states_of(const char *id)
{
    static char out[20];
    struct error err = {0};
    struct job *j = NULL;
    assert_int_equal(jobs_find(jobs, &(struct job_name){"a.test", "b.test", id, false}, &j, &err), RESULT_OK);
    if (j == NULL)
        return "none";
    size_t n = 0;
    for (; n < j->nrcpts; n++)
        out[n] = (j->rcpts[n].told ? "pdfl" : "PDFL")[j->rcpts[n].state];
    out[n] = '\0';
    job_free(&j);
    return out;
}

static void what_is_noted_is_found(void **state)
{
    (void)state;
    struct error err = {0};
    struct job *j = NULL;
    note("m1", "PDf");
    assert_string_equal(states_of("m1"), "PDf");
    assert_string_equal(states_of("m2"), "none");
    assert_int_equal(jobs_find(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, &j, &err), RESULT_OK);
    assert_string_equal(j->m.token, "b.test~mac");
    assert_string_equal(j->m.envelope.sender, "x@a.test");
    assert_true(j->m.envelope.smtputf8);
    assert_int_equal(j->m.envelope.body, BODY_8BITMIME);
    assert_string_equal(j->m.envelope.ret, "HDRS");
    assert_null(j->m.envelope.envid);
    assert_int_equal(j->m.size, 1234);
    assert_int_equal(j->m.serial, 42);
    assert_int_equal(j->m.digest[31], 7);
    assert_string_equal(j->peer, "127.0.0.2");
    assert_int_equal(j->received, test_time);
    assert_string_equal(j->rcpts[1].address, "1@b.test");
    assert_string_equal(j->rcpts[1].text, "250 ok");
    assert_null(j->rcpts[1].relay);
    assert_int_equal(j->rcpts[0].success, VERDICT_DSN_TAKEN);
    assert_int_equal(j->rcpts[1].success, VERDICT_DSN_RELAYED);
    job_free(&j);
    assert_int_equal(jobs_find(jobs, &(struct job_name){"b.test", "b.test", "m1", false}, &j, &err), RESULT_OK);
    assert_null(j);
    assert_int_equal(jobs_find(jobs, &(struct job_name){"a.test", "c.test", "m1", false}, &j, &err), RESULT_OK);
    assert_null(j);
}

/* A second note changes what it names and leaves the rest. */
static void notes_merge(void **state)
{
    (void)state;
    struct error err = {0};
    struct job *j = NULL, *again = NULL;
    note("m1", "PPP");
    assert_int_equal(jobs_find(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, &j, &err), RESULT_OK);
    note("m1", "DF");
    assert_string_equal(states_of("m1"), "DFP");
    assert_int_equal(jobs_find(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, &again, &err), RESULT_OK);
    assert_int_equal(again->key, j->key);
    job_free(&j);
    job_free(&again);
}

static void told_settles_and_forgets_the_deferred(void **state)
{
    (void)state;
    struct error err = {0};
    note("m1", "DFLP");
    assert_int_equal(jobs_told(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, NULL, NULL, &err), RESULT_OK);
    assert_string_equal(states_of("m1"), "dfP");
    assert_int_equal(jobs_told(jobs, &(struct job_name){"a.test", "b.test", "nosuch", false}, NULL, NULL, &err),
                     RESULT_OK);
    note("m2", "dl"); /* the answer of the request itself said "deferred": not kept either */
    assert_string_equal(states_of("m2"), "d");
}

static void pending_goes_on_behind_a_key(void **state)
{
    (void)state;
    struct error err = {0};
    struct job_list *list = NULL;
    static const char *const ids[] = {"m0", "m1", "m2", "m3", "m4"};
    for (int i = 0; i < 5; i++)
        note(ids[i], i == 2 ? "D" : "DP");
    note("m0", "PP"); /* written again, it keeps its place */
    size_t got = 0;
    static const int expect[] = {0, 1, 3, 4};
    int64_t after = 0;
    for (;;) {
        assert_int_equal(jobs_pending(jobs, after, 3, &list, &err), RESULT_OK);
        size_t n = list->n;
        for (size_t i = 0; i < n; i++) {
            assert_string_equal(list->jobs[i]->m.id, ids[expect[got++]]);
            after = list->jobs[i]->key;
        }
        job_list_free(&list);
        if (n == 0)
            break;
    }
    assert_int_equal(got, 4);
}

static void receipts_come_due(void **state)
{
    (void)state;
    struct error err = {0};
    struct job_list *list = NULL;
    msec_t next = 0;
    assert_int_equal(jobs_receipts_due(jobs, 9, &list, &next, &err), RESULT_OK);
    assert_int_equal(list->n, 0);
    assert_int_equal(next, -1);
    job_list_free(&list);
    note("told", "df");
    note("pending", "DP");
    note("m1", "Dd");
    test_time += 1;
    note("m2", "L");
    assert_int_equal(jobs_receipts_due(jobs, 9, &list, &next, &err), RESULT_OK);
    assert_int_equal(list->n, 0);
    assert_int_equal(next, test_time + 99);
    job_list_free(&list);
    test_time += 99;
    assert_int_equal(jobs_receipts_due(jobs, 9, &list, &next, &err), RESULT_OK);
    assert_int_equal(list->n, 1);
    assert_string_equal(list->jobs[0]->m.id, "m1");
    assert_int_equal(list->jobs[0]->nrcpts, 2);
    assert_int_equal(next, test_time + 1);
    job_list_free(&list);
    assert_int_equal(
        jobs_receipt_later(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, test_time + 50, NULL, NULL, &err),
        RESULT_OK);
    test_time += 1;
    assert_int_equal(jobs_receipts_due(jobs, 9, &list, &next, &err), RESULT_OK);
    assert_int_equal(list->n, 1);
    assert_string_equal(list->jobs[0]->m.id, "m2");
    assert_int_equal(next, test_time + 49);
    job_list_free(&list);
    assert_int_equal(jobs_told(jobs, &(struct job_name){"a.test", "b.test", "m2", false}, NULL, NULL, &err), RESULT_OK);
    test_time += 49;
    assert_int_equal(jobs_receipts_due(jobs, 9, &list, &next, &err), RESULT_OK);
    assert_int_equal(list->n, 1);
    assert_int_equal(list->jobs[0]->attempts, 1);
    assert_int_equal(next, -1);
    job_list_free(&list);
}

static void search_list_and_stats(void **state)
{
    (void)state;
    struct error err = {0};
    struct job_list *list = NULL;
    struct jobs_stats stats;
    struct job *j = make_job("m1", "d");
    strcpy(j->queue_id, "4XQ");
    assert_int_equal(jobs_note(jobs, j, NULL, NULL, &err), RESULT_OK);
    strcpy(j->aud, "c.test"); /* the same message for another of our domains */
    j->received++;
    assert_int_equal(jobs_note(jobs, j, NULL, NULL, &err), RESULT_OK);
    job_free(&j);
    note("m2", "PPDd");
    note("m3", "L");
    assert_int_equal(jobs_search(jobs, "m1", 9, &list, &err), RESULT_OK);
    assert_int_equal(list->n, 2);
    assert_string_equal(list->jobs[0]->aud, "c.test");
    job_list_free(&list);
    assert_int_equal(jobs_search(jobs, "4XQ", 1, &list, &err), RESULT_OK);
    assert_int_equal(list->n, 1);
    job_list_free(&list);
    assert_int_equal(jobs_search(jobs, "", 9, &list, &err), RESULT_OK);
    assert_int_equal(list->n, 0);
    job_list_free(&list);
    assert_int_equal(jobs_list(jobs, 9, &list, &err), RESULT_OK);
    assert_int_equal(list->n, 2);
    assert_string_equal(list->jobs[1]->m.id, "m3");
    job_list_free(&list);
    assert_int_equal(jobs_stats(jobs, &stats, &err), RESULT_OK);
    assert_int_equal(stats.pending, 2);
    assert_int_equal(stats.untold, 2);
    assert_int_equal(stats.known, 4);
}

static void purge_forgets_what_is_settled_and_told(void **state)
{
    (void)state;
    struct error err = {0};
    bool more = true;
    note("old", "df");
    note("old-pending", "dP");
    note("old-untold", "dF");
    jobs_add_event(jobs, &(struct job_name){"a.test", "b.test", "old", false}, NULL, "asked", NULL);
    test_time += 1000;
    note("new", "d");
    for (int i = 0; more; i++) {
        assert_int_equal(jobs_purge(jobs, 500, 1, &more, &err), RESULT_OK);
        assert_true(i < 5);
    }
    assert_string_equal(states_of("old"), "none");
    assert_string_equal(states_of("old-pending"), "dP");
    assert_string_equal(states_of("old-untold"), "dF");
    assert_string_equal(states_of("new"), "d");
}

static void wait_for_writer(void)
{
    struct error err = {0};
    assert_int_equal(jobs_told(jobs, &(struct job_name){"x", "x", "x", false}, NULL, NULL, &err), RESULT_OK);
}

/* Lines about a job that is noted only later are not lost, nor mixed up with another one's. */
static size_t count_events(const char *id)
{
    struct error err = {0};
    struct store_event *events = NULL;
    size_t n = 0;
    assert_int_equal(jobs_events(jobs, &(struct job_name){"a.test", "b.test", id, false}, &events, &n, &err),
                     RESULT_OK);
    store_events_free(&events, n);
    return n;
}

/* Whether they are still queued when it comes, so that one transaction has them all, or not. */
static void events_just_before_their_job_come_with_it(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        char id[30];
        snprintf(id, sizeof id, "m%d", i);
        const struct job_name name = {"a.test", "b.test", id, false};
        jobs_add_event(jobs, &name, NULL, "notified", NULL);
        jobs_add_event(jobs, &name, NULL, "asked", NULL);
        note(id, "d");
        assert_int_equal(count_events(id), 2);
        note(id, "d");
        assert_int_equal(count_events(id), 2);
    }
}

static void early_events_wait_for_their_job(void **state)
{
    (void)state;
    struct error err = {0};
    struct store_event *events = NULL;
    size_t n = 0;
    jobs_add_event(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, NULL, "notified", "127.0.0.2");
    jobs_add_event(jobs, &(struct job_name){"a.test", "b.test", "m2", false}, NULL, "notified", NULL);
    jobs_add_event(jobs, &(struct job_name){"a.test", "c.test", "m1", false}, NULL, "notified", NULL);
    test_time += 5;
    jobs_add_event(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, "0@b.test", "delivered", "250 ok");
    wait_for_writer();
    assert_int_equal(jobs_events(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, &events, &n, &err),
                     RESULT_OK);
    assert_int_equal(n, 0);
    store_events_free(&events, n);
    note("m1", "d");
    assert_int_equal(count_events("m1"), 2); /* with it, not after it */
    jobs_add_event(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, NULL, "late", NULL);
    wait_for_writer();
    assert_int_equal(jobs_events(jobs, &(struct job_name){"a.test", "b.test", "m1", false}, &events, &n, &err),
                     RESULT_OK);
    assert_int_equal(n, 3);
    assert_string_equal(events[0].what, "notified");
    assert_int_equal(events[0].when, test_time - 5);
    assert_string_equal(events[1].what, "delivered");
    assert_string_equal(events[1].address, "0@b.test");
    assert_string_equal(events[2].what, "late");
    store_events_free(&events, n);
}

static void early_events_are_bounded(void **state)
{
    (void)state;
    char id[30];
    for (int i = 0; i < 70000; i++) {
        snprintf(id, sizeof id, "m%d", i);
        jobs_add_event(jobs, &(struct job_name){"a.test", "b.test", id, false}, NULL, "notified", NULL);
        if (i % 5000 == 0)
            wait_for_writer();
    }
    struct error err = {0};
    struct store_event *events = NULL;
    size_t n = 0;
    note("m0", "d"); /* its line had to go */
    note("m69999", "d");
    wait_for_writer();
    assert_int_equal(jobs_events(jobs, &(struct job_name){"a.test", "b.test", "m0", false}, &events, &n, &err),
                     RESULT_OK);
    assert_int_equal(n, 0);
    assert_int_equal(jobs_events(jobs, &(struct job_name){"a.test", "b.test", "m69999", false}, &events, &n, &err),
                     RESULT_OK);
    assert_int_equal(n, 1);
    store_events_free(&events, n);
}

static void survives_reopening_and_is_readable_beside(void **state)
{
    (void)state;
    struct error err = {0};
    note("m1", "P");
    struct jobs *ro = open_jobs(STORE_READ_ONLY);
    struct job_list *list = NULL;
    assert_int_equal(jobs_list(ro, 9, &list, &err), RESULT_OK);
    assert_int_equal(list->n, 1);
    job_list_free(&list);
    struct job *j = make_job("m2", "P");
    assert_int_equal(jobs_note(ro, j, NULL, NULL, &err), RESULT_PERM);
    job_free(&j);
    jobs_close(&ro);
    jobs_close(&jobs);
    jobs = open_jobs(STORE_READ_WRITE);
    assert_string_equal(states_of("m1"), "P");
    struct policy_cache_entry e = {.domain = "a.test", .txt_id = "x"}, *got = NULL;
    assert_int_equal(jobs_policy_save(jobs, &e, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(jobs_policy_load(jobs, "a.test", &got, &err), RESULT_OK);
    assert_string_equal(got->txt_id, "x");
    policy_cache_entry_free(&got);
}

/* A shadow and the mail with the same id: two jobs, whatever comes first, also after a restart. */
static void shadows_never_meet_mail(void **state)
{
    (void)state;
    struct error err = {0};
    const struct job_name mail = {"a.test", "b.test", "m1", false}, shadow = {"a.test", "b.test", "m1", true};
    struct job *j = make_job("m1", "DP");
    j->shadow = true;
    j->rcpts[0].comparison = (struct store_comparison){STORE_SMTP_ARRIVED, -5, mem_strdup("header A changed")};
    assert_int_equal(jobs_note(jobs, j, NULL, NULL, &err), RESULT_OK);
    job_free(&j);
    assert_string_equal(states_of("m1"), "none");
    note("m1", "P");
    jobs_close(&jobs);
    jobs = open_jobs(STORE_READ_WRITE);
    struct job_list *list = NULL;
    assert_int_equal(jobs_pending(jobs, 0, 9, &list, &err), RESULT_OK);
    assert_int_equal(list->n, 2);
    assert_true(list->jobs[0]->shadow);
    assert_false(list->jobs[1]->shadow);
    job_list_free(&list);
    assert_int_equal(jobs_find(jobs, &shadow, &j, &err), RESULT_OK);
    assert_int_equal(j->nrcpts, 2);
    assert_int_equal(j->rcpts[0].comparison.smtp, STORE_SMTP_ARRIVED);
    assert_int_equal(j->rcpts[0].comparison.delta, -5);
    assert_string_equal(j->rcpts[0].comparison.differences, "header A changed");
    job_free(&j);
    assert_int_equal(jobs_told(jobs, &shadow, NULL, NULL, &err), RESULT_OK);
    assert_int_equal(jobs_find(jobs, &mail, &j, &err), RESULT_OK);
    assert_int_equal(j->nrcpts, 1);
    assert_false(j->rcpts[0].told);
    job_free(&j);
}

static void no_queue_to_read(void **state)
{
    (void)state;
    struct error err = {0};
    struct jobs *ro = NULL;
    jobs_close(&jobs);
    char path[100];
    snprintf(path, sizeof path, "%s/bridge", dir);
    remove_tree(path);
    assert_int_equal(jobs_open(config, STORE_READ_ONLY, &ro, &err), RESULT_PERM);
    assert_null(ro);
    assert_non_null(strstr(err.text, "jobs.db"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_noted_is_found),
        TEST(notes_merge),
        TEST(told_settles_and_forgets_the_deferred),
        TEST(pending_goes_on_behind_a_key),
        TEST(receipts_come_due),
        TEST(search_list_and_stats),
        TEST(purge_forgets_what_is_settled_and_told),
        TEST(events_just_before_their_job_come_with_it),
        TEST(early_events_wait_for_their_job),
        TEST(early_events_are_bounded),
        TEST(survives_reopening_and_is_readable_beside),
        TEST(shadows_never_meet_mail),
        TEST(no_queue_to_read),
    };
    return test_run("jobs", tests);
}
