/*
 * The HTTPS server's listeners and connections: see http_server.h. Requests are lib/http_request.c's business.
 *
 * evhttp owns the connections and tells nobody of those that never send a request, so that we can't count them by its
 * callbacks. But each has an SSL session, made by us and freed with it: our struct connection hangs on that.
 */
#include "lib/http_server.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/http_request.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    BACKLOG = 511,
    ACCEPT_PAUSE = 1000, /* ms without accepting after "too many open files" */
    READ_SLACK = 4096,   /* what TLS and chunk lines may add to a request's bytes */
    BODY_SLACK = 65536,  /* a body that is too large by no more than this gets our own answer, with words in it */
    ANY_METHOD = 0xffff, /* also those that evhttp does not know */
};

struct connection {
    struct http_server *server; /* NULL when that was freed before */
    LIST_ENTRY(connection) link;
    struct bufferevent *bev;
    /*
     * Fires at once to admit the connection (only then its address is known), later when a request is not complete
     * idle_timeout after the connection's or the last answer's end.
     */
    struct loop_timer *timer;
    bool asked;    /* whether there is room for it */
    bool admitted; /* and counted as such */
    struct netaddr peer;
    char key[LIMIT_KEY_SIZE];     /* under which it is counted */
    struct http_request *request; /* the one under way, or NULL */
};

struct http_server {
    struct loop *loop;
    struct http_server_limits limits;
    struct tls_server *tls;
    http_handler *handler;
    void *arg;
    struct evhttp *http;
    struct loop_timer *pause; /* of accepting */
    bool draining;
    LIST_ENTRY(http_server) link;
    unsigned nrequests;
    LIST_HEAD(connection_list, connection) connections;
};

/* A listener's error callback knows the evhttp only, which has no room for a pointer to us. */
static LIST_HEAD(server_list, http_server) servers = LIST_HEAD_INITIALIZER(servers);
static pthread_mutex_t servers_lock = PTHREAD_MUTEX_INITIALIZER;

static int ssl_slot; /* where an SSL session keeps its connection */
static pthread_once_t ssl_slot_once = PTHREAD_ONCE_INIT;

/* It counts no longer. */
static void dismiss(struct connection *c)
{
    const struct peer_limits *peers = c->server->limits.peers;
    if (!c->admitted)
        return;
    c->admitted = false;
    limit_release(peers->connections, c->key);
    limit_release(peers->connections_all, "all");
}

static void part_from_server(struct connection *c)
{
    if (c->server == NULL)
        return;
    dismiss(c);
    LIST_REMOVE(c, link);
    loop_timer_free(&c->timer);
    c->server = NULL;
}

static void session_freed(void *ssl, void *ptr, CRYPTO_EX_DATA *ad, int slot, long argl, void *argp)
{
    (void)ssl, (void)ad, (void)slot, (void)argl, (void)argp;
    struct connection *c = ptr;
    if (c == NULL)
        return; /* a client's session */
    part_from_server(c);
    mem_free(&c);
}

static void make_ssl_slot(void)
{
    ssl_slot = SSL_get_ex_new_index(0, NULL, NULL, NULL, session_freed);
    if (ssl_slot < 0)
        log_fatal("OpenSSL has no room for our data");
}

static void cut(struct connection *c)
{
    shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
}

/* The caps count an IPv4 client as one, whether the listener is IPv4 or both. */
static void unmap(struct netaddr *a)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;
    if (a->sa.ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6->sin6_port};
    memcpy(&v4.sin_addr, v6->sin6_addr.s6_addr + 12, sizeof v4.sin_addr);
    memset(&a->sa, 0, sizeof a->sa);
    memcpy(&a->sa, &v4, sizeof v4);
    a->len = sizeof v4;
}

/*
 * When all connections are taken: the oldest one of the peer that has most of them, rather one that waits for a request than
 * one that is being answered. NULL if the newcomer's own peer has as many: then it is refused itself. So whoever opens
 * connections to keep others out only takes them from himself.
 */
static struct connection *to_give_way(const struct http_server *s, const char *newcomer)
{
    const struct limit *held = s->limits.peers->connections;
    struct connection *c, *victim = NULL;
    unsigned most = limit_held(held, newcomer) + 1;
    LIST_FOREACH (c, &s->connections, link) { /* the youngest first */
        unsigned n = c->admitted ? limit_held(held, c->key) : 0;
        bool better = n > most || (n == most && victim != NULL && (c->request == NULL || victim->request != NULL));
        if (n == 0 || !better)
            continue;
        most = n;
        victim = c;
    }
    return victim;
}

/* Whether there is room for one more of this peer; may make some. Why not is logged. */
static bool has_room(struct http_server *s, const char *key, const char *ip)
{
    struct peer_limits *peers = s->limits.peers;
    if (!limit_allows(peers->refusals, key, NULL)) {
        limit_refused(peers->refusals, key,
                      "[%s]: connection cut: too many of its requests were refused (%s.refusals-per-address)", ip,
                      s->limits.section);
        return false;
    }
    if (limit_held(peers->connections, key) >= peers->most_per_address) {
        limit_refused(peers->connections, key, "[%s]: connection refused: it has %u (%s.connections-per-address)", ip,
                      peers->most_per_address, s->limits.section);
        return false;
    }
    if (limit_held(peers->connections_all, "all") < peers->most)
        return true;
    struct connection *victim = to_give_way(s, key);
    if (victim == NULL) {
        limit_refused(peers->connections_all, key, "[%s]: connection refused: %u in all (%s.connections)", ip,
                      peers->most, s->limits.section);
        return false;
    }
    char other[NETADDR_TEXT_SIZE];
    netaddr_ip(&victim->peer, other);
    limit_refused(peers->connections_all, victim->key,
                  "[%s]: connection cut for one of [%s]: %u in all, and it has most of them (%s.connections)", other,
                  ip, peers->most, s->limits.section);
    dismiss(victim);
    cut(victim);
    return true;
}

static void admit(struct connection *c)
{
    struct http_server *s = c->server;
    char text[NETADDR_TEXT_SIZE];
    c->asked = true;
    c->peer.len = sizeof c->peer.sa;
    if (getpeername(bufferevent_getfd(c->bev), (struct sockaddr *)&c->peer.sa, &c->peer.len) != 0) {
        cut(c);
        return;
    }
    unmap(&c->peer);
    netaddr_ip(&c->peer, text);
    limit_key_of(&c->peer, c->key);
    if (!has_room(s, c->key, text)) {
        cut(c);
        return;
    }
    c->admitted = true;
    limit_hold(s->limits.peers->connections, c->key);
    limit_hold(s->limits.peers->connections_all, "all");
    loop_timer_set(c->timer, s->limits.idle_timeout);
}

static void on_timer(void *arg)
{
    struct connection *c = arg;
    if (c->asked)
        cut(c);
    else
        admit(c);
}

static struct bufferevent *new_connection(struct event_base *base, void *arg)
{
    struct http_server *s = arg;
    struct connection *c = mem_zero(1, sizeof *c);
    SSL *ssl = tls_server_session(s->tls);
    SSL_set_ex_data(ssl, ssl_slot, c);
    c->bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (c->bev == NULL)
        log_fatal("out of memory (connection)");
    bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    bufferevent_setwatermark(c->bev, EV_READ, 0, s->limits.header_max + s->limits.body_max + BODY_SLACK + READ_SLACK);
    /* Reading has a deadline (timer); evhttp's own read timeout would also cut those who only listen. */
    struct timeval tv = {.tv_sec = s->limits.idle_timeout / 1000, .tv_usec = s->limits.idle_timeout % 1000 * 1000};
    bufferevent_set_timeouts(c->bev, NULL, &tv);
    c->timer = loop_timer_new(s->loop, on_timer, c);
    loop_timer_set(c->timer, 0);
    c->server = s;
    LIST_INSERT_HEAD(&s->connections, c, link);
    return c->bev;
}

static void request_ended(void *arg)
{
    struct connection *c = arg;
    c->request = NULL;
    if (c->server == NULL)
        return;
    c->server->nrequests--;
    loop_timer_set(c->timer, c->server->limits.idle_timeout);
}

/* An answer is about to go out. What a peer is refused costs it something, and in the end the connection. */
static void replying(void *arg, int status)
{
    struct connection *c = arg;
    if (c->server == NULL || !peer_limits_is_refusal(status))
        return;
    struct limit *refusals = c->server->limits.peers->refusals;
    limit_charge(refusals, c->key, 1);
    if (!limit_allows(refusals, c->key, NULL))
        c->request->last = true;
}

/* False: answered, it is too large. */
static bool body_fits(const struct http_server *s, struct http_request *req)
{
    char what[100];
    size_t len = evbuffer_get_length(evhttp_request_get_input_buffer(req->evreq));
    if (len <= s->limits.body_max)
        return true;
    snprintf(what, sizeof what, "the request's body has %zu bytes; %zu are the most", len, s->limits.body_max);
    http_reply_problem(req, 413, what, 0);
    return false;
}

static void on_request(struct evhttp_request *evreq, void *arg)
{
    struct http_server *s = arg;
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(evreq));
    struct connection *c = SSL_get_ex_data(bufferevent_openssl_get_ssl(bev), ssl_slot);
    assert(c->request == NULL);
    if (!c->admitted) { /* refused, but its bytes were already here */
        evhttp_send_error(evreq, 503, NULL);
        return;
    }
    loop_timer_cancel(c->timer);
    struct http_request *req = http_request_begin(evreq, &c->peer, request_ended, replying, c);
    req->last = s->draining || strcmp(http_request_method(req), "?") == 0; /* whose body evhttp may not have read */
    c->request = req;
    s->nrequests++;
    unsigned wait;
    if (!limit_take(s->limits.peers->requests, c->key, &wait)) {
        limit_refused(s->limits.peers->requests, c->key,
                      "[%s]: request refused: too many in a second (%s.requests-per-address)", c->key,
                      s->limits.section);
        http_reply_problem(req, 429, "too many requests from this address", wait);
    } else if (body_fits(s, req)) {
        s->handler(req, s->arg);
    }
}

static void enable_listener(struct evhttp_bound_socket *bound, void *enable)
{
    struct evconnlistener *listener = evhttp_bound_socket_get_listener(bound);
    if (enable != NULL)
        evconnlistener_enable(listener);
    else
        evconnlistener_disable(listener);
}

static void accept_again(void *arg)
{
    struct http_server *s = arg;
    if (!s->draining)
        evhttp_foreach_bound_socket(s->http, enable_listener, s);
}

struct http_server *http_server_new(struct loop *loop, const struct http_server_limits *limits, struct tls_server *tls,
                                    http_handler *handler, void *arg)
{
    pthread_once(&ssl_slot_once, make_ssl_slot);
    struct http_server *s = mem_zero(1, sizeof *s);
    *s = (struct http_server){.loop = loop, .limits = *limits, .tls = tls, .handler = handler, .arg = arg};
    LIST_INIT(&s->connections);
    s->pause = loop_timer_new(loop, accept_again, s);
    s->http = evhttp_new(loop_base(loop));
    if (s->http == NULL)
        log_fatal("out of memory (http server)");
    evhttp_set_allowed_methods(s->http, ANY_METHOD);
    evhttp_set_max_headers_size(s->http, (ev_ssize_t)limits->header_max);
    evhttp_set_max_body_size(s->http, (ev_ssize_t)(limits->body_max + BODY_SLACK));
    evhttp_set_default_content_type(s->http, NULL);
    evhttp_set_flags(s->http, EVHTTP_SERVER_LINGERING_CLOSE); /* a client that sends too much still reads the 413 */
    evhttp_set_bevcb(s->http, new_connection, s);
    evhttp_set_gencb(s->http, on_request, s);
    pthread_mutex_lock(&servers_lock);
    LIST_INSERT_HEAD(&servers, s, link);
    pthread_mutex_unlock(&servers_lock);
    return s;
}

static struct http_server *server_of(const struct evhttp *http)
{
    struct http_server *s;
    pthread_mutex_lock(&servers_lock);
    LIST_FOREACH (s, &servers, link) {
        if (s->http == http)
            break;
    }
    pthread_mutex_unlock(&servers_lock);
    return s;
}

/* Out of file descriptors: to try again at once would be a busy loop. */
static void accept_failed(struct evconnlistener *listener, void *arg)
{
    (void)listener;
    struct http_server *s = server_of(arg);
    log_warning("accept: %s; next try in %d s", strerror(errno), ACCEPT_PAUSE / 1000);
    evhttp_foreach_bound_socket(s->http, enable_listener, NULL);
    loop_timer_set(s->pause, ACCEPT_PAUSE);
}

enum result http_server_listen(struct http_server *s, const struct netaddr *address, struct error *err)
{
    char text[NETADDR_TEXT_SIZE];
    netaddr_text(address, text);
    struct evconnlistener *listener = evconnlistener_new_bind(
        loop_base(s->loop), NULL, s->http, LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, BACKLOG,
        (const struct sockaddr *)&address->sa, (int)address->len);
    if (listener == NULL)
        return error_set(err, RESULT_PERM, "can't listen on %s: %s", text, strerror(errno));
    /* Accepted sockets inherit it: an answer's last piece must not wait for an acknowledgement. */
    setsockopt(evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (evhttp_bind_listener(s->http, listener) == NULL)
        log_fatal("out of memory (listener)");
    evconnlistener_set_error_cb(listener, accept_failed);
    return RESULT_OK;
}

static void read_port(struct evhttp_bound_socket *bound, void *port_r)
{
    struct netaddr a = {.len = sizeof a.sa};
    if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&a.sa, &a.len) == 0)
        *(uint16_t *)port_r = netaddr_port(&a);
}

uint16_t http_server_port(const struct http_server *s)
{
    uint16_t port = 0;
    evhttp_foreach_bound_socket(s->http, read_port, &port);
    return port;
}

void http_server_drain(struct http_server *s)
{
    s->draining = true;
    evhttp_foreach_bound_socket(s->http, enable_listener, NULL);
    struct connection *c;
    LIST_FOREACH (c, &s->connections, link) {
        if (c->request != NULL)
            c->request->last = true;
        else if (evbuffer_get_length(bufferevent_get_input(c->bev)) == 0)
            cut(c);
    }
}

unsigned http_server_requests(const struct http_server *s)
{
    return s->nrequests;
}

void http_server_free(struct http_server **server)
{
    struct http_server *s = *server;
    if (s == NULL)
        return;
    pthread_mutex_lock(&servers_lock);
    LIST_REMOVE(s, link);
    pthread_mutex_unlock(&servers_lock);
    struct connection *c;
    LIST_FOREACH (c, &s->connections, link) {
        if (c->request != NULL)
            http_request_detach(c->request);
    }
    evhttp_free(s->http); /* the sessions, and with them our connections, go later, from the loop */
    while ((c = LIST_FIRST(&s->connections)) != NULL) {
        struct http_request *req = c->request;
        part_from_server(c);
        if (req != NULL)
            http_request_lose(req);
    }
    loop_timer_free(&s->pause);
    mem_free(server);
}
