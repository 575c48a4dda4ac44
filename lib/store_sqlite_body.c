/* Open messages: trace header and body as one run of bytes. See store.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/mem.h"
#include "lib/store_sqlite.h"
#include "lib/trace_sqlite.h"

struct store_body {
    uint8_t *head; /* the trace header, and the body if it is inline: head_len bytes */
    uint64_t head_len, trace_len, size;
    int fd; /* the rest, or -1 */
    uint8_t digest[DIGEST_SIZE];
};

/* The row: size, digest, trace, file, data. */
static struct store_body *read_row(struct sqlite_stmt *st, char **file_r)
{
    struct store_body *b = mem_zero(1, sizeof *b);
    size_t len = 0, data_len = 0;
    b->fd = -1;
    b->size = (uint64_t)stmt_get_int(st);
    const void *digest = stmt_get_blob(st, &len);
    if (len == DIGEST_SIZE)
        memcpy(b->digest, digest, DIGEST_SIZE);
    const void *trace = stmt_get_blob(st, &len);
    *file_r = stmt_get_text(st);
    const void *data = stmt_get_blob(st, &data_len);
    b->trace_len = len;
    b->head_len = len + data_len;
    b->head = mem_alloc(len + data_len);
    if (len > 0)
        memcpy(b->head, trace, len);
    if (data_len > 0)
        memcpy(b->head + len, data, data_len);
    return b;
}

/* *body_r NULL: the message has no body any more, or none yet. */
static enum result open_row(struct store *s, struct sqlite_db *db, const char *id, struct store_body **body_r,
                            bool *missing_r, struct error *err)
{
    char *file = NULL;
    *body_r = NULL;
    *missing_r = false;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT m.size, m.digest, m.trace, b.file, b.data"
                                            " FROM messages AS m JOIN bodies AS b ON b.body = m.body WHERE m.id = ?");
    stmt_bind_text(st, id);
    if (stmt_row(st))
        *body_r = read_row(st, &file);
    enum result r = stmt_end(st, err);
    if (r == RESULT_OK && file != NULL) {
        (*body_r)->fd = body_file_open(s->dir, file, missing_r, err);
        if ((*body_r)->fd < 0)
            r = err != NULL ? err->result : RESULT_TEMP;
    }
    mem_free(&file);
    if (r != RESULT_OK)
        store_body_close(body_r);
    return r;
}

/* aud NULL: for our own use. */
static enum result try_open(struct store *s, const char *id, const char *aud, enum store_access *access_r,
                            struct store_body **body_r, bool *missing_r, struct error *err)
{
    struct sqlite_db *db = NULL;
    *access_r = STORE_ACCESS_OK;
    *missing_r = false;
    enum result r = sqlite_pool_take(s->readers, &db, err);
    if (r == RESULT_OK && aud != NULL)
        r = store_check_access(db, id, aud, access_r, err);
    if (r == RESULT_OK && *access_r == STORE_ACCESS_OK)
        r = open_row(s, db, id, body_r, missing_r, err);
    sqlite_pool_give(s->readers, &db);
    if (r == RESULT_OK && *access_r == STORE_ACCESS_OK && *body_r == NULL)
        *access_r = STORE_ACCESS_GONE;
    return r;
}

static enum result open_body(struct store *s, const char *id, const char *aud, enum store_access *access_r,
                             struct store_body **body_r, struct error *err)
{
    struct error own = {0};
    bool missing = false;
    err = err ? err : &own;
    *body_r = NULL;
    enum result r = try_open(s, id, aud, access_r, body_r, &missing, err);
    if (missing) /* settled between our look at the row and at the file, most likely: then the row says so now */
        r = try_open(s, id, aud, access_r, body_r, &missing, err);
    if (missing && r != RESULT_OK) {
        const struct error lost = *err;
        r = error_set(err, RESULT_TEMP, "%s: was the store restored without bodies/? It goes on when the file is back",
                      lost.text);
    }
    return r;
}

enum result store_body_open(struct store *store, const char *id, const char *aud, enum store_access *access_r,
                            struct store_body **body_r, struct error *err)
{
    return open_body(store, id, aud, access_r, body_r, err);
}

enum result store_body_open_local(struct store *store, const char *id, struct store_body **body_r, struct error *err)
{
    enum store_access is;
    enum result r = open_body(store, id, NULL, &is, body_r, err);
    if (r == RESULT_OK && is != STORE_ACCESS_OK)
        return error_set(err, RESULT_PERM, "message %s is unknown, or settled and its body deleted", id);
    return r;
}

uint64_t store_body_size(const struct store_body *b)
{
    return b->size;
}

const uint8_t *store_body_digest(const struct store_body *b)
{
    return b->digest;
}

uint64_t store_body_trace_len(const struct store_body *b)
{
    return b->trace_len;
}

long store_body_read(struct store_body *b, uint64_t offset, void *buf, size_t len, struct error *err)
{
    if (offset >= b->size || len == 0)
        return 0;
    if (len > b->size - offset)
        len = (size_t)(b->size - offset);
    if (offset < b->head_len) {
        if (len > b->head_len - offset)
            len = (size_t)(b->head_len - offset);
        memcpy(buf, b->head + offset, len);
        return (long)len;
    }
    ssize_t n = -1;
    do
        n = b->fd < 0 ? 0 : pread(b->fd, buf, len, (off_t)(offset - b->head_len));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        error_set(err, RESULT_TEMP, "reading a body: %s", strerror(errno));
    else if (n == 0)
        error_set(err, RESULT_PERM, "a body is shorter than its message says (%llu bytes): the store is damaged",
                  (unsigned long long)b->size);
    return n > 0 ? (long)n : -1;
}

void store_body_close(struct store_body **bp)
{
    struct store_body *b = *bp;
    if (b == NULL)
        return;
    if (b->fd >= 0)
        close(b->fd);
    mem_free(&b->head);
    mem_free(bp);
}
