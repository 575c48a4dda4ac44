/*
 * HTTPS requests on a loop: libcurl's multi interface with connection reuse, full verification and no
 * redirects, proxies, cookies or credentials from outside.
 *
 * Names are resolved by lib/dns.h and every address is checked (netaddr_is_global or
 * discovery.allow-addresses) before libcurl may connect to just these addresses; the check is made again on the
 * socket's own address. Nothing about us is sent beyond what the caller names: Host, Authorization, Range,
 * Content-Type, Content-Length.
 */
#ifndef PONTOON_HTTP_CLIENT_H
#define PONTOON_HTTP_CLIENT_H

#include <stdint.h>

#include "lib/config.h"
#include "lib/dns.h"
#include "lib/loop.h"
#include "lib/result.h"

struct http_client;
struct http_call;

/* CA file from discovery.ca-file (else the system's), allowed addresses from discovery.allow-addresses. */
enum result http_client_new(struct loop *loop, struct dns *dns, const struct config *config, struct http_client **c_r,
                            struct error *err);
void http_client_free(struct http_client **c); /* cancels what is under way without callbacks */

struct http_response {
    int status;                                     /* 0: no response */
    const char *content_type;                       /* or NULL */
    const char *retry_after;                        /* header value or NULL */
    const char *content_range, *etag, *repr_digest; /* or NULL */
    int64_t content_length;                         /* -1 unknown */
    const void *body;                               /* when collected: NUL-terminated behind len */
    size_t len;
    char peer[NETADDR_TEXT_SIZE + 256]; /* "host[addr]:port", for logs */
    bool sent;                          /* the request, or a part of it, may have reached the peer */
    /* Of the answer, for `pontoon check`: 0 and "" if unknown. */
    msec_t date;             /* the peer's clock (header Date) */
    msec_t certificate_ends; /* when the peer's certificate runs out */
    char tls[16];            /* "TLSv1.3" */
};

/* RESULT_OK: a complete response of any status. TEMP: no (complete) response. PERM: refused by us (address, URL). */
typedef void http_call_done(void *arg, enum result result, const struct http_response *response,
                            const struct error *err);

struct http_call_options {
    const char *method;       /* "GET", "POST" */
    const char *url;          /* https only */
    const char *content_type; /* or NULL */
    const char *bearer;       /* Authorization: Bearer, or NULL */
    const char *range;        /* "bytes=N-" value or NULL */
    const void *body;         /* copied */
    size_t body_len;
    size_t max_body; /* of the response when collected: more is RESULT_TEMP */
    msec_t connect_timeout;
    msec_t timeout;    /* of the whole call; 0: none (then min_rate must be set) */
    uint32_t min_rate; /* bytes a second, averaged over min_rate_time; 0: none */
    msec_t min_rate_time;
    /*
     * Streaming instead of collecting: on_head when the response's headers are complete (false: cancel the call,
     * done gets RESULT_PERM); on_data for each piece, returns false to pause: that piece is kept
     * and given again after http_call_resume().
     */
    bool (*on_head)(void *arg, const struct http_response *response);
    bool (*on_data)(void *arg, const void *data, size_t len);
    http_call_done *done;
    void *arg;
};

struct http_call *http_client_start(struct http_client *c, const struct http_call_options *o);
void http_call_resume(struct http_call *call);
void http_call_cancel(struct http_call *call); /* no callback after this */

#endif
