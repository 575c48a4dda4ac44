/* Serving messages: see serve.h. */
#include "store/serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "store/capability.h"

/* One fetch under way. They are few (bounded by store.connections): a list will do. */
struct fetch {
    struct serve *serve;
    struct fetch *next;
    char *id;
    char aud[DOMAIN_MAX + 1];
    char peer[NETADDR_TEXT_SIZE];
    struct store_body *body;
    uint64_t first, last;
};

struct serve {
    struct context *ctx;
    struct fetch *fetches;
    unsigned count;
};

struct serve *serve_new(struct context *ctx)
{
    struct serve *s = mem_zero(1, sizeof *s);
    s->ctx = ctx;
    return s;
}

static void fetch_free(struct fetch *f)
{
    struct fetch **p = &f->serve->fetches;
    while (*p != f)
        p = &(*p)->next;
    *p = f->next;
    f->serve->count--;
    store_body_close(&f->body);
    mem_free(&f->id);
    mem_free(&f);
}

void serve_free(struct serve **s)
{
    if (*s == NULL)
        return;
    while ((*s)->fetches != NULL)
        fetch_free((*s)->fetches);
    mem_free(s);
}

bool serve_is_busy(const struct serve *s, const char *id, const char *aud)
{
    for (const struct fetch *f = s->fetches; f != NULL; f = f->next) {
        if (strcmp(f->id, id) == 0 && strcmp(f->aud, aud) == 0)
            return true;
    }
    return false;
}

unsigned serve_count(const struct serve *s)
{
    return s->count;
}

static long pull(void *arg, uint64_t offset, void *buf, size_t len)
{
    struct fetch *f = arg;
    struct error err;
    long n = store_body_read(f->body, f->first + offset, buf, len, &err);
    if (n < 0)
        log_error("%s: read for %s: %s", f->id, f->aud, err.text);
    return n;
}

/* Who got the last byte has, by resuming or at once, had them all. */
static void sent(void *arg, bool whole)
{
    struct fetch *f = arg;
    uint64_t size = store_body_size(f->body);
    if (whole && f->last + 1 == size) {
        log_info("%s: fetched by %s[%s], size=%" PRIu64 ", pontoon=%s", f->id, f->aud, f->peer, size, f->id);
        struct error err;
        if (store_fetched(f->serve->ctx->store, f->id, f->aud, f->peer, NULL, NULL, &err) != RESULT_OK)
            log_error("%s: can't note the fetch by %s: %s", f->id, f->aud, err.text);
    } else if (!whole) {
        log_info("%s: fetch by %s[%s] broke off, pontoon=%s", f->id, f->aud, f->peer, f->id);
    }
    fetch_free(f);
}

static void refuse(struct http_request *req, enum store_access access)
{
    if (access == STORE_ACCESS_GONE)
        http_reply_problem(req, 410, "the message was delivered, recalled, returned to SMTP or has expired", 0);
    else
        http_reply_problem(req, 404, "there is no such message for this domain", 0);
}

static void start(struct serve *s, struct http_request *req, const char *id, const char *aud, struct store_body *body)
{
    uint64_t size = store_body_size(body);
    uint64_t first = 0, last = size ? size - 1 : 0;
    enum http_range range = http_range_parse(http_request_header(req, "Range"), size, &first, &last);
    char digest[DIGEST_TEXT_SIZE];
    digest_text(store_body_digest(body), digest);
    char *plain = base64_encode(store_body_digest(body), DIGEST_SIZE);
    char *etag = mem_printf("\"%s\"", digest);
    char *repr = mem_printf("sha-256=:%s:", plain);
    char *where = range == RANGE_OK ? mem_printf("bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, last, size)
                                    : mem_printf("bytes */%" PRIu64, size);
    struct http_header headers[] = {
        {"ETag", etag}, {"Repr-Digest", repr}, {"Accept-Ranges", "bytes"}, {"Content-Range", where}};
    if (range == RANGE_BAD) {
        store_body_close(&body);
        http_reply(req, 416, headers + 3, 1, NULL, NULL, 0);
    } else {
        struct fetch *f = mem_zero(1, sizeof *f);
        *f = (struct fetch){.serve = s, .next = s->fetches, .id = mem_strdup(id), .body = body, .first = first, .last = last};
        snprintf(f->aud, sizeof f->aud, "%s", aud);
        netaddr_ip(http_request_peer(req), f->peer);
        s->fetches = f;
        s->count++;
        bool part = range == RANGE_OK;
        http_reply_stream(req, part ? 206 : 200, headers, part ? 4 : 3, "message/rfc822", size ? last - first + 1 : 0, pull,
                          sent, f);
    }
    mem_free(&plain);
    mem_free(&etag);
    mem_free(&repr);
    mem_free(&where);
}

void serve_message(struct serve *s, struct http_request *req, const char *id)
{
    char aud[DOMAIN_MAX + 1];
    if (!capability_check(s->ctx->secret, req, id, aud))
        return;
    if (s->ctx->draining) {
        http_reply_problem(req, 503, "shutting down", 10);
        return;
    }
    enum store_access access;
    struct store_body *body = NULL;
    struct error err;
    if (store_body_open(s->ctx->store, id, aud, &access, &body, &err) != RESULT_OK) {
        log_error("%s: open for %s: %s", id, aud, err.text);
        http_reply_problem(req, 503, "the store can't read the message now", 30);
    } else if (access != STORE_ACCESS_OK) {
        refuse(req, access);
    } else {
        start(s, req, id, aud, body);
    }
}
