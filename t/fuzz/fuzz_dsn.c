/* A DSN made of strangers' words stays a message: lines of bounded length, CRLF, no control characters. */
#include "lib/dsn.h"
#include "t/fuzz/fuzz.h"

static void check_message(const struct buf *b)
{
    size_t line = 0;
    for (size_t i = 0; i < b->len; i++) {
        unsigned char c = (unsigned char)b->data[i];
        MUST(c == '\t' || c == '\r' || c == '\n' || (c >= 0x20 && c != 0x7f));
        MUST(c != '\n' || (i > 0 && b->data[i - 1] == '\r'));
        MUST(c != '\r' || (i + 1 < b->len && b->data[i + 1] == '\n'));
        line = c == '\n' ? 0 : line + 1;
        MUST(line <= 1000); /* 998 and CRLF */
    }
}

FUZZ(data, size)
{
    if (size < 2)
        return 0;
    char *text = fuzz_text(data + 1, size - 1 < 3000 ? size - 1 : 3000);
    char *diagnostic = fuzz_cut(text), *orcpt = fuzz_cut(diagnostic), *envid = fuzz_cut(orcpt);
    const struct dsn_rcpt rcpt = {
        .address = "bob@b.test",
        .orcpt = orcpt[0] != '\0' ? orcpt : NULL,
        .action = (enum dsn_action)(data[0] % 4),
        .status = "5.1.1",
        .diagnostic = diagnostic,
        .remote_mta = text,
        .reason = diagnostic,
        .last_attempt = 1700000000000,
    };
    struct dsn d = {.hostname = "mx.a.test",
                    .from = "",
                    .id = "01ID",
                    .queue_id = "4X",
                    .sender = "alice@a.test",
                    .envid = envid[0] != '\0' ? envid : NULL,
                    .smtputf8 = data[0] & 4,
                    .arrived = 1700000000000,
                    .now = 1700000000000,
                    .rcpts = &rcpt,
                    .nrcpts = 1};
    struct buf out = BUF_INIT(1 << 20);
    dsn_write_begin(&out, &d, data[0] & 8, data[0] & 16);
    dsn_write_end(&out, &d);
    check_message(&out);
    buf_free(&out);
    mem_free(&text);
    return 0;
}
