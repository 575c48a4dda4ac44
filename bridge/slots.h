/*
 * The right to open a transaction with the MTA: bounded per sender domain, so that a slow store can't hold all of
 * them. Who waits is served in order; the bound on all together is the SMTP pool's.
 */
#ifndef PONTOON_BRIDGE_SLOTS_H
#define PONTOON_BRIDGE_SLOTS_H

#include "lib/loop.h"

struct slots;
struct slot;

struct slots *slots_new(struct loop *loop);
void slots_free(struct slots **s); /* nobody may hold a slot any more */
void slots_set_limit(struct slots *s, unsigned per_domain);
/* Calls fn(arg) when it is this one's turn, never before it returns. */
struct slot *slots_enter(struct slots *s, const char *domain, loop_fn *fn, void *arg);
/* Gives it back, or takes back the wish; *slot may be NULL. */
void slots_leave(struct slot **slot);

#endif
