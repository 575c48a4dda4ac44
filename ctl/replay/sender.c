/* Sends copies of messages: see sender.h. */
#include "ctl/replay/sender.h"

#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/mem.h"
#include "lib/smtp_client.h"

enum {
    PIECE = 65536,
    BACKLOG_MAX = 262144,
    IDLE = 10000, /* ms that a connection without work is kept */
    REPLY_MAX = 600,
};

struct cargo {
    char *bytes;
    size_t len;
    unsigned owners;
};

struct job {
    LIST_ENTRY(job) link;
    struct sender *sender;
    size_t way;
    uint64_t copy;
    struct envelope envelope;
    char *field;
    struct cargo *cargo;
    struct smtp_transaction *t; /* NULL while it waits for another try */
    struct loop_timer *again;
    unsigned tries;
    msec_t begun;   /* clock_mono() of this try */
    size_t written; /* of the cargo */
    bool *taken;    /* of the envelope's recipients: RCPT was accepted */
    size_t ntaken;
};

struct sender {
    struct loop *loop;
    const struct sender_options *o;
    struct sender_events events;
    void *arg;
    struct smtp_pool *pools[SENDER_WAYS_MAX];
    LIST_HEAD(sender_jobs, job) jobs;
    size_t busy, busy_bytes;
};

/* ---- cargo ---- */

struct cargo *cargo_new(const char *bytes, size_t len)
{
    struct cargo *c = mem_zero(1, sizeof *c);
    c->bytes = mem_dup(bytes, len);
    c->len = len;
    c->owners = 1;
    return c;
}

void cargo_free(struct cargo **c)
{
    if (*c != NULL && --(*c)->owners == 0) {
        mem_free(&(*c)->bytes);
        mem_free(c);
    }
    *c = NULL;
}

/* ---- the end of a job ---- */

static void job_free(struct job *j)
{
    LIST_REMOVE(j, link);
    j->sender->busy--;
    j->sender->busy_bytes -= j->cargo->len;
    smtp_abort(&j->t);
    loop_timer_free(&j->again);
    envelope_free(&j->envelope);
    mem_free(&j->field);
    mem_free(&j->taken);
    cargo_free(&j->cargo);
    mem_free(&j);
}

static void finish(struct job *j, enum ledger_state state, size_t accepted, const char *reply)
{
    struct sender *s = j->sender;
    uint64_t copy = j->copy;
    msec_t took = clock_mono() - j->begun;
    job_free(j);
    s->events.answered(s->arg, copy, state, accepted, took, reply);
}

static void refuse_rcpt(struct job *j, size_t i, const struct smtp_reply *r)
{
    char text[REPLY_MAX];
    smtp_reply_text(r, text, sizeof text);
    j->sender->events.refused(j->sender->arg, j->copy, j->envelope.rcpts[i].address, text);
}

/* ---- one transaction ---- */

static void begin(void *arg);

static void try_again(struct job *j)
{
    static const msec_t waits[] = {200, 1000, 3000, 10000};
    size_t n = sizeof waits / sizeof *waits;
    loop_timer_set(j->again, waits[j->tries < n ? j->tries : n - 1]);
    j->tries++;
}

static void on_envelope(void *arg, const struct smtp_reply *mail, const struct smtp_reply *rcpts, size_t n)
{
    struct job *j = arg;
    (void)mail;
    bool later = false;
    j->ntaken = 0;
    for (size_t i = 0; i < n; i++) {
        enum result r = smtp_reply_result(&rcpts[i]);
        j->taken[i] = r == RESULT_OK;
        j->ntaken += r == RESULT_OK;
        later = later || r == RESULT_TEMP;
    }
    if (later && j->tries < j->sender->o->retries) {
        smtp_abort(&j->t);
        try_again(j);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (!j->taken[i])
            refuse_rcpt(j, i, &rcpts[i]);
    }
    if (j->ntaken > 0) {
        smtp_data(j->t);
        return;
    }
    char text[REPLY_MAX];
    smtp_reply_text(&rcpts[0], text, sizeof text);
    finish(j, LEDGER_REFUSED, 0, text);
}

static void write_content(void *arg)
{
    struct job *j = arg;
    while (j->written < j->cargo->len && smtp_backlog(j->t) < BACKLOG_MAX) {
        size_t n = j->cargo->len - j->written;
        n = n < PIECE ? n : PIECE;
        if (!smtp_write(j->t, j->cargo->bytes + j->written, n)) {
            finish(j, LEDGER_REFUSED, 0, "a bare LF can't be sent");
            return;
        }
        j->written += n;
    }
    if (j->written == j->cargo->len) {
        j->written++; /* the end is said once */
        smtp_end(j->t);
    }
}

static void on_go(void *arg)
{
    struct job *j = arg;
    j->written = 0;
    smtp_write(j->t, j->field, strlen(j->field));
    write_content(j);
}

static void on_room(void *arg)
{
    struct job *j = arg;
    if (j->written <= j->cargo->len)
        write_content(j);
}

/* SMTP's one reply is for all; LMTP has one for each recipient that was taken. */
static void on_final(void *arg, const struct smtp_reply *replies, size_t n)
{
    struct job *j = arg;
    size_t accepted = 0, at = 0;
    char text[REPLY_MAX];
    j->t = NULL;
    for (size_t i = 0; i < j->envelope.nrcpts; i++) {
        if (!j->taken[i])
            continue;
        const struct smtp_reply *r = &replies[at < n ? at : n - 1];
        at++;
        if (smtp_reply_result(r) == RESULT_OK)
            accepted++;
        else
            refuse_rcpt(j, i, r);
    }
    smtp_reply_text(&replies[0], text, sizeof text);
    finish(j, accepted > 0 ? LEDGER_ACCEPTED : LEDGER_REFUSED, accepted, text);
}

static void on_failed(void *arg, enum result result, const struct smtp_reply *reply, bool after_dot,
                      const struct error *err)
{
    struct job *j = arg;
    (void)reply;
    j->t = NULL;
    if (after_dot)
        finish(j, LEDGER_UNKNOWN, j->ntaken, err->text);
    else if (result == RESULT_TEMP && j->tries < j->sender->o->retries)
        try_again(j);
    else
        finish(j, LEDGER_REFUSED, 0, err->text);
}

static void begin(void *arg)
{
    static const struct smtp_callbacks callbacks = {
        .on_envelope = on_envelope, .on_go = on_go, .on_room = on_room, .on_final = on_final, .on_failed = on_failed};
    struct job *j = arg;
    j->begun = clock_mono();
    j->t = smtp_begin(j->sender->pools[j->way], &j->envelope, NULL, &callbacks, j);
}

/* ---- the sender ---- */

struct sender *sender_new(struct loop *loop, const struct sender_options *o, const struct sender_events *events,
                          void *arg)
{
    struct sender *s = mem_zero(1, sizeof *s);
    s->loop = loop;
    s->o = o;
    s->events = *events;
    s->arg = arg;
    LIST_INIT(&s->jobs);
    for (size_t i = 0; i < o->nways; i++) {
        const struct smtp_pool_options p = {
            .server = o->ways[i].address,
            .server_name = o->ways[i].server,
            .lmtp = o->ways[i].lmtp,
            .helo = o->helo,
            .max_connections = o->concurrency,
            .max_waiting = 2 * o->concurrency + 1,
            .connect_timeout = o->timeout,
            .command_timeout = o->timeout,
            .data_timeout = o->timeout,
            .final_timeout = 2 * o->timeout,
            .idle_timeout = IDLE,
        };
        s->pools[i] = smtp_pool_new(loop, &p);
    }
    return s;
}

void sender_free(struct sender **s)
{
    struct job *j;
    if (*s == NULL)
        return;
    while ((j = LIST_FIRST(&(*s)->jobs)) != NULL)
        job_free(j);
    for (size_t i = 0; i < (*s)->o->nways; i++)
        smtp_pool_free(&(*s)->pools[i]);
    mem_free(s);
}

void sender_send(struct sender *s, size_t way, uint64_t copy, struct envelope *envelope, const char *field,
                 struct cargo *cargo)
{
    struct job *j = mem_zero(1, sizeof *j);
    j->sender = s;
    j->way = way;
    j->copy = copy;
    j->envelope = *envelope;
    envelope_init(envelope);
    j->field = mem_strdup(field);
    j->cargo = cargo;
    cargo->owners++;
    j->taken = mem_zero(j->envelope.nrcpts, sizeof *j->taken);
    j->again = loop_timer_new(s->loop, begin, j);
    LIST_INSERT_HEAD(&s->jobs, j, link);
    s->busy++;
    s->busy_bytes += cargo->len;
    begin(j);
}

size_t sender_busy(const struct sender *s)
{
    return s->busy;
}

size_t sender_busy_bytes(const struct sender *s)
{
    return s->busy_bytes;
}
