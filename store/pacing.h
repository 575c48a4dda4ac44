/*
 * The pacer (store/pacer.h) at work: by our configuration, on our loop, told of fetches by store/serve.c and asked by
 * store/destination.c.
 */
#ifndef PONTOON_STORE_PACING_H
#define PONTOON_STORE_PACING_H

#include <jansson.h>

#include "store/context.h"
#include "store/pacer.h"

struct pacing;

struct pacing *pacing_new(struct context *ctx);
void pacing_free(struct pacing **p);
void pacing_configure(struct pacing *p); /* on reload */

/* As the functions of pacer.h of these names. */
struct pacer_queue *pacing_join(struct pacing *p, const char *site, pacer_turn *fn, void *arg);
bool pacing_take(struct pacing *p, struct pacer_queue *q, const char *id, uint64_t size);
/* Fetched whole, or not to be fetched. */
void pacing_back(struct pacing *p, const char *site, const char *id);
/* How long the store took until it could begin to serve. */
void pacing_latency(struct pacing *p, msec_t took);

/* For `pontoon status`: an object. */
json_t *pacing_json(const struct pacing *p);

#endif
