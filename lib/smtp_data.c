/* Content on its way through DATA: see smtp_data.h. */
#include "lib/smtp_data.h"

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
    if (c > 127)
        d->eight_bit = true;
    d->line_start = c == '\n';
    d->last = c;
    d->bytes++;
    return true;
}

void smtp_data_scan(struct smtp_data *d, const void *in, size_t len)
{
    const unsigned char *p = in;
    for (size_t i = 0; i < len; i++) {
        if (!see_byte(d, p[i])) { /* a scan goes on, to know the rest too */
            d->line_start = false;
            d->last = '\n';
            d->bytes++;
        }
    }
}

size_t smtp_data_stuff(struct smtp_data *d, const void *in, size_t len, char *out)
{
    const unsigned char *p = in;
    char *o = out;
    if (d->bare_lf)
        return 0;
    for (size_t i = 0; i < len; i++) {
        bool dot = d->line_start && p[i] == '.';
        if (!see_byte(d, p[i]))
            break;
        if (dot)
            *o++ = '.';
        *o++ = (char)p[i];
    }
    return (size_t)(o - out);
}

const char *smtp_data_end(const struct smtp_data *d)
{
    return d->line_start ? ".\r\n" : "\r\n.\r\n";
}
