/*
 * Where altered messages differ from what was sent: what arrived was kept (arrivals.h), what was sent is read from the sources once more.
 */
#ifndef PONTOON_REPLAY_DIFFERENCE_H
#define PONTOON_REPLAY_DIFFERENCE_H

#include "ctl/replay/report.h"
#include "lib/sqlite_db.h"

/* Adds a finding "altered" for each altered arrival, up to REPORT_LIST_MAX. */
enum result difference_find(struct sqlite_db *db, const struct options *o, struct report *r, struct error *err);

#endif
