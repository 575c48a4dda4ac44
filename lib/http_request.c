/* The life of a request in the HTTP server, and what a handler may ask of it: see http_request.h, http_server.h. */
#include "lib/http_request.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/mem.h"

static struct bufferevent *socket_of(struct http_request *req)
{
    return evhttp_connection_get_bufferevent(evhttp_request_get_connection(req->evreq));
}

/* evhttp wrote the last byte, and frees its request when we return. */
static void completed(struct evhttp_request *evreq, void *arg)
{
    struct http_request *req = arg;
    evhttp_connection_set_closecb(evhttp_request_get_connection(evreq), NULL, NULL);
    req->ended(req->ended_arg);
    if (req->sent != NULL)
        req->sent(req->stream_arg, evhttp_request_get_command(evreq) != EVHTTP_REQ_HEAD);
    mem_free(&req);
}

/* evhttp is about to free the connection; a request that still waits for us it has let go of before. */
static void closed(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    struct http_request *req = arg;
    assert(req->state == REQUEST_ANSWERED || evhttp_request_get_connection(req->evreq) == NULL);
    http_request_lose(req);
}

/*
 * evhttp stops reading while a request is worked on, and so would not see that the client went away. We go
 * on reading, without callback, as evhttp does itself while it writes: bytes wait in the (bounded) buffer.
 */
static void watch_for_close(struct bufferevent *bev)
{
    bufferevent_data_cb on_write;
    bufferevent_event_cb on_event;
    void *arg;
    bufferevent_getcb(bev, NULL, &on_write, &on_event, &arg);
    bufferevent_setcb(bev, NULL, on_write, on_event, arg);
    bufferevent_enable(bev, EV_READ);
}

struct http_request *http_request_begin(struct evhttp_request *evreq, const struct netaddr *peer, loop_fn *ended,
                                        http_replying *replying, void *ended_arg)
{
    struct http_request *req = mem_zero(1, sizeof *req);
    req->evreq = evreq;
    req->peer = *peer;
    req->ended = ended;
    req->replying = replying;
    req->ended_arg = ended_arg;
    evhttp_request_set_on_complete_cb(evreq, completed, req);
    evhttp_connection_set_closecb(evhttp_request_get_connection(evreq), closed, req);
    watch_for_close(socket_of(req));
    return req;
}

void http_request_detach(struct http_request *req)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(req->evreq), NULL, NULL);
    if (req->state != REQUEST_ANSWERED)
        evhttp_request_own(req->evreq);
}

void http_request_lose(struct http_request *req)
{
    enum http_request_state was = req->state;
    req->state = REQUEST_GONE;
    req->ended(req->ended_arg);
    if (was == REQUEST_WAITING) { /* lives on until the handler answers, perhaps just now */
        if (req->gone != NULL)
            req->gone(req->gone_arg);
        return;
    }
    if (req->sent != NULL)
        req->sent(req->stream_arg, false);
    if (was == REQUEST_ANSWERED)
        mem_free(&req);
    else
        http_request_free(&req);
}

void http_request_cut(struct http_request *req)
{
    shutdown(bufferevent_getfd(socket_of(req)), SHUT_RDWR);
}

void http_request_free(struct http_request **req)
{
    assert((*req)->state == REQUEST_GONE);
    evhttp_request_free((*req)->evreq);
    mem_free(req);
}

void http_request_put_headers(struct http_request *req, const struct http_header *headers, size_t n,
                              const char *content_type, uint64_t length)
{
    struct evkeyvalq *out = evhttp_request_get_output_headers(req->evreq);
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, length);
    if (content_type != NULL)
        evhttp_add_header(out, "Content-Type", content_type);
    evhttp_add_header(out, "Content-Length", text);
    if (req->last)
        evhttp_add_header(out, "Connection", "close");
    for (size_t i = 0; i < n; i++) {
        if (evhttp_add_header(out, headers[i].name, headers[i].value) != 0)
            log_panic("http reply: bad header \"%s\"", headers[i].name);
    }
}

const char *http_status_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status)
            return titles[i].title;
    }
    return status < 400 ? "OK" : "Error";
}

const char *http_request_method(const struct http_request *req)
{
    switch (evhttp_request_get_command(req->evreq)) {
    case EVHTTP_REQ_GET: return "GET";
    case EVHTTP_REQ_POST: return "POST";
    case EVHTTP_REQ_HEAD: return "HEAD";
    default: return "?";
    }
}

const char *http_request_path(const struct http_request *req)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req->evreq);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    return path ? path : "";
}

const char *http_request_header(const struct http_request *req, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(req->evreq), name);
}

const char *http_request_bearer(const struct http_request *req)
{
    static const char scheme[] = "Bearer ";
    const char *value = http_request_header(req, "Authorization");
    if (value == NULL || strncasecmp(value, scheme, strlen(scheme)) != 0)
        return NULL;
    value += strlen(scheme);
    value += strspn(value, " ");
    return *value ? value : NULL;
}

const void *http_request_body(struct http_request *req, size_t *len_r)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(req->evreq);
    *len_r = evbuffer_get_length(in);
    return *len_r ? evbuffer_pullup(in, -1) : (const void *)"";
}

const struct netaddr *http_request_peer(const struct http_request *req)
{
    return &req->peer;
}

void http_request_on_gone(struct http_request *req, loop_fn *fn, void *arg)
{
    req->gone = fn;
    req->gone_arg = arg;
}
