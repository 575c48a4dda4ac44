/* pontoon-lmtp's clients: see lmtp_listener.h. */
#include "milter/lmtp_listener.h"

#include <errno.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/smtpd_connection.h"
#include "lib/thread.h"
#include "milter/lmtp_message.h"
#include "milter/socket_file.h"

enum {
    BACKLOG = 511,
    ACCEPT_PAUSE = 1000, /* ms without accepting after "too many open files" */
};

/* What the configuration says, copied: clients outlive a reload. */
struct parameters {
    char *hostname;
    struct netaddr_list *clients;
    unsigned connections, connections_per_address;
    uint64_t max_size;
    size_t max_rcpts;
    unsigned max_errors;
    msec_t timeout;
};

struct client {
    LIST_ENTRY(client) link;
    struct lmtp_listener *listener;
    pthread_t thread;
    struct netaddr address;
    bool is_local; /* a unix socket's */
    char peer[NETADDR_TEXT_SIZE];
    char *hostname;
    struct smtpd_limits limits;
    msec_t timeout;
    int fd;
};

struct lmtp_listener {
    struct loop *loop;
    struct evconnlistener *socket;
    struct loop_timer *pause; /* of accepting */
    struct backend *backend;
    struct parameters p;
    int wake; /* readable once draining */
    bool draining;
    loop_fn *done;
    void *done_arg;
    LIST_HEAD(client_list, client) clients;
    unsigned count;
};

/* ---- parameters ---- */

static void parameters_free(struct parameters *p)
{
    mem_free(&p->hostname);
    netaddr_list_free(&p->clients);
}

static enum result parameters_read(const struct config *config, struct parameters *p_r, struct error *err)
{
    size_t n;
    const char *const *clients = config_list(config, "lmtp.clients", &n);
    *p_r = (struct parameters){
        .connections = (unsigned)config_number(config, "lmtp.connections"),
        .connections_per_address = (unsigned)config_number(config, "lmtp.connections-per-address"),
        .max_size = (uint64_t)config_number(config, "lmtp.max-size"),
        .max_rcpts = (size_t)config_number(config, "lmtp.max-recipients"),
        .max_errors = (unsigned)config_number(config, "lmtp.max-errors"),
        .timeout = config_time(config, "lmtp.timeout"),
    };
    if (netaddr_list_parse(clients, n, &p_r->clients, err) != RESULT_OK)
        return error_prefix(err, "%s: clients", config_where(config, "lmtp.clients"));
    p_r->hostname = mem_strdup(config_hostname(config));
    return RESULT_OK;
}

enum result lmtp_listener_check(const struct config *config, struct error *err)
{
    struct parameters p;
    enum result r = parameters_read(config, &p, err);
    parameters_free(&p);
    return r;
}

void lmtp_listener_reload(struct lmtp_listener *l, const struct config *config)
{
    struct parameters p;
    struct error err;
    if (parameters_read(config, &p, &err) != RESULT_OK)
        log_panic("parameters failed after their check: %s", err.text);
    parameters_free(&l->p);
    l->p = p;
}

/* ---- clients ---- */

static void client_free(struct client *c)
{
    mem_free(&c->hostname);
    mem_free(&c);
}

/* Joined, not detached: at the end of the daemon no thread may still be on its way out. */
static void client_gone(void *arg)
{
    struct client *c = arg;
    struct lmtp_listener *l = c->listener;
    pthread_join(c->thread, NULL);
    LIST_REMOVE(c, link);
    l->count--;
    client_free(c);
    if (l->count == 0 && l->done != NULL)
        l->done(l->done_arg);
}

static void *serve(void *arg)
{
    struct client *c = arg;
    struct lmtp_message *m = lmtp_message_new(c->listener->backend, c->is_local ? NULL : &c->address);
    struct smtpd_taker taker = lmtp_message_taker(m);
    struct smtpd_connection connection = {
        .fd = c->fd, .wake = c->listener->wake, .timeout = c->timeout, .peer = c->peer};
    log_debug("connect from %s", c->peer);
    smtpd_connection_run(&connection, &c->limits, &taker);
    log_debug("disconnect from %s", c->peer);
    lmtp_message_free(&m);
    loop_post(c->listener->loop, client_gone, c);
    return NULL;
}

static unsigned count_from(const struct lmtp_listener *l, const struct netaddr *address)
{
    unsigned n = 0;
    const struct client *c;
    LIST_FOREACH (c, &l->clients, link)
        n += !c->is_local && netaddr_equal_ip(&c->address, address);
    return n;
}

/* Why this client is not served, or NULL: the reply for it. */
static const char *why_not(const struct lmtp_listener *l, const struct client *c)
{
    if (!c->is_local && !netaddr_list_has(l->p.clients, &c->address))
        return "554 5.7.1 Access denied";
    if (l->count >= l->p.connections || (!c->is_local && count_from(l, &c->address) >= l->p.connections_per_address))
        return "421 4.7.0 Too many connections";
    return NULL;
}

static void turn_away(struct client *c, const char *reply)
{
    char line[200];
    int n = snprintf(line, sizeof line, "%s\r\n", reply);
    log_warning("%s: connection refused: %s", c->peer, reply);
    (void)!send(c->fd, line, (size_t)n, MSG_NOSIGNAL);
    close(c->fd);
    client_free(c);
}

static void start_thread(struct lmtp_listener *l, struct client *c)
{
    int e = thread_start(&c->thread, serve, c);
    if (e == 0) {
        LIST_INSERT_HEAD(&l->clients, c, link);
        l->count++;
        return;
    }
    log_warning("start a thread: %s", strerror(e));
    turn_away(c, "421 4.3.2 System resources are short");
}

static void accepted(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    (void)socket;
    struct lmtp_listener *l = arg;
    struct client *c = mem_zero(1, sizeof *c);
    c->listener = l;
    c->fd = fd;
    c->is_local = sa->sa_family == AF_UNIX;
    c->timeout = l->p.timeout;
    c->hostname = mem_strdup(l->p.hostname);
    c->limits = (struct smtpd_limits){.protocol = SMTPD_LMTP,
                                      .hostname = c->hostname,
                                      .max_size = l->p.max_size,
                                      .max_rcpts = l->p.max_rcpts,
                                      .max_errors = l->p.max_errors};
    snprintf(c->peer, sizeof c->peer, "local");
    if (!c->is_local && (size_t)len <= sizeof c->address.sa) {
        memcpy(&c->address.sa, sa, (size_t)len);
        c->address.len = (socklen_t)len;
        netaddr_ip(&c->address, c->peer);
    }
    const char *reply = why_not(l, c);
    if (reply != NULL)
        turn_away(c, reply);
    else
        start_thread(l, c);
}

/* ---- the socket ---- */

/* Out of file descriptors: to try again at once would be a busy loop. */
static void accept_failed(struct evconnlistener *socket, void *arg)
{
    struct lmtp_listener *l = arg;
    log_warning("accept: %s; next try in %d s", strerror(errno), ACCEPT_PAUSE / 1000);
    evconnlistener_disable(socket);
    loop_timer_set(l->pause, ACCEPT_PAUSE);
}

static void accept_again(void *arg)
{
    struct lmtp_listener *l = arg;
    if (!l->draining)
        evconnlistener_enable(l->socket);
}

static enum result bind_socket(struct lmtp_listener *l, const struct config *config, struct error *err)
{
    struct netaddr a;
    enum result r = netaddr_endpoint(config_string(config, "lmtp.listen"), &a, err);
    if (r == RESULT_OK)
        r = socket_file_clear(&a, err);
    if (r != RESULT_OK)
        return r;
    mode_t old = umask(0177); /* nobody connects before the mode is set */
    l->socket =
        evconnlistener_new_bind(loop_base(l->loop), accepted, l,
                                LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_DISABLED,
                                BACKLOG, (const struct sockaddr *)&a.sa, (int)a.len);
    int e = errno;
    umask(old);
    if (l->socket == NULL)
        return error_set(err, RESULT_PERM, "%s: can't listen on %s: %s", config_where(config, "lmtp.listen"),
                         config_string(config, "lmtp.listen"), strerror(e));
    evconnlistener_set_error_cb(l->socket, accept_failed);
    return socket_file_open(&a, config, "lmtp", err);
}

enum result lmtp_listener_open(struct loop *loop, const struct config *config, struct lmtp_listener **l_r,
                               struct error *err)
{
    struct lmtp_listener *l = mem_zero(1, sizeof *l);
    l->loop = loop;
    l->pause = loop_timer_new(loop, accept_again, l);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    LIST_INIT(&l->clients);
    *l_r = l;
    if (l->wake < 0)
        return error_set(err, RESULT_TEMP, "make an eventfd: %s", strerror(errno));
    enum result r = parameters_read(config, &l->p, err);
    return r == RESULT_OK ? bind_socket(l, config, err) : r;
}

void lmtp_listener_start(struct lmtp_listener *l, struct backend *backend)
{
    l->backend = backend;
    evconnlistener_enable(l->socket);
}

void lmtp_listener_drain(struct lmtp_listener *l, loop_fn *done, void *arg)
{
    const uint64_t one = 1;
    l->draining = true;
    evconnlistener_disable(l->socket);
    l->done_arg = arg;
    l->done = done;
    if (l->count == 0)
        done(arg);
    if (write(l->wake, &one, sizeof one) < 0)
        log_warning("wake the clients' threads: %s", strerror(errno));
}

unsigned lmtp_listener_count(const struct lmtp_listener *l)
{
    return l->count;
}

void lmtp_listener_free(struct lmtp_listener **l_p)
{
    struct lmtp_listener *l = *l_p;
    if (l->socket != NULL)
        evconnlistener_free(l->socket);
    loop_timer_free(&l->pause);
    parameters_free(&l->p);
    close(l->wake);
    mem_free(l_p);
}
