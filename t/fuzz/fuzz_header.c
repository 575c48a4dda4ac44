/* Message headers: finding one in a stranger's message, and our own trace header made of strangers' words. */
#include "lib/header.h"
#include "t/fuzz/fuzz.h"

enum { LINE_MAX_5322 = 998 };

static void check_lines(const char *text, size_t len)
{
    size_t line = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        MUST(c == '\t' || c == '\r' || c == '\n' || (c >= 0x20 && c < 0x7f));
        MUST(c != '\n' || text[i - 1] == '\r');
        MUST(c != '\r' || text[i + 1] == '\n');
        line = c == '\n' ? 0 : line + 1;
        MUST(line <= LINE_MAX_5322);
        if (c == '\n' && i + 1 < len)
            MUST(text[i + 1] == ' ' || text[i + 1] == '\t'); /* one header, folded */
    }
    MUST(len > 2 && text[len - 1] == '\n');
}

static void make_trace(const uint8_t *data, size_t size)
{
    char *helo = fuzz_text(data, size < 4000 ? size : 4000), *name = fuzz_cut(helo), *id = fuzz_cut(name);
    struct buf out = BUF_INIT(65536);
    header_trace_add(&out, &(struct header_trace){
                               .helo = helo,
                               .name = name[0] != '\0' ? name : NULL,
                               .address = "192.0.2.1",
                               .by = "mx.b.test",
                               .with = "SSMP",
                               .id = id,
                               .recipient = name,
                               .when = 1700000000000,
                           });
    if (!out.overflow) {
        check_lines(out.data, out.len);
        MUST(header_is_own_trace(out.data + strlen("Received:"), "mx.b.test"));
    }
    buf_free(&out);
    mem_free(&helo);
}

FUZZ(data, size)
{
    char value[200];
    if (header_find((const char *)data, size, "Message-ID", value, sizeof value))
        MUST(strlen(value) < sizeof value);
    char *text = fuzz_text(data, size);
    header_is_own_trace(text, NULL);
    mem_free(&text);
    make_trace(data, size);
    return 0;
}
