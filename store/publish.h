/* The policy that we publish for our domains: the document, made once and again on reload. */
#ifndef PONTOON_STORE_PUBLISH_H
#define PONTOON_STORE_PUBLISH_H

#include "lib/config.h"
#include "lib/http_server.h"
#include "lib/result.h"

struct publish;

/* Reads the keys of store.published-keys and store.signing-key. */
enum result publish_new(const struct config *config, struct publish **p_r, struct error *err);
void publish_free(struct publish **p);
/* GET /.well-known/sender-store: answers for a Host of sender-store.DOMAIN where DOMAIN is ours. */
void publish_answer(const struct publish *p, const struct config *config, struct http_request *req);

#endif
