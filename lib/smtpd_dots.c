/* Dots out of DATA: see smtpd_dots.h. */
#include "lib/smtpd_dots.h"

#include <string.h>

/* What follows text, or a CR that was passed on. */
static enum smtpd_dots_state after(enum smtpd_dots_state state, char c)
{
    if (c == '\r')
        return DOTS_CR;
    return state == DOTS_CR && c == '\n' ? DOTS_LINE : DOTS_TEXT;
}

size_t smtpd_dots_decode(struct smtpd_dots *d, const char *in, size_t len, char *out, size_t *out_len_r, bool *end_r)
{
    const char *p = in, *end = in + len;
    char *o = out;
    *end_r = false;
    while (p < end && !*end_r) {
        if (d->state == DOTS_TEXT) { /* most of it */
            const char *cr = memchr(p, '\r', (size_t)(end - p));
            size_t n = (size_t)((cr != NULL ? cr : end) - p);
            memcpy(o, p, n);
            o += n;
            p += n;
            if (p == end)
                break;
        }
        char c = *p++;
        if (d->state == DOTS_LINE && c == '.') {
            d->state = DOTS_DOT;
            continue;
        }
        if (d->state == DOTS_DOT && c == '\r') {
            d->state = DOTS_DOT_CR;
            continue;
        }
        if (d->state == DOTS_DOT_CR) {
            *end_r = c == '\n';
            d->state = *end_r ? DOTS_LINE : DOTS_CR;
            if (*end_r)
                break;
            *o++ = '\r'; /* no end after all */
        }
        *o++ = c;
        d->state = after(d->state, c);
    }
    *out_len_r = (size_t)(o - out);
    return (size_t)(p - in);
}
