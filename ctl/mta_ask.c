/* Transactions that end before DATA: see mta_ask.h. */
#include "ctl/mta_ask.h"

#include <stdio.h>

#include "lib/mem.h"
#include "lib/smtp_client.h"

enum { GOODBYE = 20 /* ms for RSET and QUIT, so that the MTA need not log a lost connection */ };

struct asking {
    struct loop *loop;
    size_t left;
    struct loop_timer *end;
};

struct one {
    struct asking *asking;
    struct mta_question *question;
    struct smtp_transaction *t;
    struct loop_timer *leave;
};

static void leave(void *arg)
{
    struct one *o = arg;
    if (o->t != NULL)
        smtp_abort(&o->t);
    if (--o->asking->left == 0)
        loop_timer_set(o->asking->end, GOODBYE);
}

static void end(void *arg)
{
    loop_stop(((struct asking *)arg)->loop);
}

static void on_envelope(void *arg, const struct smtp_reply *mail, const struct smtp_reply *rcpts, size_t n)
{
    struct one *o = arg;
    o->question->reply = n > 0 ? rcpts[0] : *mail;
    loop_timer_set(o->leave, 0);
}

static void on_failed(void *arg, enum result result, const struct smtp_reply *reply, bool after_dot,
                      const struct error *err)
{
    (void)result, (void)after_dot;
    struct one *o = arg;
    o->t = NULL;
    o->question->err = *err;
    if (reply != NULL)
        o->question->reply = *reply;
    loop_timer_set(o->leave, 0);
}

static void begin(struct one *o, struct smtp_pool *pool, const char *peer)
{
    static const struct smtp_callbacks callbacks = {.on_envelope = on_envelope, .on_failed = on_failed};
    struct smtp_peer as = {.name = "", .helo = ""};
    struct envelope e;
    if (peer != NULL)
        snprintf(as.address, sizeof as.address, "%s", peer);
    envelope_init(&e);
    e.sender = mem_strdup(o->question->sender);
    envelope_add_rcpt(&e, o->question->recipient, NULL, NULL);
    o->t = smtp_begin(pool, &e, &as, &callbacks, o);
    envelope_free(&e);
}

void mta_ask(struct loop *loop, const struct netaddr *server, bool lmtp, const char *helo, const char *peer,
             msec_t timeout, struct mta_question *questions, size_t n)
{
    char name[NETADDR_TEXT_SIZE];
    struct asking asking = {.loop = loop, .left = n};
    asking.end = loop_timer_new(loop, end, &asking);
    netaddr_ip(server, name);
    struct smtp_pool *pool = smtp_pool_new(loop, &(struct smtp_pool_options){.server = *server,
                                                                             .server_name = name,
                                                                             .lmtp = lmtp,
                                                                             .helo = helo,
                                                                             .max_connections = 1,
                                                                             .max_waiting = (unsigned)n,
                                                                             .connect_timeout = timeout,
                                                                             .command_timeout = timeout,
                                                                             .data_timeout = timeout,
                                                                             .final_timeout = timeout,
                                                                             .idle_timeout = 1});
    struct one *ones = mem_zero(n, sizeof *ones);
    for (size_t i = 0; i < n; i++) {
        ones[i] =
            (struct one){.asking = &asking, .question = &questions[i], .leave = loop_timer_new(loop, leave, &ones[i])};
        begin(&ones[i], pool, peer);
    }
    if (n > 0)
        loop_run(loop);
    for (size_t i = 0; i < n; i++)
        loop_timer_free(&ones[i].leave);
    loop_timer_free(&asking.end);
    mem_free(&ones);
    smtp_pool_free(&pool);
}
