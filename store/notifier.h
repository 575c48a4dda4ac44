/*
 * The notifier: claims what is due, decides what time alone decides (expiry, return to SMTP), and hands
 * the rest to the destinations (store/destination.h). It wakes by the store's own schedule and by the
 * milter's datagrams.
 */
#ifndef PONTOON_STORE_NOTIFIER_H
#define PONTOON_STORE_NOTIFIER_H

#include "store/context.h"

struct notifier;

enum result notifier_new(struct context *ctx, struct notifier **n_r, struct error *err);
void notifier_free(struct notifier **n);
/* Something may be due: look soon. */
void notifier_kick(struct notifier *n);
/* No more claims. */
void notifier_drain(struct notifier *n);
/* Recipients in hand: claimed and not yet settled. */
unsigned notifier_count(const struct notifier *n);

#endif
