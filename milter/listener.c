/* The milter's listening socket: see listener.h. */
#include "milter/listener.h"

#include <errno.h>
#include <grp.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/netaddr.h"
#include "milter/callbacks.h"

static char *socket_path; /* of a unix socket that we made, or NULL */
static ino_t socket_inode;
static void (*on_ended)(void *arg);
static void *on_ended_arg;

/* "unix:/path", "inet:PORT@HOST", "inet6:PORT@HOST", as smfi_setconn() wants it. To mem_free(). */
static char *libmilter_name(const struct netaddr *a)
{
    char ip[NETADDR_TEXT_SIZE];
    netaddr_ip(a, ip);
    if (a->sa.ss_family == AF_UNIX)
        return mem_strdup(ip);
    return mem_printf("%s:%u@%s", a->sa.ss_family == AF_INET6 ? "inet6" : "inet", netaddr_port(a), ip);
}

/* Only a connection tells whether somebody still listens there. */
static enum result remove_stale(const struct netaddr *a, const char *path, struct error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
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

static void remember_socket(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return;
    socket_path = mem_strdup(path);
    socket_inode = st.st_ino;
}

static enum result set_access(const struct config *config, const char *path, struct error *err)
{
    const char *name = config_string(config, "milter.socket-group");
    mode_t mode = (mode_t)config_number(config, "milter.socket-mode");
    if (name[0] != '\0') {
        struct group *gr = getgrnam(name);
        if (gr == NULL)
            return error_set(err, RESULT_PERM, "%s: socket-group: unknown group \"%s\"",
                             config_where(config, "milter.socket-group"), name);
        if (chown(path, (uid_t)-1, gr->gr_gid) != 0)
            return error_set(err, RESULT_PERM, "change group of %s to %s: %s", path, name, strerror(errno));
    }
    if (chmod(path, mode) != 0)
        return error_set(err, RESULT_PERM, "change mode of %s to %04o: %s", path, (unsigned)mode, strerror(errno));
    return RESULT_OK;
}

static enum result open_socket(const struct config *config, const char *name, struct error *err)
{
    int timeout = (int)(config_time(config, "milter.timeout") / 1000);
    char *copy = mem_strdup(name);
    errno = 0;
    bool ok = smfi_register(callbacks_description) == MI_SUCCESS && smfi_setconn(copy) == MI_SUCCESS &&
              smfi_settimeout(timeout) == MI_SUCCESS && smfi_opensocket(false) == MI_SUCCESS;
    int e = errno;
    mem_free(&copy);
    if (ok)
        return RESULT_OK;
    return error_set(err, RESULT_PERM, "%s: can't listen on %s: %s", config_where(config, "milter.socket"), name,
                     e != 0 ? strerror(e) : "see libmilter's message in the system log");
}

enum result listener_open(const struct config *config, struct error *err)
{
    struct netaddr a;
    enum result r = netaddr_endpoint(config_string(config, "milter.socket"), &a, err);
    if (r != RESULT_OK)
        return r;
    const char *path = a.sa.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&a.sa)->sun_path : NULL;
    char *name = libmilter_name(&a);
    if (path != NULL)
        r = remove_stale(&a, path, err);
    if (r == RESULT_OK) {
        mode_t old = umask(0177); /* nobody connects before the mode is set */
        r = open_socket(config, name, err);
        umask(old);
    }
    if (r == RESULT_OK && path != NULL) {
        remember_socket(path);
        r = set_access(config, path, err);
    }
    mem_free(&name);
    return r;
}

static void *serve(void *arg)
{
    (void)arg;
    if (smfi_main() != MI_SUCCESS)
        log_error("libmilter failed: see its message in the system log");
    on_ended(on_ended_arg);
    return NULL;
}

enum result listener_start(void (*ended)(void *arg), void *arg, struct error *err)
{
    pthread_t thread;
    sigset_t all, old;
    on_ended = ended;
    on_ended_arg = arg;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are the main thread's */
    int e = pthread_create(&thread, NULL, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (e != 0)
        return error_set(err, RESULT_TEMP, "start a thread: %s", strerror(e));
    pthread_detach(thread);
    return RESULT_OK;
}

void listener_remove(void)
{
    struct stat st;
    /* Ours, unless it is gone or a successor's. In a directory of root's it stays, and the next start removes it. */
    if (socket_path != NULL && lstat(socket_path, &st) == 0 && st.st_ino == socket_inode && unlink(socket_path) != 0)
        log_debug("remove socket %s: %s", socket_path, strerror(errno));
    mem_free(&socket_path);
}
