/* What the witness (lib/witness.h) of the store notes: that our own MTA has taken a return or a DSN. */
#ifndef PONTOON_STORE_WITNESS_H
#define PONTOON_STORE_WITNESS_H

#include "lib/store.h"
#include "lib/witness.h"

extern const struct witness_role store_witness;

/* As witness_watch(). `done` is what a 250 means for these recipients of the message; RCPT_EVENTS: it was a delay warning. */
uint64_t store_witness_watch(struct witness *w, int fd, const char *id, enum rcpt_event done, const int64_t *rids,
                             size_t n);

#endif
