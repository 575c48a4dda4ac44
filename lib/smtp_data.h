/*
 * The bytes of DATA: dot-stuffing as a stream (RFC 5321 section 4.5.2), and the watch for line ends that
 * could end DATA early elsewhere (SMTP smuggling): a bare LF never leaves; a bare CR is for the caller to judge. Pure.
 */
#ifndef PONTOON_SMTP_DATA_H
#define PONTOON_SMTP_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct smtp_data {
    int last; /* last byte, or -1 at the start */
    bool line_start;
    uint64_t bytes;        /* of content so far */
    bool bare_lf, bare_cr; /* seen so far: a bare LF never leaves, see smtp_data_stuff() */
};

void smtp_data_init(struct smtp_data *d);
/* Looks at content without writing: for messages that are checked whole before DATA. */
void smtp_data_scan(struct smtp_data *d, const void *in, size_t len);
/* Room for `len` bytes of content on the wire: at most every third byte begins a line, and gets a dot. */
static inline size_t smtp_data_room(size_t len)
{
    return len + len / 3 + 1;
}
/*
 * Writes content ready for the wire to out (which has smtp_data_room() bytes); returns the bytes written. Stops
 * before a bare LF: bare_lf is then set and nothing more may be sent on this connection.
 */
size_t smtp_data_stuff(struct smtp_data *d, const void *in, size_t len, char *out);
/* What ends DATA: ".\r\n", or "\r\n.\r\n" when the content did not end in CRLF (the caller's digest no longer holds then). */
const char *smtp_data_end(const struct smtp_data *d);

#endif
