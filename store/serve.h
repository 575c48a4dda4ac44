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
void serve_configure(struct serve *s, const struct config *config); /* on reload */
/* A message of this size is about to be notified to this domain: it may fetch it, beyond its rate of bytes. */
void serve_expects(struct serve *s, const char *aud, uint64_t size);
unsigned serve_count(const struct serve *s);

#endif
