/* What a type of table implements; for lookup*.c only. Calls for one source never overlap. */
#ifndef PONTOON_LOOKUP_TYPE_H
#define PONTOON_LOOKUP_TYPE_H

#include "lib/buf.h"
#include "lib/lookup.h"

struct lookup_type {
    const char *name;
    const char *suffix; /* what postmap adds to the path */
    bool takes_parts;
    bool edited_in_place; /* a source stays good while its file is the same one */
    /* RESULT_TEMP in all cases of failure: somebody may repair the file. */
    enum result (*open)(const char *path, void **source_r, struct error *err);
    void (*close)(void *source);
    /* RESULT_OK: *found_r says whether, and `value` (clear at first) has its value, if that fits. */
    enum result (*find)(void *source, const char *key, struct buf *value, bool *found_r, struct error *err);
};

extern const struct lookup_type lookup_type_cdb, lookup_type_lmdb, lookup_type_texthash, lookup_type_regexp;

#endif
