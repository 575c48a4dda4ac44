/*
 * The headers of a message that comes as one run of bytes, for those who have to look at some. Only looks: the bytes
 * themselves go on as they are. Memory is bounded; of a longer header the beginning is shown. Pure.
 */
#ifndef PONTOON_MILTER_LMTP_HEADERS_H
#define PONTOON_MILTER_LMTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"

enum { LMTP_HEADER_MAX = 65536 };

struct lmtp_headers {
    /* `value` as it stands behind the colon, folded, up to the first NUL. */
    void (*seen)(void *arg, const char *name, const char *value);
    void *arg;
    struct buf header; /* complete but for lines that may still be folded on */
    struct buf line;   /* the one that comes in */
    bool cr;           /* its last byte was CR, which is not yet in it */
    bool done;         /* what follows is body */
};

void lmtp_headers_init(struct lmtp_headers *h, void (*seen)(void *arg, const char *name, const char *value), void *arg);
void lmtp_headers_free(struct lmtp_headers *h);
void lmtp_headers_add(struct lmtp_headers *h, const char *data, size_t len);
void lmtp_headers_end(struct lmtp_headers *h); /* the message is over, perhaps before its first empty line */

#endif
