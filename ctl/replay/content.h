/*
 * A message as it lies in a file, made ready for DATA: lines that end in CRLF, nothing else changed. What SMTP can't carry is
 * said, not mended. Pure.
 */
#ifndef PONTOON_REPLAY_CONTENT_H
#define PONTOON_REPLAY_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

enum content_note {
    CONTENT_MIXED_LINE_ENDS = 1,  /* some lines end in LF, some in CRLF; the first ends in LF: all are line ends */
    CONTENT_NO_LAST_LINE_END = 2, /* the last line has none, so it gets one */
    CONTENT_EIGHT_BIT = 4,
    CONTENT_NUL = 8,
    CONTENT_BARE_CR = 16,
    CONTENT_HEADER_ONLY = 64, /* no empty line: see BUGS in pontoon-replay(1) */
    CONTENT_LONG_LINE = 32,   /* over 998 bytes (RFC 5321 section 4.5.3.1.6) */
};
/* "mixed line ends" and so on, for one bit. */
const char *content_note_name(unsigned note);
enum { CONTENT_NOTES = 7 };

/*
 * Appends the message to `out`. Returns NULL, or why SMTP can't carry it ("a bare LF at byte 17, in a message whose lines end in CRLF"), in
 * `why`.
 */
const char *content_to_wire(const char *data, size_t len, struct buf *out, unsigned *notes_r, char why[120]);

#endif
