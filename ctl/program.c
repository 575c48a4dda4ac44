/* A child process and its output: see program.h. */
#include "ctl/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/mem.h"

extern char **environ;

enum { PATH_SIZE = 4096 };

static const char *const folders[] = {"/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/sbin"};

/* ---- finding ---- */

static char *in_folders(const char *name)
{
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char *path = mem_printf("%s/%s", folders[i], name);
        if (access(path, X_OK) == 0)
            return path;
        mem_free(&path);
    }
    return NULL;
}

char *program_of_ours(const char *name)
{
    static const char *const beside[] = {"", "/../sbin"};
    char self[PATH_SIZE];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return in_folders(name);
    *slash = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char *path = mem_printf("%s%s/%s", self, beside[i], name);
        if (access(path, X_OK) == 0)
            return path;
        mem_free(&path);
    }
    return in_folders(name);
}

/* ---- running ---- */

struct child {
    pid_t pid;
    int fds[2]; /* our ends of its standard output and standard error; -1 closed */
    struct buf texts[2];
};

static enum result start(struct child *c, const char *const *argv, struct error *err)
{
    int pipes[2][2];
    if (pipe2(pipes[0], O_CLOEXEC) != 0)
        return error_set(err, RESULT_TEMP, "make a pipe: %s", strerror(errno));
    if (pipe2(pipes[1], O_CLOEXEC) != 0) {
        close(pipes[0][0]);
        close(pipes[0][1]);
        return error_set(err, RESULT_TEMP, "make a pipe: %s", strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[0][1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDERR_FILENO);
    char *path = strchr(argv[0], '/') == NULL ? in_folders(argv[0]) : NULL;
    int code = posix_spawnp(&c->pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    if (code == ENOENT && path != NULL)
        code = posix_spawn(&c->pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    mem_free(&path);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 2; i++) {
        close(pipes[i][1]);
        c->fds[i] = pipes[i][0];
        buf_init(&c->texts[i], PROGRAM_OUTPUT_MAX);
    }
    return code == 0 ? RESULT_OK : error_set(err, RESULT_PERM, "%s: %s", argv[0], strerror(code));
}

static void take(struct child *c, int i)
{
    char data[4096];
    ssize_t n = read(c->fds[i], data, sizeof data);
    if (n > 0) {
        buf_add(&c->texts[i], data, (size_t)n);
    } else if (n == 0 || errno != EINTR) {
        close(c->fds[i]);
        c->fds[i] = -1;
    }
}

/* RESULT_OK when both ends are closed. */
static enum result read_all(struct child *c, const char *name, msec_t wait, struct error *err)
{
    msec_t until = clock_mono() + wait;
    while (c->fds[0] >= 0 || c->fds[1] >= 0) {
        msec_t left = until - clock_mono();
        struct pollfd p[2] = {{.fd = c->fds[0], .events = POLLIN}, {.fd = c->fds[1], .events = POLLIN}};
        if (left <= 0)
            return error_set(err, RESULT_TEMP, "%s takes longer than %lld s", name, (long long)wait / 1000);
        if (poll(p, 2, (int)left) < 0 && errno != EINTR)
            return error_set(err, RESULT_TEMP, "%s: poll: %s", name, strerror(errno));
        for (int i = 0; i < 2; i++) {
            if (p[i].revents != 0)
                take(c, i);
        }
        if (c->texts[0].overflow || c->texts[1].overflow)
            return error_set(err, RESULT_TEMP, "%s says more than %d bytes", name, PROGRAM_OUTPUT_MAX);
    }
    return RESULT_OK;
}

/* It has closed its output, so it is about to end; what is not is killed. */
static int await_end(pid_t pid, msec_t until)
{
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_mono() >= until)
            kill(pid, SIGKILL);
        poll(NULL, 0, 2);
    }
    return status;
}

enum result program_run(const char *const *argv, msec_t wait, struct program *p_r, struct error *err)
{
    struct child c = {.pid = -1};
    int status = 0;
    msec_t until = clock_mono() + wait;
    enum result r = start(&c, argv, err);
    if (r == RESULT_OK) {
        r = read_all(&c, argv[0], wait, err);
        status = await_end(c.pid, r == RESULT_OK ? until : 0);
    }
    if (r == RESULT_OK) {
        p_r->code = WIFEXITED(status) ? WEXITSTATUS(status) : 127 + WTERMSIG(status);
        p_r->output = buf_take(&c.texts[0]);
        p_r->errors = buf_take(&c.texts[1]);
    }
    for (int i = 0; i < 2; i++) {
        if (c.fds[i] > 0)
            close(c.fds[i]);
        buf_free(&c.texts[i]);
    }
    return r;
}

void program_free(struct program *p)
{
    mem_free(&p->output);
    mem_free(&p->errors);
}
