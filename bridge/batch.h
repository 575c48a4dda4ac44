/*
 * One verified notification: for each of its messages and recipients, what is known, what is begun, and in the end
 * one answer with all verdicts, within bridge.answer-within.
 */
#ifndef PONTOON_BRIDGE_BATCH_H
#define PONTOON_BRIDGE_BATCH_H

#include "bridge/context.h"

/* Takes over the notification and answers the request. `peer`: the notifier's address. */
void batch_begin(struct context *ctx, struct http_request *req, struct notification *n, const char *peer);

#endif
