/*
 * What comes behind DATA, back into content: the opposite of lib/smtp_data.h. Only CRLF "." CRLF ends it, byte for byte; a dot
 * between other line ends is content, so that no peer can see another end than its MTA did (SMTP smuggling). Pure.
 */
#ifndef PONTOON_SMTPD_DOTS_H
#define PONTOON_SMTPD_DOTS_H

#include <stdbool.h>
#include <stddef.h>

enum smtpd_dots_state { DOTS_LINE, DOTS_TEXT, DOTS_CR, DOTS_DOT, DOTS_DOT_CR };

struct smtpd_dots {
    enum smtpd_dots_state state; /* DOTS_LINE at the beginning */
};

/*
 * Takes `len` bytes, or fewer if the end is among them (*end_r); returns how many. `out` needs room for len + 1 bytes.
 */
size_t smtpd_dots_decode(struct smtpd_dots *d, const char *in, size_t len, char *out, size_t *out_len_r, bool *end_r);

#endif
