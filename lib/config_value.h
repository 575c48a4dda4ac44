/*
 * One value of the configuration, from text: numbers with units, words, paths, endpoints. Pure; the errors say
 * what is wrong with the value, the caller says where it stands.
 */
#ifndef PONTOON_CONFIG_VALUE_H
#define PONTOON_CONFIG_VALUE_H

#include "lib/config.h"

enum { CONFIG_VALUE_MAX = 4000, CONFIG_LIST_MAX = 10000 };

struct config_value {
    char *text;     /* as written; NULL for lists */
    int64_t number; /* COUNT, SIZE, TIME (ms), MODE, BOOL */
    char **list;
    size_t n;
};

/* Replaces the value of anything but a list. RESULT_PERM, with the old value kept: no value of e's type and range. */
enum result config_value_set(struct config_value *v, const struct config_entry *e, const char *text, struct error *err);
/* Appends a member to a list; `domains` of the top level are normalized. */
enum result config_value_add(struct config_value *v, const struct config_entry *e, const char *text, struct error *err);
/* The entry's own default. */
enum result config_value_default(struct config_value *v, const struct config_entry *e, struct error *err);
void config_value_free(struct config_value *v); /* frees what it holds */

#endif
