/* The SMTP client against a scripted server: t/unit/fake_smtp.h. */
#include "t/unit/fake_smtp.h"
#include "t/unit/temp_dir.h"

#include "lib/mem.h"
#include "lib/smtp_internal.h" /* for one look at what is about to be told */

#define HELLO        "S:220 fake ESMTP", "C:EHLO pontoon.test"
#define OFFER        "S:250-fake\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN"
#define PLAIN        "S:250 fake"
#define WITH_XCLIENT "S:250-fake\r\n250-PIPELINING\r\n250 XCLIENT NAME ADDR PROTO HELO REVERSE_NAME"
#define SCRIPT(...)  ((const char *const[]){__VA_ARGS__, NULL}) /* lives as long as the block around it */

static struct loop *loop;
static struct fake_smtp server;
static struct smtp_pool *pool;
static struct smtp_pool_options options;
static struct loop_timer *watchdog;

/* What one transaction does, and what it was told. */
struct job {
    struct envelope envelope;
    struct smtp_peer peer;
    const char *content; /* NULL: stays with the envelope */
    size_t repeat;       /* of the content */
    bool abort_at_envelope, abort_at_go, hold_end;
    bool ended;
    bool careless; /* writes all at once */
    struct smtp_transaction *t;
    char told[600];
    bool done;
    enum result result;
    struct error err;
    bool after_dot;
    size_t most_backlog;
    unsigned dots, answers;
    int final_fd;
};
static unsigned running; /* jobs that are not done: the loop stops at 0 */

static void stop_on_hang(void *arg)
{
    (void)arg;
    snprintf(server.error, sizeof server.error, "hangs");
    loop_stop(loop);
}

static void tell(struct job *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void tell(struct job *j, const char *fmt, ...)
{
    size_t n = strlen(j->told);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->told + n, sizeof j->told - n, fmt, ap);
    va_end(ap);
}

static void finish(struct job *j)
{
    assert_false(j->done);
    j->done = true;
    if (--running == 0)
        loop_stop(loop);
}

static void on_envelope(void *arg, const struct smtp_reply *mail, const struct smtp_reply *rcpts, size_t n)
{
    struct job *j = arg;
    assert_int_equal(smtp_fd(j->t), -1);
    assert_memory_equal(smtp_relay(j->t), "fake[127.0.0.1]:", 16);
    tell(j, "mail %d rcpt", mail->code);
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        if (n < 20)
            tell(j, " %d", rcpts[i].code);
        good += rcpts[i].code / 100 == 2;
    }
    if (n >= 20)
        tell(j, " %zu of %zu", good, n);
    if (j->abort_at_envelope || good == 0) {
        smtp_abort(&j->t);
        finish(j);
    } else if (j->content != NULL) {
        smtp_data(j->t);
    } else {
        finish(j);
    }
}

static void write_some(struct job *j)
{
    assert_false(j->ended);
    while (j->repeat > 0 && (j->careless || smtp_backlog(j->t) <= 256 * 1024)) {
        j->repeat--;
        if (!smtp_write(j->t, j->content, strlen(j->content))) {
            tell(j, " bare-lf");
            break;
        }
    }
    if (smtp_backlog(j->t) > j->most_backlog)
        j->most_backlog = smtp_backlog(j->t);
    if (j->repeat == 0 && !j->hold_end) {
        j->hold_end = j->ended = true;
        j->final_fd = smtp_fd(j->t);
        smtp_end(j->t);
        assert_int_equal(smtp_fd(j->t), strstr(j->told, "bare-lf") ? -1 : j->final_fd);
    }
}

static void on_go(void *arg)
{
    struct job *j = arg;
    tell(j, " go");
    if (j->abort_at_go) {
        smtp_abort(&j->t);
        finish(j);
    } else {
        write_some(j);
    }
}

static void on_room(void *arg)
{
    write_some(arg);
}

static void on_dot(void *arg)
{
    struct job *j = arg;
    assert_int_equal(smtp_backlog(j->t), 0);
    j->dots++;
}

static void on_answer(void *arg, const struct smtp_reply *reply)
{
    struct job *j = arg;
    j->answers += reply->code > 0;
}

static void on_final(void *arg, const struct smtp_reply *replies, size_t n)
{
    struct job *j = arg;
    assert_in_range(j->answers, 1, n); /* what the server said was told at once */
    tell(j, " final");
    for (size_t i = 0; i < n; i++)
        tell(j, " %d", replies[i].code);
    j->t = NULL;
    finish(j);
}

static void on_failed(void *arg, enum result result, const struct smtp_reply *reply, bool after_dot,
                      const struct error *err)
{
    struct job *j = arg;
    assert_int_equal(err->result, result);
    tell(j, "%sfailed %s", j->told[0] ? " " : "", result == RESULT_PERM ? "perm" : "temp");
    if (reply != NULL)
        tell(j, " %d", reply->code);
    j->result = result;
    j->err = *err;
    j->after_dot = after_dot;
    j->t = NULL;
    finish(j);
}

static const struct smtp_callbacks callbacks = {on_envelope, on_go, on_room, on_dot, on_answer, on_final, on_failed};

static void job_init(struct job *j, unsigned rcpts)
{
    memset(j, 0, sizeof *j);
    envelope_init(&j->envelope);
    j->envelope.sender = mem_strdup("alice@a.test");
    for (unsigned i = 0; i < rcpts; i++) {
        char address[40];
        snprintf(address, sizeof address, "r%u@b.test", i);
        envelope_add_rcpt(&j->envelope, address, NULL, NULL);
    }
    j->content = "Subject: x\r\n\r\n.dot\r\n";
    j->repeat = 1;
}

static void job_start(struct job *j)
{
    running++;
    j->t = smtp_begin(pool, &j->envelope, &j->peer, &callbacks, j);
    assert_string_equal(j->told, ""); /* nothing is called back from within */
}

static void run(void)
{
    loop_timer_set(watchdog, 10000);
    loop_run(loop);
    loop_timer_cancel(watchdog);
}

/* One job from begin to end. */
static void job_run(struct job *j)
{
    job_start(j);
    run();
}

static void job_free(struct job *j)
{
    if (j->t != NULL)
        smtp_abort(&j->t);
    envelope_free(&j->envelope);
}

static void ping(void *arg)
{
    --*(int *)arg;
    if (*(int *)arg == 0)
        loop_stop(loop);
}

/* Lets what is under way on loopback happen: until `*counter` is `value`. */
static void run_until(const unsigned *counter, unsigned value)
{
    loop_timer_set(watchdog, 10000);
    while (*counter < value && server.error[0] == '\0')
        event_base_loop(loop_base(loop), EVLOOP_ONCE);
    loop_timer_cancel(watchdog);
}

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    watchdog = loop_timer_new(loop, stop_on_hang, NULL);
    fake_start(&server, loop);
    options = (struct smtp_pool_options){
        .server = server.address,
        .server_name = "fake",
        .helo = "pontoon.test",
        .max_connections = 2,
        .max_waiting = 3,
        .connect_timeout = 5000,
        .command_timeout = 5000,
        .data_timeout = 5000,
        .final_timeout = 5000,
        .idle_timeout = 5000,
    };
    pool = NULL;
    running = 0;
    return 0;
}

static void open_pool(void)
{
    pool = smtp_pool_new(loop, &options);
}

static int teardown(void **state)
{
    (void)state;
    smtp_pool_free(&pool);
    fake_stop(&server);
    loop_timer_free(&watchdog);
    loop_free(&loop);
    return 0;
}

static const char *content(void)
{
    evbuffer_add(server.content, "", 1);
    return (const char *)evbuffer_pullup(server.content, -1);
}

/* ---- the way through ---- */

static void delivers_pipelined(void **state)
{
    (void)state;
    struct job j;
    /* Everything up to the last RCPT is there before MAIL is answered. */
    server.scripts[0] = SCRIPT(HELLO, OFFER, "C:MAIL FROM:<alice@a.test>", "C:RCPT TO:<r0@b.test>",
                               "C:RCPT TO:<r1@b.test>", "S:250 2.1.0 Ok", "S:250 2.1.5 Ok", "S:550 5.1.1 no", "C:DATA",
                               "S:354 go", "D:", "S:250 2.0.0 Ok: queued as Q", "W:");
    open_pool();
    job_init(&j, 2);
    assert_int_equal(smtp_pool_busy(pool), 0);
    job_start(&j);
    assert_int_equal(smtp_pool_busy(pool), 1);
    run();
    assert_string_equal(server.error, "");
    assert_string_equal(j.told, "mail 250 rcpt 250 550 go final 250");
    assert_string_equal(content(), "Subject: x\r\n\r\n..dot\r\n.\r\n");
    assert_true(j.final_fd >= 0);
    assert_int_equal(smtp_pool_busy(pool), 0);
    job_free(&j);
}

static void delivers_in_lockstep(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] =
        SCRIPT(HELLO, PLAIN, "C:MAIL FROM:<alice@a.test>", "S:250 ok", "C:RCPT TO:<r0@b.test>", "S:450 later",
               "C:RCPT TO:<r1@b.test>", "S:250 ok", "C:DATA", "S:354 go", "D:", "S:452 4.3.1 full", "W:");
    open_pool();
    job_init(&j, 2);
    j.content = "no line end";
    job_run(&j);
    assert_string_equal(server.error, "");
    assert_string_equal(j.told, "mail 250 rcpt 450 250 go final 452");
    assert_string_equal(content(), "no line end\r\n.\r\n");
    job_free(&j);
}

static void lmtp_answers_each(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] =
        SCRIPT("S:220 fake LMTP", "C:LHLO pontoon.test", OFFER, "N:1:MAIL:250 ok", "C:RCPT", "C:RCPT", "C:RCPT",
               "S:250 ok", "S:550 no", "S:250 ok", "C:DATA", "S:354 go", "D:", "S:250 one", "S:452 two", "W:");
    options.lmtp = true;
    open_pool();
    job_init(&j, 3);
    job_run(&j);
    assert_string_equal(server.error, "");
    assert_string_equal(j.told, "mail 250 rcpt 250 550 250 go final 250 452");
    job_free(&j);
}

static void lmtp_keeps_the_answers_that_came(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT("S:220 fake LMTP", "C:LHLO", OFFER, "N:1:MAIL:250 ok", "N:3:RCPT:250 ok", "C:DATA",
                               "S:354 go", "D:", "S:250 one", "X:");
    options.lmtp = true;
    open_pool();
    job_init(&j, 3);
    job_run(&j);
    assert_string_equal(j.told, "mail 250 rcpt 250 250 250 go final 250 451 451");
    job_free(&j);
}

static void a_thousand_recipients_do_not_jam(void **state)
{
    (void)state;
    struct job j;
    /* Long replies, written as commands come: they fill the pipe against the commands. */
    char reply[99], line[200];
    memset(reply, 'y', sizeof reply - 1);
    memcpy(reply, "250 ", 4);
    reply[sizeof reply - 1] = '\0';
    snprintf(line, sizeof line, "N:1000:RCPT:%s", reply);
    const char *const script[] = {HELLO,      OFFER, "N:1:MAIL:250 ok", line, "C:DATA",
                                  "S:354 go", "D:",  "S:250 ok",        "W:", NULL};
    server.scripts[0] = script;
    open_pool();
    job_init(&j, 1000);
    job_run(&j);
    assert_string_equal(server.error, "");
    assert_string_equal(j.told, "mail 250 rcpt 1000 of 1000 go final 250");
    job_free(&j);
}

static void a_large_message_flows_in_bounded_memory(void **state)
{
    (void)state;
    struct job j;
    char *line = mem_zero(10001, 1);
    memset(line, 'x', 10000);
    memcpy(line + 9998, "\r\n", 2);
    server.scripts[0] =
        SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "S:354 go", "D:", "S:250 ok", "W:");
    open_pool();
    job_init(&j, 1);
    j.content = line;
    j.repeat = 1000;
    job_run(&j);
    assert_string_equal(server.error, "");
    assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
    assert_int_equal(evbuffer_get_length(server.content), 10000 * 1000 + 3);
    assert_true(j.most_backlog < 300 * 1024);
    job_free(&j);
    mem_free(&line);
}

static void no_room_is_told_after_the_end(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] =
        SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "S:354 go", "D:", "S:250 ok", "W:");
    open_pool();
    job_init(&j, 1);
    j.hold_end = true;
    job_start(&j);
    while (strstr(j.told, "go") == NULL || j.t->news == 0)
        event_base_loop(loop_base(loop), EVLOOP_ONCE);
    j.ended = true;
    smtp_end(j.t);
    run();
    assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
    job_free(&j);
}

/* ---- parameters ---- */

static void sends_what_is_offered(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, OFFER, "C:MAIL", "C:RCPT", "S:250 ok", "S:250 ok", "C:RSET", "S:250 ok", "W:");
    open_pool();
    job_init(&j, 0);
    envelope_add_rcpt(&j.envelope, "\"a b>\"@b.test", "SUCCESS,FAILURE", "rfc822;x+40y");
    j.envelope.size = 1000;
    j.envelope.body = BODY_8BITMIME;
    j.envelope.smtputf8 = true;
    j.envelope.ret = mem_strdup("HDRS");
    j.envelope.envid = mem_strdup("e+2B1");
    j.abort_at_envelope = true;
    job_run(&j);
    assert_string_equal(server.error, "");
    assert_string_equal(server.log, "EHLO pontoon.test\n"
                                    "MAIL FROM:<alice@a.test> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e+2B1\n"
                                    "RCPT TO:<\"a b>\"@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+40y\n");
    job_free(&j);
}

static void leaves_out_what_is_not_offered(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, PLAIN, "N:1:MAIL:250 ok", "N:1:RCPT:550 no", "C:RSET", "S:250 ok", "W:");
    open_pool();
    job_init(&j, 0);
    envelope_add_rcpt(&j.envelope, "b@b.test", "NEVER", "rfc822;x");
    j.envelope.size = 9999;
    j.envelope.body = BODY_7BIT;
    j.envelope.ret = mem_strdup("HDRS");
    mem_free(&j.envelope.sender);
    j.envelope.sender = mem_strdup("");
    job_run(&j);
    assert_string_equal(server.error, "");
    assert_string_equal(server.log, "EHLO pontoon.test\nMAIL FROM:<>\nRCPT TO:<b@b.test>\n");
    job_free(&j);
}

static void refuses_what_would_harm_the_mail(void **state)
{
    (void)state;
    server.scripts[0] = SCRIPT(HELLO, "S:250-fake\r\n250 SIZE 1000", "W:");
    open_pool();
    for (int i = 0; i < 3; i++) {
        static const char *const dsn[] = {"5.3.4", "5.6.3", "5.6.7"};
        struct job j;
        job_init(&j, 1);
        j.envelope.size = i == 0 ? 1001 : 0;
        j.envelope.body = i == 1 ? BODY_8BITMIME : BODY_UNSPECIFIED;
        j.envelope.smtputf8 = i == 2;
        job_run(&j);
        assert_string_equal(j.told, "failed perm");
        assert_string_equal(j.err.dsn, dsn[i]);
        job_free(&j);
    }
    assert_string_equal(server.log, "EHLO pontoon.test\n"); /* no MAIL, one connection */
    assert_int_equal(server.accepted, 1);
}

static void injection_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a@b\r\nDATA",      "a@b\n",         "a\x7f@b",     "a> NOTIFY=NEVER <b", "a@b>", "<a@b",
        "\"a\r\n\"@b.test", "\"open@b.test", "\"x\\\r\"@b", "a b@c.test",
    };
    open_pool();
    for (size_t i = 0; i < 2 * sizeof bad / sizeof *bad; i++) {
        struct job j;
        const char *address = bad[i / 2];
        job_init(&j, 1);
        char **where = i % 2 ? &j.envelope.sender : &j.envelope.rcpts[0].address;
        mem_free(where);
        *where = mem_strdup(address);
        job_run(&j);
        assert_string_equal(j.told, "failed perm");
        job_free(&j);
    }
    for (int i = 0; i < 6; i++) {
        struct job j;
        job_init(&j, i == 4 ? 0 : 1);
        if (i < 4) {
            char **where[] = {&j.envelope.ret, &j.envelope.envid, i < 3 ? NULL : &j.envelope.rcpts[0].orcpt};
            if (i == 2)
                j.envelope.rcpts[0].notify = mem_strdup("NEVER\r\nRSET");
            else
                *where[i == 3 ? 2 : i] = mem_strdup("x\r\nRSET");
        } else if (i == 5) {
            mem_free(&j.envelope.rcpts[0].address);
            j.envelope.rcpts[0].address = mem_strdup("");
        }
        job_run(&j);
        assert_string_equal(j.told, "failed perm");
        job_free(&j);
    }
    assert_int_equal(server.accepted, 0);
}

static void a_bare_lf_is_never_sent(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "S:354 go", "D:");
    open_pool();
    job_init(&j, 1);
    j.content = "a\r\nb\n.\r\nMAIL FROM:<x>\r\n";
    job_run(&j);
    assert_string_equal(j.told, "mail 250 rcpt 250 go bare-lf failed perm");
    assert_string_equal(j.err.dsn, "5.6.0");
    run_until(&server.closed, 1);
    assert_null(strstr(content(), "MAIL"));
    job_free(&j);
}

/* ---- refusals ---- */

static void refused_mail_keeps_the_connection(void **state)
{
    (void)state;
    struct job j, k;
    server.scripts[0] = SCRIPT(HELLO, OFFER, "N:1:MAIL:550 5.7.1 not you", "N:1:RCPT:503 need MAIL", "N:1:MAIL:250 ok",
                               "N:1:RCPT:250 ok", "C:DATA", "S:354 go", "D:", "S:250 ok", "W:");
    open_pool();
    job_init(&j, 1);
    job_run(&j);
    assert_string_equal(j.told, "failed perm 550");
    assert_string_equal(j.err.dsn, "5.7.1");
    assert_non_null(strstr(j.err.text, "550 5.7.1 not you (in reply to MAIL FROM)"));
    job_init(&k, 1);
    job_run(&k);
    assert_string_equal(k.told, "mail 250 rcpt 250 go final 250");
    assert_int_equal(server.accepted, 1);
    assert_string_equal(server.error, "");
    job_free(&j);
    job_free(&k);
}

static void refused_data_is_reset(void **state)
{
    (void)state;
    struct job j, k;
    server.scripts[0] =
        SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "S:451 4.7.1 greylisted", "C:RSET",
               "S:250 ok", "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "S:354 go", "D:", "S:250 ok", "W:");
    open_pool();
    job_init(&j, 1);
    job_init(&k, 1);
    job_run(&j);
    job_run(&k);
    assert_string_equal(j.told, "mail 250 rcpt 250 failed temp 451");
    assert_string_equal(k.told, "mail 250 rcpt 250 go final 250");
    assert_string_equal(server.error, "");
    job_free(&j);
    job_free(&k);
}

static void a_refusal_of_us_is_no_bounce(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT("S:554 5.7.1 go away", "W:");
    server.scripts[1] = SCRIPT(HELLO, "S:502 5.5.1 what?", "W:");
    server.scripts[2] = SCRIPT("S:421 4.3.2 too many");
    options.max_connections = 1;
    open_pool();
    for (int i = 0; i < 3; i++) {
        job_init(&j, 1);
        job_run(&j);
        assert_string_equal(j.told, i == 2 ? "failed temp 421" : "failed temp");
        assert_int_equal(j.err.dsn[0], '4');
        job_free(&j);
    }
    assert_int_equal(server.accepted, 3);
}

static void early_verdict_on_mail_is_kept(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, OFFER, "C:MAIL", "C:RCPT", "S:550 5.7.1 spammer", "X:");
    open_pool();
    job_init(&j, 1);
    job_run(&j);
    assert_string_equal(j.told, "failed perm 550");
    job_free(&j);
}

/* ---- servers that misbehave ---- */

static void misbehaving_servers_are_dropped(void **state)
{
    (void)state;
#define ENVELOPE HELLO, OFFER, "C:MAIL", "C:RCPT"
#define TO_DATA  ENVELOPE, "S:250 ok", "S:250 ok", "C:DATA"
    const struct {
        const char *const *script;
        const char *told, *text;
    } cases[] = {
        {SCRIPT("X:"), "failed temp", "lost connection"},
        {SCRIPT("S:HTTP/1.1 400 Bad Request", "W:"), "failed temp", "no reply code"},
        {SCRIPT("s:220 fake\r\n250 early\r\n", "W:"), "failed temp", "unexpected reply"},
        {SCRIPT("s:220 fake\r\nx", "W:"), "failed temp", "unexpected data"},
        {SCRIPT("S:220 fake", "C:EHLO", "S:354 go", "W:"), "failed temp", "protocol error"},
        {SCRIPT("S:220 fake", "C:EHLO", "s:250-a\r\n251 b\r\n", "W:"), "failed temp", "different codes"},
        {SCRIPT(ENVELOPE, "S:421 4.3.2 shutting down", "W:"), "failed temp 421", "421 4.3.2 shutting down"},
        {SCRIPT(ENVELOPE, "S:250 ok", "S:421 bye", "W:"), "failed temp 421", "in reply to RCPT TO"},
        {SCRIPT(ENVELOPE, "s:250 ok\r\n250 ok\r\n354 early\r\n", "W:"), "failed temp", "unexpected reply: 354 early"},
        {SCRIPT(ENVELOPE, "S:354 what", "W:"), "failed temp", "protocol error"},
        {SCRIPT(ENVELOPE, "R:"), "failed temp", "lost connection"},
        {SCRIPT(TO_DATA, "S:250 not yet", "W:"), "mail 250 rcpt 250 failed temp", "protocol error"},
        {SCRIPT(TO_DATA, "s:354 go\r\n250 early\r\n", "W:"), "mail 250 rcpt 250 failed temp", "unexpected reply"},
        {SCRIPT(TO_DATA, "S:354 go", "D:", "S:354 again", "W:"), "mail 250 rcpt 250 go failed temp", "protocol error"},
        {SCRIPT(TO_DATA, "S:354 go", "D:", "S:hello", "W:"), "mail 250 rcpt 250 go failed temp", "no reply code"},
    };
    options.max_connections = 1;
    open_pool();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job j;
        server.scripts[i] = cases[i].script;
        job_init(&j, 1);
        job_run(&j);
        assert_string_equal(j.told, cases[i].told);
        if (strstr(j.err.text, cases[i].text) == NULL)
            fail_msg("case %zu: \"%s\" is not in \"%s\"", i, cases[i].text, j.err.text);
        assert_int_equal(j.after_dot, i >= 13);
        job_free(&j);
        run_until(&server.closed, (unsigned)i + 1); /* not used again */
    }
}

static void endless_replies_are_bounded(void **state)
{
    (void)state;
    struct job j;
    char *flood = mem_zero(1, 3000);
    memset(flood, 'z', 2999);
    memcpy(flood, "s:", 2);
    char *lines = mem_zero(1, 3 + 120 * 7);
    strcpy(lines, "s:");
    for (int i = 0; i < 120; i++)
        strcat(lines, "250-x\r\n");
    const char *const one[] = {flood, "W:", NULL}, *const two[] = {HELLO, lines, "W:", NULL};
    server.scripts[0] = one;
    server.scripts[1] = two;
    open_pool();
    for (int i = 0; i < 2; i++) {
        job_init(&j, 1);
        job_run(&j);
        assert_string_equal(j.told, "failed temp");
        assert_non_null(strstr(j.err.text, i == 0 ? "overlong line" : "too many lines"));
        job_free(&j);
    }
    mem_free(&flood);
    mem_free(&lines);
}

static void loss_after_the_dot_is_told(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(TO_DATA, "S:354 go", "D:", "X:");
    open_pool();
    job_init(&j, 1);
    job_run(&j);
    assert_string_equal(j.told, "mail 250 rcpt 250 go failed temp");
    assert_true(j.after_dot);
    assert_int_equal(j.dots, 1);
    job_free(&j);
}

static void loss_within_content_is_not_after_the_dot(void **state)
{
    (void)state;
    struct job j;
    char *line = mem_zero(10001, 1);
    memset(line, 'x', 10000);
    memcpy(line + 9998, "\r\n", 2);
    server.scripts[0] = SCRIPT(TO_DATA, "S:354 go", "C:xx", "X:");
    server.scripts[1] = SCRIPT(TO_DATA, "S:354 go", "C:xx", "S:552 5.3.4 too big", "X:");
    open_pool();
    for (int i = 0; i < 2; i++) {
        job_init(&j, 1);
        j.content = line;
        j.repeat = 5000;
        job_run(&j);
        assert_string_equal(j.told,
                            i == 0 ? "mail 250 rcpt 250 go failed temp" : "mail 250 rcpt 250 go failed perm 552");
        assert_false(j.after_dot);
        job_free(&j);
    }
    mem_free(&line);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct job j[3];
    options.max_connections = 1;
    netaddr_set_port(&options.server, 1); /* nobody has that */
    open_pool();
    for (int i = 0; i < 3; i++) {
        job_init(&j[i], 1);
        job_start(&j[i]);
    }
    while (!j[0].done)
        event_base_loop(loop_base(loop), EVLOOP_ONCE);
    assert_true(j[1].done || j[1].t->settled); /* one attempt speaks for all */
    run();
    for (int i = 0; i < 3; i++) {
        assert_string_equal(j[i].told, "failed temp");
        assert_string_equal(j[i].err.dsn, "4.4.1");
        assert_string_equal(j[i].err.text, "connect to fake[127.0.0.1]:1: Connection refused");
        job_free(&j[i]);
    }
}

/* The file is there, the server is not. */
static void nobody_listens_on_a_unix_socket(void **state)
{
    (void)state;
    struct temp_dir dir;
    struct job j;
    char endpoint[450], expected[600];
    struct error err;
    temp_dir_make(&dir);
    snprintf(endpoint, sizeof endpoint, "unix:%s", temp_path(&dir, "lmtp"));
    assert_int_equal(netaddr_endpoint(endpoint, &options.server, &err), RESULT_OK);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&options.server.sa, options.server.len), 0);
    close(fd);
    open_pool();
    job_init(&j, 1);
    job_run(&j);
    assert_string_equal(j.told, "failed temp");
    snprintf(expected, sizeof expected, "connect to pontoon.test[%s]: Connection refused", endpoint);
    assert_string_equal(j.err.text, expected);
    job_free(&j);
    temp_dir_remove(&dir);
}

static void silence_ends(void **state)
{
    (void)state;
    const struct {
        const char *const *script;
        const char *told;
    } cases[] = {
        {SCRIPT("W:"), "failed temp"},
        {SCRIPT("S:220 fake", "W:"), "failed temp"},
        {SCRIPT(ENVELOPE, "S:250 ok", "s:250 o", "W:"), "failed temp"},
        {SCRIPT(TO_DATA, "W:"), "mail 250 rcpt 250 failed temp"},
        {SCRIPT(TO_DATA, "S:354 go", "D:", "W:"), "mail 250 rcpt 250 go failed temp"},
    };
    options.command_timeout = options.final_timeout = 50;
    open_pool();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job j;
        server.scripts[i] = cases[i].script;
        job_init(&j, 1);
        job_run(&j);
        assert_string_equal(j.told, cases[i].told);
        assert_non_null(strstr(j.err.text, "timed out"));
        assert_string_equal(j.err.dsn, "4.4.2");
        assert_int_equal(j.after_dot, i == 4);
        job_free(&j);
    }
}

static void a_server_that_stops_reading_is_left(bool all_at_once)
{
    struct job j;
    char *line = mem_zero(10001, 1);
    memset(line, 'x', 10000);
    memcpy(line + 9998, "\r\n", 2);
    server.scripts[0] = SCRIPT(TO_DATA, "S:354 go", "C:never", "W:");
    options.data_timeout = 100;
    open_pool();
    job_init(&j, 1);
    j.content = line;
    j.repeat = 3000; /* 30 MB: more than any socket buffer */
    j.careless = all_at_once;
    job_start(&j);
    loop_timer_set(watchdog, 10000);
    while (server.accepted == 0 || strstr(server.log, "DATA") == NULL)
        event_base_loop(loop_base(loop), EVLOOP_ONCE);
    bufferevent_disable(server.connections[0].bev, EV_READ);
    if (!j.done)
        loop_run(loop);
    assert_string_equal(server.error, "");
    assert_string_equal(j.told, "mail 250 rcpt 250 go failed temp");
    assert_non_null(strstr(j.err.text, "timed out"));
    assert_false(j.after_dot);
    job_free(&j);
    mem_free(&line);
}

static void a_server_that_stops_reading_content(void **state)
{
    (void)state;
    a_server_that_stops_reading_is_left(false);
}

/* smtp_end() was called, but the dot never left. */
static void a_server_that_stops_reading_before_the_dot(void **state)
{
    (void)state;
    a_server_that_stops_reading_is_left(true);
}

/* ---- kept connections ---- */

#define ONE_MORE "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "S:354 go", "D:", "S:250 ok"

static void a_connection_closed_while_idle_is_replaced(void **state)
{
    (void)state;
    struct job j, k;
    server.scripts[0] = SCRIPT(HELLO, OFFER, ONE_MORE, "S:421 4.4.2 idle too long", "X:");
    server.scripts[1] = SCRIPT(HELLO, OFFER, ONE_MORE, "W:");
    open_pool();
    job_init(&j, 1);
    job_run(&j);
    assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
    run_until(&server.closed, 1);
    job_init(&k, 1);
    job_run(&k);
    assert_string_equal(k.told, "mail 250 rcpt 250 go final 250");
    assert_int_equal(server.accepted, 2);
    job_free(&j);
    job_free(&k);
}

/* The server closes just when the command comes: retried once on a new connection, and only then. */
static void a_kept_connection_that_fails_is_replaced(void **state)
{
    (void)state;
    const char *const *const ends[] = {
        SCRIPT(HELLO, OFFER, ONE_MORE, "C:MAIL", "X:"),
        SCRIPT(HELLO, OFFER, ONE_MORE, "C:MAIL", "R:"),
        SCRIPT(HELLO, OFFER, ONE_MORE, "C:MAIL", "S:421 4.4.2 idle too long", "X:"),
    };
    options.max_connections = 1;
    open_pool();
    for (unsigned i = 0; i < 3; i++) {
        struct job j, k;
        server.scripts[2 * i] = ends[i];
        server.scripts[2 * i + 1] = SCRIPT(HELLO, OFFER, ONE_MORE, "X:");
        job_init(&j, 1);
        job_run(&j);
        job_init(&k, 1);
        job_run(&k);
        assert_string_equal(k.told, "mail 250 rcpt 250 go final 250");
        assert_int_equal(server.accepted, 2 * i + 2);
        run_until(&server.closed, 2 * i + 2);
        job_free(&j);
        job_free(&k);
    }
    assert_string_equal(server.error, "");
}

static void it_is_not_retried_on_another_stale_one(void **state)
{
    (void)state;
    struct job j[3];
    server.scripts[0] = server.scripts[1] = SCRIPT(HELLO, OFFER, ONE_MORE, "C:MAIL", "X:");
    server.scripts[2] = SCRIPT(HELLO, OFFER, ONE_MORE, "W:");
    open_pool();
    for (int i = 0; i < 3; i++) {
        job_init(&j[i], 1);
        job_start(&j[i]);
        if (i > 0)
            run();
    }
    for (int i = 0; i < 3; i++) {
        assert_string_equal(j[i].told, "mail 250 rcpt 250 go final 250");
        job_free(&j[i]);
    }
    unsigned mails = 0;
    for (const char *p = server.log; (p = strstr(p, "MAIL")) != NULL; p++)
        mails++;
    assert_int_equal(mails, 4); /* one of the two that had gone stale was tried, not both */
    assert_int_equal(server.accepted, 3);
}

static void it_is_retried_only_once_and_only_unanswered(void **state)
{
    (void)state;
    struct job j, k;
    server.scripts[0] = SCRIPT(HELLO, OFFER, ONE_MORE, "C:MAIL", "X:");
    server.scripts[1] = SCRIPT(HELLO, OFFER, "C:MAIL", "X:");
    server.scripts[2] = SCRIPT(HELLO, OFFER, ONE_MORE, "N:1:MAIL:250 ok", "X:");
    options.max_connections = 1;
    open_pool();
    for (unsigned i = 0; i < 2; i++) {
        job_init(&j, 1);
        job_run(&j);
        job_init(&k, 1);
        job_run(&k);
        assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
        assert_string_equal(k.told, "failed temp");
        job_free(&j);
        job_free(&k);
    }
    assert_int_equal(server.accepted, 3);
}

static void reset_travels_with_the_next_envelope(void **state)
{
    (void)state;
    struct job j, k;
    server.scripts[0] = SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:550 no", "C:RSET", "C:MAIL", "C:RCPT",
                               "S:250 reset", "S:250 ok", "S:250 ok", "C:DATA", "S:354 go", "D:", "S:250 ok", "W:");
    options.max_connections = 1;
    open_pool();
    job_init(&j, 1);
    job_init(&k, 1);
    job_start(&j);
    job_start(&k); /* waits */
    run();
    assert_string_equal(j.told, "mail 250 rcpt 550");
    assert_string_equal(k.told, "mail 250 rcpt 250 go final 250");
    assert_string_equal(server.error, "");
    assert_int_equal(server.accepted, 1);
    job_free(&j);
    job_free(&k);
}

static void abort_works_at_every_step(void **state)
{
    (void)state;
    /* The server stops answering at each command in turn; the transaction is then aborted. */
    const struct {
        const char *const *script;
        const char *until; /* the command that has arrived by then */
        bool kept;
    } cases[] = {
        {SCRIPT("S:220 fake", "C:EHLO", OFFER, ONE_MORE, "X:"), "", true},
        {SCRIPT("S:220 fake", "C:EHLO", OFFER, ONE_MORE, "X:"), "EHLO", true},
        {SCRIPT(HELLO, OFFER, "C:MAIL", "C:RCPT", "S:250 ok", "S:250 ok", "C:RSET", "S:250 ok", ONE_MORE, "X:"), "RCPT",
         true},
        {SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:RSET", "S:250 ok", ONE_MORE, "X:"), "ENVELOPE",
         true},
        {SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:1:RCPT:250 ok", "C:DATA", "W:"), "DATA", false},
    };
    options.max_connections = 1;
    open_pool();
    unsigned expected = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job j, k;
        server.log[0] = '\0';
        server.scripts[expected] = cases[i].script;
        job_init(&j, 1);
        j.content = strcmp(cases[i].until, "ENVELOPE") == 0 ? NULL : j.content;
        job_start(&j);
        loop_timer_set(watchdog, 10000);
        if (j.content == NULL)
            run();
        while (j.content != NULL && strstr(server.log, cases[i].until) == NULL)
            event_base_loop(loop_base(loop), EVLOOP_ONCE);
        smtp_abort(&j.t);
        assert_null(j.t);
        running = 0;
        expected++;
        server.scripts[expected] = SCRIPT(HELLO, OFFER, ONE_MORE, "X:");
        expected += !cases[i].kept;
        job_init(&k, 1);
        job_run(&k);
        assert_string_equal(server.error, "");
        assert_string_equal(k.told, "mail 250 rcpt 250 go final 250");
        assert_int_equal(server.accepted, expected);
        run_until(&server.closed, expected);
        job_free(&j);
        job_free(&k);
    }
}

static void abort_within_content_leaves_nothing(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(TO_DATA, "S:354 go", "D:");
    open_pool();
    job_init(&j, 1);
    j.abort_at_go = true;
    job_run(&j);
    assert_string_equal(j.told, "mail 250 rcpt 250 go");
    run_until(&server.closed, 1);
    assert_int_equal(evbuffer_get_length(server.content), 0); /* no dot */
    job_free(&j);
}

static void idle_connections_say_quit(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, OFFER, ONE_MORE, "C:QUIT", "W:");
    options.idle_timeout = 20;
    open_pool();
    job_init(&j, 1);
    job_run(&j);
    run_until(&server.closed, 1);
    assert_string_equal(server.error, "");
    assert_non_null(strstr(server.log, "QUIT\n"));
    job_free(&j);
}

static void connections_wear_out(void **state)
{
    (void)state;
    server.scripts[0] = SCRIPT(HELLO, OFFER, ONE_MORE, ONE_MORE, "C:QUIT", "W:");
    server.scripts[1] = SCRIPT(HELLO, OFFER, ONE_MORE, "W:");
    options.max_connections = 1;
    options.max_per_connection = 2;
    open_pool();
    for (int i = 0; i < 3; i++) {
        struct job j;
        job_init(&j, 1);
        job_run(&j);
        assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
        job_free(&j);
    }
    assert_int_equal(server.accepted, 2);
    assert_string_equal(server.error, "");
}

static void waiting_is_bounded_and_in_order(void **state)
{
    (void)state;
    struct job j[6];
    server.scripts[0] = SCRIPT(HELLO, OFFER, ONE_MORE, ONE_MORE, ONE_MORE, ONE_MORE, "W:");
    options.max_connections = 1;
    open_pool();
    for (int i = 0; i < 6; i++) {
        job_init(&j[i], 1);
        mem_free(&j[i].envelope.sender);
        j[i].envelope.sender = mem_printf("s%d@a.test", i);
        job_start(&j[i]);
    }
    run();
    for (int i = 0; i < 6; i++) {
        assert_string_equal(j[i].told, i < 4 ? "mail 250 rcpt 250 go final 250" : "failed temp");
        assert_string_equal(j[i].err.dsn, i < 4 ? "" : "4.3.2");
        char mail[40];
        snprintf(mail, sizeof mail, "MAIL FROM:<s%d@a.test>", i);
        const char *at = strstr(server.log, mail);
        assert_int_equal(at != NULL, i < 4);
        job_free(&j[i]);
    }
    assert_true(strstr(server.log, "<s0@") < strstr(server.log, "<s1@") &&
                strstr(server.log, "<s2@") < strstr(server.log, "<s3@"));
}

/* ---- XCLIENT ---- */

static void set_peer(struct job *j, const char *address, const char *name, const char *helo)
{
    snprintf(j->peer.address, sizeof j->peer.address, "%s", address);
    snprintf(j->peer.name, sizeof j->peer.name, "%s", name);
    snprintf(j->peer.helo, sizeof j->peer.helo, "%s", helo);
}

static void xclient_names_the_peer_once(void **state)
{
    (void)state;
    static const char *const peers[] = {"192.0.2.1", "192.0.2.1", "2001:db8::1"};
    /* A server that lets XCLIENT be repeated. */
    server.scripts[0] =
        SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1 PROTO=ESMTP HELO=he+2Blo+20x",
               "S:220 again", "C:EHLO pontoon.test", WITH_XCLIENT, ONE_MORE, ONE_MORE,
               "C:XCLIENT NAME=[UNAVAILABLE] ADDR=IPV6:2001:db8::1 PROTO=ESMTP HELO=he+2Blo+20x", "S:220 again",
               "C:EHLO pontoon.test", WITH_XCLIENT, ONE_MORE, "W:");
    server.scripts[1] = SCRIPT(HELLO, WITH_XCLIENT, ONE_MORE, "W:");
    options.max_connections = 1;
    options.xclient_required = true;
    open_pool();
    for (int i = 0; i < 4; i++) {
        struct job j;
        job_init(&j, 1);
        if (i < 3)
            set_peer(&j, peers[i], "", "he+lo x");
        job_run(&j); /* the last has no peer: it must not pass for another's */
        assert_string_equal(server.error, "");
        assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
        job_free(&j);
    }
    assert_int_equal(server.accepted, 2);
}

static void a_connection_stays_its_peers(void **state)
{
    (void)state;
    static const char *const peers[] = {"192.0.2.1", "192.0.2.2", "192.0.2.1"};
    /* As Postfix does: no XCLIENT after XCLIENT; and our EHLO is then the peer's. */
    server.scripts[0] = SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:220 again", "C:EHLO mail.peer.example", OFFER,
                               ONE_MORE, ONE_MORE, "W:");
    server.scripts[1] = SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:220 again", "C:EHLO mail.peer.example", OFFER,
                               ONE_MORE, "C:QUIT", "W:");
    server.scripts[2] =
        SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:220 again", "C:EHLO mail.peer.example", OFFER, ONE_MORE, "W:");
    options.xclient_required = true;
    open_pool();
    for (int i = 0; i < 4; i++) {
        struct job j;
        job_init(&j, 1);
        set_peer(&j, i < 3 ? peers[i] : "192.0.2.3", "", "mail.peer.example");
        job_run(&j);
        assert_string_equal(server.error, "");
        assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
        job_free(&j);
    }
    run_until(&server.closed, 1); /* for the fourth, the one that had lain longest made room */
    assert_int_equal(server.accepted, 3);
    assert_string_equal(server.error, "");
}

static void a_connection_with_many_refusals_is_not_kept(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, OFFER, "N:1:MAIL:250 ok", "N:7:RCPT:550 no", "C:RSET", "S:250 ok",
                               "N:1:MAIL:250 ok", "N:7:RCPT:550 no", "C:RSET", "S:250 ok", "C:QUIT", "W:");
    server.scripts[1] = SCRIPT(HELLO, OFFER, ONE_MORE, "W:");
    options.max_connections = 1;
    open_pool();
    for (int i = 0; i < 3; i++) {
        job_init(&j, i < 2 ? 7 : 1);
        job_run(&j);
        job_free(&j);
    }
    assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
    assert_int_equal(server.accepted, 2);
    assert_string_equal(server.error, "");
}

static void xclient_required(void **state)
{
    (void)state;
    const struct {
        const char *const *script;
        const char *told, *text;
    } cases[] = {
        {SCRIPT(HELLO, OFFER, "W:"), "failed temp", "smtpd_authorized_xclient_hosts"},
        {SCRIPT(HELLO, "S:250-fake\r\n250 XCLIENT NAME HELO", "W:"), "failed temp", "add 127.0.0.1 to"},
        {SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:550 5.7.0 Error: insufficient authorization", "W:"), "failed temp",
         "550 5.7.0 Error: insufficient authorization; add 127.0.0.1 to Postfix's"},
        {SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:554 5.7.1 listed", "W:"), "failed perm 554",
         "in reply to XCLIENT"},
        {SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:220 hi", "C:EHLO", "S:550 5.7.1 bad helo", "W:"),
         "failed perm 550", "in reply to EHLO"},
    };
    options.xclient_required = true;
    open_pool();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct job j;
        server.scripts[i] = cases[i].script;
        job_init(&j, 1);
        set_peer(&j, "192.0.2.1", "mail.example", "mail.example");
        job_run(&j);
        assert_string_equal(j.told, cases[i].told);
        if (strstr(j.err.text, cases[i].text) == NULL)
            fail_msg("case %zu: %s", i, j.err.text);
        job_free(&j);
    }
    assert_null(strstr(server.log, "MAIL"));
}

static void xclient_tried_only(void **state)
{
    (void)state;
    struct job j;
    server.scripts[0] = SCRIPT(HELLO, OFFER, ONE_MORE, ONE_MORE, "W:");
    open_pool();
    for (int i = 0; i < 2; i++) {
        job_init(&j, 1);
        set_peer(&j, "192.0.2.1", "", "");
        job_run(&j);
        assert_string_equal(j.told, "mail 250 rcpt 250 go final 250");
        job_free(&j);
    }
    assert_int_equal(server.accepted, 1);
}

/* ---- the end ---- */

static void the_pool_may_go_at_any_time(void **state)
{
    (void)state;
    static const char *const until[] = {"", "EHLO", "XCLIENT", "RCPT", "DATA", ".dot"};
    for (size_t i = 0; i < sizeof until / sizeof *until; i++) {
        struct job j[5];
        const char *const *const script =
            SCRIPT(HELLO, WITH_XCLIENT, "C:XCLIENT", "S:220 hi", "C:EHLO", WITH_XCLIENT, "C:MAIL", "C:RCPT", "S:250 ok",
                   "S:250 ok", "C:DATA", "S:354 go", "C:Subject", "C:", "C:..dot", "W:");
        for (unsigned k = server.accepted; k < server.accepted + 2; k++)
            server.scripts[k] = script;
        open_pool();
        server.log[0] = '\0';
        for (int k = 0; k < 5; k++) {
            job_init(&j[k], 1);
            set_peer(&j[k], "192.0.2.1", "", "");
            job_start(&j[k]);
        }
        smtp_abort(&j[4].t); /* one that waits */
        loop_timer_set(watchdog, 10000);
        while (server.error[0] == '\0' && strstr(server.log, until[i]) == NULL)
            event_base_loop(loop_base(loop), EVLOOP_ONCE);
        if (i == 3)
            smtp_abort(&j[0].t); /* its replies are still to come */
        smtp_pool_free(&pool);
        for (int k = 0; k < 5; k++)
            job_free(&j[k]);
        run_until(&server.closed, server.accepted);
        assert_string_equal(server.error, "");
        running = 0;
    }
}

static void nothing_is_told_after_the_pool_went(void **state)
{
    (void)state;
    struct job j;
    open_pool();
    job_init(&j, 0); /* fails at once: the news are on their way */
    job_start(&j);
    smtp_pool_free(&pool);
    int rounds = 1;
    loop_post(loop, ping, &rounds);
    run();
    assert_string_equal(j.told, "");
    assert_string_equal(smtp_relay(j.t), "");
    job_free(&j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delivers_pipelined),
        TEST(delivers_in_lockstep),
        TEST(lmtp_answers_each),
        TEST(lmtp_keeps_the_answers_that_came),
        TEST(a_thousand_recipients_do_not_jam),
        TEST(a_large_message_flows_in_bounded_memory),
        TEST(no_room_is_told_after_the_end),
        TEST(sends_what_is_offered),
        TEST(leaves_out_what_is_not_offered),
        TEST(refuses_what_would_harm_the_mail),
        TEST(injection_is_refused_before_anything_is_sent),
        TEST(a_bare_lf_is_never_sent),
        TEST(refused_mail_keeps_the_connection),
        TEST(refused_data_is_reset),
        TEST(a_refusal_of_us_is_no_bounce),
        TEST(early_verdict_on_mail_is_kept),
        TEST(misbehaving_servers_are_dropped),
        TEST(endless_replies_are_bounded),
        TEST(loss_after_the_dot_is_told),
        TEST(loss_within_content_is_not_after_the_dot),
        TEST(nobody_listens),
        TEST(nobody_listens_on_a_unix_socket),
        TEST(silence_ends),
        TEST(a_server_that_stops_reading_content),
        TEST(a_server_that_stops_reading_before_the_dot),
        TEST(a_connection_closed_while_idle_is_replaced),
        TEST(a_kept_connection_that_fails_is_replaced),
        TEST(it_is_not_retried_on_another_stale_one),
        TEST(it_is_retried_only_once_and_only_unanswered),
        TEST(reset_travels_with_the_next_envelope),
        TEST(abort_works_at_every_step),
        TEST(abort_within_content_leaves_nothing),
        TEST(idle_connections_say_quit),
        TEST(connections_wear_out),
        TEST(waiting_is_bounded_and_in_order),
        TEST(xclient_names_the_peer_once),
        TEST(a_connection_stays_its_peers),
        TEST(a_connection_with_many_refusals_is_not_kept),
        TEST(xclient_required),
        TEST(xclient_tried_only),
        TEST(the_pool_may_go_at_any_time),
        TEST(nothing_is_told_after_the_pool_went),
    };
    return test_run("smtp_client", tests);
}
