/* One message into our own MTA: see local_mta.h. */
#include "store/local_mta.h"

#include <stdio.h>
#include <string.h>

#include "lib/digest.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { PIECE = 65536, BACKLOG_MAX = 262144 };

struct local_mta_delivery {
    struct local_mta_message m;
    struct smtp_transaction *t;
    struct local_mta_answer *answers;
    bool *accepted;  /* recipients whose RCPT was accepted */
    uint64_t offset; /* in the stored body */
    bool head_sent;
    struct digest *digest;
    const struct local_mta_watch *watch;
    local_mta_done *done;
    void *arg;
    char relay[NETADDR_TEXT_SIZE + 256];
};

static void delivery_free(struct local_mta_delivery *d)
{
    if (d->t != NULL)
        smtp_abort(&d->t);
    envelope_free(&d->m.envelope);
    buf_free(&d->m.head);
    buf_free(&d->m.tail);
    store_body_close(&d->m.body);
    digest_free(&d->digest);
    mem_free(&d->answers);
    mem_free(&d->accepted);
    mem_free(&d);
}

static void finish(struct local_mta_delivery *d)
{
    d->done(d->arg, d->answers, d->m.envelope.nrcpts, d->relay);
    delivery_free(d);
}

static void take_reply(struct local_mta_answer *a, const struct smtp_reply *reply)
{
    a->result = smtp_reply_result(reply);
    snprintf(a->dsn, sizeof a->dsn, "%s", smtp_reply_dsn(reply));
    smtp_reply_text(reply, a->text, sizeof a->text);
}

/* For those whose fate is not yet known. */
static void fail_open(struct local_mta_delivery *d, enum result result, const char *dsn, const char *text)
{
    for (size_t i = 0; i < d->m.envelope.nrcpts; i++) {
        if (!d->accepted[i])
            continue;
        d->answers[i].result = result;
        snprintf(d->answers[i].dsn, sizeof d->answers[i].dsn, "%s", dsn);
        snprintf(d->answers[i].text, sizeof d->answers[i].text, "%s", text);
    }
}

static void on_envelope(void *arg, const struct smtp_reply *mail, const struct smtp_reply *rcpts, size_t n)
{
    (void)mail;
    struct local_mta_delivery *d = arg;
    size_t good = 0;
    snprintf(d->relay, sizeof d->relay, "%s", smtp_relay(d->t));
    for (size_t i = 0; i < n; i++) {
        take_reply(&d->answers[i], &rcpts[i]);
        d->accepted[i] = d->answers[i].result == RESULT_OK;
        good += d->accepted[i];
    }
    if (good > 0)
        smtp_data(d->t);
    else
        finish(d);
}

/* The end of the stored body: what was read must be what was once stored. */
static bool body_is_whole(struct local_mta_delivery *d)
{
    uint8_t is[DIGEST_SIZE];
    if (d->m.body == NULL)
        return true;
    digest_finish(&d->digest, is);
    return digest_equal(is, store_body_digest(d->m.body));
}

static void give_up(struct local_mta_delivery *d, const char *dsn, const char *text)
{
    log_error("can't hand a message to %s: %s", d->relay, text);
    fail_open(d, RESULT_TEMP, dsn, text);
    for (size_t i = 0; i < d->m.envelope.nrcpts; i++)
        d->answers[i].unreadable = d->accepted[i];
    finish(d);
}

static void write_more(void *arg)
{
    struct local_mta_delivery *d = arg;
    char piece[PIECE];
    bool fine = true;
    if (!d->head_sent) {
        d->head_sent = true;
        fine = smtp_write(d->t, buf_str(&d->m.head), d->m.head.len);
    }
    while (fine && d->m.body != NULL && d->offset < store_body_size(d->m.body)) {
        if (smtp_backlog(d->t) > BACKLOG_MAX)
            return;
        struct error err;
        long n = store_body_read(d->m.body, d->offset, piece, sizeof piece, &err);
        if (n <= 0) {
            give_up(d, "4.3.0", n < 0 ? err.text : "the stored message is shorter than it was");
            return;
        }
        digest_add(d->digest, piece, (size_t)n);
        d->offset += (uint64_t)n;
        fine = smtp_write(d->t, piece, (size_t)n);
    }
    if (!fine) {
        give_up(d, "5.6.0", "the message has a bare line feed");
    } else if (!body_is_whole(d)) {
        give_up(d, "4.3.0", "the stored message is damaged: its digest is not what it was");
    } else {
        smtp_write(d->t, buf_str(&d->m.tail), d->m.tail.len);
        (void)FAILPOINT(local_dot);
        d->watch->before_dot(d->arg, smtp_fd(d->t), d->accepted);
        smtp_end(d->t);
    }
}

static void on_dot(void *arg)
{
    const struct local_mta_delivery *d = arg;
    d->watch->on_dot(d->arg);
}

static void on_answer(void *arg, const struct smtp_reply *reply)
{
    const struct local_mta_delivery *d = arg;
    d->watch->on_answer(d->arg, reply);
}

static void on_final(void *arg, const struct smtp_reply *replies, size_t n)
{
    struct local_mta_delivery *d = arg;
    d->t = NULL; /* gone with its last callback */
    for (size_t i = 0, k = 0; i < d->m.envelope.nrcpts; i++) {
        if (!d->accepted[i])
            continue;
        take_reply(&d->answers[i], &replies[k]);
        if (k + 1 < n)
            k++;
    }
    finish(d);
}

static void on_failed(void *arg, enum result result, const struct smtp_reply *reply, bool after_dot,
                      const struct error *err)
{
    struct local_mta_delivery *d = arg;
    d->t = NULL;
    for (size_t i = 0; i < d->m.envelope.nrcpts; i++)
        d->answers[i].unknown = after_dot && d->accepted[i];
    if (reply != NULL) {
        struct local_mta_answer a;
        take_reply(&a, reply);
        fail_open(d, result, a.dsn, a.text);
    } else {
        fail_open(d, result, err->dsn[0] ? err->dsn : "4.4.0", err->text);
    }
    finish(d);
}

static const struct smtp_callbacks callbacks = {
    .on_envelope = on_envelope,
    .on_go = write_more,
    .on_room = write_more,
    .on_dot = on_dot,
    .on_answer = on_answer,
    .on_final = on_final,
    .on_failed = on_failed,
};

struct local_mta_delivery *local_mta_send(struct smtp_pool *pool, struct local_mta_message *m,
                                          const struct local_mta_watch *watch, local_mta_done *done, void *arg)
{
    struct local_mta_delivery *d = mem_zero(1, sizeof *d);
    d->m = *m;
    d->watch = watch;
    d->done = done;
    d->arg = arg;
    size_t n = m->envelope.nrcpts;
    d->answers = mem_zero(n, sizeof *d->answers);
    d->accepted = mem_zero(n, sizeof *d->accepted);
    memset(d->accepted, true, n);
    d->digest = digest_new();
    snprintf(d->relay, sizeof d->relay, "none");
    d->t = smtp_begin(pool, &d->m.envelope, NULL, &callbacks, d);
    return d;
}

void local_mta_cancel(struct local_mta_delivery **d)
{
    delivery_free(*d);
    *d = NULL;
}
