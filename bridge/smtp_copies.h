/*
 * One shadow that was fetched and verified waits for what arrives by SMTP: each of its recipients has a copy there, or it was
 * not seen in time. doc/protocol.md, "Shadows", says how they are matched and compared.
 */
#ifndef PONTOON_BRIDGE_SMTP_COPIES_H
#define PONTOON_BRIDGE_SMTP_COPIES_H

#include "bridge/arrivals.h"
#include "lib/envelope.h"
#include "lib/store.h" /* struct store_comparison */

struct smtp_copies;

/* All are here, or the time is up; the wait is freed by the callee (smtp_copies_free()). */
typedef void smtp_copies_done(void *arg);

/*
 * Takes over the fingerprint, and begins to wait up to `wait` ms; `done` is called once, never before this returns. The
 * envelope's sender and the recipients of which `wanted` is true are copied. `age`: ms since the sender's site had the message;
 * -1: unknown.
 */
struct smtp_copies *smtp_copies_new(struct loop *loop, struct arrivals *arrivals, const struct envelope *envelope,
                                    const bool *wanted, struct fingerprint *fingerprint, msec_t age, msec_t wait,
                                    smtp_copies_done *done, void *arg);
/*
 * What came for the recipient number i of the envelope. Its differences are borrowed. NOT_SEEN only if it can't have come
 * unseen; else UNKNOWN.
 */
struct store_comparison smtp_copies_of(const struct smtp_copies *c, size_t i);
void smtp_copies_free(struct smtp_copies **c);

#endif
