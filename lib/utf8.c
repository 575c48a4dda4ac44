/* UTF-8 checks: see utf8.h. */
#include "lib/utf8.h"

#include <stdint.h>

/* RFC 3629 section 4: by first byte, the length and the range of the second byte; later ones are 80..BF. */
static const struct {
    uint8_t first, last;
    uint8_t len;
    uint8_t second_min, second_max;
} forms[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f},
    {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

size_t utf8_char_len(const char *s)
{
    const uint8_t *p = (const uint8_t *)s;
    if (p[0] < 0x80)
        return p[0] != '\0';
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (p[1] < forms[i].second_min || p[1] > forms[i].second_max)
            return 0;
        for (size_t k = 2; k < forms[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        }
        return forms[i].len;
    }
    return 0;
}

bool utf8_valid(const char *s)
{
    while (*s != '\0') {
        size_t n = utf8_char_len(s);
        if (n == 0)
            return false;
        s += n;
    }
    return true;
}

bool utf8_is_ascii(const char *s)
{
    for (; *s != '\0'; s++) {
        if ((uint8_t)*s >= 0x80)
            return false;
    }
    return true;
}
