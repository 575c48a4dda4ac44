/* Files that are read or written as a whole: see whole_file.h. */
#include "ctl/replay/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/mem.h"

/*
 * A lease to read is not given while somebody has the file open for writing. Where there are no leases, as on NFS, nothing is known. Who
 * opens it for writing just now would make the kernel send SIGIO.
 */
static bool is_being_written(int fd)
{
    signal(SIGIO, SIG_IGN);
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

static enum result read_open(int fd, const char *path, uint64_t max_size, char **data_r, size_t *len_r,
                             struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return error_set(err, RESULT_PERM, "%s: no regular file", path);
    if (is_being_written(fd))
        return error_set(err, RESULT_TEMP, "%s: is being written", path);
    if (fstat(fd, &st) != 0 || (uint64_t)st.st_size > max_size)
        return error_set(err, RESULT_PERM, "%s: larger than %llu bytes", path, (unsigned long long)max_size);
    size_t len = 0, size = (size_t)st.st_size;
    ssize_t n = 1;
    char *data = mem_alloc(size + 1);
    while (len < size && (n = read(fd, data + len, size - len)) > 0)
        len += (size_t)n;
    if (n < 0) {
        mem_free(&data);
        return error_set(err, RESULT_PERM, "%s: %s", path, strerror(errno));
    }
    *data_r = data;
    *len_r = len;
    return RESULT_OK;
}

enum result whole_file_read(const char *path, uint64_t max_size, char **data_r, size_t *len_r, struct error *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, errno == ENOENT ? RESULT_TEMP : RESULT_PERM, "%s: %s", path, strerror(errno));
    enum result r = read_open(fd, path, max_size, data_r, len_r, err);
    close(fd);
    return r;
}

int whole_file_write(const char *path, void (*write)(const void *arg, FILE *out), const void *arg)
{
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
    if (out == NULL) {
        fprintf(stderr, "pontoon-replay: %s: %s\n", path, strerror(errno));
        return EX_CANTCREAT;
    }
    write(arg, out);
    bool failed = fflush(out) != 0 || ferror(out);
    failed = (out != stdout && fclose(out) != 0) || failed;
    if (failed)
        fprintf(stderr, "pontoon-replay: %s could not be written\n", path);
    return failed ? EX_IOERR : EX_OK;
}
