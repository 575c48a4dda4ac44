/*
 * Fetching one message from its sender's store: which URLs, resuming where it broke, and the proof that
 * every byte is what the notification promised. Bytes go to the caller as they come; whether they were
 * right is known only at the end.
 */
#ifndef PONTOON_BRIDGE_FETCH_H
#define PONTOON_BRIDGE_FETCH_H

#include "bridge/context.h"

struct fetch;

enum fetch_end {
    FETCH_WHOLE,  /* size and digest are as signed */
    FETCH_BROKEN, /* can't be had now */
    FETCH_GONE,   /* the store says it has no such message (any more), or not for us */
    FETCH_WRONG,  /* the store serves something else than was signed */
};

struct fetch_callbacks {
    void (*on_begin)(void *arg);                              /* the store has begun to answer */
    bool (*on_data)(void *arg, const void *data, size_t len); /* false: not now; fetch_resume() gives it again */
    void (*on_done)(void *arg, enum fetch_end end, const struct error *err); /* last; the fetch is freed after it */
};

/* Callbacks never run before this returns. `m` is borrowed until the end. */
struct fetch *fetch_start(struct context *ctx, const char *iss, const struct notification_message *m,
                          const struct fetch_callbacks *callbacks, void *arg);
void fetch_resume(struct fetch *f);
void fetch_cancel(struct fetch **f); /* no callback after this */

#endif
