/*
 * The breaker of each peer: when its bridge fails for long, mail for it goes by SMTP at once, until it answers again. The
 * state is the store's (lib/store_stops.h); this part counts failures, asks open peers how they are, and says so in the
 * log, once for each change.
 */
#ifndef PONTOON_STORE_BREAKER_H
#define PONTOON_STORE_BREAKER_H

#include "store/context.h"

struct breaker;

struct breaker *breaker_new(struct context *ctx);
void breaker_free(struct breaker **b);

/* A whole request to the domain's bridge failed, with these words; or one was answered. */
void breaker_failed(struct breaker *b, const char *domain, const char *text);
void breaker_answered(struct breaker *b, const char *domain);

#endif
