/* Connections for reading: taken and given back by any thread, each time with a snapshot of its own. */
#ifndef PONTOON_SQLITE_POOL_H
#define PONTOON_SQLITE_POOL_H

#include "lib/sqlite_db.h"

struct sqlite_pool;

/* Opens one connection to see that it works and that the schema fits. */
enum result sqlite_pool_open(const char *path, enum sqlite_use use, const struct sqlite_schema *schema,
                             msec_t busy_timeout, struct sqlite_pool **p_r, struct error *err);
void sqlite_pool_close(struct sqlite_pool **p); /* all must have been given back */

/* A connection in a read transaction: all it reads is of one moment. */
enum result sqlite_pool_take(struct sqlite_pool *p, struct sqlite_db **db_r, struct error *err);
void sqlite_pool_give(struct sqlite_pool *p, struct sqlite_db **db);

#endif
