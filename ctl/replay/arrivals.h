/*
 * What arrives, from a sink's threads or a watched Maildir: read (token.h), compared with the journal, written there.
 * Altered messages are kept as files, up to a bound, so that the report can say where they differ.
 */
#ifndef PONTOON_REPLAY_ARRIVALS_H
#define PONTOON_REPLAY_ARRIVALS_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/replay/ledger.h"
#include "ctl/replay/token.h"
#include "lib/loop.h"

struct arrivals;

struct arrivals_options {
    const char *run;
    struct token_watch watch;
    const char *folder; /* for altered messages; exists */
};

/* progress(arg) is called on the loop's thread after each arrival. All is borrowed. */
struct arrivals *arrivals_new(struct loop *loop, struct ledger *ledger, const struct arrivals_options *o,
                              loop_fn *progress, void *arg);
void arrivals_free(struct arrivals **a);

/*
 * A message with the recipients that its envelope named. From any thread but the loop's: waits until the journal has it, so that
 * no more pile up than there are threads.
 */
void arrivals_take(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts);
/* The same for the loop's thread. */
void arrivals_take_here(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts);

/* What came while nobody looked: is taken if it is this run's, and its recipient lacks it. */
void arrivals_take_late(struct arrivals *a, const char *message, size_t len, const char *const *rcpts, size_t nrcpts);

uint64_t arrivals_reached(const struct arrivals *a); /* recipients that have it, each counted once */
uint64_t arrivals_count(const struct arrivals *a);   /* messages that came */
msec_t arrivals_last(const struct arrivals *a);      /* clock_mono() of the last, or of the beginning */

#endif
