/*
 * Whether the store's queue is full (store.queue-max, queue-max-per-domain, queue-bytes-max): then new mail goes by SMTP, and
 * what is stored goes on as ever. A copy in memory, as lib/stops.h: renewed when somebody asks and it is a second old, so that a bound may be
 * passed by what comes in a second. What was full is so until there is 5% less. Any thread.
 */
#ifndef PONTOON_QUEUE_BOUNDS_H
#define PONTOON_QUEUE_BOUNDS_H

#include "lib/config.h"
#include "lib/store_stops.h"

struct queue_limits { /* 0: none */
    uint64_t messages, rcpts_per_domain, bytes;
};
struct queue_limits queue_limits(const struct config *config);

struct queue_bounds;
/* `store` is borrowed; `says`: whether begin and end are logged. */
struct queue_bounds *queue_bounds_new(struct store *store, bool says);
void queue_bounds_free(struct queue_bounds **q);

/* Why mail to this domain (normalized) is not diverted, in a few words that name the parameter; NULL: it may be. */
const char *queue_bounds_full(struct queue_bounds *q, const struct queue_limits *limits, const char *to);

#endif
