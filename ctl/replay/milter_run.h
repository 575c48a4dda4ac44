/* Replay at a milter instead of an MTA: messages through a filter, by scripts, and what it said of them. */
#ifndef PONTOON_REPLAY_MILTER_RUN_H
#define PONTOON_REPLAY_MILTER_RUN_H

#include "ctl/replay/options.h"

/* All of it, the report on standard output (JSON in o->json) included; returns the exit code. */
int milter_run(const struct options *o);

#endif
