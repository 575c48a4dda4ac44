/*
 * Maildirs that are watched for what arrives in their new/ (and cur/), by inotify with a look at all of it now and then. Files stay where
 * they are.
 */
#ifndef PONTOON_REPLAY_MAILDIR_H
#define PONTOON_REPLAY_MAILDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/replay/arrivals.h"
#include "lib/loop.h"

struct maildirs;
/* `resumed`: what lies there may have come since the run ended. */
struct maildirs *maildirs_new(struct loop *loop, struct arrivals *arrivals, uint64_t max_size, bool resumed);
void maildirs_free(struct maildirs **m);
/* What lies in it already is not counted, unless the run is resumed and it was missing. `path`: has new/ and cur/, or folders below that have (one level: users). */
enum result maildirs_add(struct maildirs *m, const char *path, struct error *err);
/* Looks at all of them now. */
void maildirs_look(struct maildirs *m);

#endif
