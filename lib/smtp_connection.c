/*
 * The socket of an SMTP session: see smtp_internal.h. Its one rule is that the server speaks when it was asked to:
 * whatever comes too early, too often or not in the form of replies ends the connection.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/smtp_internal.h"

enum {
    READ_MAX = 16 * 1024,
    WRITE_LOW = 64 * 1024, /* `drained` is called below this */
    PIECE = 16 * 1024,     /* content is stuffed in pieces of this size, */
    WRITE_MAX = 1 << 20,   /* and written in as few as the socket takes: libevent's own bound is 16 KiB */
};

struct smtp_connection {
    const struct smtp_connection_events *events;
    void *arg;
    struct bufferevent *bev;
    struct loop_timer *timer;
    struct smtp_reply_parser parser;
    unsigned expected; /* replies that were asked for and did not come yet */
    int connect_errno; /* it failed before it began */
};

static bool lose(struct smtp_connection *c, enum smtp_loss loss, const struct smtp_reply *stray, const char *why)
{
    c->events->lost(c->arg, loss, stray, why);
    return false;
}

/* Something came that nobody asked for. If it is a whole reply (a 421, most likely), it says why. */
static bool take_stray(struct smtp_connection *c, const char *data, size_t len)
{
    size_t used;
    bool complete = false;
    struct error err;
    if (smtp_reply_feed(&c->parser, data, len, &used, &complete, &err) != RESULT_OK || !complete)
        return lose(c, SMTP_STRAY, NULL, "unexpected data");
    return lose(c, SMTP_STRAY, &c->parser.reply, "unexpected reply");
}

/* False: the connection is no more. */
static bool take(struct smtp_connection *c, const char *data, size_t len)
{
    while (len > 0) {
        size_t used;
        bool complete;
        struct error err;
        if (c->expected == 0)
            return take_stray(c, data, len);
        if (smtp_reply_feed(&c->parser, data, len, &used, &complete, &err) != RESULT_OK)
            return lose(c, SMTP_BROKEN, NULL, err.text);
        data += used;
        len -= used;
        if (!complete)
            continue;
        c->expected--;
        bool early = len > 0 && c->expected == 0; /* it can't be meant for what we ask next */
        if (!c->events->reply(c->arg, &c->parser.reply, buf_str(&c->parser.raw)))
            return false;
        if (early)
            return take_stray(c, data, len);
    }
    return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    char data[READ_MAX];
    size_t n;
    while ((n = bufferevent_read(bev, data, sizeof data)) > 0) {
        if (!take(arg, data, n))
            return;
    }
}

static void on_write(struct bufferevent *bev, void *arg)
{
    (void)bev;
    struct smtp_connection *c = arg;
    c->events->drained(c->arg);
}

/* Writing failed, but the server may have said why before it hung up. */
static bool take_last_words(struct smtp_connection *c)
{
    char data[READ_MAX];
    ssize_t n = recv(smtp_connection_fd(c), data, sizeof data, MSG_DONTWAIT);
    return n > 0 ? take(c, data, (size_t)n) : true;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct smtp_connection *c = arg;
    int error = EVUTIL_SOCKET_ERROR();
    if (what & BEV_EVENT_CONNECTED) {
        bufferevent_enable(bev, EV_READ); /* not before, or the greeting may come first */
        c->events->connected(c->arg);
    } else if (what & BEV_EVENT_TIMEOUT) {
        lose(c, SMTP_TIMEOUT, NULL, "timed out");
    } else if (what & BEV_EVENT_EOF) {
        lose(c, SMTP_LOST, NULL, "closed by the server");
    } else if (!(what & BEV_EVENT_WRITING) || take_last_words(c)) {
        lose(c, SMTP_LOST, NULL, error ? strerror(error) : "network error");
    }
}

static void on_timer(void *arg)
{
    struct smtp_connection *c = arg;
    if (c->connect_errno != 0)
        lose(c, SMTP_LOST, NULL, strerror(c->connect_errno));
    else
        lose(c, SMTP_TIMEOUT, NULL, "timed out");
}

static int make_socket(const struct netaddr *server)
{
    int fd = socket(server->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0 && server->sa.ss_family != AF_UNIX) /* a dot must not wait for an acknowledgement */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* libevent 2.1 waits for ever when a unix socket refuses; whether it does is known at once. */
static int begin_connect(struct bufferevent *bev, const struct netaddr *server)
{
    const struct sockaddr *address = (const struct sockaddr *)&server->sa;
    if (server->sa.ss_family != AF_UNIX)
        return bufferevent_socket_connect(bev, address, (int)server->len);
    if (connect(bufferevent_getfd(bev), address, server->len) != 0)
        return -1;
    return bufferevent_socket_connect(bev, NULL, 0); /* goes on from there */
}

struct smtp_connection *smtp_connection_open(struct loop *loop, const struct netaddr *server, msec_t write_timeout,
                                             const struct smtp_connection_events *events, void *arg)
{
    struct smtp_connection *c = mem_zero(1, sizeof *c);
    c->events = events;
    c->arg = arg;
    c->expected = 1;
    c->timer = loop_timer_new(loop, on_timer, c);
    smtp_reply_parser_init(&c->parser);
    int fd = make_socket(server);
    c->connect_errno = fd < 0 ? errno : 0;
    c->bev = bufferevent_socket_new(loop_base(loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL)
        log_fatal("out of memory (bufferevent)");
    if (fd >= 0 && begin_connect(c->bev, server) < 0)
        c->connect_errno = errno ? errno : ENOTCONN;
    if (c->connect_errno != 0) {
        loop_timer_set(c->timer, 0);
        return c;
    }
    if (write_timeout > 0) {
        struct timeval tv = {.tv_sec = write_timeout / 1000, .tv_usec = write_timeout % 1000 * 1000};
        bufferevent_set_timeouts(c->bev, NULL, &tv);
    }
    bufferevent_setwatermark(c->bev, EV_READ, 0, READ_MAX);
    bufferevent_setwatermark(c->bev, EV_WRITE, WRITE_LOW, 0);
    bufferevent_set_max_single_write(c->bev, WRITE_MAX);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    bufferevent_enable(c->bev, EV_WRITE);
    return c;
}

void smtp_connection_close(struct smtp_connection **c_p)
{
    struct smtp_connection *c = *c_p;
    if (c == NULL)
        return;
    bufferevent_free(c->bev);
    loop_timer_free(&c->timer);
    smtp_reply_parser_free(&c->parser);
    mem_free(c_p);
}

void smtp_connection_send(struct smtp_connection *c, struct buf *commands, unsigned replies)
{
    if (commands->overflow)
        log_panic("an SMTP command of more than %zu bytes", commands->max);
    if (bufferevent_write(c->bev, buf_str(commands), commands->len) != 0)
        log_fatal("out of memory (SMTP output)");
    c->expected += replies;
    buf_clear(commands);
}

void smtp_connection_send_content(struct smtp_connection *c, struct smtp_data *d, const void *content, size_t len)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);
    const char *p = content;
    while (len > 0 && !d->bare_lf) {
        size_t n = len < PIECE ? len : PIECE;
        struct evbuffer_iovec room;
        if (evbuffer_reserve_space(out, (ev_ssize_t)smtp_data_room(n), &room, 1) != 1)
            log_fatal("out of memory (SMTP output)");
        room.iov_len = smtp_data_stuff(d, p, n, room.iov_base);
        evbuffer_commit_space(out, &room, 1);
        p += n;
        len -= n;
    }
}

void smtp_connection_timeout(struct smtp_connection *c, msec_t timeout)
{
    if (c->connect_errno != 0)
        return; /* the timer is on its way to say so */
    if (timeout > 0)
        loop_timer_set(c->timer, timeout);
    else
        loop_timer_cancel(c->timer);
}

void smtp_connection_drain_fully(struct smtp_connection *c, bool fully)
{
    bufferevent_setwatermark(c->bev, EV_WRITE, fully ? 0 : WRITE_LOW, 0);
}

size_t smtp_connection_backlog(const struct smtp_connection *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

int smtp_connection_fd(const struct smtp_connection *c)
{
    return bufferevent_getfd(c->bev);
}

void smtp_connection_local(const struct smtp_connection *c, char out[NETADDR_TEXT_SIZE])
{
    struct netaddr a = {.len = sizeof a.sa};
    if (getsockname(smtp_connection_fd(c), (struct sockaddr *)&a.sa, &a.len) != 0 || a.sa.ss_family == AF_UNIX)
        snprintf(out, NETADDR_TEXT_SIZE, "our address");
    else
        netaddr_ip(&a, out);
}

void smtp_connection_hang_up(struct smtp_connection *c)
{
    shutdown(smtp_connection_fd(c), SHUT_RDWR);
}

void smtp_connection_say_goodbye(struct smtp_connection *c)
{
    /* Nobody waits for the answer, and whether it goes out does not matter. */
    if (smtp_connection_backlog(c) == 0)
        (void)!send(smtp_connection_fd(c), "QUIT\r\n", 6, MSG_DONTWAIT | MSG_NOSIGNAL);
}
