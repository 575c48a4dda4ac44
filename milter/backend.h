/*
 * What decides about outgoing mail and takes it, whichever way it comes in: the store, discovery with the store as its
 * cache, and the stops. Opened by the daemon's main, used by its sessions' threads.
 */
#ifndef PONTOON_MILTER_BACKEND_H
#define PONTOON_MILTER_BACKEND_H

#include "lib/config.h"
#include "lib/discovery.h"
#include "lib/loop.h"
#include "lib/queue_bounds.h"
#include "lib/stops.h"
#include "lib/store.h"
#include "milter/session.h"

struct backend {
    struct store *store;
    struct dns *dns;
    struct http_client *http;
    struct discovery *discovery;
    struct stops *stops;
    struct queue_bounds *queue;
};

/* `node`: of this process, for the store. What was opened before a failure stays for backend_close(). */
enum result backend_open(struct backend *b, struct loop *loop, const struct config *config, const char *node,
                         struct error *err);
void backend_close(struct backend *b);

/*
 * What is known of a recipient's domain (normalized): from the cache; waits for a look-up only as far as the message's
 * discovery-wait allows, for all recipients together. Any thread but the loop's.
 */
void backend_look_up(struct backend *b, struct message *m, const char *domain, struct eligibility_policy *facts_r);

#endif
