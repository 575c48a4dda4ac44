/*
 * A scripted SMTP server for unit tests: on the loop of the test, one script for each connection that comes.
 *
 * A script is a list of lines: "S:text" sends text and CRLF, "s:text" sends just that, "C:prefix" waits for a
 * command that begins so, "D:" reads content up to its end, "N:count:prefix:reply" answers so many such commands,
 * "X:" closes, "R:" resets the connection, "W:" waits for the client to close. A script that ends closes.
 */
#ifndef PONTOON_FAKE_SMTP_H
#define PONTOON_FAKE_SMTP_H

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/netaddr.h"
#include "t/unit/test.h"

enum { FAKE_CONNECTIONS = 16 };

struct fake_smtp;
struct fake_connection {
    struct fake_smtp *server;
    struct bufferevent *bev;
    const char *const *line;
    unsigned repeat; /* of an N: line, done so far */
    bool in_content;
};

struct fake_smtp {
    struct loop *loop;
    struct evconnlistener *listener;
    struct netaddr address;
    const char *const *scripts[FAKE_CONNECTIONS]; /* each ends with NULL */
    struct fake_connection connections[FAKE_CONNECTIONS];
    unsigned accepted, closed;
    char log[64 * 1024];      /* commands, each ending in '\n' */
    struct evbuffer *content; /* of the last D: line, as it came */
    char error[300];          /* what went against the script, or "" */
};

static void fake_close(struct fake_connection *c, bool reset)
{
    struct linger linger = {1, 0};
    if (c->bev == NULL)
        return;
    if (reset)
        setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    bufferevent_free(c->bev);
    c->bev = NULL;
    c->server->closed++;
}

static char *fake_read_line(struct fake_connection *c)
{
    struct fake_smtp *f = c->server;
    char *line = evbuffer_readln(bufferevent_get_input(c->bev), NULL, EVBUFFER_EOL_CRLF_STRICT);
    if (line != NULL) {
        size_t n = strlen(f->log);
        snprintf(f->log + n, sizeof f->log - n, "%s\n", line);
    }
    return line;
}

/* True: go on with the next line of the script. */
static bool fake_command(struct fake_connection *c, const char *prefix, size_t len)
{
    char *line = fake_read_line(c);
    if (line == NULL)
        return false;
    if (strncmp(line, prefix, len) != 0)
        snprintf(c->server->error, sizeof c->server->error, "expected %.*s, got %.200s", (int)len, prefix, line);
    free(line);
    return true;
}

static bool fake_content(struct fake_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    if (!c->in_content)
        evbuffer_drain(c->server->content, evbuffer_get_length(c->server->content));
    c->in_content = true;
    evbuffer_add_buffer(c->server->content, in);
    size_t len = evbuffer_get_length(c->server->content);
    const char *data = (const char *)evbuffer_pullup(c->server->content, -1);
    c->in_content =
        (len != 3 || memcmp(data, ".\r\n", 3) != 0) && (len < 5 || memcmp(data + len - 5, "\r\n.\r\n", 5) != 0);
    return !c->in_content;
}

static bool fake_repeat(struct fake_connection *c, const char *rule)
{
    unsigned count = 0;
    char prefix[40], reply[100];
    assert_int_equal(sscanf(rule, "%u:%39[^:]:%99[^\n]", &count, prefix, reply), 3);
    while (c->repeat < count && fake_command(c, prefix, strlen(prefix))) {
        evbuffer_add_printf(bufferevent_get_output(c->bev), "%s\r\n", reply);
        c->repeat++;
    }
    if (c->repeat < count)
        return false;
    c->repeat = 0;
    return true;
}

static void fake_play(struct fake_connection *c)
{
    while (c->bev != NULL) {
        const char *line = *c->line;
        struct evbuffer *out = bufferevent_get_output(c->bev);
        char kind = line == NULL ? 'X' : *line;
        bool on = true;
        if ((kind == 'X' || kind == 'R') && evbuffer_get_length(out) > 0)
            return; /* what was said goes out first */
        if (kind == 'X' || kind == 'R')
            fake_close(c, kind == 'R');
        else if (kind == 'S' || kind == 's')
            evbuffer_add_printf(out, "%s%s", line + 2, kind == 'S' ? "\r\n" : "");
        else if (kind == 'C')
            on = fake_command(c, line + 2, strlen(line + 2));
        else if (kind == 'N')
            on = fake_repeat(c, line + 2);
        else if (kind == 'D')
            on = fake_content(c);
        else
            on = false;
        if (!on)
            return;
        c->line++;
    }
}

static void fake_on_data(struct bufferevent *bev, void *arg)
{
    (void)bev;
    fake_play(arg);
}

static void fake_on_event(struct bufferevent *bev, short what, void *arg)
{
    struct fake_connection *c = arg;
    (void)what;
    while (evbuffer_get_length(bufferevent_get_input(bev)) > 0) {
        char *line = fake_read_line(c);
        if (line == NULL)
            break;
        free(line);
    }
    fake_close(c, false);
}

static void fake_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
    (void)l, (void)sa, (void)len;
    struct fake_smtp *f = arg;
    assert_true(f->accepted < FAKE_CONNECTIONS);
    struct fake_connection *c = &f->connections[f->accepted];
    c->server = f;
    c->line = f->scripts[f->accepted];
    f->accepted++;
    if (c->line == NULL) {
        snprintf(f->error, sizeof f->error, "connection %u has no script", f->accepted);
        close(fd);
        return;
    }
    c->bev = bufferevent_socket_new(loop_base(f->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(c->bev, fake_on_data, fake_on_data, fake_on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
    fake_play(c);
}

static void fake_start(struct fake_smtp *f, struct loop *loop)
{
    memset(f, 0, sizeof *f);
    f->loop = loop;
    f->content = evbuffer_new();
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    f->listener = evconnlistener_new_bind(loop_base(loop), fake_on_accept, f, LEV_OPT_CLOSE_ON_FREE, -1,
                                          (struct sockaddr *)&sin, sizeof sin);
    assert_non_null(f->listener);
    f->address.len = sizeof f->address.sa;
    assert_int_equal(
        getsockname(evconnlistener_get_fd(f->listener), (struct sockaddr *)&f->address.sa, &f->address.len), 0);
}

static void fake_stop(struct fake_smtp *f)
{
    for (unsigned i = 0; i < f->accepted; i++)
        fake_close(&f->connections[i], false);
    evconnlistener_free(f->listener);
    evbuffer_free(f->content);
}

#endif
