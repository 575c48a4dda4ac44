/* cdb tables, by tinycdb: see lookup_type.h. postmap(1) puts a new file in the place of the old one. */
#include <cdb.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/lookup_type.h"
#include "lib/mem.h"

struct cdb_source {
    int fd;
    struct cdb cdb;
};

static enum result cdb_source_open(const char *path, void **source_r, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, RESULT_TEMP, "%s: %s", path, strerror(errno));
    struct cdb_source *s = mem_zero(1, sizeof *s);
    s->fd = fd;
    if (cdb_init(&s->cdb, fd) != 0) {
        error_set(err, RESULT_TEMP, "%s: %s", path, errno == EPROTO ? "no cdb file" : strerror(errno));
        close(fd);
        mem_free(&s);
        return RESULT_TEMP;
    }
    *source_r = s;
    return RESULT_OK;
}

static void cdb_source_close(void *source)
{
    struct cdb_source *s = source;
    cdb_free(&s->cdb);
    close(s->fd);
    mem_free(&s);
}

/* Keys and values may be stored with a NUL behind them: Postfix looks for both. */
static enum result cdb_source_find(void *source, const char *key, struct buf *value, bool *found_r, struct error *err)
{
    struct cdb_source *s = source;
    unsigned len = (unsigned)strlen(key);
    int n = cdb_find(&s->cdb, key, len);
    if (n == 0)
        n = cdb_find(&s->cdb, key, len + 1);
    if (n < 0)
        return error_set(err, RESULT_TEMP, "damaged cdb file");
    *found_r = n > 0;
    if (n == 0)
        return RESULT_OK;
    const char *data = cdb_getdata(&s->cdb);
    if (data == NULL)
        return error_set(err, RESULT_TEMP, "damaged cdb file");
    buf_add(value, data, strnlen(data, cdb_datalen(&s->cdb)));
    return RESULT_OK;
}

const struct lookup_type lookup_type_cdb = {
    .name = "cdb",
    .suffix = ".cdb",
    .takes_parts = true,
    .open = cdb_source_open,
    .close = cdb_source_close,
    .find = cdb_source_find,
};
