/*
 * How much is taken in from one address and one sender domain: look-ups that a stranger's word begins, messages a second, and
 * messages under way (by domain and in all). Nothing here looks at a database or waits.
 */
#ifndef PONTOON_BRIDGE_INTAKE_H
#define PONTOON_BRIDGE_INTAKE_H

#include "bridge/context.h"

struct intake;

struct intake *intake_new(struct context *ctx);
void intake_free(struct intake **i);
void intake_configure(struct intake *i, const struct config *config); /* at the start and on reload */

/* A refusal: what to answer. */
struct intake_refusal {
    int status; /* 429 or 503; 0: none */
    const char *why;
    unsigned retry_after; /* seconds */
};

/* Whether this address may make us look up this domain, for which discovery_get() is about to be called. */
struct intake_refusal intake_lookup(struct intake *i, const char *address_key, const char *domain);
/* The look-up is under way, and over: what an address has under way is bounded, too. */
void intake_lookup_begins(struct intake *i, const char *address_key);
void intake_lookup_ends(struct intake *i, const char *address_key);

/* Whether a verified notification of so many messages may come in; if so it is counted. `who`: for the log. */
struct intake_refusal intake_messages(struct intake *i, const char *iss, bool shadow, size_t n, const char *who);
/* A message is under way from here, and to here. */
void intake_begins(struct intake *i, const char *iss, bool shadow);
void intake_ends(struct intake *i, const char *iss, bool shadow);
/* Messages under way. */
unsigned intake_count(const struct intake *i, bool shadow);

#endif
