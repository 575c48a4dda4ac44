/* What a struct config is; for config.c, which makes it, and config_get.c, which answers from it. */
#ifndef PONTOON_CONFIG_PRIVATE_H
#define PONTOON_CONFIG_PRIVATE_H

#include "lib/config_value.h"

struct entry_value {
    struct config_value v;
    char *where; /* "FILE:LINE"; NULL: the default */
};

/* The whole, or one section that has a title. */
struct config {
    char *path;   /* of the whole */
    char **files; /* of the whole: it, and what it includes */
    size_t nfiles;
    char *hostname;                       /* of the whole */
    size_t first, n;                      /* which entries of config_table it has */
    struct entry_value *values;           /* as those */
    const struct config_section *section; /* NULL: the whole */
    char *title, *where;                  /* of a section */
    struct config **titled;               /* of the whole: its sections with titles, in order */
    size_t ntitled;
};

/* The entry of config_table with this name. */
bool config_find_entry(const char *section, const char *name, size_t *i_r);

#endif
