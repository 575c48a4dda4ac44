/* How far a replay is, for who watches: one line that is rewritten on a terminal, a plain line now and then elsewhere. */
#ifndef PONTOON_REPLAY_PROGRESS_H
#define PONTOON_REPLAY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"

struct progress_facts {
    uint64_t begun, accepted, refused, unsendable; /* copies; messages */
    uint64_t arrived, expected;                    /* recipients; expected 0: nobody watches */
    double share;                                  /* of the input that was read, 0..1; negative: unknown */
    bool waiting;                                  /* all is sent */
};

struct progress;
struct progress *progress_new(bool quiet);            /* on standard error */
void progress_free(struct progress **p);              /* ends the line */
void progress_latency(struct progress *p, msec_t ms); /* of a copy that was accepted */
void progress_show(struct progress *p, const struct progress_facts *f, bool now);

#endif
