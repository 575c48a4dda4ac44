/* Looking at headers as they pass: see lmtp_headers.h. */
#include "milter/lmtp_headers.h"

#include <string.h>

void lmtp_headers_init(struct lmtp_headers *h, void (*seen)(void *arg, const char *name, const char *value), void *arg)
{
    *h = (struct lmtp_headers){
        .seen = seen, .arg = arg, .header = BUF_INIT(LMTP_HEADER_MAX), .line = BUF_INIT(LMTP_HEADER_MAX)};
}

void lmtp_headers_free(struct lmtp_headers *h)
{
    buf_free(&h->header);
    buf_free(&h->line);
}

/* RFC 5322 section 4.5 lets blanks stand before the colon. */
static void show(struct lmtp_headers *h)
{
    char *colon = h->header.len > 0 ? strchr(h->header.data, ':') : NULL;
    if (colon != NULL) {
        char *end = colon;
        while (end > h->header.data && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        *end = '\0';
        h->seen(h->arg, h->header.data, colon + 1);
    }
    buf_clear(&h->header);
}

static void take_line(struct lmtp_headers *h)
{
    const char *line = buf_str(&h->line);
    bool folded = line[0] == ' ' || line[0] == '\t';
    if (folded && h->header.len > 0) {
        buf_add_str(&h->header, "\r\n");
    } else {
        show(h);
        h->done = memchr(line, ':', h->line.len) == NULL; /* empty, or no header: the body has begun */
    }
    buf_add(&h->header, line, h->line.len);
    buf_clear(&h->line);
}

void lmtp_headers_add(struct lmtp_headers *h, const char *data, size_t len)
{
    for (size_t i = 0; i < len && !h->done; i++) {
        if (h->cr && data[i] == '\n') {
            h->cr = false;
            take_line(h);
            continue;
        }
        if (h->cr)
            buf_add_char(&h->line, '\r');
        h->cr = data[i] == '\r';
        if (!h->cr)
            buf_add_char(&h->line, data[i]);
    }
}

void lmtp_headers_end(struct lmtp_headers *h)
{
    if (!h->done && h->line.len > 0)
        take_line(h);
    show(h);
    h->done = true;
}
