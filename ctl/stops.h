/* What is not diverted at present, for `pontoon status`: drains, and peers whose bridges fail. */
#ifndef PONTOON_CTL_STOPS_H
#define PONTOON_CTL_STOPS_H

#include <jansson.h>

#include "lib/store.h"

/* Lists of objects; null if there is no store (NULL) or it can't be read. */
json_t *stops_drains_json(struct store *store);
json_t *stops_peers_json(struct store *store);
/* Prints nothing if nothing is stopped. */
void stops_print(struct store *store);

#endif
