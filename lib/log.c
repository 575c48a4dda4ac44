/* Logging in Postfix's shape: see log.h. */
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LOG = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char ident[80] = "pontoon";
static char path[400]; /* "" unless the target is a file */
static int file = -1;
static bool to_syslog;
static atomic_bool verbose; /* read by all threads, set by a reload */
static void (*line_hook)(enum log_level, const char *);

static const struct {
    const char *name;
    int facility;
} facilities[] = {
    {"mail", LOG_MAIL},     {"daemon", LOG_DAEMON}, {"user", LOG_USER},     {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
    {"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
};

static int open_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        log_error("open log file %s: %s", name, strerror(errno));
    return fd;
}

static bool find_facility(const char *name, int *facility_r)
{
    for (size_t i = 0; i < sizeof facilities / sizeof *facilities; i++) {
        if (strcmp(facilities[i].name, name) == 0) {
            *facility_r = facilities[i].facility;
            return true;
        }
    }
    log_error("unknown syslog facility \"%s\"", name);
    return false;
}

bool log_open(const char *name, const char *program, const char *target)
{
    int fd = -1;
    int facility = LOG_MAIL;
    bool sys = strncmp(target, "syslog:", 7) == 0;
    if (sys && !find_facility(target + 7, &facility))
        return false;
    if (!sys && strcmp(target, "stderr") != 0) {
        if (target[0] != '/' || strlen(target) >= sizeof path) {
            log_error("log target \"%s\" is neither syslog:FACILITY, stderr nor an absolute path", target);
            return false;
        }
        if ((fd = open_file(target)) < 0)
            return false;
    }
    pthread_mutex_lock(&lock);
    snprintf(ident, sizeof ident, "%s/%s", name, program);
    if (file >= 0)
        close(file);
    file = fd;
    to_syslog = sys;
    snprintf(path, sizeof path, "%s", fd >= 0 ? target : "");
    if (sys)
        openlog(ident, LOG_PID | LOG_NDELAY, facility);
    pthread_mutex_unlock(&lock);
    return true;
}

void log_close(void)
{
    pthread_mutex_lock(&lock);
    if (file >= 0)
        close(file);
    file = -1;
    pthread_mutex_unlock(&lock);
}

bool log_reopen(void)
{
    if (path[0] == '\0')
        return true;
    int fd = open_file(path);
    if (fd < 0)
        return false;
    pthread_mutex_lock(&lock);
    if (file >= 0)
        close(file);
    file = fd;
    pthread_mutex_unlock(&lock);
    return true;
}

void log_set_verbose(bool on)
{
    verbose = on;
}

bool log_is_verbose(void)
{
    return verbose;
}

void log_set_hook(void (*hook)(enum log_level level, const char *text))
{
    line_hook = hook;
}

/* As syslogd and postlogd write it, to the second: log tools know no other form. */
static void write_line(int fd, const char *text)
{
    char line[LINE_MAX_LOG + 400];
    char when[40], host[HOST_NAME_MAX + 1] = "";
    struct tm tm;
    time_t now = time(NULL);
    localtime_r(&now, &tm);
    strftime(when, sizeof when, "%b %e %H:%M:%S", &tm);
    if (gethostname(host, sizeof host) != 0 || host[0] == '\0' || host[0] == '.')
        snprintf(host, sizeof host, "localhost");
    host[sizeof host - 1] = '\0';
    host[strcspn(host, ".")] = '\0';
    int n = snprintf(line, sizeof line, "%s %s %s[%d]: %s\n", when, host, ident, (int)getpid(), text);
    if (n > (int)sizeof line - 1)
        n = (int)sizeof line - 1;
    /* One write a line: lines of several processes in one file stay whole. */
    if (write(fd, line, (size_t)n) < 0 && fd != STDERR_FILENO)
        (void)!write(STDERR_FILENO, line, (size_t)n);
}

static void emit(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
    char text[LINE_MAX_LOG];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", prefix);
    vsnprintf(text + n, sizeof text - n, fmt, ap);
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F: terminals act on them, too */
            p[0] = p[1] = '?';
    }
    if (line_hook != NULL) {
        line_hook(level, text);
        return;
    }
    pthread_mutex_lock(&lock);
    if (to_syslog)
        syslog(priorities[level], "%s", text);
    else
        write_line(file >= 0 ? file : STDERR_FILENO, text);
    pthread_mutex_unlock(&lock);
}

#define EMIT(level, prefix)               \
    do {                                  \
        va_list ap;                       \
        va_start(ap, fmt);                \
        emit((level), (prefix), fmt, ap); \
        va_end(ap);                       \
    } while (0)

void log_debug(const char *fmt, ...)
{
    if (verbose)
        EMIT(LOG_LEVEL_DEBUG, "");
}

void log_info(const char *fmt, ...)
{
    EMIT(LOG_LEVEL_INFO, "");
}

void log_warning(const char *fmt, ...)
{
    EMIT(LOG_LEVEL_WARNING, "warning: ");
}

void log_error(const char *fmt, ...)
{
    EMIT(LOG_LEVEL_ERROR, "error: ");
}

void log_fatal(const char *fmt, ...)
{
    EMIT(LOG_LEVEL_ERROR, "fatal: ");
    exit(1);
}

void log_panic(const char *fmt, ...)
{
    EMIT(LOG_LEVEL_ERROR, "panic: ");
    abort();
}
