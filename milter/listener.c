/* The milter's listening socket: see listener.h. */
#include "milter/listener.h"

#include <errno.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/netaddr.h"
#include "lib/thread.h"
#include "milter/callbacks.h"
#include "milter/socket_file.h"

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
    char *name = libmilter_name(&a);
    r = socket_file_clear(&a, err);
    if (r == RESULT_OK) {
        mode_t old = umask(0177); /* nobody connects before the mode is set */
        r = open_socket(config, name, err);
        umask(old);
    }
    if (r == RESULT_OK)
        r = socket_file_open(&a, config, "milter", err);
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
    on_ended = ended;
    on_ended_arg = arg;
    int e = thread_start(&thread, serve, NULL);
    if (e != 0)
        return error_set(err, RESULT_TEMP, "start a thread: %s", strerror(e));
    pthread_detach(thread);
    return RESULT_OK;
}
