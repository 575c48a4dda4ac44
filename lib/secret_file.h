/*
 * Files that hold a secret: keys and token secrets. Made whole or not at all, mode 0600; not read
 * when anybody else could, as ssh(1) does it.
 */
#ifndef PONTOON_SECRET_FILE_H
#define PONTOON_SECRET_FILE_H

#include <stddef.h>

#include "lib/result.h"

enum { SECRET_FILE_MAX = 65536 };

/*
 * Writes a new file: it appears under its name only once it is complete and on disk, and stays only if its directory is, too (both
 * fsynced). RESULT_PERM if the name is taken.
 */
enum result secret_file_create(const char *path, const void *data, size_t len, struct error *err);
/* The same, but a file that has the name already, made by another process at the same time, is as good. */
enum result secret_file_ensure(const char *path, const void *data, size_t len, struct error *err);

/*
 * Reads a file of at most SECRET_FILE_MAX bytes, NUL-terminated behind *len_r, to mem_free(). Refuses (RESULT_PERM)
 * what group or others may read or write: so it is the file's owner who reads it, or root.
 */
enum result secret_file_read(const char *path, char **data_r, size_t *len_r, struct error *err);

#endif
