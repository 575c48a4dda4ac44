/*
 * Asking a peer's bridge whether it would take notifications now: GET {inbound}/notifications (doc/protocol.md,
 * section 4). Costs the peer next to nothing; says nothing about any message.
 */
#ifndef PONTOON_PEER_STATUS_H
#define PONTOON_PEER_STATUS_H

#include "lib/http_client.h"

enum peer_state {
    PEER_READY, /* 200, or a bridge that answers but has no such resource (404, 405) */
    PEER_BUSY,  /* it answers that it can't now, or something that is no answer */
    PEER_AWAY,  /* no answer: connection, TLS, time */
};

struct peer_status {
    enum peer_state state;
    int http;           /* status code, 0 none */
    const char *peer;   /* "host[addr]:port" */
    const char *text;   /* for people: "HTTP 503: the queue is full", "connection refused" */
    msec_t retry_after; /* its wish, 0 none */
};

struct peer_probe;
/* Called once, never before peer_probe_start() returns; what `status` points to is borrowed for the call. */
typedef void peer_probe_done(void *arg, const struct peer_status *status);

/* `inbound`: a base URL of a policy. Waits for `timeout` at most. */
struct peer_probe *peer_probe_start(struct http_client *http, const char *inbound, msec_t timeout,
                                    peer_probe_done *done, void *arg);
void peer_probe_cancel(struct peer_probe **p); /* no callback after this; *p may be NULL */

#endif
