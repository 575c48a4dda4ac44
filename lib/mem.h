/*
 * Memory: allocation that never returns NULL.
 *
 * Out of memory is fatal (logged, exit), as in Postfix: a mail daemon that
 * limps on without memory loses more than one that is restarted. Sizes that a
 * peer chose are bounded before they come here.
 */
#ifndef PONTOON_MEM_H
#define PONTOON_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);              /* not cleared */
void *mem_zero(size_t count, size_t size); /* cleared; overflow is fatal */
void *mem_grow(void *p, size_t count, size_t size);
char *mem_strdup(const char *s); /* NULL gives NULL */
char *mem_strndup(const char *s, size_t n);
void *mem_dup(const void *p, size_t size);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Frees *pp and sets it to NULL; `pp` is the address of any pointer: mem_free(&s). */
#define mem_free(pp) (mem_release((void *)*(pp)), *(pp) = NULL)
void mem_release(void *p);

#endif
