/*
 * A small HTTPS server on a loop: libevent's evhttp behind bounds on connections and requests (lib/peer_limits.h),
 * header and body size, and idle time. Requests that break a bound never reach the handler. What evhttp
 * refuses itself (what is not HTTP, a header or body far too large) gets evhttp's own page: libevent 2.1 leaves us no say
 * in that.
 *
 * A handler may answer later; the request lives until it is answered. When the client goes away before
 * that, the answer goes nowhere, silently; http_request_on_gone() tells those who hold resources.
 */
#ifndef PONTOON_HTTP_SERVER_H
#define PONTOON_HTTP_SERVER_H

#include <stdint.h>

#include "lib/loop.h"
#include "lib/netaddr.h"
#include "lib/peer_limits.h"
#include "lib/result.h"
#include "lib/tls.h"

struct http_server;
struct http_request;

struct http_server_limits {
    struct peer_limits *peers; /* of connections and requests; borrowed */
    const char *section;       /* of the configuration, for log lines: a literal */
    size_t header_max;         /* bytes of request line and headers */
    size_t body_max;           /* 413 beyond */
    msec_t idle_timeout;       /* for a whole request to come in after accept or the last answer, and for a
                                         write to make progress */
};

typedef void http_handler(struct http_request *req, void *arg);

struct http_server *http_server_new(struct loop *loop, const struct http_server_limits *limits, struct tls_server *tls,
                                    http_handler *handler, void *arg);
enum result http_server_listen(struct http_server *s, const struct netaddr *address, struct error *err);
/* Where it listens: for port 0 in tests. */
uint16_t http_server_port(const struct http_server *s);
/* No new connections; idle ones are closed as they are found. */
void http_server_drain(struct http_server *s);
unsigned http_server_requests(const struct http_server *s); /* requests under way */
void http_server_free(struct http_server **s);

const char *http_request_method(const struct http_request *req); /* "GET", "POST", "HEAD", else "?": for a 405 */
const char *http_request_path(const struct http_request *req);   /* without query; not decoded */
const char *http_request_header(const struct http_request *req, const char *name); /* NULL if absent */
/* The value of "Authorization: Bearer X", or NULL. */
const char *http_request_bearer(const struct http_request *req);
const void *http_request_body(struct http_request *req, size_t *len_r);
const struct netaddr *http_request_peer(const struct http_request *req);
/*
 * Calls fn when the client's connection is lost before the request is answered (fn may answer it then, to be
 * rid of it). NULL: no longer. A streamed answer under way hears of it by its own `done`.
 */
void http_request_on_gone(struct http_request *req, loop_fn *fn, void *arg);

struct http_header {
    const char *name, *value;
};
/* The whole answer; content_type may be NULL when there is no body. The request is gone after it. */
void http_reply(struct http_request *req, int status, const struct http_header *headers, size_t nheaders,
                const char *content_type, const void *body, size_t len);
/* RFC 9457 application/problem+json: {"type":"about:blank","title":…,"status":…,"detail":…}. retry_after in seconds, 0 none. */
void http_reply_problem(struct http_request *req, int status, const char *detail, unsigned retry_after);
/* The same with one other header, or none (NULL). */
void http_reply_problem_with(struct http_request *req, int status, const char *detail,
                             const struct http_header *header);
/* The status resource of a store or a bridge that is ready (doc/protocol.md, sections 4 and 7): 200, and the protocol's version. */
void http_reply_ready(struct http_request *req);
/* A problem document with 405; `allow` is what the method may be: "GET, HEAD". */
void http_reply_not_allowed(struct http_request *req, const char *allow);
/*
 * An answer of known length that is pulled piece by piece as the client takes it (at most two pieces of
 * 64 KiB are in memory). pull returns bytes written to buf (len at most), 0 or -1 to cut the connection; it is
 * called until `length` bytes were given. `done` (once, perhaps before the function returns): sent is true if all went
 * out to the socket; a HEAD request gets the headers only, and false.
 */
typedef long http_pull(void *arg, uint64_t offset, void *buf, size_t len);
typedef void http_sent(void *arg, bool sent);
void http_reply_stream(struct http_request *req, int status, const struct http_header *headers, size_t nheaders,
                       const char *content_type, uint64_t length, http_pull *pull, http_sent *done, void *arg);

/*
 * One "Range: bytes=A-B" (RFC 9110 section 14) against a known size; several ranges, other units and
 * malformed ones are RANGE_NONE (ignored, as the RFC allows); unsatisfiable is RANGE_BAD (416).
 */
enum http_range { RANGE_NONE, RANGE_OK, RANGE_BAD };
enum http_range http_range_parse(const char *value, uint64_t size, uint64_t *first_r, uint64_t *last_r);

#endif
