/* The Range header: see http_server.h. */
#include "lib/http_server.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Digits at *p; false if there are none. Too large a number is UINT64_MAX, which is beyond any size. */
static bool number(const char **p, uint64_t *n_r)
{
    const char *start = *p;
    uint64_t n = 0;
    for (; isdigit((unsigned char)**p); ++*p) {
        unsigned digit = (unsigned)(**p - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    *n_r = n;
    return *p != start;
}

/* The last `n` bytes. */
static enum http_range suffix(uint64_t n, uint64_t size, uint64_t *first_r, uint64_t *last_r)
{
    if (n == 0)
        return RANGE_BAD;
    if (size == 0)
        return RANGE_NONE; /* satisfiable by the RFC, but Content-Range can't say it */
    *first_r = n < size ? size - n : 0;
    *last_r = size - 1;
    return RANGE_OK;
}

enum http_range http_range_parse(const char *value, uint64_t size, uint64_t *first_r, uint64_t *last_r)
{
    static const char unit[] = "bytes=";
    if (value == NULL || strncasecmp(value, unit, strlen(unit)) != 0)
        return RANGE_NONE;
    const char *p = value + strlen(unit);
    p += strspn(p, " \t");
    uint64_t first, last = UINT64_MAX;
    bool has_first = number(&p, &first);
    if (*p++ != '-')
        return RANGE_NONE;
    bool has_last = number(&p, &last);
    if (!has_last)
        last = UINT64_MAX;
    p += strspn(p, " \t");
    if (*p != '\0' || (!has_first && !has_last))
        return RANGE_NONE;
    if (!has_first)
        return suffix(last, size, first_r, last_r);
    if (first > last)
        return RANGE_NONE;
    if (first >= size)
        return RANGE_BAD;
    *first_r = first;
    *last_r = last < size ? last : size - 1;
    return RANGE_OK;
}
