/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef PONTOON_UTF8_H
#define PONTOON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that begins at `s` (NUL-terminated), 1..4; 0 if it is malformed or the end. */
size_t utf8_char_len(const char *s);
/* The same of one that may be shown to people; 0 for controls, too: C0, DEL, and C1, which terminals act on as on ESC. */
size_t utf8_printable_len(const char *s);
bool utf8_valid(const char *s);
bool utf8_is_ascii(const char *s);

/*
 * RFC 6533 section 3: addresses of type "utf-8" may be written in ASCII, with "\x{E9}" for other characters. Escaping
 * leaves such forms alone; unescaping leaves what is malformed, or would be a control character. Results to mem_free().
 */
char *utf8_escape(const char *s);
char *utf8_unescape(const char *s);

/* A to Z in place, whatever the locale; all else stays. */
void ascii_lower(char *s);

#endif
