/* c-ares on a loop: see dns_channel.h. */
#include "lib/dns_channel.h"

#include <arpa/nameser.h>
#include <pthread.h>
#include <sys/queue.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/mem.h"

struct dns_socket {
    LIST_ENTRY(dns_socket) link;
    ares_socket_t fd;
    struct event *event;
};

struct dns_channel {
    struct loop *loop;
    ares_channel ares;
    struct loop_timer *timer;
    LIST_HEAD(dns_socket_list, dns_socket) sockets;
};

static void set_timer(struct dns_channel *c)
{
    struct timeval tv;
    if (ares_timeout(c->ares, NULL, &tv) != NULL)
        loop_timer_set(c->timer, tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000);
    else
        loop_timer_cancel(c->timer);
}

static void on_timer(void *arg)
{
    struct dns_channel *c = arg;
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(c);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct dns_channel *c = arg;
    ares_process_fd(c->ares, (what & EV_READ) ? fd : ARES_SOCKET_BAD, (what & EV_WRITE) ? fd : ARES_SOCKET_BAD);
    set_timer(c);
}

/* c-ares opened a socket, wants other events of it, or (neither readable nor writable) is about to close it. */
static void socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *c = arg;
    struct dns_socket *s;
    LIST_FOREACH (s, &c->sockets, link) {
        if (s->fd == fd)
            break;
    }
    if (s == NULL) {
        s = mem_zero(1, sizeof *s);
        s->fd = fd;
        LIST_INSERT_HEAD(&c->sockets, s, link);
    }
    if (s->event != NULL)
        event_free(s->event);
    s->event = NULL;
    if (!readable && !writable) {
        LIST_REMOVE(s, link);
        mem_free(&s);
        return;
    }
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
    s->event = event_new(loop_base(c->loop), fd, what, on_socket, c);
    if (s->event == NULL || event_add(s->event, NULL) != 0)
        log_fatal("can't watch a DNS socket");
}

static enum result set_servers(struct dns_channel *c, const struct config *config, struct error *err)
{
    size_t n;
    const char *const *servers = config_list(config, "discovery.resolvers", &n);
    if (n == 0)
        return RESULT_OK;
    struct buf csv = BUF_INIT(4096);
    for (size_t i = 0; i < n; i++)
        buf_printf(&csv, "%s%s", i ? "," : "", servers[i]);
    int status = csv.overflow ? ARES_EBADSTR : ares_set_servers_ports_csv(c->ares, buf_str(&csv));
    enum result r = RESULT_OK;
    if (status != ARES_SUCCESS)
        r = error_set(err, RESULT_PERM, "%s: discovery.resolvers \"%s\": %s",
                      config_where(config, "discovery.resolvers"), buf_str(&csv), ares_strerror(status));
    buf_free(&csv);
    return r;
}

static void init_library(void)
{
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        log_fatal("c-ares can't be initialized");
}

enum result dns_channel_new(struct loop *loop, const struct config *config, struct dns_channel **c_r, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_library);
    struct dns_channel *c = mem_zero(1, sizeof *c);
    c->loop = loop;
    LIST_INIT(&c->sockets);
    /* Three tries within dns-timeout: after none, one and three quarters of it. Names are absolute, files not asked. */
    struct ares_options o = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = (int)(config_time(config, "discovery.dns-timeout") / 4),
        .tries = 3,
        .lookups = (char[]){"b"},
        .sock_state_cb = socket_state,
        .sock_state_cb_data = c,
    };
    int status = ares_init_options(
        &c->ares, &o, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        mem_free(&c);
        return error_set(err, RESULT_PERM, "c-ares can't start: %s", ares_strerror(status));
    }
    c->timer = loop_timer_new(loop, on_timer, c);
    enum result r = set_servers(c, config, err);
    if (r != RESULT_OK)
        dns_channel_free(&c);
    else
        *c_r = c;
    return r;
}

void dns_channel_free(struct dns_channel **c)
{
    if (*c == NULL)
        return;
    ares_destroy((*c)->ares); /* closes its sockets through socket_state() */
    loop_timer_free(&(*c)->timer);
    mem_free(c);
}

void dns_channel_query(struct dns_channel *c, const char *name, int type, ares_callback done, void *arg)
{
    ares_query(c->ares, name, ns_c_in, type, done, arg);
    set_timer(c);
}
