/*
 * A growable string of bytes with a bound, always NUL-terminated behind its
 * length. Appending past the bound sets `overflow`, appends nothing, and every
 * later append does nothing too: write all, then look once.
 *
 * Declare with BUF_INIT(max) or buf_init(); buf_clear() keeps the memory,
 * buf_free() returns it.
 */
#ifndef PONTOON_BUF_H
#define PONTOON_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL until the first append: use buf_str() for a string */
    size_t len;
    size_t cap;
    size_t max; /* bytes, without the NUL */
    bool overflow;
};

#define BUF_INIT(limit)            \
    {                              \
        NULL, 0, 0, (limit), false \
    }

void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b);
void buf_free(struct buf *b);

bool buf_add(struct buf *b, const void *data, size_t len); /* false: over the bound */
bool buf_add_char(struct buf *b, char c);
bool buf_add_str(struct buf *b, const char *s);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap);
void buf_drop(struct buf *b, size_t n); /* forgets the first n bytes, n <= len */

const char *buf_str(const struct buf *b); /* "" when nothing was added; never NULL */
char *buf_take(struct buf *b);            /* hands over the string (mem_free() it), leaves b empty */

#endif
