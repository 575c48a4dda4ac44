/* Receipts: POST {outbound}/messages/ID/receipts, what became of the recipients that a bridge had accepted. */
#ifndef PONTOON_STORE_RECEIPTS_H
#define PONTOON_STORE_RECEIPTS_H

#include "lib/http_server.h"
#include "store/context.h"

/* Answers 204 once what the receipt says is durable; an error changes nothing. */
void receipts_take(struct context *ctx, struct http_request *req, const char *id);

#endif
