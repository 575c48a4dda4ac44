/* Where replayed mail may end: see sink.h. */
#include "ctl/replay/sink.h"

#include <errno.h>
#include <event2/listener.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/netaddr.h"
#include "lib/smtpd_connection.h"
#include "lib/thread.h"

enum { BACKLOG = 511, RCPTS_MAX = 10000, ERRORS_MAX = 20, SILENCE_MAX = 300000, DRAIN_MAX = 2000 };

struct client {
    LIST_ENTRY(client) link;
    struct sink *sink;
    pthread_t thread;
    int fd;
    char peer[NETADDR_TEXT_SIZE];
    /* of the message at hand */
    char **rcpts;
    size_t nrcpts;
    struct buf content;
};

struct sink {
    struct loop *loop;
    struct evconnlistener *socket;
    struct arrivals *arrivals;
    struct smtpd_limits limits;
    unsigned max_clients, count;
    int wake;
    LIST_HEAD(sink_clients, client) clients;
    char address[NETADDR_TEXT_SIZE];
    char hostname[256];
};

/* ---- one message: what smtpd_session.h asks ---- */

static void take_hello(void *arg, const char *name)
{
    (void)arg, (void)name;
}

static const char *take_mail(void *arg, const char *path, char *const *params)
{
    (void)arg, (void)path, (void)params;
    return NULL;
}

static const char *take_rcpt(void *arg, const char *path, char *const *params)
{
    struct client *c = arg;
    (void)params;
    char *address = address_from_path(path, NULL);
    if (address == NULL)
        return "501 5.1.3 Bad recipient address syntax";
    c->rcpts = mem_grow(c->rcpts, c->nrcpts + 1, sizeof *c->rcpts);
    c->rcpts[c->nrcpts++] = address;
    return NULL;
}

static const char *take_begin(void *arg)
{
    (void)arg;
    return NULL;
}

static void take_content(void *arg, const char *data, size_t len)
{
    struct client *c = arg;
    buf_add(&c->content, data, len);
}

static void take_end(void *arg)
{
    struct client *c = arg;
    if (!c->content.overflow)
        arrivals_take(c->sink->arrivals, buf_str(&c->content), c->content.len, (const char *const *)c->rcpts,
                      c->nrcpts);
}

static const char *take_reply(void *arg, size_t i)
{
    const struct client *c = arg;
    (void)i;
    return c->content.overflow ? "552 5.3.4 Message is too large for this sink" : "250 2.0.0 Ok: taken";
}

static void take_reset(void *arg)
{
    struct client *c = arg;
    for (size_t i = 0; i < c->nrcpts; i++)
        mem_free(&c->rcpts[i]);
    mem_free(&c->rcpts);
    c->nrcpts = 0;
    buf_free(&c->content);
    buf_init(&c->content, c->sink->limits.max_size);
}

/* ---- clients ---- */

static void client_gone(void *arg)
{
    struct client *c = arg;
    pthread_join(c->thread, NULL);
    LIST_REMOVE(c, link);
    c->sink->count--;
    mem_free(&c);
}

static void *serve(void *arg)
{
    struct client *c = arg;
    struct sink *s = c->sink;
    struct smtpd_taker taker = {take_hello, take_mail,  take_rcpt,  take_begin, take_content,
                                take_end,   take_reply, take_reset, c};
    struct smtpd_connection connection = {.fd = c->fd, .wake = s->wake, .timeout = SILENCE_MAX, .peer = c->peer};
    buf_init(&c->content, s->limits.max_size);
    smtpd_connection_run(&connection, &s->limits, &taker);
    take_reset(c);
    loop_post(s->loop, client_gone, c);
    return NULL;
}

static void accepted(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    struct sink *s = arg;
    (void)socket;
    if (s->count >= s->max_clients) {
        static const char reply[] = "421 4.7.0 Too many connections\r\n";
        (void)!send(fd, reply, sizeof reply - 1, MSG_NOSIGNAL);
        close(fd);
        return;
    }
    struct client *c = mem_zero(1, sizeof *c);
    struct netaddr a = {.len = (socklen_t)len};
    c->sink = s;
    c->fd = fd;
    if ((size_t)len <= sizeof a.sa)
        memcpy(&a.sa, sa, (size_t)len);
    netaddr_ip(&a, c->peer);
    int e = thread_start(&c->thread, serve, c);
    if (e != 0) {
        log_warning("sink: start a thread: %s", strerror(e));
        close(fd);
        mem_free(&c);
        return;
    }
    LIST_INSERT_HEAD(&s->clients, c, link);
    s->count++;
}

/* ---- the socket ---- */

static enum result listen_on(struct sink *s, const char *listen, struct error *err)
{
    struct netaddr a;
    if (netaddr_endpoint(listen, &a, err) != RESULT_OK)
        return err->result;
    s->socket = evconnlistener_new_bind(loop_base(s->loop), accepted, s,
                                        LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, BACKLOG,
                                        (const struct sockaddr *)&a.sa, (int)a.len);
    if (s->socket == NULL)
        return error_set(err, RESULT_PERM, "sink: can't listen on %s: %s", listen, strerror(errno));
    a.len = sizeof a.sa;
    getsockname(evconnlistener_get_fd(s->socket), (struct sockaddr *)&a.sa, &a.len);
    netaddr_text(&a, s->address);
    return RESULT_OK;
}

enum result sink_open(struct loop *loop, const struct sink_options *o, struct arrivals *arrivals, struct sink **s_r,
                      struct error *err)
{
    struct sink *s = mem_zero(1, sizeof *s);
    s->loop = loop;
    s->arrivals = arrivals;
    s->max_clients = o->max_clients;
    LIST_INIT(&s->clients);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (gethostname(s->hostname, sizeof s->hostname - 1) != 0 || s->hostname[0] == '\0')
        strcpy(s->hostname, "localhost");
    s->limits = (struct smtpd_limits){.protocol = o->protocol,
                                      .hostname = s->hostname,
                                      .max_size = o->max_size,
                                      .max_rcpts = RCPTS_MAX,
                                      .max_errors = ERRORS_MAX};
    enum result r = s->wake < 0 ? error_set(err, RESULT_TEMP, "make an eventfd: %s", strerror(errno))
                                : listen_on(s, o->listen, err);
    if (r != RESULT_OK) {
        sink_close(&s);
        return r;
    }
    *s_r = s;
    return RESULT_OK;
}

void sink_address(const struct sink *s, char *out)
{
    memcpy(out, s->address, sizeof s->address);
}

/* Clients between messages go at once; who is in the middle of one is cut off after a while. */
void sink_close(struct sink **s_p)
{
    struct sink *s = *s_p;
    const uint64_t one = 1;
    if (s == NULL)
        return;
    if (s->socket != NULL)
        evconnlistener_free(s->socket);
    if (s->wake >= 0 && write(s->wake, &one, sizeof one) < 0)
        log_warning("sink: wake the threads: %s", strerror(errno));
    msec_t deadline = clock_mono() + DRAIN_MAX;
    while (s->count > 0) {
        if (clock_mono() > deadline) {
            for (struct client *c = LIST_FIRST(&s->clients); c != NULL; c = LIST_NEXT(c, link))
                shutdown(c->fd, SHUT_RDWR);
        }
        event_base_loop(loop_base(s->loop), EVLOOP_NONBLOCK);
        usleep(1000);
    }
    if (s->wake >= 0)
        close(s->wake);
    mem_free(s_p);
}
