/*
 * lmdb tables: see lookup_type.h. Opened as Postfix does it: one file, no lock file; readers and postmap(1) exclude
 * each other by a lock of the database file itself. postmap writes in place.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include "lib/lookup_type.h"
#include "lib/mem.h"

struct lmdb_source {
    MDB_env *env;
    MDB_dbi dbi;
};

/* LMDB's own errors are negative, the system's are errno values. */
static enum result fail(const char *what, int rc, struct error *err)
{
    return error_set(err, RESULT_TEMP, "%s: %s", what, mdb_strerror(rc));
}

static int begin(struct lmdb_source *s, MDB_txn **txn_r)
{
    return mdb_txn_begin(s->env, NULL, MDB_RDONLY, txn_r);
}

static int open_database(struct lmdb_source *s, const char *path)
{
    MDB_txn *txn;
    int rc = mdb_env_create(&s->env);
    if (rc == 0)
        rc = mdb_env_open(s->env, path, MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS, 0);
    if (rc != 0)
        return rc;
    rc = begin(s, &txn);
    if (rc != 0)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, &s->dbi);
    mdb_txn_abort(txn);
    return rc;
}

static void lmdb_source_close(void *source)
{
    struct lmdb_source *s = source;
    if (s->env != NULL)
        mdb_env_close(s->env);
    mem_free(&s);
}

static enum result lmdb_source_open(const char *path, void **source_r, struct error *err)
{
    struct lmdb_source *s = mem_zero(1, sizeof *s);
    int rc = open_database(s, path);
    if (rc != 0) {
        lmdb_source_close(s);
        return fail(path, rc, err);
    }
    *source_r = s;
    return RESULT_OK;
}

/*
 * An open file description's lock (fcntl(2)) meets postmap's. While postmap writes we read without it rather than wait:
 * it is one transaction, we see what was before it, and LMDB reuses none of those pages until the next but one.
 */
static bool set_lock(struct lmdb_source *s, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    int fd;
    return mdb_env_get_fd(s->env, &fd) == 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* MDB_NOTFOUND too for keys that no table can have. */
static int get(struct lmdb_source *s, MDB_txn *txn, const char *key, size_t len, struct buf *value)
{
    MDB_val k = {.mv_size = len, .mv_data = (void *)(uintptr_t)key};
    MDB_val v;
    int rc = mdb_get(txn, s->dbi, &k, &v);
    if (rc == 0)
        buf_add(value, v.mv_data, strnlen(v.mv_data, v.mv_size));
    return rc == MDB_BAD_VALSIZE ? MDB_NOTFOUND : rc;
}

/* Keys and values may be stored with a NUL behind them: Postfix looks for both. */
static enum result lmdb_source_find(void *source, const char *key, struct buf *value, bool *found_r, struct error *err)
{
    struct lmdb_source *s = source;
    MDB_txn *txn;
    bool locked = set_lock(s, F_RDLCK);
    int rc = begin(s, &txn);
    if (rc == 0) {
        rc = get(s, txn, key, strlen(key), value);
        if (rc == MDB_NOTFOUND)
            rc = get(s, txn, key, strlen(key) + 1, value);
        mdb_txn_abort(txn);
    }
    if (locked)
        set_lock(s, F_UNLCK);
    *found_r = rc == 0;
    return rc == 0 || rc == MDB_NOTFOUND ? RESULT_OK : fail("read", rc, err);
}

const struct lookup_type lookup_type_lmdb = {
    .name = "lmdb",
    .suffix = ".lmdb",
    .takes_parts = true,
    .edited_in_place = true,
    .open = lmdb_source_open,
    .close = lmdb_source_close,
    .find = lmdb_source_find,
};
