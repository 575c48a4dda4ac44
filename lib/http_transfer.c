/* A request and its response as a libcurl transfer: see http_transfer.h. */
#include "lib/http_transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/certificate.h"
#include "lib/log.h"
#include "lib/mem.h"

static const char *const header_names[TRANSFER_HEADERS] = {
    [TRANSFER_CONTENT_TYPE] = "Content-Type",   [TRANSFER_RETRY_AFTER] = "Retry-After",
    [TRANSFER_CONTENT_RANGE] = "Content-Range", [TRANSFER_ETAG] = "ETag",
    [TRANSFER_REPR_DIGEST] = "Repr-Digest",     [TRANSFER_DATE] = "Date",
};

/* ---- the response ---- */

static void forget_values(struct http_transfer *t)
{
    for (size_t i = 0; i < TRANSFER_HEADERS; i++)
        mem_free(&t->values[i]);
}

static void refuse(struct http_transfer *t, enum result result, const char *why)
{
    if (t->refusal.result == RESULT_OK)
        error_set(&t->refusal, result, "%s", why);
}

/* The first of several headers of one name counts. */
static void note_header(struct http_transfer *t, const char *line, size_t len)
{
    const char *colon = memchr(line, ':', len);
    if (colon == NULL)
        return;
    size_t name_len = (size_t)(colon - line);
    for (size_t i = 0; i < TRANSFER_HEADERS; i++) {
        if (strlen(header_names[i]) != name_len || strncasecmp(line, header_names[i], name_len) != 0)
            continue;
        const char *value = colon + 1;
        const char *end = line + len;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        while (end > value && strchr(" \t\r\n", end[-1]) != NULL)
            end--;
        if (t->values[i] == NULL && end - value <= TRANSFER_VALUE_MAX)
            t->values[i] = mem_strndup(value, (size_t)(end - value));
    }
}

/* libcurl has the session only while the connection is the transfer's. */
static void note_session(struct http_transfer *t)
{
    struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL ||
        info->backend != CURLSSLBACKEND_OPENSSL || info->internals == NULL)
        return;
    const SSL *session = info->internals;
    snprintf(t->tls, sizeof t->tls, "%s", SSL_get_version(session));
    t->certificate_ends = certificate_of_peer_ends(session);
}

/* All header lines of all responses (100, then 200), one by one, with an empty one at the end of each. */
static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    size_t len = size * n;
    if (t->dead)
        return 0;
    t->head_bytes += len;
    if (t->head_bytes > TRANSFER_HEAD_MAX) {
        refuse(t, RESULT_TEMP, "the response's headers are too long");
        return 0;
    }
    if (t->head_complete)
        return len; /* trailers */
    if (len >= 5 && strncmp(line, "HTTP/", 5) == 0)
        forget_values(t);
    if (len > 2 || (len > 0 && line[0] != '\r' && line[0] != '\n')) {
        note_header(t, line, len);
        return len;
    }
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 101) { /* libcurl would take what follows for the body */
        refuse(t, RESULT_TEMP, "the server switches to a protocol that nobody asked for");
        return 0;
    }
    if (status < 200)
        return len;
    t->head_complete = true;
    note_session(t);
    if (t->on_head != NULL) {
        struct http_response response;
        http_transfer_response(t, &response);
        if (!t->on_head(t->arg, &response)) {
            refuse(t, RESULT_PERM, "the response is not what was asked for");
            return 0;
        }
    }
    return t->dead ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_transfer *t = arg;
    size_t len = size * n;
    if (t->dead)
        return 0;
    if (t->on_data == NULL) {
        if (buf_add(&t->body, data, len))
            return len;
        refuse(t, RESULT_TEMP, "the response is too long");
        return 0;
    }
    bool taken = t->on_data(t->arg, data, len);
    if (t->dead)
        return 0;
    return taken ? len : CURL_WRITEFUNC_PAUSE;
}

void http_transfer_response(const struct http_transfer *t, struct http_response *r)
{
    long status = 0, request_bytes = 0, port = 0;
    curl_off_t length = -1;
    const char *ip = NULL;
    if (t->easy != NULL) {
        curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip);
        curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port);
    }
    *r = (struct http_response){
        .status = status >= 200 ? (int)status : 0,
        .content_type = t->values[TRANSFER_CONTENT_TYPE],
        .retry_after = t->values[TRANSFER_RETRY_AFTER],
        .content_range = t->values[TRANSFER_CONTENT_RANGE],
        .etag = t->values[TRANSFER_ETAG],
        .repr_digest = t->values[TRANSFER_REPR_DIGEST],
        .content_length = length,
        .body = buf_str(&t->body),
        .len = t->body.len,
        .sent = request_bytes > 0,
        .certificate_ends = t->certificate_ends,
    };
    time_t date = t->values[TRANSFER_DATE] != NULL ? curl_getdate(t->values[TRANSFER_DATE], NULL) : -1;
    r->date = date > 0 ? (msec_t)date * 1000 : 0;
    memcpy(r->tls, t->tls, sizeof r->tls);
    snprintf(r->peer, sizeof r->peer, "%.200s[%s]:%u", t->host ? t->host : "unknown", ip && *ip ? ip : "unknown",
             port > 0 ? (unsigned)port : t->port);
}

enum result http_transfer_result(const struct http_transfer *t, CURLcode code, struct error *err)
{
    if (code == CURLE_OK)
        return RESULT_OK;
    if (t->refusal.result != RESULT_OK)
        return error_set(err, t->refusal.result, "%s:%u: %s", t->host, t->port, t->refusal.text);
    if (code == CURLE_OUT_OF_MEMORY) /* so libcurl calls its own limits, too */
        return error_set(err, RESULT_TEMP, "%s:%u: a line of the response's headers is too long (or memory is short)",
                         t->host, t->port);
    return error_set(err, RESULT_TEMP, "%s:%u: %s", t->host, t->port,
                     t->curl_error[0] ? t->curl_error : curl_easy_strerror(code));
}

/* ---- the request ---- */

static bool one_line(const char *s)
{
    for (; s != NULL && *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            return false;
    }
    return true;
}

/* "https" with a host and nothing that could mislead: sets host and port. */
static enum result parse_url(struct http_transfer *t, const char *url, struct error *err)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    bool ok = one_line(url) && curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcmp(scheme, "https") == 0 &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK && host[0] != '\0' &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (ok) {
        size_t n = strlen(host);
        struct netaddr a;
        t->host = host[0] == '[' && n > 2 ? mem_strndup(host + 1, n - 2) : mem_strdup(host);
        t->port = (uint16_t)strtoul(port, NULL, 10);
        t->literal = netaddr_parse(t->host, t->port, &a);
        for (const char *p = host; *p; p++)
            ok = ok && (unsigned char)*p < 0x80; /* A-labels only: what we resolve is what libcurl connects to */
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return ok ? RESULT_OK : error_set(err, RESULT_PERM, "\"%s\" is not an https URL that can be used", url);
}

static void add_header(struct http_transfer *t, const char *name, const char *before, const char *value)
{
    char *line = value != NULL ? mem_printf("%s: %s%s", name, before, value) : mem_printf("%s:", name);
    struct curl_slist *all = curl_slist_append(t->headers, line);
    if (all == NULL)
        log_fatal("out of memory (headers)");
    t->headers = all;
    mem_free(&line);
}

/* What the caller names and nothing else: a name without value takes libcurl's own header away. */
static void set_headers(struct http_transfer *t, const struct http_call_options *o)
{
    add_header(t, "Accept", "", NULL);
    add_header(t, "Expect", "", NULL);
    add_header(t, "User-Agent", "", NULL);
    add_header(t, "Content-Type", "", o->content_type);
    if (o->bearer != NULL)
        add_header(t, "Authorization", "Bearer ", o->bearer);
    if (o->range != NULL)
        add_header(t, "Range", "", o->range);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
}

static void set_method(CURL *easy, const struct http_call_options *o)
{
    if (strcmp(o->method, "POST") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, o->body ? o->body : "");
    } else if (strcmp(o->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (strcmp(o->method, "GET") != 0) {
        log_panic("http client: method %s", o->method);
    }
}

static void set_safety(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
}

static void set_times(CURL *easy, const struct http_call_options *o)
{
    enum { CONNECT_TIMEOUT = 30000 };
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(o->connect_timeout > 0 ? o->connect_timeout : CONNECT_TIMEOUT));
    if (o->min_rate > 0) {
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)o->min_rate);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)((o->min_rate_time + 999) / 1000));
    } else if (o->timeout <= 0) {
        log_panic("http client: a call without any bound in time");
    }
}

enum result http_transfer_init(struct http_transfer *t, const struct http_call_options *o, struct error *err)
{
    *t = (struct http_transfer){.on_head = o->on_head, .on_data = o->on_data, .arg = o->arg};
    buf_init(&t->body, o->max_body);
    if (parse_url(t, o->url, err) != RESULT_OK)
        return RESULT_PERM;
    if (!one_line(o->bearer) || !one_line(o->range) || !one_line(o->content_type))
        return error_set(err, RESULT_PERM, "%s: a request header has a control character", o->url);
    t->easy = curl_easy_init();
    if (t->easy == NULL)
        log_fatal("out of memory (libcurl)");
    curl_easy_setopt(t->easy, CURLOPT_URL, o->url);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->curl_error);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    set_safety(t->easy);
    set_times(t->easy, o);
    set_method(t->easy, o);
    set_headers(t, o);
    return RESULT_OK;
}

void http_transfer_clear(struct http_transfer *t)
{
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->resolve);
    t->headers = t->resolve = NULL;
    forget_values(t);
    mem_free(&t->host);
    buf_free(&t->body);
}

void http_transfer_resolve(struct http_transfer *t, const struct netaddr *addresses, size_t n)
{
    if (t->literal)
        return;
    /* '+': replaces what an earlier call left in libcurl's DNS cache, and does not stay there for ever. */
    struct buf line = BUF_INIT(8192);
    buf_printf(&line, "+%s:%u:", t->host, t->port);
    for (size_t i = 0; i < n; i++) {
        char ip[NETADDR_TEXT_SIZE];
        netaddr_ip(&addresses[i], ip);
        buf_printf(&line, "%s%s", i ? "," : "", ip);
    }
    t->resolve = curl_slist_append(NULL, buf_str(&line));
    if (t->resolve == NULL)
        log_fatal("out of memory (addresses)");
    buf_free(&line);
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve);
}
