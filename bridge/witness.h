/* What the witness (lib/witness.h) of the bridge notes: what the MTA answered to the final dot of a delivery, in the queue. */
#ifndef PONTOON_BRIDGE_WITNESS_H
#define PONTOON_BRIDGE_WITNESS_H

#include "lib/jobs.h"
#include "lib/witness.h"

extern const struct witness_role bridge_witness;

/*
 * As witness_watch(). `handed`: by index in job->rcpts, those whose fate the answer decides, in the order of the replies: one for
 * each by LMTP, one for all by SMTP.
 */
uint64_t bridge_witness_watch(struct witness *w, int fd, const struct job *job, const size_t *handed, size_t n,
                              bool lmtp, bool promised);

#endif
