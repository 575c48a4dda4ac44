/*
 * Sends copies of messages to servers by SMTP or LMTP (lib/smtp_client.h), each with its token's field on top. Tries again what
 * failed for now, a bounded number of times; what is unknown after the final dot is not tried again.
 */
#ifndef PONTOON_REPLAY_SENDER_H
#define PONTOON_REPLAY_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/replay/ledger.h"
#include "lib/envelope.h"
#include "lib/loop.h"
#include "lib/netaddr.h"

enum { SENDER_WAYS_MAX = 2 };

struct sender_way {
    const char *name;   /* "pontoon" */
    const char *server; /* as given, for errors */
    struct netaddr address;
    bool lmtp;
};

struct sender_options {
    const struct sender_way *ways;
    size_t nways;
    unsigned concurrency; /* connections for each way */
    unsigned retries;
    msec_t timeout; /* of each step of SMTP */
    const char *helo;
};

/* All on the loop's thread. For each copy: any number of refused() for recipients, then one answered(). */
struct sender_events {
    void (*refused)(void *arg, uint64_t copy, const char *address, const char *reply);
    /* `took`: ms since the last try began. */
    void (*answered)(void *arg, uint64_t copy, enum ledger_state state, size_t accepted, msec_t took,
                     const char *reply);
};

/* A message's bytes, shared by its copies. */
struct cargo;
struct cargo *cargo_new(const char *bytes, size_t len); /* copies */
void cargo_free(struct cargo **c);                      /* of this owner; the last one frees */

struct sender;
struct sender *sender_new(struct loop *loop, const struct sender_options *o, const struct sender_events *events,
                          void *arg); /* the options are borrowed */
void sender_free(struct sender **s);  /* what is under way is given up, without a word */

/* Takes over the envelope's content. `field`: with CRLF, goes on top. */
void sender_send(struct sender *s, size_t way, uint64_t copy, struct envelope *envelope, const char *field,
                 struct cargo *cargo);
size_t sender_busy(const struct sender *s);       /* copies under way */
size_t sender_busy_bytes(const struct sender *s); /* bytes of their messages; shared ones count for each copy */

#endif
