/* A message made ready for DATA: lines end in CRLF and nothing else, and only line ends were added; or it is said why not. */
#include "ctl/replay/content.h"
#include "t/fuzz/fuzz.h"

static void check_wire(const char *data, size_t len, const struct buf *out)
{
    size_t at = 0;
    MUST(!out->overflow && out->len >= 2 && memcmp(out->data + out->len - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i < out->len; i++) {
        MUST(out->data[i] != '\n' || (i > 0 && out->data[i - 1] == '\r'));
        if (at < len && data[at] == out->data[i])
            at++;
        else
            MUST(out->data[i] == '\r' || (out->data[i] == '\n' && at == len));
    }
    MUST(at == len);
}

FUZZ(data, size)
{
    struct buf out = BUF_INIT(1 << 22);
    unsigned notes;
    char why[120];
    const char *reason = content_to_wire((const char *)data, size, &out, &notes, why);
    MUST(notes < 1U << CONTENT_NOTES);
    MUST(size > 0 || reason != NULL);
    if (reason == NULL)
        check_wire((const char *)data, size, &out);
    buf_free(&out);
    return 0;
}
