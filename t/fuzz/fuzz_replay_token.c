/* What arrives behind any trace fields is known by its token, and its bytes are those behind the token; a server's bytes never crash it. */
#include "ctl/replay/token.h"
#include "t/fuzz/fuzz.h"

static const char run[] = "abcdefghijkl";

/* The same bytes behind our field: every byte counts, but for the watched field. */
static void read_own(const char *message, size_t len, const struct token_watch *watch)
{
    struct token_arrival a;
    uint8_t digest[DIGEST_SIZE];
    char field[TOKEN_FIELD_MAX];
    struct buf text = BUF_INIT(1 << 22);
    token_field(run, 7, field);
    buf_add_str(&text, "Received: by x.test; Tue, 24 Nov 2026 03:12:00 +0000\r\n");
    buf_add_str(&text, field);
    buf_add(&text, message, len);
    token_read(text.data, text.len, run, watch, &a);
    token_digest(message, len, watch, digest);
    MUST(a.found && a.copy == 7 && a.nhops == 1 && a.rest_len == len);
    MUST(memcmp(a.digest, digest, sizeof digest) == 0);
    token_arrival_free(&a);
    buf_free(&text);
}

FUZZ(data, size)
{
    static const char *const names[] = {"X-Spam-Status"};
    const struct token_watch watch = {names, 1};
    const char *message = (const char *)data;
    struct token_arrival a;
    struct buf what = BUF_INIT(10000);
    token_read(message, size, run, &watch, &a);
    MUST(a.nhops <= TOKEN_HOPS_MAX);
    MUST(!a.found || (a.rest_len <= size && a.rest == message + (size - a.rest_len)));
    token_arrival_free(&a);
    read_own(message, size, &watch);
    size_t half = size / 2;
    token_first_difference(message, half, message + half, size - half, &what);
    MUST(!what.overflow && (what.len > 0 || memcmp(message, message + half, half) == 0));
    buf_free(&what);
    return 0;
}
