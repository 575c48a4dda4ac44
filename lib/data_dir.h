/*
 * Directories and files of a database's directory, made so that several daemons of one group can use them: modes 2770
 * and 0660 whatever the umask says, and made by root they belong to the owner of the directory above.
 */
#ifndef PONTOON_DATA_DIR_H
#define PONTOON_DATA_DIR_H

#include "lib/result.h"

/* Makes the directory (not its parents) if it is missing. RESULT_PERM: rights, or no directory; RESULT_TEMP: disk. */
enum result data_dir_make(const char *path, struct error *err);
/* Makes an empty file if it is missing; checks that we may read and write it. */
enum result data_dir_file(const char *path, struct error *err);
/* Gives what we have just made its mode, and the group and (if we are root) the owner of the directory above. */
enum result data_dir_own(const char *path, unsigned mode, struct error *err);
/* fsync of the directory itself: what was made or renamed in it stays. */
enum result data_dir_sync(const char *path, struct error *err);
/* Says `doing PATH: strerror(errno)`: RESULT_PERM for what only an admin mends, RESULT_TEMP for the rest. */
enum result data_dir_fail(const char *doing, const char *path, struct error *err);

#endif
