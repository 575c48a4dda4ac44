/* The status resource: GET {inbound}/notifications, whether a notification would be taken now (doc/protocol.md, section 4). */
#ifndef PONTOON_BRIDGE_STATUS_H
#define PONTOON_BRIDGE_STATUS_H

#include "bridge/context.h"

/* Answers; also HEAD. */
void status_answer(const struct context *ctx, struct http_request *req);

#endif
