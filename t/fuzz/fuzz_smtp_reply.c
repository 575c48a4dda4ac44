/* SMTP replies: the same bytes in pieces (of the first byte's size) are the same replies; and EHLO's lines. */
#include "lib/smtp_internal.h"
#include "lib/smtp_reply.h"
#include "lib/utf8.h"
#include "t/fuzz/fuzz.h"

struct seen {
    unsigned replies;
    int code;
    char dsn[ERROR_DSN_MAX];
    char text[500];
    bool failed;
};

static void take_reply(const struct smtp_reply_parser *p, struct seen *s)
{
    char text[600];
    struct smtp_offer offer;
    const struct smtp_reply *r = &p->reply;
    MUST(r->code >= 200 && r->code <= 599);
    for (size_t i = 0; r->text[i] != '\0'; i += utf8_printable_len(r->text + i))
        MUST(utf8_printable_len(r->text + i) > 0);
    smtp_reply_text(r, text, sizeof text);
    smtp_reply_queue_id(r, text, 64);
    smtp_ehlo_parse(buf_str(&p->raw), &offer);
    s->replies++;
    s->code = r->code;
    memcpy(s->dsn, r->dsn, sizeof s->dsn);
    memcpy(s->text, r->text, sizeof s->text);
}

static void feed(const char *data, size_t size, size_t piece, struct seen *s)
{
    struct smtp_reply_parser p;
    struct error err;
    memset(s, 0, sizeof *s);
    smtp_reply_parser_init(&p);
    for (size_t at = 0; at < size && !s->failed;) {
        size_t used = 0, len = size - at < piece ? size - at : piece;
        bool complete = false;
        s->failed = smtp_reply_feed(&p, data + at, len, &used, &complete, &err) != RESULT_OK;
        MUST(used <= len && (s->failed || used > 0));
        if (!s->failed && complete)
            take_reply(&p, s);
        at += used;
    }
    smtp_reply_parser_free(&p);
}

FUZZ(data, size)
{
    struct seen whole, pieces;
    if (size < 2)
        return 0;
    feed((const char *)data + 1, size - 1, SIZE_MAX, &whole);
    feed((const char *)data + 1, size - 1, data[0] % 16 + 1U, &pieces);
    MUST(whole.replies == pieces.replies && whole.failed == pieces.failed && whole.code == pieces.code);
    MUST(strcmp(whole.dsn, pieces.dsn) == 0 && strcmp(whole.text, pieces.text) == 0);
    return 0;
}
