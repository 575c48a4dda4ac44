/*
 * A client's socket as lines and bytes, for a thread that waits: with a deadline for each wait, and a second descriptor
 * that ends a wait early (the daemon stops). Both buffers are bounded.
 */
#ifndef PONTOON_SMTPD_STREAM_H
#define PONTOON_SMTPD_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/clock.h"

struct smtpd_stream;

/* Takes over `fd` (non-blocking). `wake`: readable once waits for commands shall end; stays the caller's. */
struct smtpd_stream *smtpd_stream_new(int fd, int wake, msec_t timeout);
void smtpd_stream_free(struct smtpd_stream **s); /* closes it */

enum smtpd_stream_event {
    SMTPD_STREAM_OK,
    SMTPD_STREAM_LONG,    /* a line longer than the buffer, which was skipped */
    SMTPD_STREAM_BARE_LF, /* a line that ends in LF alone */
    SMTPD_STREAM_ENDLESS, /* a line that doesn't end */
    SMTPD_STREAM_CLOSED,  /* the client is gone, or the network failed */
    SMTPD_STREAM_SILENT,  /* the timeout is over */
    SMTPD_STREAM_WOKEN,
};

/*
 * The next line, without CRLF, NUL-terminated. The timeout is for the whole line. `heed_wake`: the other descriptor
 * counts.
 */
enum smtpd_stream_event smtpd_stream_line(struct smtpd_stream *s, bool heed_wake, char *line, size_t size,
                                          size_t *len_r);
/* Whatever comes next: *data_r, *len_r are borrowed until smtpd_stream_take() says how much of it was used. */
enum smtpd_stream_event smtpd_stream_peek(struct smtpd_stream *s, const char **data_r, size_t *len_r);
void smtpd_stream_take(struct smtpd_stream *s, size_t len);
/* Whether there is input already. */
bool smtpd_stream_has_input(const struct smtpd_stream *s);

/* Writes all of it and empties it. */
enum smtpd_stream_event smtpd_stream_write(struct smtpd_stream *s, struct buf *out);

#endif
