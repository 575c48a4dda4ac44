/*
 * The file of a unix socket that a daemon listens on: a stale one is removed before, access is set behind, and at the end
 * it goes, unless a successor has made another.
 */
#ifndef PONTOON_MILTER_SOCKET_FILE_H
#define PONTOON_MILTER_SOCKET_FILE_H

#include "lib/config.h"
#include "lib/netaddr.h"
#include "lib/result.h"

/* All do nothing for addresses that are not AF_UNIX. Before bind(): RESULT_PERM if something else is in its place. */
enum result socket_file_clear(const struct netaddr *a, struct error *err);
/*
 * After listen(), which must have made it with mode 0600 (umask), so that nobody connects before: gives it SECTION.socket-group and
 * SECTION.socket-mode, and remembers it.
 */
enum result socket_file_open(const struct netaddr *a, const struct config *config, const char *section,
                             struct error *err);
/* The one that was remembered. */
void socket_file_remove(void);

#endif
