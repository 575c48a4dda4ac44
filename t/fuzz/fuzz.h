/*
 * What every fuzz target includes. A target is one parser of untrusted bytes: FUZZ(data, size) is called with anything, and
 * checks what must hold for whatever came in. Linked with libFuzzer (make fuzz) it searches; linked with replay.c it runs
 * the files it is given, which ./check does with the whole corpus.
 */
#ifndef PONTOON_FUZZ_H
#define PONTOON_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* NOLINTNEXTLINE(bugprone-macro-parentheses): names of parameters */
#define FUZZ(data, size) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)

/* Not assert(): it must also hold in a build with NDEBUG. */
#define MUST(condition)                                                                \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                   \
        }                                                                              \
    } while (0)

/* The input as a string; NUL bytes end it. To mem_free(). */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    return mem_strndup((const char *)data, size);
}

/* Cuts the text at its first newline: returns what is behind it, or "". */
static inline char *fuzz_cut(char *text)
{
    char *newline = strchr(text, '\n');
    if (newline == NULL)
        return text + strlen(text);
    *newline = '\0';
    return newline + 1;
}

#endif
