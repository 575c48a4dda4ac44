/*
 * A replay under way: reads the input, sends at the pace, writes the journal, waits for what arrives. Ends by itself, or
 * orderly at the first SIGINT or SIGTERM: nothing new is begun then, and what is under way is finished.
 */
#ifndef PONTOON_REPLAY_RUN_H
#define PONTOON_REPLAY_RUN_H

#include <stdbool.h>

#include "ctl/replay/ledger.h"
#include "ctl/replay/options.h"

struct run_end {
    bool interrupted;   /* there is more to send: --resume */
    uint64_t skipped;   /* files that were no mail by their names */
    char example[1000]; /* one of them */
};

/* `folder`: the journal's. RESULT_PERM: it could not begin, or the journal can't be written. */
enum result run(const struct options *o, struct ledger *ledger, const char *folder, struct run_end *end_r,
                struct error *err);

#endif
