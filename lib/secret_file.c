/* Files that hold a secret: see secret_file.h. */
#include "lib/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/failpoint.h"
#include "lib/mem.h"

/* What the machine lacks at the moment is temporary; names, rights and file systems are the admin's. */
static enum result from_errno(struct error *err, const char *verb, const char *path)
{
    int e = errno;
    bool temporary = e == ENOSPC || e == EDQUOT || e == EIO || e == EMFILE || e == ENFILE || e == ENOMEM;
    return error_set(err, temporary ? RESULT_TEMP : RESULT_PERM, "%s %s: %s", verb, path, strerror(e));
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool sync_directory_of(const char *path)
{
    char *copy = mem_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    mem_free(&copy);
    return ok;
}

/* link() rather than rename(): it does not replace a file that somebody made meanwhile, which sets *taken_r. */
static enum result write_and_link(int fd, const char *temp, const char *path, const void *data, size_t len,
                                  bool *taken_r, struct error *err)
{
    bool written = !FAILPOINT(secret_create) && write_all(fd, data, len) && fsync(fd) == 0;
    int e = errno;
    if (close(fd) < 0 && written) {
        written = false;
        e = errno;
    }
    errno = e;
    if (!written)
        return from_errno(err, "write", temp);
    if (FAILPOINT(secret_link) || link(temp, path) < 0) {
        *taken_r = errno == EEXIST;
        return from_errno(err, "create", path);
    }
    return RESULT_OK;
}

/* Without its name on disk it is no secret to begin with: the next start would make another. */
static enum result keep_name(const char *path, struct error *err)
{
    if (!FAILPOINT(secret_sync) && sync_directory_of(path))
        return RESULT_OK;
    enum result result = from_errno(err, "sync the directory of", path);
    unlink(path);
    return result;
}

static enum result create(const char *path, const void *data, size_t len, bool *taken_r, struct error *err)
{
    char *temp = mem_printf("%s.XXXXXX", path);
    enum result result;
    int fd = mkostemp(temp, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        result = from_errno(err, "create", path);
    } else {
        result = write_and_link(fd, temp, path, data, len, taken_r, err);
        unlink(temp);
    }
    if (result == RESULT_OK)
        result = keep_name(path, err);
    mem_free(&temp);
    return result;
}

enum result secret_file_create(const char *path, const void *data, size_t len, struct error *err)
{
    bool taken = false;
    return create(path, data, len, &taken, err);
}

enum result secret_file_ensure(const char *path, const void *data, size_t len, struct error *err)
{
    bool taken = false;
    enum result result = create(path, data, len, &taken, err);
    if (!taken)
        return result;
    /* Whoever made it meanwhile may not have come as far as this. */
    return sync_directory_of(path) ? RESULT_OK : from_errno(err, "sync the directory of", path);
}

static enum result check_rights(int fd, const char *path, size_t *size_r, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return from_errno(err, "stat", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, RESULT_PERM, "%s: not a regular file", path);
    unsigned mode = st.st_mode & 07777;
    if (mode & (S_IROTH | S_IWOTH))
        return error_set(err, RESULT_PERM,
                         "%s: mode %04o lets everybody at a secret: chmod 600 it, and replace the secret", path, mode);
    if (mode & (S_IRGRP | S_IWGRP))
        return error_set(err, RESULT_PERM, "%s: mode %04o lets its group at a secret: chmod 600 it", path, mode);
    if (st.st_size > SECRET_FILE_MAX)
        return error_set(err, RESULT_PERM, "%s: larger than %d bytes", path, SECRET_FILE_MAX);
    *size_r = (size_t)st.st_size;
    return RESULT_OK;
}

enum result secret_file_read(const char *path, char **data_r, size_t *len_r, struct error *err)
{
    /* O_NONBLOCK: a FIFO of that name must not hang us before check_rights() sees it. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == EACCES)
        return error_set(err, RESULT_PERM,
                         "open %s: %s: it must belong to the user who reads it (here: user id %u) with mode 0600", path,
                         strerror(errno), (unsigned)geteuid());
    if (fd < 0)
        return from_errno(err, "open", path);
    size_t size = 0;
    enum result result = check_rights(fd, path, &size, err);
    if (result == RESULT_OK) {
        char *data = mem_alloc(size + 1);
        size_t len = 0;
        ssize_t n = 0;
        while (len < size && ((n = read(fd, data + len, size - len)) > 0 || (n < 0 && errno == EINTR)))
            len += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            result = from_errno(err, "read", path);
            mem_free(&data);
        } else {
            data[len] = '\0';
            *data_r = data;
            *len_r = len;
        }
    }
    close(fd);
    return result;
}
