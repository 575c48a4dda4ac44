/* The witness, the daemon's side: lock, fork, and telling it what is open. See witness.h. */
#include "lib/witness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/data_dir.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/witness_process.h"

enum { LOCK_LOOK = 20 /* ms */, SOCKET_BUFFER = 4 << 20 };

struct witness {
    const char *daemon;
    int socket, lock;
    pid_t pid;
    uint64_t last;
    bool gone;
};

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOCK_LOOK * 1000000L}, NULL);
}

static enum result take_lock(const char *daemon, const char *dir, int *fd_r, struct error *err)
{
    char *path = mem_printf("%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    enum result r = fd < 0 ? data_dir_fail("open", path, err) : RESULT_OK;
    msec_t give_up = clock_mono() + WITNESS_LISTEN + WITNESS_NOTE + 5000;
    bool said = false;
    while (r == RESULT_OK && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (!said)
            log_info("waiting for the last answers of the %s before us (lock %s)", daemon, path);
        said = true;
        if (clock_mono() > give_up)
            r = error_set(err, RESULT_PERM,
                          "another pontoon-%s holds %s: stop it, or give this one a %s.directory of its own", daemon,
                          path, daemon);
        nap();
    }
    if (r != RESULT_OK && fd >= 0)
        close(fd);
    *fd_r = fd;
    mem_free(&path);
    return r;
}

enum result witness_start(const struct config *config, const struct witness_role *role, struct witness **w_r,
                          struct error *err)
{
    char *parameter = mem_printf("%s.directory", role->daemon);
    const char *dir = config_string(config, parameter);
    mem_free(&parameter);
    int lock, pair[2];
    enum result r = data_dir_make(dir, err);
    if (r == RESULT_OK)
        r = take_lock(role->daemon, dir, &lock, err);
    if (r != RESULT_OK)
        return r;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        close(lock);
        return error_set(err, RESULT_TEMP, "socketpair: %s", strerror(errno));
    }
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){SOCKET_BUFFER}, sizeof(int));
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        witness_process(config, role, pair[1], lock); /* does not return */
    }
    close(pair[1]);
    if (pid < 0) {
        close(pair[0]);
        close(lock);
        return error_set(err, RESULT_TEMP, "fork: %s", strerror(errno));
    }
    struct witness *w = mem_zero(1, sizeof *w);
    *w = (struct witness){.daemon = role->daemon, .socket = pair[0], .lock = lock, .pid = pid};
    *w_r = w;
    return RESULT_OK;
}

void witness_stop(struct witness **w)
{
    if (*w == NULL)
        return;
    close((*w)->socket);
    waitpid((*w)->pid, NULL, 0);
    close((*w)->lock);
    mem_free(w);
}

/* One datagram, with a connection if fd >= 0. The daemon goes on without a witness rather than wait for it. */
static bool tell(struct witness *w, const void *data, size_t len, int fd)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = control.space;
        msg.msg_controllen = sizeof control.space;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    if (w->gone || sendmsg(w->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return !w->gone;
    if (errno != EAGAIN && errno != EMSGSIZE) {
        w->gone = true;
        log_warning("the witness process is gone (%s): a crash of the %s may now deliver a message twice; restart it",
                    strerror(errno), w->daemon);
    }
    return false;
}

uint64_t witness_watch(struct witness *w, int fd, const void *what, size_t len, size_t replies)
{
    if (w == NULL || w->gone || fd < 0)
        return 0;
    struct witness_head head = {.kind = WITNESS_WATCH, .number = ++w->last, .replies = (uint32_t)replies};
    struct buf b = BUF_INIT(WITNESS_RECORD_MAX);
    buf_add(&b, &head, sizeof head);
    buf_add(&b, what, len);
    bool told = !b.overflow && tell(w, b.data, b.len, fd);
    buf_free(&b);
    return told ? head.number : 0;
}

static void tell_short(struct witness *w, uint32_t kind, uint64_t number)
{
    struct witness_head head = {.kind = kind, .number = number};
    if (number != 0)
        tell(w, &head, sizeof head, -1);
}

void witness_dot(struct witness *w, uint64_t number)
{
    tell_short(w, WITNESS_DOT, number);
}

void witness_answer(struct witness *w, uint64_t number, const struct smtp_reply *replies, size_t n)
{
    if (number == 0)
        return;
    struct buf b = BUF_INIT(WITNESS_RECORD_MAX);
    struct witness_head head = {.kind = WITNESS_ANSWER, .number = number};
    buf_add(&b, &head, sizeof head);
    buf_add(&b, replies, n * sizeof *replies); /* both ends are one program */
    if (!b.overflow)
        tell(w, b.data, b.len, -1);
    buf_free(&b);
}

void witness_forget(struct witness *w, uint64_t number)
{
    tell_short(w, WITNESS_FORGET, number);
}
