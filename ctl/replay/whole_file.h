/* Files that are read or written as a whole. */
#ifndef PONTOON_REPLAY_WHOLE_FILE_H
#define PONTOON_REPLAY_WHOLE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/result.h"

/*
 * A regular file of at most `max_size` bytes; symbolic links are not followed. *data_r: to mem_free(). RESULT_TEMP: there is none, or it is being
 * written;
 * RESULT_PERM: it can't be read, or is too large.
 */
enum result whole_file_read(const char *path, uint64_t max_size, char **data_r, size_t *len_r, struct error *err);

/* write(arg, out) into a new file, or standard output for "-". Returns a code of sysexits.h; what is wrong was said on standard error. */
int whole_file_write(const char *path, void (*write)(const void *arg, FILE *out), const void *arg);

#endif
