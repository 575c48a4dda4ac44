/* Content on its way through DATA: see smtp_data.h. */
#include "lib/smtp_data.h"

#include <string.h>

void smtp_data_init(struct smtp_data *d)
{
    *d = (struct smtp_data){.last = -1, .line_start = true};
}

/* False at a bare LF, which is then not part of what was seen. */
static bool see_byte(struct smtp_data *d, unsigned char c)
{
    if (c == '\n' && d->last != '\r') {
        d->bare_lf = true;
        return false;
    }
    if (d->last == '\r' && c != '\n')
        d->bare_cr = true;
    d->line_start = c == '\n';
    d->last = c;
    d->bytes++;
    return true;
}

/* What lies before the next CR or LF, and all that can be said of it at one time. */
struct cursor {
    const unsigned char *at, *end;
    const unsigned char *lf; /* the next one at or behind `at`, or `end`: looked for once */
};

static void cursor_init(struct cursor *c, const void *in, size_t len)
{
    c->at = in;
    c->end = c->at + len;
    c->lf = c->at;
}

/* How many bytes from `at` on are neither CR nor LF. */
static size_t plain_bytes(struct cursor *c)
{
    const unsigned char *lf = c->lf;
    if (lf < c->at || (lf < c->end && *lf != '\n')) {
        lf = memchr(c->at, '\n', (size_t)(c->end - c->at));
        c->lf = lf = lf != NULL ? lf : c->end;
    }
    const unsigned char *cr = memchr(c->at, '\r', (size_t)(lf - c->at));
    return (size_t)((cr != NULL ? cr : lf) - c->at);
}

/* Bytes that are neither CR nor LF; at least one. */
static void see_plain(struct smtp_data *d, const unsigned char *p, size_t len)
{
    if (d->last == '\r')
        d->bare_cr = true;
    d->line_start = false;
    d->last = p[len - 1];
    d->bytes += len;
}

void smtp_data_scan(struct smtp_data *d, const void *in, size_t len)
{
    struct cursor c;
    for (cursor_init(&c, in, len); c.at < c.end;) {
        size_t plain = plain_bytes(&c);
        if (plain > 0) {
            see_plain(d, c.at, plain);
            c.at += plain;
        } else if (!see_byte(d, *c.at++)) { /* a scan goes on, to know the rest too */
            d->line_start = false;
            d->last = '\n';
            d->bytes++;
        }
    }
}

size_t smtp_data_stuff(struct smtp_data *d, const void *in, size_t len, char *out)
{
    struct cursor c;
    char *o = out;
    if (d->bare_lf)
        return 0;
    for (cursor_init(&c, in, len); c.at < c.end;) {
        size_t plain = plain_bytes(&c);
        if (plain > 0) {
            if (d->line_start && *c.at == '.')
                *o++ = '.';
            see_plain(d, c.at, plain);
            memcpy(o, c.at, plain);
            o += plain;
            c.at += plain;
        } else {
            if (!see_byte(d, *c.at))
                break;
            *o++ = (char)*c.at++;
        }
    }
    return (size_t)(o - out);
}

const char *smtp_data_end(const struct smtp_data *d)
{
    return d->line_start ? ".\r\n" : "\r\n.\r\n";
}
