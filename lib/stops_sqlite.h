/* The tables behind lib/store_stops.h, and what store_put() asks of them. For the store's SQLite backend only. */
#ifndef PONTOON_STOPS_SQLITE_H
#define PONTOON_STOPS_SQLITE_H

#include "lib/sqlite_db.h"
#include "lib/store_stops.h"

extern const char stops_sqlite_schema[];

/* Whether mail between these domains (the sender's may be "") is being drained. */
enum result stops_sqlite_drained(struct sqlite_db *db, const char *from, const char *to, bool *drained_r,
                                 struct error *err);
/* As store_hasten(), inside a transaction. */
enum result stops_sqlite_hasten(struct sqlite_db *db, const char *domain, struct error *err);

#endif
