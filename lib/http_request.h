/*
 * One request inside the HTTP server: what lib/http_server.c (connections), lib/http_request.c (its life) and
 * lib/http_reply.c, lib/http_stream.c (its answer) share. Nobody else includes this.
 *
 * evhttp frees a request together with its connection unless the user still works on it. http_request_begin()
 * hooks into both ends: a request is either completed (the answer was written) or its connection is lost, once.
 */
#ifndef PONTOON_HTTP_REQUEST_H
#define PONTOON_HTTP_REQUEST_H

#include <event2/http.h>

#include "lib/http_server.h"

enum http_request_state {
    REQUEST_WAITING,   /* the handler has not answered yet */
    REQUEST_STREAMING, /* a streamed answer still wants pieces */
    REQUEST_ANSWERED,  /* all is in the output buffer; evhttp frees the request from here on */
    REQUEST_GONE,      /* the connection was lost before; we free the request */
};

/* Called with an answer's status just before it goes out. */
typedef void http_replying(void *arg, int status);

struct http_request {
    enum http_request_state state;
    struct evhttp_request *evreq;
    struct netaddr peer;
    bool last;               /* answer with "Connection: close" */
    loop_fn *ended;          /* the server's: complete or gone; called once, before the handler's own callbacks */
    http_replying *replying; /* the server's, too, with the same argument */
    void *ended_arg;
    loop_fn *gone;
    void *gone_arg;

    http_pull *pull; /* of a streamed answer, else NULL */
    http_sent *sent;
    void *stream_arg;
    uint64_t offset, length;
};

struct http_request *http_request_begin(struct evhttp_request *evreq, const struct netaddr *peer, loop_fn *ended,
                                        http_replying *replying, void *ended_arg);
/*
 * The server is going away with this request's connection: parts them, so that the connection can be freed.
 * http_request_lose() afterwards tells whoever waits, and frees the request unless its handler still has it.
 */
void http_request_detach(struct http_request *req);
void http_request_lose(struct http_request *req);
/* Cuts the connection; what is to be freed is freed when evhttp finds out. */
void http_request_cut(struct http_request *req);
void http_request_free(struct http_request **req); /* in state REQUEST_GONE */

/* Puts status-independent headers of the answer on the request. */
void http_request_put_headers(struct http_request *req, const struct http_header *headers, size_t n,
                              const char *content_type, uint64_t length);
const char *http_status_title(int status);

#endif
