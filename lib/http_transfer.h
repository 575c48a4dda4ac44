/*
 * One request and its response as a libcurl transfer: options in, head and body out. lib/http_client.c decides when it
 * runs and where it may connect to. Nobody else includes this.
 */
#ifndef PONTOON_HTTP_TRANSFER_H
#define PONTOON_HTTP_TRANSFER_H

#include <curl/curl.h>

#include "lib/buf.h"
#include "lib/http_client.h"

enum {
    TRANSFER_HEAD_MAX = 64 * 1024, /* bytes of all response headers */
    TRANSFER_VALUE_MAX = 1000,     /* of one that we look at */
};

enum transfer_header {
    TRANSFER_CONTENT_TYPE,
    TRANSFER_RETRY_AFTER,
    TRANSFER_CONTENT_RANGE,
    TRANSFER_ETAG,
    TRANSFER_REPR_DIGEST,
    TRANSFER_DATE,
    TRANSFER_HEADERS
};

struct http_transfer {
    CURL *easy;
    struct curl_slist *headers, *resolve;
    char curl_error[CURL_ERROR_SIZE];
    char *host; /* as in the URL, without brackets */
    uint16_t port;
    bool literal; /* the host is an address */

    bool (*on_head)(void *arg, const struct http_response *response);
    bool (*on_data)(void *arg, const void *data, size_t len);
    void *arg;
    bool dead; /* no more callbacks: libcurl is told to give up */
    bool head_complete;
    struct error refusal; /* why we ended it ourselves; result RESULT_OK: we did not */
    size_t head_bytes;
    char *values[TRANSFER_HEADERS]; /* of the response's headers, or NULL */
    char tls[16];                   /* the session's version, "" unknown */
    msec_t certificate_ends;        /* the peer's; 0 unknown */
    struct buf body;
};

/* RESULT_PERM: the URL or another option can't be used. To be cleared in any case. */
enum result http_transfer_init(struct http_transfer *t, const struct http_call_options *o, struct error *err);
void http_transfer_clear(struct http_transfer *t);
/* Connect to these and no others. */
void http_transfer_resolve(struct http_transfer *t, const struct netaddr *addresses, size_t n);
/* What is known of the response by now; lives as long as the transfer. */
void http_transfer_response(const struct http_transfer *t, struct http_response *r);
/* RESULT_OK, or why there is no (complete) response. */
enum result http_transfer_result(const struct http_transfer *t, CURLcode code, struct error *err);

#endif
