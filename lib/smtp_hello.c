/* Greeting and EHLO on a connection of its own: see smtp_hello.h. */
#include "lib/smtp_hello.h"

#include <stdio.h>

#include "lib/mem.h"
#include "lib/smtp_internal.h"

struct hello {
    struct smtp_connection *connection;
    char relay[NETADDR_TEXT_SIZE];
    char *helo;
    bool lmtp, greeted;
    msec_t timeout;
    const char *step;
    smtp_hello_done *done;
    void *arg;
};

static void finish(struct hello *h, enum result result, const struct smtp_offer *offer, const struct error *err)
{
    smtp_connection_close(&h->connection);
    h->done(h->arg, result, offer, err);
    mem_free(&h->helo);
    mem_free(&h);
}

static void on_connected(void *arg)
{
    struct hello *h = arg;
    h->step = "the greeting";
    smtp_connection_timeout(h->connection, h->timeout);
}

static void say_hello(struct hello *h)
{
    struct buf command = BUF_INIT(SMTP_COMMAND_MAX);
    h->greeted = true;
    h->step = h->lmtp ? "LHLO" : "EHLO";
    buf_printf(&command, "%s %s\r\n", h->step, h->helo);
    smtp_connection_send(h->connection, &command, 1);
    smtp_connection_timeout(h->connection, h->timeout);
    buf_free(&command);
}

static bool on_reply(void *arg, const struct smtp_reply *reply, const char *raw)
{
    struct hello *h = arg;
    struct error err;
    if (reply->code / 100 != 2) {
        smtp_failure_said(&err, RESULT_TEMP, h->relay, h->step, reply);
        finish(h, RESULT_TEMP, NULL, &err);
        return false;
    }
    if (!h->greeted) {
        say_hello(h);
        return true;
    }
    struct smtp_offer offer;
    smtp_ehlo_parse(raw, &offer);
    smtp_connection_say_goodbye(h->connection);
    finish(h, RESULT_OK, &offer, NULL);
    return false;
}

static void on_drained(void *arg)
{
    (void)arg;
}

static void on_lost(void *arg, enum smtp_loss loss, const struct smtp_reply *stray, const char *why)
{
    struct hello *h = arg;
    struct error err;
    if (h->step == NULL)
        error_set_dsn(&err, RESULT_TEMP, "4.4.1", "connect to %s: %s", h->relay, why);
    else
        smtp_failure_lost(&err, h->relay, h->step, loss, stray, why);
    finish(h, RESULT_TEMP, NULL, &err);
}

void smtp_hello(struct loop *loop, const struct netaddr *server, bool lmtp, const char *helo, msec_t timeout,
                smtp_hello_done *done, void *arg)
{
    static const struct smtp_connection_events events = {
        .connected = on_connected, .reply = on_reply, .drained = on_drained, .lost = on_lost};
    struct hello *h = mem_zero(1, sizeof *h);
    *h = (struct hello){.helo = mem_strdup(helo), .lmtp = lmtp, .timeout = timeout, .done = done, .arg = arg};
    netaddr_text(server, h->relay);
    h->connection = smtp_connection_open(loop, server, timeout, &events, h);
    smtp_connection_timeout(h->connection, timeout);
}
