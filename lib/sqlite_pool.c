/* Connections for reading: see sqlite_pool.h. */
#include "lib/sqlite_pool.h"

#include <pthread.h>

#include "lib/mem.h"

enum { IDLE_MAX = 4 }; /* more are opened when as many threads read at once, and closed again */

struct sqlite_pool {
    char *path;
    enum sqlite_use use;
    msec_t busy_timeout;
    pthread_mutex_t lock;
    struct sqlite_db *idle[IDLE_MAX];
    size_t nidle;
};

enum result sqlite_pool_open(const char *path, enum sqlite_use use, const struct sqlite_schema *schema,
                             msec_t busy_timeout, struct sqlite_pool **p_r, struct error *err)
{
    struct sqlite_pool *p = mem_zero(1, sizeof *p);
    p->path = mem_strdup(path);
    p->use = use;
    p->busy_timeout = busy_timeout;
    pthread_mutex_init(&p->lock, NULL);
    struct sqlite_db *db = NULL;
    enum result r = sqlite_pool_take(p, &db, err);
    if (r == RESULT_OK) {
        r = sqlite_db_check(db, schema, err);
        sqlite_pool_give(p, &db);
    }
    if (r != RESULT_OK)
        sqlite_pool_close(&p);
    *p_r = p;
    return r;
}

void sqlite_pool_close(struct sqlite_pool **pp)
{
    struct sqlite_pool *p = *pp;
    if (p == NULL)
        return;
    while (p->nidle > 0)
        sqlite_db_close(&p->idle[--p->nidle]);
    pthread_mutex_destroy(&p->lock);
    mem_free(&p->path);
    mem_free(pp);
}

enum result sqlite_pool_take(struct sqlite_pool *p, struct sqlite_db **db_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    enum result r = RESULT_OK;
    pthread_mutex_lock(&p->lock);
    if (p->nidle > 0)
        db = p->idle[--p->nidle];
    pthread_mutex_unlock(&p->lock);
    if (db == NULL)
        r = sqlite_db_open(p->path, p->use, p->busy_timeout, &db, err);
    if (r == RESULT_OK)
        r = sqlite_db_run(db, "BEGIN", err);
    if (r != RESULT_OK)
        sqlite_db_close(&db);
    *db_r = db;
    return r;
}

void sqlite_pool_give(struct sqlite_pool *p, struct sqlite_db **dbp)
{
    struct sqlite_db *db = *dbp;
    *dbp = NULL;
    if (db == NULL)
        return;
    bool keep = sqlite_db_run(db, "COMMIT", NULL) == RESULT_OK;
    pthread_mutex_lock(&p->lock);
    keep = keep && p->nidle < IDLE_MAX;
    if (keep)
        p->idle[p->nidle++] = db;
    pthread_mutex_unlock(&p->lock);
    if (!keep)
        sqlite_db_close(&db);
}
