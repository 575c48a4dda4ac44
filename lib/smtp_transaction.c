/* What the owner of a transaction is told, and when: see smtp_internal.h. */
#include <assert.h>

#include "lib/mem.h"
#include "lib/smtp_internal.h"

enum { MAGIC = 0x534d5458 };

/* What can be told, in the order in which it is. */
enum news { NEWS_ENVELOPE, NEWS_GO, NEWS_ROOM, NEWS_FINAL, NEWS_FAILED, NEWS_KINDS };

static void tell_envelope(struct smtp_transaction *t)
{
    /* The callback may free t; the replies must outlive it. */
    struct smtp_reply mail = t->mail;
    struct smtp_reply *replies = t->replies;
    t->replies = NULL;
    t->callbacks.on_envelope(t->arg, &mail, replies, t->envelope.nrcpts);
    mem_free(&replies);
}

static void tell_go(struct smtp_transaction *t)
{
    t->callbacks.on_go(t->arg);
}

static void tell_room(struct smtp_transaction *t)
{
    t->callbacks.on_room(t->arg);
}

static void tell_final(struct smtp_transaction *t)
{
    t->ending = true;
    t->callbacks.on_final(t->arg, t->replies, t->nreplies);
    smtp_transaction_free(&t);
}

static void tell_failed(struct smtp_transaction *t)
{
    const struct error *err = &t->failure.err;
    t->ending = true;
    t->callbacks.on_failed(t->arg, err->result, t->failure.has_reply ? &t->failure.reply : NULL, t->failure.after_dot,
                           err);
    smtp_transaction_free(&t);
}

static void (*const tell[NEWS_KINDS])(struct smtp_transaction *) = {
    [NEWS_ENVELOPE] = tell_envelope, [NEWS_GO] = tell_go,         [NEWS_ROOM] = tell_room,
    [NEWS_FINAL] = tell_final,       [NEWS_FAILED] = tell_failed,
};

/* One piece of news a call, as the callback may free the transaction. */
static void deliver(void *arg)
{
    struct smtp_transaction *t = arg;
    assert(t->magic == MAGIC);
    if (t->news == 0)
        return;
    unsigned first = 0;
    while (!(t->news & 1u << first))
        first++;
    t->news &= ~(1u << first);
    if (t->news != 0)
        loop_timer_set(t->deliver, 0);
    tell[first](t);
}

static void add_news(struct smtp_transaction *t, enum news news)
{
    if (t->settled || t->orphan)
        return;
    if (news >= NEWS_FINAL) { /* overtakes what was not told yet */
        t->news = 0;
        t->settled = true;
    }
    t->news |= 1u << news;
    loop_timer_set(t->deliver, 0);
}

static void copy_rcpts(struct envelope *to, const struct envelope *from)
{
    for (size_t i = 0; i < from->nrcpts; i++) {
        const struct envelope_rcpt *r = &from->rcpts[i];
        envelope_add_rcpt(to, r->address, r->notify, r->orcpt);
    }
}

struct smtp_transaction *smtp_transaction_new(struct loop *loop, const struct envelope *envelope,
                                              const struct smtp_peer *peer, const struct smtp_callbacks *callbacks,
                                              void *arg)
{
    struct smtp_transaction *t = mem_zero(1, sizeof *t);
    t->magic = MAGIC;
    envelope_init(&t->envelope);
    envelope_copy_sender(&t->envelope, envelope);
    copy_rcpts(&t->envelope, envelope);
    if (peer != NULL && peer->address[0] != '\0')
        t->peer = *peer;
    t->callbacks = *callbacks;
    t->arg = arg;
    smtp_data_init(&t->data);
    t->deliver = loop_timer_new(loop, deliver, t);
    return t;
}

void smtp_transaction_free(struct smtp_transaction **t_p)
{
    struct smtp_transaction *t = *t_p;
    assert(t->magic == MAGIC);
    t->magic = 0;
    if (t->pool != NULL)
        LIST_REMOVE(t, in_pool);
    loop_timer_free(&t->deliver);
    envelope_free(&t->envelope);
    mem_free(&t->replies);
    mem_free(t_p);
}

void smtp_transaction_mute(struct smtp_transaction *t)
{
    t->settled = true;
    t->news = 0;
    loop_timer_cancel(t->deliver);
}

void smtp_transaction_envelope(struct smtp_transaction *t)
{
    add_news(t, NEWS_ENVELOPE);
}

void smtp_transaction_go(struct smtp_transaction *t)
{
    add_news(t, NEWS_GO);
}

void smtp_transaction_room(struct smtp_transaction *t)
{
    add_news(t, NEWS_ROOM);
}

void smtp_transaction_no_room(struct smtp_transaction *t)
{
    t->news &= ~(1u << NEWS_ROOM);
}

void smtp_transaction_dot(struct smtp_transaction *t)
{
    if (!t->settled && !t->orphan && t->callbacks.on_dot != NULL)
        t->callbacks.on_dot(t->arg);
}

void smtp_transaction_answer(struct smtp_transaction *t, const struct smtp_reply *reply)
{
    if (!t->settled && !t->orphan && t->callbacks.on_answer != NULL)
        t->callbacks.on_answer(t->arg, reply);
}

void smtp_transaction_final(struct smtp_transaction *t)
{
    add_news(t, NEWS_FINAL);
}

void smtp_transaction_failed(struct smtp_transaction *t, const struct error *err, const struct smtp_reply *reply,
                             bool after_dot)
{
    if (t->settled)
        return;
    t->failure.err = *err;
    /* A refusal that is not about this mail (554 as greeting) must not look as if it were. */
    t->failure.has_reply = reply != NULL && smtp_reply_result(reply) == err->result;
    if (t->failure.has_reply)
        t->failure.reply = *reply;
    t->failure.after_dot = after_dot;
    add_news(t, NEWS_FAILED);
}
