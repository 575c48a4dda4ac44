/*
 * Taking notifications: POST {inbound}/notifications. Who may send one, whether it is what it says, and whether there
 * is room for it; only then does anything happen on its word.
 */
#ifndef PONTOON_BRIDGE_NOTIFICATIONS_H
#define PONTOON_BRIDGE_NOTIFICATIONS_H

#include "bridge/context.h"

/* Those whose signer's policy is being looked up. */
struct notifications *notifications_new(void);
/* Ends them without an answer: after the server, whose requests are lost by then. */
void notifications_free(struct notifications **n);

/* An http_handler; `arg` is the struct context. */
void notifications_handle(struct http_request *req, void *arg);

#endif
