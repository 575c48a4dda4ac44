/* The file of a unix socket: see socket_file.h. */
#include "milter/socket_file.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

static char *socket_path; /* of the one that we made, or NULL: one a process */
static ino_t socket_inode;

static const char *path_of(const struct netaddr *a)
{
    return a->sa.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&a->sa)->sun_path : NULL;
}

/* Only a connection tells whether somebody still listens there. */
enum result socket_file_clear(const struct netaddr *a, struct error *err)
{
    struct stat st;
    const char *path = path_of(a);
    if (path == NULL || lstat(path, &st) != 0)
        return RESULT_OK; /* whatever is wrong with the path, bind() will name it */
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, RESULT_PERM, "%s exists and is no socket", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = fd < 0 || connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (failed == 0 || failed == EAGAIN)
        return error_set(err, RESULT_PERM, "another process listens on %s", path);
    if (failed != ECONNREFUSED)
        return error_set(err, RESULT_PERM, "connect to %s: %s", path, strerror(failed));
    if (unlink(path) != 0)
        return error_set(err, RESULT_PERM, "remove stale socket %s: %s", path, strerror(errno));
    log_info("removed stale socket %s", path);
    return RESULT_OK;
}

static void remember(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return;
    socket_path = mem_strdup(path);
    socket_inode = st.st_ino;
}

enum result socket_file_open(const struct netaddr *a, const struct config *config, const char *section,
                             struct error *err)
{
    char group_key[64], mode_key[64];
    const char *path = path_of(a);
    if (path == NULL)
        return RESULT_OK;
    remember(path);
    snprintf(group_key, sizeof group_key, "%s.socket-group", section);
    snprintf(mode_key, sizeof mode_key, "%s.socket-mode", section);
    const char *name = config_string(config, group_key);
    mode_t mode = (mode_t)config_number(config, mode_key);
    if (name[0] != '\0') {
        struct group *gr = getgrnam(name);
        if (gr == NULL)
            return error_set(err, RESULT_PERM, "%s: socket-group: unknown group \"%s\"",
                             config_where(config, group_key), name);
        if (chown(path, (uid_t)-1, gr->gr_gid) != 0)
            return error_set(err, RESULT_PERM, "change group of %s to %s: %s", path, name, strerror(errno));
    }
    if (chmod(path, mode) != 0)
        return error_set(err, RESULT_PERM, "change mode of %s to %04o: %s", path, (unsigned)mode, strerror(errno));
    return RESULT_OK;
}

void socket_file_remove(void)
{
    struct stat st;
    /* Ours, unless it is gone or a successor's. In a directory of root's it stays, and the next start removes it. */
    if (socket_path != NULL && lstat(socket_path, &st) == 0 && st.st_ino == socket_inode && unlink(socket_path) != 0)
        log_debug("remove socket %s: %s", socket_path, strerror(errno));
    mem_free(&socket_path);
}
