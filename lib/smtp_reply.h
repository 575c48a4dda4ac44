/* SMTP replies (RFC 5321 section 4.2, enhanced codes RFC 2034/3463): a pure, bounded parser. */
#ifndef PONTOON_SMTP_REPLY_H
#define PONTOON_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/result.h"

enum { SMTP_REPLY_LINE_MAX = 2048, SMTP_REPLY_LINES_MAX = 100 };

struct smtp_reply {
    int code;                /* 200..599 */
    char dsn[ERROR_DSN_MAX]; /* "5.1.1", or "" */
    char text[500];          /* lines joined by a space, without codes, no control characters, cut to fit */
    bool missing;            /* none came: smtp_client.h says when that is told by a reply of our own */
};

struct smtp_reply_parser {
    struct buf line;
    unsigned lines;
    struct smtp_reply reply;
    struct buf raw; /* the lines without code, each ending in '\n': for EHLO keywords */
};

void smtp_reply_parser_init(struct smtp_reply_parser *p);
void smtp_reply_parser_free(struct smtp_reply_parser *p);
/*
 * Takes bytes until one reply is complete: RESULT_OK with *used_r bytes taken and *complete_r telling whether
 * p->reply is whole (then the next call begins a new one). RESULT_PERM: no SMTP reply (what and why in err).
 */
enum result smtp_reply_feed(struct smtp_reply_parser *p, const char *data, size_t len, size_t *used_r, bool *complete_r,
                            struct error *err);
/* The class as a result: 2xx, 3xx RESULT_OK; 4xx RESULT_TEMP; 5xx RESULT_PERM. */
enum result smtp_reply_result(const struct smtp_reply *r);
/* The enhanced code, or "2.0.0", "4.0.0", "5.0.0" by class. */
const char *smtp_reply_dsn(const struct smtp_reply *r);
/* "250 2.0.0 Ok: queued as X" for logs and verdicts. */
void smtp_reply_text(const struct smtp_reply *r, char *out, size_t size);
/* The queue id in a final 250 as Postfix ("queued as X"), Sendmail ("X Message accepted") or Exim ("OK id=X") say it; "" else. */
void smtp_reply_queue_id(const struct smtp_reply *r, char *out, size_t size);

#endif
