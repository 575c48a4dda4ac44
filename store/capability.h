/* The check of a request's fetch token (lib/token.h), before anything is looked up. */
#ifndef PONTOON_STORE_CAPABILITY_H
#define PONTOON_STORE_CAPABILITY_H

#include <stdbool.h>

#include "store/context.h"

/* True: aud_r has the recipient domain. False: the request was answered with 401. */
bool capability_check(const struct context *ctx, struct http_request *req, const char *id, char aud_r[DOMAIN_MAX + 1]);

#endif
