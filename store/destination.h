/*
 * One destination of notifications: a pair of sender domain and recipient domain. It keeps what waits for this
 * pair, finds the policy, signs batches, posts them over a bounded number of connections, tries the policy's
 * URLs in order, and settles what the answers say.
 */
#ifndef PONTOON_STORE_DESTINATION_H
#define PONTOON_STORE_DESTINATION_H

#include "store/context.h"
#include "store/work.h"

struct destinations; /* all of them */

/* `done_fn` is called when claimed recipients were settled: something else may be due. */
struct destinations *destinations_new(struct context *ctx, loop_fn *done_fn, void *arg);
void destinations_free(struct destinations **d);
/* Takes over the piece. */
void destinations_add(struct destinations *d, struct work *w);
/* Recipients in hand. */
unsigned destinations_count(const struct destinations *d);
/* Whether enough waits here for this entry's destination until the pacer lets it go. */
bool destinations_are_full(const struct destinations *d, const struct store_entry *e, const char *aud);
/* How long this domain's bridge is to be left in peace, because it asked for that (Retry-After), ms; 0: not at all. */
msec_t destinations_busy(const struct destinations *d, const char *aud);
/*
 * Whether this recipient is in hand already: its lease ran out while it waited here, and `again` is the new claim. Its serial is taken over,
 * else what the peer answers would count as an answer to an earlier notification.
 */
bool destinations_has(const struct destinations *d, const struct store_rcpt *again);

#endif
