/*
 * One notification under way: a signed batch, posted to the URLs of a peer in order until one answers, and
 * what the answer means for each recipient.
 */
#ifndef PONTOON_STORE_NOTIFY_REQUEST_H
#define PONTOON_STORE_NOTIFY_REQUEST_H

#include "lib/policy.h"
#include "store/context.h"
#include "store/outcome.h"
#include "store/work.h"

struct notify_request;

struct notify_answer {
    const struct verdicts *verdicts; /* or NULL, then: */
    bool unreadable;                 /* 400, 413: the peer can't take this batch as it is */
    bool answered;                   /* 4xx, 5xx: it has read it, and fetches nothing on its word */
    bool failed;                     /* for the breaker: the peer is the trouble, not one batch or our pace */
    bool sent;                       /* a part of the request may have reached some peer */
    struct outcome_news news;        /* what to say of every recipient */
    const char *peer;
};

/* Called once, never before notify_request_new() returns; the request is freed after it. */
typedef void notify_request_done(void *arg, struct notify_request *r, const struct notify_answer *answer);

/* Takes over the batch. `urls`: base URLs, a line each, in order of preference. */
struct notify_request *notify_request_new(struct context *ctx, const char *urls, const char *iss, const char *aud,
                                          struct work *batch, notify_request_done *done, void *arg);
/* Without a callback; unlinks it from the list that `r` points into and releases its work. */
void notify_request_cancel(struct notify_request **r);

/* For the owner's list of requests. */
struct notify_request *notify_request_next(const struct notify_request *r);
struct notify_request **notify_request_link(struct notify_request *r);
const struct work *notify_request_work(const struct notify_request *r);
struct work *notify_request_take_work(struct notify_request *r);

/* How many bytes of messages go into one notification; how many recipients of a piece fit a rest of that, and how many bytes these are. */
size_t notify_batch_room(void);
size_t notify_batch_fits(const struct work *w, size_t room, size_t *weight_r);

/* Whether the peer may come to fetch this message after this answer. */
bool notify_answer_expects_fetch(const struct notify_answer *a, const struct work *w);
/* Each recipient's verdict as news; one without a verdict is deferred. */
void notify_answer_apply(const struct notify_answer *a, const struct work *list, const struct config *config,
                         struct outcome *out);

#endif
