/* What the daemons' mains have in common: see daemon.h. */
#include "lib/daemon.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unversioned"
#endif
#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

static struct daemon_hooks hooks; /* one daemon a process */
static bool verbose_option;
static bool draining;

/* ---- configuration ---- */

/* Errors are logged. The sandbox is asked first: what it forbids would look like wrong rights to the check. */
static enum result load_checked(const char *file, struct config **config_r, struct error *err)
{
    enum result r = config_load(file, config_r, err);
    if (r != RESULT_OK)
        return r;
    if (hooks.sandbox != NULL)
        r = sandbox_covers(hooks.sandbox, *config_r, err);
    if (r == RESULT_OK && hooks.check != NULL)
        r = hooks.check(*config_r, err);
    if (r != RESULT_OK) {
        log_error("%s", err->text);
        config_free(config_r);
    }
    return r;
}

static bool open_log(const struct daemon *d)
{
    log_set_verbose(verbose_option || config_bool(d->config, "log.verbose"));
    return log_open(config_string(d->config, "log.name"), d->section, config_string(d->config, "log.target"));
}

/* ---- readiness ---- */

/* sd_notify(3): one datagram to the socket that systemd names. */
static void notify_manager(const char *state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;
    if (len < 2 || len >= sizeof sa.sun_path)
        return;
    memcpy(sa.sun_path, path, len);
    if (path[0] == '@') /* the abstract name space */
        sa.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa, size) < 0)
        log_warning("notify systemd at %s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* Renamed into place, so that nobody reads half a number. */
static void write_pid_file(const char *file)
{
    char *temporary = mem_printf("%s.%d", file, (int)getpid());
    FILE *f = fopen(temporary, "we");
    bool ok = f != NULL && fprintf(f, "%d\n", (int)getpid()) > 0;
    if (f != NULL && fclose(f) != 0)
        ok = false;
    if (!ok || chmod(temporary, 0644) != 0 || rename(temporary, file) != 0)
        log_fatal("write pid file %s: %s", file, strerror(errno));
    mem_free(&temporary);
}

void daemon_ready(struct daemon *d)
{
    if (d->pid_file != NULL)
        write_pid_file(d->pid_file);
    notify_manager("READY=1");
    log_info("daemon started -- version %s", PACKAGE_VERSION);
}

/* ---- signals ---- */

static void on_reload(void *arg)
{
    struct daemon *d = arg;
    struct config *old = d->config;
    struct config *fresh;
    struct error err;
    log_reopen();
    if (load_checked(d->config_file, &fresh, &err) != RESULT_OK) {
        log_error("reload refused: the old configuration stays in use%s",
                  sandbox_guards_files() ? " (files in other folders than at start want a restart)" : "");
        return;
    }
    if (config_bool(fresh, "sandbox") != config_bool(d->config, "sandbox"))
        log_warning("sandbox (%s): restart needed: it is entered at start, and never left",
                    config_where(fresh, "sandbox"));
    d->config = fresh;
    open_log(d);
    if (hooks.reload != NULL)
        hooks.reload(d, old, hooks.arg);
    config_free(&old);
    log_info("reload -- version %s, configuration %s", PACKAGE_VERSION, d->config_file);
}

static void on_terminate(void *arg)
{
    struct daemon *d = arg;
    if (draining || hooks.drain == NULL) {
        loop_stop(d->loop);
        return;
    }
    draining = true;
    notify_manager("STOPPING=1");
    log_info("terminating");
    hooks.drain(d, hooks.arg);
}

/* ---- start ---- */

static void usage(const struct daemon *d)
{
    fprintf(stderr, "usage: %s [-tvV] [-c configuration-file] [-p pid-file]\n       %s --failpoints\n", d->program,
            d->program);
    exit(EX_USAGE);
}

static void parse_options(struct daemon *d, int argc, char **argv, bool *test_r)
{
    const char *file = SYSCONFDIR "/pontoon/pontoon.conf";
    const char *pid_file = NULL;
    int c;
    *test_r = false;
    if (argc == 2 && strcmp(argv[1], "--failpoints") == 0)
        exit(failpoint_list(d->program));
    while ((c = getopt(argc, argv, "c:p:tvV")) != -1) {
        switch (c) {
        case 'c': file = optarg; break;
        case 'p': pid_file = optarg; break;
        case 't': *test_r = true; break;
        case 'v': verbose_option = true; break;
        case 'V': printf("%s %s\n", d->program, PACKAGE_VERSION); exit(EX_OK);
        default: usage(d);
        }
    }
    if (optind != argc)
        usage(d);
    d->config_file = mem_strdup(file);
    d->pid_file = mem_strdup(pid_file);
}

/* A closed descriptor 0, 1 or 2 would be given to the next file or socket, and log lines written into it. */
static void open_standard_files(void)
{
    FILE *f;
    do {
        f = fopen("/dev/null", "r+");
        if (f == NULL)
            exit(EX_OSERR);
    } while (fileno(f) <= STDERR_FILENO);
    fclose(f);
}

/*
 * OpenSSL would tear itself down when main() returns, under threads that still use it: libmilter's can't be stopped, and a session
 * that begins a message then makes an id for it.
 */
static void keep_openssl(void)
{
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL) != 1)
        exit(EX_OSERR);
}

/* What is free at the end of the heap is needed again by the next message: given back, it costs a fault for each page. */
static void keep_memory(void)
{
    enum { KEPT = 8 << 20, MAPPED = 1 << 20 };
    mallopt(M_TRIM_THRESHOLD, KEPT);
    mallopt(M_MMAP_THRESHOLD, MAPPED);
}

void daemon_begin(struct daemon *d, int argc, char **argv, const struct daemon_hooks *daemon_hooks)
{
    struct error err;
    bool test;
    open_standard_files();
    keep_openssl();
    keep_memory();
    hooks = *daemon_hooks;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(), as a full disk is */
    umask(0007);
    parse_options(d, argc, argv, &test);
#ifdef FAILPOINTS
    if (failpoint_arm(d->program, &err) != RESULT_OK) {
        fprintf(stderr, "%s: %s\n", d->program, err.text);
        exit(EX_USAGE);
    }
#endif
    if (load_checked(d->config_file, &d->config, &err) != RESULT_OK)
        exit(EX_CONFIG);
    if (test) {
        printf("%s: configuration %s is good\n", d->program, d->config_file);
        exit(EX_OK);
    }
    if (!open_log(d))
        exit(EX_CONFIG);
    d->loop = loop_new();
    loop_signal(d->loop, SIGHUP, on_reload, d);
    loop_signal(d->loop, SIGTERM, on_terminate, d);
    loop_signal(d->loop, SIGINT, on_terminate, d);
}

/* ---- privilege ---- */

/* "USER" or "USER:GROUP". */
static void find_user(const char *text, struct passwd **pw_r, gid_t *gid_r)
{
    size_t len = strcspn(text, ":");
    char *user = mem_strndup(text, len);
    *pw_r = getpwnam(user);
    if (*pw_r == NULL)
        log_fatal("user: unknown user \"%s\"", user);
    *gid_r = (*pw_r)->pw_gid;
    if (text[len] == ':') {
        struct group *gr = getgrnam(text + len + 1);
        if (gr == NULL)
            log_fatal("user: unknown group \"%s\"", text + len + 1);
        *gid_r = gr->gr_gid;
    }
    mem_free(&user);
}

/* systemd starts us as our user, with the capability to bind low ports; they are bound. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &head, none) != 0)
        log_fatal("give up capabilities: %s", strerror(errno));
}

static void become(const char *name, const struct passwd *pw, gid_t gid)
{
    if (initgroups(pw->pw_name, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
        log_fatal("become user \"%s\": %s", name, strerror(errno));
    if (pw->pw_uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0))
        log_fatal("become user \"%s\": the way back to root is still open", name);
}

void daemon_drop_privileges(struct daemon *d)
{
    char key[64];
    struct passwd *pw;
    gid_t gid;
    snprintf(key, sizeof key, "%s.user", d->section);
    const char *user = config_string(d->config, key);
    if (geteuid() == 0 && user[0] != '\0') {
        find_user(user, &pw, &gid);
        become(user, pw, gid);
    }
    if (geteuid() != 0)
        drop_capabilities();
    else
        log_warning("running as root: name a user in %s (%s)", key, config_where(d->config, key));
}

/* ---- sandbox ---- */

void daemon_guard_files(struct daemon *d)
{
    if (config_bool(d->config, "sandbox"))
        sandbox_files(hooks.sandbox, d->config, d->pid_file);
}

void daemon_guard_calls(struct daemon *d)
{
    if (!config_bool(d->config, "sandbox")) {
        log_warning("sandbox = no (%s): whoever takes this process over may do all that its user may",
                    config_where(d->config, "sandbox"));
        return;
    }
    sandbox_calls(hooks.sandbox);
    sandbox_describe();
}

/* ---- run ---- */

void daemon_run(struct daemon *d)
{
    loop_run(d->loop);
    if (d->pid_file != NULL && unlink(d->pid_file) != 0)
        log_warning("remove pid file %s: %s", d->pid_file, strerror(errno));
}

void daemon_end(struct daemon *d)
{
    /* The loop gives signals their default action back: one that comes twice, or late, must not make of an orderly end a violent one. */
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    log_info("daemon stopped");
    loop_free(&d->loop);
    config_free(&d->config);
    mem_free(&d->config_file);
    mem_free(&d->pid_file);
}
