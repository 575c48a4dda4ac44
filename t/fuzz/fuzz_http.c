/* Values of HTTP headers: Range and Retry-After. */
#include "lib/http_server.h"
#include "lib/retry.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    char *text = fuzz_text(data, size);
    uint64_t first = 0, last = 0, length = size * 997;
    if (http_range_parse(text, length, &first, &last) == RANGE_OK)
        MUST(first <= last && last < length);
    msec_t wait = retry_after_parse(text, 1700000000000);
    MUST(wait >= 0 && wait <= 366LL * 86400 * 1000);
    mem_free(&text);
    return 0;
}
