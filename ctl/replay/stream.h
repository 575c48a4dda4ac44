/*
 * A file as mail sees it: the bytes behind compression and archives (libarchive), entry by entry, with a window over
 * them that grows to hold what the caller looks for.
 */
#ifndef PONTOON_REPLAY_STREAM_H
#define PONTOON_REPLAY_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/result.h"

struct stream;

/* `path` "-" is standard input. */
enum result stream_open(const char *path, struct stream **s_r, struct error *err);
void stream_close(struct stream **s);

/*
 * Goes to the next regular file of an archive; a file that is none has one. False with result RESULT_OK: there is
 * no more. *name_r: its path in the archive, "" for what is no archive; until the next call.
 */
bool stream_next_entry(struct stream *s, const char **name_r, enum result *result_r, struct error *err);

/* What is in the window, and whether nothing comes behind it. */
const char *stream_window(const struct stream *s, size_t *len_r, bool *last_r);
/* Reads more into the window, which holds what was not used yet. RESULT_PERM: the archive is damaged. */
enum result stream_more(struct stream *s, struct error *err);
/* Bytes of the file that were read, before decompression. */
unsigned long long stream_position(const struct stream *s);
void stream_use(struct stream *s, size_t n); /* the first n bytes of the window are done with */

#endif
