/*
 * A message body on its way into a store: in memory while small, in a file of the store's own
 * directory as soon as it is larger than `memory` bytes, so that the commit is a rename and never
 * a copy. One thread at a time.
 */
#ifndef PONTOON_SPOOL_H
#define PONTOON_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/result.h"

struct spool;

/* `dir`: where a file is made (DIR/incoming of the store). `max`: bytes, beyond which spool_add() fails. */
struct spool *spool_new(const char *dir, size_t memory, uint64_t max);
/* RESULT_TEMP: disk; RESULT_PERM: over `max`. After a failure the spool can only be freed. */
enum result spool_add(struct spool *s, const void *data, size_t len, struct error *err);
/* No more bytes: writes out and fsyncs the file if there is one, fixes size and digest. */
enum result spool_finish(struct spool *s, struct error *err);

uint64_t spool_size(const struct spool *s);
const uint8_t *spool_digest(const struct spool *s); /* after spool_finish() */
/* The bytes, if they are in memory, else NULL. */
const void *spool_memory(const struct spool *s);
/* The file's path, if there is one, else NULL. */
const char *spool_path(const struct spool *s);
/* The file now belongs to somebody else: spool_free() must not remove it. */
void spool_release_file(struct spool *s);
bool spool_released(const struct spool *s); /* that happened: spool_path() is not ours to look at any more */
void spool_free(struct spool **s);          /* removes the file unless released; *s may be NULL */

#endif
