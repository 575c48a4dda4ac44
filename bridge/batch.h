/*
 * One verified notification: for each of its messages and recipients, what is known, what is begun, and in the end
 * one answer with all verdicts, within bridge.answer-within.
 */
#ifndef PONTOON_BRIDGE_BATCH_H
#define PONTOON_BRIDGE_BATCH_H

#include "bridge/context.h"

/* Those that are not answered yet. */
struct batches *batches_new(void);
/* Ends them without an answer: after the server, whose requests are lost by then, and after the deliveries, which they watch. */
void batches_free(struct batches **b);

/* Takes over the notification and answers the request. `peer`: the notifier's address. */
void batch_begin(struct context *ctx, struct http_request *req, struct notification *n, const char *peer);

#endif
