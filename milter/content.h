/*
 * A message's content on its way from the MTA to a spool, exactly as it would go into DATA: header lines, empty
 * line, body, all with CRLF. Counts and digests as it goes; memory is bounded whatever the size.
 */
#ifndef PONTOON_MILTER_CONTENT_H
#define PONTOON_MILTER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "lib/result.h"
#include "lib/spool.h"

struct content;

/* `trace` is not spooled: it only goes into size and digest, first. `max` bounds all of it. */
struct content *content_new(const char *dir, size_t memory, uint64_t max, const char *trace, size_t trace_len);
void content_free(struct content **c);

/*
 * RESULT_PERM: can't be carried exactly, or larger than `max` (dsn "5.3.4"); RESULT_TEMP: disk. Either sticks: further calls return the
 * same.
 */
enum result content_header(struct content *c, const char *name, const char *value, struct error *err);
enum result content_body(struct content *c, const void *data, size_t len, struct error *err);
/* Headers and body in one, all of it by this: bytes as they stand in DATA (dots unstuffed). */
enum result content_raw(struct content *c, const void *data, size_t len, struct error *err);
enum result content_finish(struct content *c, struct error *err);

bool content_has_body(const struct content *c); /* content_body() or content_raw() was given a byte */
bool content_is_8bit(const struct content *c);  /* has a byte over 127 */
/* After content_finish(): of trace and content. */
uint64_t content_size(const struct content *c);
const uint8_t *content_digest(const struct content *c);
struct spool *content_spool(struct content *c); /* stays the content's */

#endif
