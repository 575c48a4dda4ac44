/* UTF-8 checks: see utf8.h. */
#include "lib/utf8.h"

#include <stdint.h>
#include <string.h>

#include "lib/buf.h"

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

size_t utf8_printable_len(const char *s)
{
    const uint8_t *p = (const uint8_t *)s;
    bool control = p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
    return control ? 0 : utf8_char_len(s);
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

/* ---- "\\x{E9}" ---- */

enum { HEX_MIN = 2, HEX_MAX = 6, CODE_POINT_MAX = 0x10ffff };

static int hex_value(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

/* The length of an escaped character at `s`, 0 if there is none. */
static size_t escaped_len(const char *s, uint32_t *c_r)
{
    size_t digits = 0;
    uint32_t c = 0;
    if (strncmp(s, "\\x{", 3) != 0)
        return 0;
    for (const char *p = s + 3; digits <= HEX_MAX && hex_value(p[digits]) >= 0; digits++)
        c = c * 16 + (uint32_t)hex_value(p[digits]);
    bool good = digits >= HEX_MIN && digits <= HEX_MAX && s[3 + digits] == '}' && c <= CODE_POINT_MAX && c >= 0x20 &&
                (c < 0x7f || c >= 0xa0) && (c < 0xd800 || c > 0xdfff);
    *c_r = c;
    return good ? 3 + digits + 1 : 0;
}

static uint32_t code_point(const char *s, size_t len)
{
    static const uint8_t first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = (uint8_t)s[0] & first_mask[len];
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((uint8_t)s[i] & 0x3f);
    return c;
}

char *utf8_escape(const char *s)
{
    struct buf out = BUF_INIT(strlen(s) * 10 + 1);
    uint32_t unused;
    while (*s != '\0') {
        size_t len = utf8_char_len(s);
        bool plain = len == 1 && (*s != '\\' || escaped_len(s, &unused) > 0);
        if (plain)
            buf_add_char(&out, *s);
        else if (len > 0)
            buf_printf(&out, "\\x{%02X}", (unsigned)code_point(s, len));
        else
            buf_add_char(&out, '?');
        s += len > 0 ? len : 1;
    }
    return buf_take(&out);
}

static void add_code_point(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_char(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : (c < 0x10000 ? 2 : 3);
    static const uint8_t first[] = {0, 0xc0, 0xe0, 0xf0};
    buf_add_char(out, (char)(first[more] | (c >> (6 * more))));
    while (more-- > 0)
        buf_add_char(out, (char)(0x80 | ((c >> (6 * more)) & 0x3f)));
}

char *utf8_unescape(const char *s)
{
    struct buf out = BUF_INIT(strlen(s) + 1);
    while (*s != '\0') {
        uint32_t c;
        size_t len = escaped_len(s, &c);
        if (len > 0)
            add_code_point(&out, c);
        else
            buf_add_char(&out, *s);
        s += len > 0 ? len : 1;
    }
    return buf_take(&out);
}

void ascii_lower(char *s)
{
    for (; *s != '\0'; s++) {
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s - 'A' + 'a');
    }
}
