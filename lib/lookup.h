/*
 * Look-up tables in files, as Postfix has them: cdb:/PATH and lmdb:/PATH as postmap(1) makes them (of PATH.cdb and
 * PATH.lmdb), texthash:/PATH (the source text itself), regexp:/PATH (regexp_table(5)).
 *
 * A table that changes on disk is read anew by the next look-up. One that can't be read answers LOOKUP_FAILED, which
 * is logged (once a minute at most, with what to do); callers then do what is safe. Any thread.
 */
#ifndef PONTOON_LOOKUP_H
#define PONTOON_LOOKUP_H

#include <stdbool.h>

#include "lib/result.h"

struct lookup;

/* Whether `word` has the form of a table's name, TYPE:/PATH, of whatever type. */
bool lookup_is_table(const char *word);

/*
 * A counted reference: one table is open once in a process, however often it is named. Reads it once, so that
 * RESULT_PERM (no such type) and RESULT_TEMP (can't be read now) say at start what is wrong.
 */
enum result lookup_open(const char *name, struct lookup **l_r, struct error *err);
void lookup_close(struct lookup **l);
const char *lookup_name(const struct lookup *l);
/* False: the table has patterns, which want the whole address and no parts of it. */
bool lookup_takes_parts(const struct lookup *l);

enum lookup_answer {
    LOOKUP_NONE,  /* not in the table */
    LOOKUP_FOUND, /* in it, with any value but the following two */
    LOOKUP_EXCEPT, /* in it with the value DUNNO or NO: as if it were not, and keys that are less specific aren't tried */
    LOOKUP_FAILED, /* can't be read now */
};
/* `key` in lower case, as postmap folds keys. `err` is set with LOOKUP_FAILED. */
enum lookup_answer lookup_find(struct lookup *l, const char *key, struct error *err);

#endif
