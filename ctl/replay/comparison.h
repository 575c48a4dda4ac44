/*
 * What two ways made of the same message: the bytes, the results of DKIM, each header field that is watched, and the time. Pure: pairs go
 * in, counts come out.
 */
#ifndef PONTOON_REPLAY_COMPARISON_H
#define PONTOON_REPLAY_COMPARISON_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/latency.h"
#include "lib/digest.h"

enum {
    COMPARISON_FIELDS_MAX = 66,  /* --watch's, and Authentication-Results */
    COMPARISON_NAME_MAX = 76 + 1 /* of a field, with its NUL */
};

/* One thing that is compared. */
struct comparison_count {
    char name[COMPARISON_NAME_MAX];
    uint64_t n;    /* pairs in which at least one side has it */
    uint64_t same; /* of these */
};

struct comparison {                                        /* start with {0} */
    uint64_t pairs, different;                             /* different: in anything but the time */
    struct comparison_count bytes, dkim;                   /* dkim: what Authentication-Results says of it */
    struct comparison_count fields[COMPARISON_FIELDS_MAX]; /* in the order in which they were seen */
    size_t nfields;
    struct latency later, earlier; /* how much the second way took longer, and shorter */
};

struct comparison_side {
    const char *way;
    uint8_t digest[DIGEST_SIZE];
    char *fields; /* "Name: value\n" of each, unfolded; to mem_free() by who made it */
    msec_t took;
};

/* Returns NULL if they are the same, or the first that is not ("by plain, not by pontoon: X-Spam: Yes"), to mem_free(). */
char *comparison_add(struct comparison *c, const struct comparison_side *first, const struct comparison_side *second);

#endif
