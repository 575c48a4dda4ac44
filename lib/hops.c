/* Counting Received: fields: see hops.h. */
#include "lib/hops.h"

#include <limits.h>
#include <strings.h>

#define HOPS_OTHER UINT_MAX

static const char name[] = "received";

void hops_init(struct hops *h)
{
    *h = (struct hops){.empty = true};
}

static void end_line(struct hops *h)
{
    h->in_body = h->empty;
    h->empty = true;
    h->column = 0;
}

/* Whether the line is still "Received:" as far as it goes; blanks may stand before the colon (RFC 5322 section 4.5). */
static void take(struct hops *h, char c)
{
    unsigned length = sizeof name - 1;
    if (h->column < length && strncasecmp(&c, &name[h->column], 1) == 0) {
        h->column++;
    } else if (h->column == length && c == ':') {
        h->received++;
        h->column = HOPS_OTHER;
    } else if (h->column != length || (c != ' ' && c != '\t')) {
        h->column = HOPS_OTHER;
    }
}

void hops_scan(struct hops *h, const char *data, size_t len)
{
    for (size_t i = 0; i < len && !h->in_body; i++) {
        if (data[i] == '\n') {
            end_line(h);
            continue;
        }
        h->empty = h->empty && data[i] == '\r';
        if (h->column != HOPS_OTHER)
            take(h, data[i]);
    }
}
