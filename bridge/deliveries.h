/*
 * All messages under way, by sender domain, our domain and id: a message that is notified again while it is under way is not
 * begun a second time. Whoever wants to know what becomes of one watches it.
 */
#ifndef PONTOON_BRIDGE_DELIVERIES_H
#define PONTOON_BRIDGE_DELIVERIES_H

#include "bridge/context.h"
#include "bridge/delivery.h"

struct deliveries;
struct active; /* one message under way */

struct deliveries *deliveries_new(struct context *ctx);
void deliveries_free(struct deliveries **d); /* cancels what is under way */

/* NULL if it is not under way. */
struct active *deliveries_find(struct deliveries *d, const struct job_name *name);
/* Takes over the job; it must not be under way. */
struct active *deliveries_begin(struct deliveries *d, struct job *job, bool promised);
/* Takes up what was promised before a restart. */
enum result deliveries_take_up(struct deliveries *d, struct error *err);

const struct job *active_job(const struct active *a);
/* It was notified again: its receipt answers that one. */
void active_renotified(struct active *a, int64_t serial);
/* Calls fn(arg, result, job) once at the end; one watch for each arg. */
void active_watch(struct active *a, delivery_done *fn, void *arg);
void active_unwatch(struct active *a, void *arg);
/* See delivery_promise(). */
void active_promise(struct active *a, delivery_done *fn, void *arg);

#endif
