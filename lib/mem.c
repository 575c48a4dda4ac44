/* Memory that never returns NULL: see mem.h. */
#include "lib/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (p == NULL)
        log_fatal("out of memory (%zu bytes wanted)", size);
    return p;
}

void *mem_zero(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (p == NULL)
        log_fatal("out of memory (%zu times %zu bytes wanted)", count, size);
    return p;
}

void *mem_grow(void *p, size_t count, size_t size)
{
    void *q = reallocarray(p, count ? count : 1, size ? size : 1);
    if (q == NULL)
        log_fatal("out of memory (%zu times %zu bytes wanted)", count, size);
    return q;
}

char *mem_strdup(const char *s)
{
    return s ? mem_dup(s, strlen(s) + 1) : NULL;
}

char *mem_strndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *p = mem_alloc(n + 1);
    memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

void *mem_dup(const void *p, size_t size)
{
    void *q = mem_alloc(size);
    if (size)
        memcpy(q, p, size);
    return q;
}

char *mem_printf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        log_fatal("out of memory (formatting a string)");
    return s;
}

void mem_release(void *p)
{
    free(p);
}
