/*
 * One message's way through the bridge: ask the MTA about the envelope, fetch, verify, hand over, note. The
 * receiving side's state machine; doc/protocol.md shows it:
 *
 *   WAITING -> ASKING -> FETCHING -> HANDING -> NOTING -> gone
 *
 * and of a shadow, which never comes to HANDING:
 *
 *   WAITING -> ASKING -> FETCHING -> COMPARING -> NOTING -> gone
 *
 * What it is about is a struct job: its recipients in JOB_PENDING are the ones to try, the others stay
 * untouched. On the way each gets its state: DELIVERED and FAILED only once that is durable.
 */
#ifndef PONTOON_BRIDGE_DELIVERY_H
#define PONTOON_BRIDGE_DELIVERY_H

#include "bridge/context.h"

struct delivery;

/* The delivery came to its end, or a promise is durable (or could not be made: result). */
typedef void delivery_done(void *arg, enum result result, const struct job *job);

/*
 * Takes over the job. `promised`: it is in the queue already (restart), so what becomes of it must reach the sender by
 * receipt. `ended` is called once, never before this returns; the delivery and its job are freed after it.
 */
struct delivery *delivery_begin(struct context *ctx, struct job *job, bool promised, delivery_done *ended, void *arg);
const struct job *delivery_job(const struct delivery *d);
/*
 * Makes what is still undecided a durable promise; done is called once. If the delivery ends first, that counts
 * as well.
 */
void delivery_promise(struct delivery *d, delivery_done *done, void *arg);
bool delivery_promised(const struct delivery *d);
/* The sender asked again while it is under way: the number of that notification. */
void delivery_renotified(struct delivery *d, int64_t serial);
/* Without callbacks: at exit. The MTA forgets what was open. */
void delivery_cancel(struct delivery **d);

#endif
