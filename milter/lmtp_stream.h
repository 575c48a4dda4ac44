/*
 * A client's socket as lines and bytes, for a thread that waits: with a deadline for each wait, and a second descriptor
 * that ends a wait early (the daemon stops). Both buffers are bounded.
 */
#ifndef PONTOON_MILTER_LMTP_STREAM_H
#define PONTOON_MILTER_LMTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/clock.h"

struct lmtp_stream;

/* Takes over `fd` (non-blocking). `wake`: readable once waits for commands shall end; stays the caller's. */
struct lmtp_stream *lmtp_stream_new(int fd, int wake, msec_t timeout);
void lmtp_stream_free(struct lmtp_stream **s); /* closes it */

enum lmtp_stream_event {
    LMTP_STREAM_OK,
    LMTP_STREAM_LONG,    /* a line longer than the buffer, which was skipped */
    LMTP_STREAM_BARE_LF, /* a line that ends in LF alone */
    LMTP_STREAM_ENDLESS, /* a line that doesn't end */
    LMTP_STREAM_CLOSED,  /* the client is gone, or the network failed */
    LMTP_STREAM_SILENT,  /* the timeout is over */
    LMTP_STREAM_WOKEN,
};

/*
 * The next line, without CRLF, NUL-terminated. The timeout is for the whole line. `heed_wake`: the other descriptor
 * counts.
 */
enum lmtp_stream_event lmtp_stream_line(struct lmtp_stream *s, bool heed_wake, char *line, size_t size, size_t *len_r);
/* Whatever comes next: *data_r, *len_r are borrowed until lmtp_stream_take() says how much of it was used. */
enum lmtp_stream_event lmtp_stream_peek(struct lmtp_stream *s, const char **data_r, size_t *len_r);
void lmtp_stream_take(struct lmtp_stream *s, size_t len);
/* Whether there is input already. */
bool lmtp_stream_has_input(const struct lmtp_stream *s);

/* Writes all of it and empties it. */
enum lmtp_stream_event lmtp_stream_write(struct lmtp_stream *s, struct buf *out);

#endif
