/* bridge/arrivals.c and smtp_copies.c: datagrams come in, and each recipient of a shadow finds its copy, or not. */
#include "t/unit/test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "bridge/smtp_copies.h"
#include "lib/mem.h"

#define MAIL "Subject: hello\r\nMessage-ID: <1@a.test>\r\n\r\nbody\r\n"

struct fixture {
    char dir[32], path[64];
    struct config *config;
    struct loop *loop;
    struct arrivals *arrivals;
    struct envelope envelope;
    struct smtp_copies *copies;
    unsigned done;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(1, sizeof *f);
    struct error err;
    char *text;
    strcpy(f->dir, "/tmp/pontoon-test.XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    snprintf(f->path, sizeof f->path, "%s/arrivals", f->dir);
    text = mem_printf("bridge { arrivals = \"%s\"\n }\n", f->path);
    if (config_parse(text, "test", &f->config, &err) != RESULT_OK)
        return -1;
    mem_free(&text);
    f->loop = loop_new();
    f->arrivals = arrivals_new(f->loop, f->config);
    envelope_init(&f->envelope);
    f->envelope.sender = mem_strdup("alice@a.test");
    envelope_add_rcpt(&f->envelope, "bob@b.test", NULL, NULL);
    envelope_add_rcpt(&f->envelope, "carol@b.test", NULL, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    smtp_copies_free(&f->copies);
    arrivals_free(&f->arrivals);
    loop_free(&f->loop);
    config_free(&f->config);
    envelope_free(&f->envelope);
    if (rmdir(f->dir) != 0) /* the socket is gone with its owner */
        return -1;
    mem_free(&f);
    return 0;
}

static struct fingerprint *of(const char *text)
{
    struct fingerprint_maker *m = fingerprint_maker_new();
    fingerprint_add_bytes(m, text, strlen(text));
    return fingerprint_finish(&m);
}

static void send_text(const struct fixture *f, const char *text)
{
    struct sockaddr_un sun;
    struct error err;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(arrival_address(f->path, &sun, &err), RESULT_OK);
    assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&sun, sizeof sun), strlen(text));
    close(fd);
}

static void turn(const struct fixture *f)
{
    event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
}

/* A message for one or two recipients goes past the milter. */
static void arrive(const struct fixture *f, const char *text, const char *sender, const char *rcpt, const char *rcpt2)
{
    struct arrival a = {.sender = mem_strdup(sender), .fingerprint = of(text)};
    arrival_add_rcpt(&a, rcpt);
    if (rcpt2 != NULL)
        arrival_add_rcpt(&a, rcpt2);
    char *datagram = arrival_write(&a);
    send_text(f, datagram);
    mem_free(&datagram);
    arrival_clear(&a);
    turn(f);
}

static void on_done(void *arg)
{
    struct fixture *f = arg;
    f->done++;
}

static void verified(struct fixture *f, const bool *wanted)
{
    f->copies = smtp_copies_new(f->loop, f->arrivals, &f->envelope, wanted, of(MAIL), 0, 600000, on_done, f);
    turn(f);
}

static const bool both[] = {true, true}, first[] = {true, false};

static void before_and_after(void **state)
{
    struct fixture *f = *state;
    arrive(f, "Received: by mx\r\n" MAIL, "alice@a.test", "bob@b.test", NULL);
    verified(f, both);
    assert_int_equal(f->done, 0);
    arrive(f, MAIL, "Alice@A.test", "CAROL@b.test", NULL);
    turn(f);
    assert_int_equal(f->done, 1);
    struct store_comparison bob = smtp_copies_of(f->copies, 0), carol = smtp_copies_of(f->copies, 1);
    assert_int_equal(bob.smtp, STORE_SMTP_ARRIVED);
    assert_true(bob.delta <= 0 && bob.delta > -60000);
    assert_true(carol.delta >= 0 && carol.delta < 60000);
    assert_null(bob.differences);
    assert_int_equal(carol.smtp, STORE_SMTP_ARRIVED);
}

static void differences_are_told(void **state)
{
    struct fixture *f = *state;
    verified(f, first);
    arrive(f, "Subject: HELLO\r\nMessage-ID: <1@a.test>\r\n\r\nbody\r\nfooter\r\n", "alice@a.test", "carol@b.test",
           "bob@b.test");
    turn(f);
    assert_int_equal(f->done, 1);
    assert_string_equal(smtp_copies_of(f->copies, 0).differences,
                        "header Subject changed\nbody differs: 14 bytes by SMTP, 6 by SSMP");
    assert_int_not_equal(smtp_copies_of(f->copies, 1).smtp, STORE_SMTP_ARRIVED); /* nobody asked for it */
}

static void another_message_is_no_copy(void **state)
{
    struct fixture *f = *state;
    verified(f, first);
    arrive(f, "Message-ID: <2@a.test>\r\n\r\n", "alice@a.test", "bob@b.test", NULL);
    arrive(f, MAIL, "alice@a.test", "dave@b.test", NULL);
    arrive(f, "Subject: none\r\n\r\n", "alice@a.test", "bob@b.test", NULL);
    turn(f);
    assert_int_equal(f->done, 0);
    assert_int_not_equal(smtp_copies_of(f->copies, 0).smtp, STORE_SMTP_ARRIVED);
}

/* From a list or a rewriting relay: taken if nothing better comes. */
static void another_sender_counts_less(void **state)
{
    struct fixture *f = *state;
    verified(f, first);
    arrive(f, MAIL, "srs0=x@relay.test", "bob@b.test", NULL);
    turn(f);
    assert_int_equal(f->done, 0);
    assert_string_equal(smtp_copies_of(f->copies, 0).differences,
                        "envelope sender differs: <srs0=x@relay.test> by SMTP");
    arrive(f, MAIL, "", "bob@b.test", NULL);
    assert_string_equal(smtp_copies_of(f->copies, 0).differences,
                        "envelope sender differs: <srs0=x@relay.test> by SMTP");
    arrive(f, MAIL, "alice@a.test", "bob@b.test", NULL);
    turn(f);
    assert_int_equal(f->done, 1);
    assert_null(smtp_copies_of(f->copies, 0).differences);
}

static void whether_somebody_looks_on(void **state)
{
    struct fixture *f = *state;
    assert_false(arrivals_observing(f->arrivals));
    send_text(f, "{\"recipients\":[]}");
    turn(f);
    assert_true(arrivals_observing(f->arrivals));
}

static void rubbish_is_dropped(void **state)
{
    struct fixture *f = *state;
    send_text(f, "rubbish");
    turn(f);
    verified(f, first);
    arrive(f, MAIL, "alice@a.test", "bob@b.test", NULL);
    turn(f);
    assert_int_equal(f->done, 1);
}

static void wait_for_copy(struct fixture *f, msec_t age)
{
    f->done = 0;
    f->copies = smtp_copies_new(f->loop, f->arrivals, &f->envelope, first, of(MAIL), age, 1, on_done, f);
    while (f->done == 0)
        event_base_loop(loop_base(f->loop), EVLOOP_ONCE);
}

static void waiting_ends(void **state)
{
    struct fixture *f = *state;
    static const struct {
        msec_t age;
        enum store_smtp_copy is;
    } cases[] = {
        {0, STORE_SMTP_NOT_SEEN},      /* it can't have come unseen */
        {3600000, STORE_SMTP_UNKNOWN}, /* it may have come before we looked */
        {-1, STORE_SMTP_UNKNOWN},      /* no idea how old it is */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wait_for_copy(f, cases[i].age);
        assert_int_equal(smtp_copies_of(f->copies, 0).smtp, STORE_SMTP_UNKNOWN); /* nobody looks on */
        smtp_copies_free(&f->copies);
    }
    send_text(f, "{}");
    turn(f);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wait_for_copy(f, cases[i].age);
        assert_int_equal(smtp_copies_of(f->copies, 0).smtp, cases[i].is);
        smtp_copies_free(&f->copies);
    }
}

/* Many arrivals: the oldest go, memory stays bounded, and the newest are found. */
static void a_flood(void **state)
{
    struct fixture *f = *state;
    arrive(f, MAIL, "alice@a.test", "bob@b.test", NULL);
    for (int i = 0; i < 20001; i++) {
        char text[100];
        snprintf(text, sizeof text, "Message-ID: <%d@flood.test>\r\n\r\n", i);
        arrive(f, text, "x@a.test", "bob@b.test", NULL);
    }
    wait_for_copy(f, 60000);
    assert_int_equal(smtp_copies_of(f->copies, 0).smtp, STORE_SMTP_UNKNOWN); /* it was forgotten, not unseen */
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_and_after),
        TEST(differences_are_told),
        TEST(another_message_is_no_copy),
        TEST(another_sender_counts_less),
        TEST(whether_somebody_looks_on),
        TEST(rubbish_is_dropped),
        TEST(waiting_ends),
        TEST(a_flood),
    };
    return test_run("smtp_copies", tests);
}
