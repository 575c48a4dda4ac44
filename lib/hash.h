/*
 * Which of a table's chains a text belongs to: FNV-1a (draft-eastlake-fnv), for names and ids. Strangers choose some of them and can make
 * collisions: who keeps a table bounds what a chain can cost.
 */
#ifndef PONTOON_HASH_H
#define PONTOON_HASH_H

#include <stdint.h>

static inline uint32_t hash_text(const char *text)
{
    uint32_t h = 2166136261U;
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 16777619U;
    return h;
}

#endif
