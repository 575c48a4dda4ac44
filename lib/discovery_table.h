/* The domains in memory, found by name, bounded in number: the one asked for longest ago goes first. Not locked. */
#ifndef PONTOON_DISCOVERY_TABLE_H
#define PONTOON_DISCOVERY_TABLE_H

#include "lib/discovery_entry.h"

struct discovery_table;

struct discovery_table *discovery_table_new(struct discovery *owner, size_t max);
void discovery_table_free(struct discovery_table **t);
/* NULL if it isn't there. */
struct discovery_entry *discovery_table_find(struct discovery_table *t, const char *domain);
/* As above, made if it isn't there. Entries that are busy are never thrown out. */
struct discovery_entry *discovery_table_get(struct discovery_table *t, const char *domain);
struct discovery_entry *discovery_table_first(struct discovery_table *t); /* for walking with `recent`; NULL if empty */

#endif
