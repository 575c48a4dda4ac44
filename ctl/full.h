/* Which bounds of the store's queue are reached (lib/queue_bounds.h), for `pontoon status`. */
#ifndef PONTOON_CTL_FULL_H
#define PONTOON_CTL_FULL_H

#include <jansson.h>

#include "lib/config.h"
#include "lib/store.h"

/* A list of objects: bound, domain (or null), n, most. Null if there is no store (NULL) or it can't be read. */
json_t *full_json(struct store *store, const struct config *config);
/* A line for each member of such a list. */
void full_print(const json_t *list);

#endif
