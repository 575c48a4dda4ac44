/* The table behind the policy cache (lib/policy_cache.h), which store and bridge queue both keep. */
#ifndef PONTOON_POLICY_CACHE_SQLITE_H
#define PONTOON_POLICY_CACHE_SQLITE_H

#include "lib/policy_cache.h"
#include "lib/sqlite_pool.h"
#include "lib/sqlite_writer.h"

extern const char policy_cache_sqlite_schema[];

/* *entry_r: NULL if nothing is known. */
enum result policy_cache_sqlite_load(struct sqlite_pool *readers, const char *domain,
                                     struct policy_cache_entry **entry_r, struct error *err);
/* done as in lib/store.h. */
enum result policy_cache_sqlite_save(struct sqlite_writer *writer, const struct policy_cache_entry *entry,
                                     sqlite_done *done, void *arg, struct error *err);

#endif
