/*
 * Where altered messages differ from what was sent: what arrived was kept (arrivals.h), what was sent is read from the sources once more.
 * And how the fields differ that filters have added on two ways.
 */
#ifndef PONTOON_REPLAY_DIFFERENCE_H
#define PONTOON_REPLAY_DIFFERENCE_H

#include "ctl/replay/report.h"
#include "lib/sqlite_db.h"

/* Adds a finding "altered" for each altered arrival, up to REPORT_LIST_MAX. */
enum result difference_find(struct sqlite_db *db, const struct options *o, struct report *r, struct error *err);

/* Two lists of "Name: value\n". NULL: they are the same; else to mem_free(): the first field that is not. */
char *difference_of_fields(const char *way, const char *fields, const char *other_way, const char *other_fields);

#endif
