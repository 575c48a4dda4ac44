/*
 * Serving messages: GET {outbound}/messages/ID with a capability, whole or in part. The token is checked before
 * anything is looked up; memory does not depend on the size of the message.
 */
#ifndef PONTOON_STORE_SERVE_H
#define PONTOON_STORE_SERVE_H

#include "lib/http_server.h"
#include "store/context.h"

struct serve;

struct serve *serve_new(struct context *ctx);
void serve_free(struct serve **s);
void serve_message(struct serve *s, struct http_request *req, const char *id);
unsigned serve_count(const struct serve *s);

#endif
