/* lib/witness*.c, bridge/witness.c: a bridge that dies after the final dot; what the MTA answers then is in the queue before the next one works. */
#include "t/unit/test.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/witness.h"
#include "lib/mem.h"
#include "t/unit/temp_dir.h"

static struct config *config_for(const char *dir)
{
    struct config *config = NULL;
    struct error err;
    char *text = mem_printf("domains = {b.test}\nlog { target = stderr }\nbridge { directory = \"%s\" }\n", dir);
    if (config_parse(text, "test", &config, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    mem_free(&text);
    return config;
}

static struct job_rcpt rcpts[2] = {{.address = "bob@b.test"}, {.address = "carol@b.test"}};

static struct job *job_of_two(void)
{
    static struct job job = {.iss = "a.test", .aud = "b.test", .peer = "192.0.2.1", .received = 1000000000000};
    snprintf(job.m.id, sizeof job.m.id, "01ID");
    snprintf(job.m.token, sizeof job.m.token, "tok");
    job.m.size = 10;
    job.m.envelope.sender = "alice@a.test";
    job.rcpts = rcpts;
    job.nrcpts = 2;
    return &job;
}

enum death { BEFORE_ANSWER, AFTER_ANSWER, WITHOUT_DOT };

/* A bridge in a process of its own: hands both recipients over on `mta`, and dies. */
static void bridge_that_dies(const struct config *config, int mta, bool lmtp, enum death death)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct witness *w = NULL;
        struct error err;
        if (witness_start(config, &bridge_witness, &w, &err) != RESULT_OK)
            _exit(1);
        uint64_t number = bridge_witness_watch(w, mta, job_of_two(), (size_t[]){0, 1}, 2, lmtp, true);
        uint64_t other = bridge_witness_watch(w, mta, job_of_two(), (size_t[]){0}, 1, lmtp, true);
        if (death != WITHOUT_DOT)
            witness_dot(w, number);
        if (death == AFTER_ANSWER)
            witness_answer(w, number, &(struct smtp_reply){.code = 250, .dsn = "2.0.0", .text = "Ok: queued as ABC"},
                           1);
        witness_forget(w, other);
        _exit(number != 0 && other != 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* While a witness waits for the MTA, the port of the bridge that died must be free. */
static void holds_nothing_else(void **state)
{
    (void)state;
    struct temp_dir t;
    temp_dir_make(&t);
    struct config *config = config_for(t.dir);
    int mta[2], other[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, mta), 0);
    assert_int_equal(pipe(other), 0);
    bridge_that_dies(config, mta[0], false, BEFORE_ANSWER);
    close(other[1]);
    struct pollfd end = {.fd = other[0], .events = POLLIN};
    assert_int_equal(poll(&end, 1, 5000),
                     1); /* end of file: the witness, which waits for much longer, has not got it */
    close(other[0]);
    close(mta[0]);
    close(mta[1]);
    config_free(&config);
    temp_dir_remove(&t);
}

/* The next bridge: its start waits for the witness, then the queue says what the MTA answered. */
static struct job *next_bridge_finds(const struct config *config)
{
    struct witness *w = NULL;
    struct jobs *jobs = NULL;
    struct job *job = NULL;
    struct error err;
    assert_int_equal(witness_start(config, &bridge_witness, &w, &err), RESULT_OK);
    assert_int_equal(jobs_open(config, STORE_READ_WRITE, &jobs, &err), RESULT_OK);
    assert_int_equal(jobs_find(jobs, &(struct job_name){"a.test", "b.test", "01ID", false}, &job, &err), RESULT_OK);
    jobs_close(&jobs);
    witness_stop(&w);
    return job;
}

static struct job *die_and_look(bool lmtp, enum death death, const char *answer)
{
    struct temp_dir t;
    temp_dir_make(&t);
    struct config *config = config_for(t.dir);
    int mta[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, mta), 0);
    bridge_that_dies(config, mta[0], lmtp, death);
    close(mta[0]);
    if (answer != NULL)
        assert_int_equal(write(mta[1], answer, strlen(answer)), strlen(answer));
    struct job *job = next_bridge_finds(config);
    char c;
    assert_int_equal(recv(mta[1], &c, 1, MSG_DONTWAIT), 0); /* nobody holds the connection any more */
    close(mta[1]);
    config_free(&config);
    temp_dir_remove(&t);
    return job;
}

static void answer_after_death_is_noted(void **state)
{
    (void)state;
    struct job *job = die_and_look(false, BEFORE_ANSWER, "250-2.0.0 Ok:\r\n250 2.0.0 queued as 4XYZ\r\n");
    assert_non_null(job);
    assert_int_equal(job->nrcpts, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(job->rcpts[i].state, JOB_DELIVERED);
        assert_false(job->rcpts[i].told); /* it was promised: a receipt is due */
    }
    assert_string_equal(job->queue_id, "4XYZ");
    job_free(&job);
}

static void lmtp_answers_count_one_by_one(void **state)
{
    (void)state;
    struct job *job = die_and_look(true, BEFORE_ANSWER, "250 2.0.0 ok\r\n550 5.2.2 full\r\n");
    assert_non_null(job);
    assert_int_equal(job->rcpts[0].state, JOB_DELIVERED);
    assert_int_equal(job->rcpts[1].state, JOB_FAILED);
    job_free(&job);
}

static void answer_heard_but_not_noted_is_noted(void **state)
{
    (void)state;
    struct job *job = die_and_look(false, AFTER_ANSWER, NULL);
    assert_non_null(job);
    assert_int_equal(job->rcpts[1].state, JOB_DELIVERED);
    job_free(&job);
}

static void no_answer_is_no_note(void **state)
{
    (void)state;
    assert_null(die_and_look(false, BEFORE_ANSWER, "451 4.3.0 try later\r\n"));
    assert_null(die_and_look(false, BEFORE_ANSWER, "what?\r\n"));
    assert_null(die_and_look(false, WITHOUT_DOT, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_after_death_is_noted),
        cmocka_unit_test(lmtp_answers_count_one_by_one),
        cmocka_unit_test(answer_heard_but_not_noted_is_noted),
        cmocka_unit_test(no_answer_is_no_note),
        cmocka_unit_test(holds_nothing_else),
    };
    return test_run("witness", tests);
}
