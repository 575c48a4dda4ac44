/* lib/smtp_hello.c and ctl/mta_ask.c against a scripted server; ctl/milter_client.c against bytes. */
#include "t/unit/fake_smtp.h"

#include <pthread.h>

#include <libmilter/mfapi.h>

#include "ctl/milter_client.h"
#include "ctl/mta_ask.h"
#include "lib/mem.h"
#include "lib/smtp_hello.h"

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL}) /* lives as long as the block around it */

enum { TIMEOUT = 10000, SHORT = 50 };

static struct loop *loop;
static struct fake_smtp server;
static struct smtp_offer offer;
static struct error error;
static enum result result;
static unsigned told;

static int setup(void **state)
{
    (void)state;
    loop = loop_new();
    fake_start(&server, loop);
    told = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_stop(&server);
    loop_free(&loop);
    return 0;
}

static void on_hello(void *arg, enum result r, const struct smtp_offer *o, const struct error *err)
{
    (void)arg;
    told++;
    result = r;
    if (r == RESULT_OK)
        offer = *o;
    else
        error = *err;
    loop_stop(loop);
}

static void hello(bool lmtp, msec_t timeout, const char *const *script)
{
    server.scripts[0] = script;
    smtp_hello(loop, &server.address, lmtp, "pontoon.test", timeout, on_hello, NULL);
    loop_run(loop);
    assert_int_equal(told, 1);
    assert_string_equal(server.error, "");
}

static void what_is_offered(void **state)
{
    (void)state;
    hello(true, TIMEOUT,
          SCRIPT("S:220 fake", "C:LHLO pontoon.test", "S:250-fake\r\n250-SIZE 1000\r\n250-DSN\r\n250 XCLIENT ADDR",
                 "W:"));
    assert_int_equal(result, RESULT_OK);
    assert_true(offer.size && offer.dsn && !offer.smtputf8);
    assert_int_equal(offer.size_limit, 1000);
    assert_int_equal(offer.xclient, XCLIENT_ADDR);
}

static void fails(const char *const *script, const char *why)
{
    hello(false, SHORT * 20, script);
    assert_int_equal(result, RESULT_TEMP);
    if (strstr(error.text, why) == NULL)
        fail_msg("\"%s\" is not in: %s", why, error.text);
}

static void refused_at_once(void **state)
{
    (void)state;
    fails(SCRIPT("S:421 4.3.2 too busy"), "421 4.3.2 too busy (in reply to the greeting)");
}

static void refused_at_ehlo(void **state)
{
    (void)state;
    fails(SCRIPT("S:220 fake", "C:EHLO", "S:550 go away"), "550 go away (in reply to EHLO)");
}

static void no_smtp(void **state)
{
    (void)state;
    fails(SCRIPT("S:SSH-2.0-OpenSSH"), "the greeting");
}

static void gone(void **state)
{
    (void)state;
    fails(SCRIPT("S:220 fake", "C:EHLO", "X:"), "lost connection");
}

static void silent(void **state)
{
    (void)state;
    hello(false, SHORT, SCRIPT("W:"));
    assert_int_equal(result, RESULT_TEMP);
    assert_non_null(strstr(error.text, "timed out while sending the greeting"));
}

static void envelopes(void **state)
{
    (void)state;
    struct mta_question q[] = {{.sender = "", .recipient = "postmaster@a.test"},
                               {.sender = "x@a.test", .recipient = "y@example.com"},
                               {.sender = "bad@a.test", .recipient = "y@example.com"}};
    server.scripts[0] = SCRIPT("S:220 fake", "C:EHLO", "S:250-fake\r\n250 XCLIENT ADDR NAME", "C:XCLIENT", "S:220 fake",
                               "C:EHLO", "S:250-fake\r\n250 XCLIENT ADDR NAME", "C:MAIL FROM:<>", "S:250 ok",
                               "C:RCPT TO:<postmaster@a.test>", "S:250 2.1.5 ok", "C:RSET", "S:250 ok",
                               "C:MAIL FROM:<x@a.test>", "S:250 ok", "C:RCPT", "S:554 5.7.1 Relay access denied",
                               "C:RSET", "S:250 ok", "C:MAIL FROM:<bad@a.test>", "S:550 5.1.8 no", "W:");
    mta_ask(loop, &server.address, false, "pontoon.test", "192.0.2.1", TIMEOUT, q, sizeof q / sizeof *q);
    server.scripts[0] = NULL;
    assert_string_equal(server.error, "");
    assert_int_equal(q[0].reply.code, 250);
    assert_int_equal(q[1].reply.code, 554);
    assert_string_equal(q[1].reply.dsn, "5.7.1");
    assert_int_equal(q[2].reply.code, 550);
    assert_non_null(strstr(server.log, "ADDR=192.0.2.1"));
    assert_null(strstr(server.log, "DATA"));
}

static void nobody_to_ask(void **state)
{
    (void)state;
    struct mta_question q = {.sender = "", .recipient = "postmaster@a.test"};
    server.scripts[0] = SCRIPT("X:");
    mta_ask(loop, &server.address, false, "pontoon.test", NULL, TIMEOUT, &q, 1);
    server.scripts[0] = NULL;
    assert_int_equal(q.reply.code, 0);
    assert_string_not_equal(q.err.text, "");
}

/* ---- the milter protocol ---- */

struct stand_in {
    int fd;
    const char *answer;
    size_t len;
    char got[64];
    ssize_t ngot;
};

static void *answer_once(void *arg)
{
    struct stand_in *s = arg;
    int client = accept(s->fd, NULL, NULL);
    s->ngot = recv(client, s->got, 17, MSG_WAITALL);
    if (s->len > 0)
        (void)!send(client, s->answer, s->len, MSG_NOSIGNAL);
    shutdown(client, SHUT_WR);
    while (recv(client, s->got + 20, 20, 0) > 0)
        continue;
    close(client);
    return NULL;
}

static enum result probe(const char *answer, size_t len, uint32_t *version_r, uint32_t *actions_r, uint32_t *protocol_r)
{
    struct stand_in s = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer, .len = len};
    struct netaddr at;
    char endpoint[NETADDR_TEXT_SIZE];
    pthread_t thread;
    assert_true(netaddr_parse("127.0.0.1", 0, &at));
    assert_int_equal(bind(s.fd, (struct sockaddr *)&at.sa, at.len), 0);
    assert_int_equal(listen(s.fd, 1), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)&at.sa, &at.len), 0);
    netaddr_text(&at, endpoint);
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &s), 0);
    struct milter_client *c = NULL;
    enum result r = milter_client_open(endpoint, TIMEOUT, &c, &error);
    if (r == RESULT_OK) {
        *version_r = milter_client_version(c);
        *actions_r = milter_client_actions(c);
        *protocol_r = milter_client_protocol(c);
        milter_client_quit(&c);
    }
    pthread_join(thread, NULL);
    close(s.fd);
    assert_int_equal(s.ngot, 17);
    assert_memory_equal(s.got, "\0\0\0\015O\0\0\0\006\0\0\001\377\0\037\377\377", 17);
    return r;
}

static void milters(void **state)
{
    (void)state;
    struct milter_client *c = NULL;
    uint32_t version = 0, actions = 0, protocol = 0;
    static const char good[] = "\0\0\0\015O\0\0\0\006\0\0\0\010\0\0\001\002",
                      other[] = "\0\0\0\015R\0\0\0\006\0\0\0\010\0\0\0\0";
    assert_int_equal(probe(good, 17, &version, &actions, &protocol), RESULT_OK);
    assert_int_equal(version, 6);
    assert_int_equal(actions, SMFIF_DELRCPT);
    assert_int_equal(protocol, 0x102);
    assert_int_equal(probe(other, 17, &version, &actions, &protocol), RESULT_PERM);
    assert_int_equal(probe("220 mail.example.org ESMTP\r\n", 28, &version, &actions, &protocol), RESULT_PERM);
    assert_non_null(strstr(error.text, "does not speak the milter protocol"));
    assert_int_equal(probe(good, 9, &version, &actions, &protocol), RESULT_TEMP); /* it hung up */
    assert_int_equal(probe("", 0, &version, &actions, &protocol), RESULT_TEMP);
    assert_int_equal(milter_client_open("unix:/nonexistent/socket", TIMEOUT, &c, &error), RESULT_TEMP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_offered), TEST(refused_at_once), TEST(refused_at_ehlo), TEST(no_smtp), TEST(gone),
        TEST(silent),          TEST(envelopes),       TEST(nobody_to_ask),   TEST(milters),
    };
    return test_run("smtp_hello", tests);
}
