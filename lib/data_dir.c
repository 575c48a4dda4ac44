/* Directories and files for several daemons of one group: see data_dir.h. */
#include "lib/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

enum { DIR_MODE = 02770, FILE_MODE = 0660 };

enum result data_dir_fail(const char *doing, const char *path, struct error *err)
{
    int e = errno;
    if (e == ENOSPC || e == EDQUOT)
        return error_set(err, RESULT_TEMP, "disk full: %s %s: %s", doing, path, strerror(e));
    enum result r = e == EIO || e == EMFILE || e == ENFILE || e == ENOMEM || e == EINTR ? RESULT_TEMP : RESULT_PERM;
    return error_set(err, r, "%s %s: %s", doing, path, strerror(e));
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/* Root gives it to the owner of the directory above; others can at least give it its group, if they are in it. */
static enum result give_away(const char *path, struct error *err)
{
    struct stat up;
    bool root = geteuid() == 0;
    enum result r = RESULT_OK;
    char *parent = parent_of(path);
    if (stat(parent, &up) < 0)
        r = data_dir_fail("look at", parent, err);
    else if (lchown(path, root ? up.st_uid : (uid_t)-1, up.st_gid) < 0 && root)
        r = data_dir_fail("set the owner of", path, err);
    mem_free(&parent);
    return r;
}

enum result data_dir_own(const char *path, unsigned mode, struct error *err)
{
    enum result r = give_away(path, err);
    if (r == RESULT_OK && chmod(path, mode) < 0) /* after chown(), which may drop the setgid bit */
        r = data_dir_fail("set the mode of", path, err);
    return r;
}

enum result data_dir_make(const char *path, struct error *err)
{
    if (mkdir(path, DIR_MODE & 0777) == 0)
        return data_dir_own(path, DIR_MODE, err);
    if (errno != EEXIST)
        return data_dir_fail("make the directory", path, err);
    struct stat st;
    if (stat(path, &st) < 0)
        return data_dir_fail("look at", path, err);
    return S_ISDIR(st.st_mode) ? RESULT_OK : error_set(err, RESULT_PERM, "%s is no directory", path);
}

enum result data_dir_file(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd >= 0) {
        close(fd);
        return data_dir_own(path, FILE_MODE, err);
    }
    if (errno != EEXIST)
        return data_dir_fail("make", path, err);
    /* Not open(): closing it would drop the locks that SQLite holds for this process. */
    return access(path, R_OK | W_OK) == 0 ? RESULT_OK : data_dir_fail("open", path, err);
}

enum result data_dir_sync(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return data_dir_fail("open", path, err);
    enum result r = fsync(fd) < 0 ? data_dir_fail("fsync", path, err) : RESULT_OK;
    close(fd);
    return r;
}
