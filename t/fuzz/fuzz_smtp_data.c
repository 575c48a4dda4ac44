/* Dot-stuffing: in pieces (of the first byte's size) as in one; undone it is the input; no bare LF, and no early end of DATA. */
#include "lib/smtp_data.h"
#include "t/fuzz/fuzz.h"

static size_t stuff(const uint8_t *in, size_t size, size_t piece, char *out, struct smtp_data *d)
{
    size_t n = 0;
    smtp_data_init(d);
    for (size_t at = 0; at < size && !d->bare_lf; at += piece)
        n += smtp_data_stuff(d, in + at, size - at < piece ? size - at : piece, out + n);
    return n;
}

static size_t unstuff(const char *in, size_t n, char *out)
{
    size_t used = 0;
    bool start = true;
    for (size_t i = 0; i < n; i++) {
        if (!(start && in[i] == '.'))
            out[used++] = in[i];
        start = i > 0 && in[i - 1] == '\r' && in[i] == '\n';
    }
    return used;
}

FUZZ(data, size)
{
    struct smtp_data one, other;
    if (size < 1)
        return 0;
    const uint8_t *in = data + 1;
    size_t len = size - 1;
    char *a = malloc(2 * len + 1), *b = malloc(2 * len + 1), *c = malloc(2 * len + 1);
    MUST(a != NULL && b != NULL && c != NULL);
    size_t n = stuff(in, len, len + 1, a, &one), m = stuff(in, len, data[0] % 16 + 1U, b, &other);
    MUST(n == m && memcmp(a, b, n) == 0 && one.bare_lf == other.bare_lf);
    MUST(n <= smtp_data_room(len));
    size_t back = unstuff(a, n, c);
    MUST(back <= len && memcmp(c, in, back) == 0 && (one.bare_lf || back == len));
    for (size_t i = 0; i < n; i++)
        MUST(a[i] != '\n' || (i > 0 && a[i - 1] == '\r'));
    MUST(n < 3 || memcmp(a, ".\r\n", 3) != 0);
    MUST(memmem(a, n, "\r\n.\r\n", 5) == NULL);
    free(a);
    free(b);
    free(c);
    return 0;
}
