/*
 * What somebody who took a daemon over would try, tried from within: preloaded into an unchanged daemon (LD_PRELOAD), it waits
 * for the loop to run, which is after the sandbox was entered, and then does what PONTOON_PROBE names: "exec", "read:PATH",
 * "write:PATH", "bind", … It says on standard error what came of it: "probe NAME: done", or "probe NAME: " and the error. For t/scenario/objection-6-sandbox.t.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *argument;

static int try_exec(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static int try_read(void)
{
    char c;
    int fd = open(argument, O_RDONLY);
    return fd >= 0 && read(fd, &c, 1) >= 0 ? close(fd) : -1;
}

static int try_write(void)
{
    int fd = open(argument, O_WRONLY | O_CREAT, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1 ? close(fd) : -1;
}

static int try_unlink(void)
{
    return unlink(argument);
}

static int try_raw(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int try_packet(void)
{
    return socket(AF_PACKET, SOCK_DGRAM, 0);
}

static int try_bind(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&any, sizeof any);
}

/* To a port that somebody listens on: the argument. */
static int try_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(argument));
    return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
}

static int try_ptrace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : -1;
}

static int try_mount(void)
{
    return mount("none", argument, "tmpfs", 0, NULL);
}

static int try_root(void)
{
    return setuid(0);
}

static int try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                                  : 0;
}

static int try_kill(void)
{
    return kill(getppid(), 0);
}

static const struct {
    const char *name;
    int (*try)(void);
} probes[] = {
    {"exec", try_exec},   {"fork", try_fork},     {"read", try_read}, {"write", try_write},     {"unlink", try_unlink},
    {"raw", try_raw},     {"packet", try_packet}, {"bind", try_bind}, {"connect", try_connect}, {"ptrace", try_ptrace},
    {"mount", try_mount}, {"root", try_root},     {"code", try_code}, {"kill", try_kill},
};

static void run(char *word)
{
    char *colon = strchr(word, ':');
    if (colon != NULL)
        *colon = '\0';
    argument = colon != NULL ? colon + 1 : "";
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        if (strcmp(probes[i].name, word) == 0) {
            dprintf(STDERR_FILENO, "probe %s: begins\n", word);
            dprintf(STDERR_FILENO, "probe %s %s: %s\n", word, argument,
                    probes[i].try() >= 0 ? "done" : strerror(errno));
        }
    }
}

/* The loop waits for its first event. */
int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
    static char *words;
    static int (*real)(int, struct epoll_event *, int, int);
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "epoll_wait");
    const char *wanted = getenv("PONTOON_PROBE");
    if (words == NULL && wanted != NULL && timeout != 0) {
        words = strdup(wanted);
        char *rest = words;
        for (char *word; (word = strsep(&rest, " ")) != NULL;)
            run(word);
        dprintf(STDERR_FILENO, "probes: end\n");
    }
    return real(epfd, events, max, timeout);
}
