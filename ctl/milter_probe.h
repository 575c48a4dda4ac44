/*
 * Whether a milter answers: the MTA's first packet, option negotiation, and the milter's answer to it. The product's milter is libmilter's;
 * this is the MTA's side, and only as much of it.
 */
#ifndef PONTOON_CTL_MILTER_PROBE_H
#define PONTOON_CTL_MILTER_PROBE_H

#include <stdint.h>

#include "lib/clock.h"
#include "lib/result.h"

struct milter_answer {
    uint32_t version, actions, steps; /* what it will do, of what was offered */
};

enum { MILTER_DELETES_RECIPIENTS = 0x08 }; /* SMFIF_DELRCPT */

/*
 * Waits `wait` for each of connection and answer. RESULT_TEMP: nobody is there, or nothing comes; RESULT_PERM: what answers is no
 * milter.
 */
enum result milter_probe(const char *endpoint, msec_t wait, struct milter_answer *answer_r, struct error *err);

#endif
