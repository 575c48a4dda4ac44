/* A message body on its way into a store: see spool.h. */
#include "lib/spool.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    WRITE_BUFFER = 65536,
    FILE_MODE = 0660, /* milter and store daemon are two users of one group */
};

struct spool {
    char *dir;
    char *path; /* NULL while all is in memory */
    int fd;
    bool owned; /* spool_free() removes the file */
    bool finished;
    size_t memory;
    uint64_t max, size;
    uint8_t *data; /* in memory: everything; with a file: what is not yet written */
    size_t len, cap;
    struct digest *running;
    uint8_t digest[DIGEST_SIZE];
    struct error failed; /* sticks */
};

struct spool *spool_new(const char *dir, size_t memory, uint64_t max)
{
    struct spool *s = mem_zero(1, sizeof *s);
    s->dir = mem_strdup(dir);
    s->fd = -1;
    s->memory = memory;
    s->max = max;
    s->running = digest_new();
    return s;
}

static enum result fail_errno(struct spool *s, const char *doing)
{
    int e = errno;
    if (e == ENOSPC || e == EDQUOT)
        return error_set(&s->failed, RESULT_TEMP, "disk full on %s (%s)", s->dir, strerror(e));
    return error_set(&s->failed, RESULT_TEMP, "%s %s: %s", doing, s->path ? s->path : s->dir, strerror(e));
}

static enum result make_file(struct spool *s)
{
    char id[MESSAGE_ID_LEN + 1];
    message_id_new(id);
    char *path = mem_printf("%s/%s", s->dir, id);
    s->fd = FAILPOINT(spool_create) ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (s->fd < 0) {
        enum result r = fail_errno(s, "make a file in");
        mem_free(&path);
        return r;
    }
    s->path = path;
    s->owned = true;
    if (fchmod(s->fd, FILE_MODE) < 0) /* whatever the umask says */
        return fail_errno(s, "set the mode of");
    return RESULT_OK;
}

static enum result write_all(struct spool *s, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = FAILPOINT(spool_write) ? -1 : write(s->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_errno(s, "write");
        data += n;
        len -= (size_t)n;
    }
    return RESULT_OK;
}

static enum result flush(struct spool *s)
{
    enum result r = write_all(s, s->data, s->len);
    s->len = 0;
    return r;
}

static void keep(struct spool *s, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (s->len + len > s->cap) {
        size_t cap = s->cap ? s->cap : 4096;
        while (cap < s->len + len)
            cap *= 2;
        s->data = mem_grow(s->data, cap, 1);
        s->cap = cap;
    }
    memcpy(s->data + s->len, data, len);
    s->len += len;
}

static enum result add_to_file(struct spool *s, const void *data, size_t len)
{
    enum result r = RESULT_OK;
    if (s->fd < 0)
        r = make_file(s);
    if (r == RESULT_OK && s->len + len > WRITE_BUFFER)
        r = flush(s);
    if (r != RESULT_OK)
        return r;
    if (len >= WRITE_BUFFER)
        return write_all(s, data, len);
    keep(s, data, len);
    return RESULT_OK;
}

static enum result report(const struct spool *s, struct error *err)
{
    if (err != NULL && s->failed.result != RESULT_OK)
        *err = s->failed;
    return s->failed.result;
}

enum result spool_add(struct spool *s, const void *data, size_t len, struct error *err)
{
    assert(!s->finished);
    if (s->failed.result != RESULT_OK)
        return report(s, err);
    if (len > s->max - s->size) {
        error_set_dsn(&s->failed, RESULT_PERM, "5.3.4", "message is larger than %llu bytes",
                      (unsigned long long)s->max);
        return report(s, err);
    }
    if (s->fd < 0 && s->size + len <= s->memory)
        keep(s, data, len);
    else if (len > 0)
        add_to_file(s, data, len);
    s->size += len;
    digest_add(s->running, data, len);
    return report(s, err);
}

enum result spool_finish(struct spool *s, struct error *err)
{
    assert(!s->finished);
    if (s->failed.result == RESULT_OK && s->fd >= 0) {
        if (flush(s) == RESULT_OK && (FAILPOINT(spool_fsync) || fsync(s->fd) < 0))
            fail_errno(s, "fsync");
        if (close(s->fd) < 0 && s->failed.result == RESULT_OK)
            fail_errno(s, "close");
        s->fd = -1;
        mem_free(&s->data);
    }
    if (s->failed.result != RESULT_OK)
        return report(s, err);
    digest_finish(&s->running, s->digest);
    s->finished = true;
    return RESULT_OK;
}

uint64_t spool_size(const struct spool *s)
{
    return s->size;
}

const uint8_t *spool_digest(const struct spool *s)
{
    assert(s->finished);
    return s->digest;
}

const void *spool_memory(const struct spool *s)
{
    if (s->path != NULL)
        return NULL;
    return s->data ? (const void *)s->data : "";
}

const char *spool_path(const struct spool *s)
{
    return s->path;
}

void spool_release_file(struct spool *s)
{
    s->owned = false;
}

bool spool_released(const struct spool *s)
{
    return s->path != NULL && !s->owned;
}

void spool_free(struct spool **sp)
{
    struct spool *s = *sp;
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
    if (s->owned && unlink(s->path) < 0)
        log_warning("cannot remove %s: %s", s->path, strerror(errno));
    if (s->running)
        digest_free(&s->running);
    mem_free(&s->data);
    mem_free(&s->path);
    mem_free(&s->dir);
    mem_free(sp);
}
