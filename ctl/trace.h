/* What all databases at hand know of one message: gathered by gather.c, shown by trace.c. */
#ifndef PONTOON_CTL_TRACE_H
#define PONTOON_CTL_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/site.h"

enum { TRACE_MESSAGES_MAX = 20 };

/* What a message's recipient looks like from one side. */
struct trace_rcpt {
    const char *side; /* "store" or "bridge" */
    char *address;
    const char *state;
    char dsn[ERROR_DSN_MAX];
    char *text, *peer; /* or NULL */
};

struct trace_hop {
    msec_t when;
    size_t order; /* as gathered: decides between equal times */
    const char *side;
    char *host; /* whose database */
    char *what;
    char *address, *text; /* or NULL */
};

struct trace {
    char *id;
    char *queue_id;          /* the sending MTA's, or "" */
    char *receiver_queue_id; /* the receiving MTA's, or "" */
    char *message_id;        /* or "" */
    char *sender;
    char *iss; /* NULL until a store has said it */
    uint64_t size;
    msec_t arrived;
    struct trace_rcpt *rcpts;
    size_t nrcpts;
    struct trace_hop *hops; /* by time */
    size_t nhops;
};

/* The ids that `what` (a pontoon id, queue id or Message-ID) stands for at these sites, newest first. */
enum result trace_find_ids(const struct site *sites, size_t nsites, const char *what, char *ids[TRACE_MESSAGES_MAX],
                           size_t *n_r, struct error *err);
/* Everything about one id, from all sites. */
enum result trace_gather(const struct site *sites, size_t nsites, const char *id, struct trace *trace_r,
                         struct error *err);
void trace_free(struct trace *t); /* frees what it holds */

#endif
