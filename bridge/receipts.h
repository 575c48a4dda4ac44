/*
 * Receipts: telling the sender's store what became of the recipients that we had answered "accepted" for. Durable:
 * they are read from the queue, sent, and marked told; what can't be sent is tried again with a backoff.
 */
#ifndef PONTOON_BRIDGE_RECEIPTS_H
#define PONTOON_BRIDGE_RECEIPTS_H

#include "bridge/context.h"

struct receipts;

struct receipts *receipts_new(struct context *ctx);
void receipts_free(struct receipts **r);
void receipts_kick(struct receipts *r); /* something may be due; NULL is allowed */
void receipts_drain(struct receipts *r);
unsigned receipts_count(const struct receipts *r); /* under way */

#endif
