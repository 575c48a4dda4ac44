/* Serving messages: see serve.h. */
#include "store/serve.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "store/capability.h"
#include "store/pacing.h"

/* One fetch under way. They are few (bounded by store.connections): a list will do. */
struct fetch {
    struct serve *serve;
    struct fetch *next;
    char *id;
    char aud[DOMAIN_MAX + 1];
    char key[DOMAIN_MAX + 1]; /* the same, for the limits */
    char peer[NETADDR_TEXT_SIZE];
    struct http_request *req; /* until it is answered */
    struct store_body *body;
    bool look;  /* HEAD: takes nothing */
    bool noted; /* the store knows that it began */
    uint64_t first, last;
    msec_t came; /* by clock_mono() */
};

enum { BYTES_BURST = 10 /* seconds' worth */ };

struct serve {
    struct context *ctx;
    struct limit *under_way, *bytes; /* by domain */
    struct fetch *fetches;
    unsigned count;
};

struct serve *serve_new(struct context *ctx)
{
    struct serve *s = mem_zero(1, sizeof *s);
    s->ctx = ctx;
    s->under_way = limits_add(ctx->peers->all, "store.fetches-per-domain");
    s->bytes = limits_add(ctx->peers->all, "store.fetch-bytes-per-domain");
    serve_configure(s, ctx->config);
    return s;
}

void serve_configure(struct serve *s, const struct config *config)
{
    int64_t rate = config_number(config, "store.fetch-bytes-per-domain"), burst = rate * BYTES_BURST;
    int64_t paced = config_number(config, "store.pace-bytes-per-domain");
    limit_set_rate(s->bytes, rate, burst > paced ? burst : paced);
}

void serve_expects(struct serve *s, const char *aud, uint64_t size)
{
    limit_credit(s->bytes, aud, (int64_t)size);
}

static void fetch_free(struct fetch *f)
{
    struct fetch **p = &f->serve->fetches;
    while (*p != f) /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
        p = &(*p)->next;
    *p = f->next;
    f->serve->count--;
    limit_release(f->serve->under_way, f->key);
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

unsigned serve_count(const struct serve *s)
{
    return s->count;
}

/* Whether a fetch of this message by `aud` is under way. */
static bool is_busy(const struct serve *s, const char *id, const char *aud)
{
    for (const struct fetch *f = s->fetches; f != NULL; f = f->next) {
        if (!f->look && strcmp(f->id, id) == 0 && strcmp(f->aud, aud) == 0)
            return true;
    }
    return false;
}

static long pull(void *arg, uint64_t offset, void *buf, size_t len)
{
    struct fetch *f = arg;
    struct error err;
    long n = store_body_read(f->body, f->first + offset, buf, len, &err);
    if (n < 0)
        log_error("%s: read for %s: %s", f->id, f->aud, err.text);
    else
        limit_charge(f->serve->bytes, f->key, n);
    return n;
}

static void end_noted(void *arg, enum result result, const struct error *err)
{
    (void)arg;
    if (result != RESULT_OK)
        log_error("can't note the end of a fetch: %s", err->text);
}

static void note_end(const struct fetch *f, bool whole)
{
    struct error err;
    if (!f->noted)
        return;
    enum result r = FAILPOINT(serve_end)
                        ? error_set(&err, RESULT_TEMP, "disk I/O error")
                        : store_fetch_end(f->serve->ctx->store, f->id, f->aud, whole, f->peer, end_noted, NULL, &err);
    if (r != RESULT_OK)
        end_noted(NULL, r, &err);
}

/* Who got the last byte has, by resuming or at once, had them all. */
static void sent(void *arg, bool done)
{
    struct fetch *f = arg;
    struct serve *s = f->serve;
    uint64_t size = store_body_size(f->body);
    bool whole = done && f->last + 1 == size;
    if (whole)
        log_info("%s: fetched by %s[%s], size=%" PRIu64 ", pontoon=%s", f->id, f->aud, f->peer, size, f->id);
    else if (!done && f->noted)
        log_info("%s: fetch by %s[%s] broke off, pontoon=%s", f->id, f->aud, f->peer, f->id);
    if (whole)
        pacing_back(s->ctx->pacing, f->aud, f->id);
    struct fetch ended = *f;
    f->aud[0] = '\0'; /* not to be found as another fetch under way */
    if (whole || !is_busy(s, ended.id, ended.aud))
        note_end(&ended, whole);
    fetch_free(f);
}

static void refuse(struct http_request *req, enum store_access access)
{
    if (access == STORE_ACCESS_GONE)
        http_reply_problem(req, 410, "the message was delivered, recalled, returned to SMTP or has expired", 0);
    else
        http_reply_problem(req, 404, "there is no such message for this domain", 0);
}

struct reply_headers {
    char *etag, *repr, *where;
    struct http_header list[4];
};

static void fill_headers(struct reply_headers *h, const struct fetch *f, bool part)
{
    char digest[DIGEST_TEXT_SIZE];
    uint64_t size = store_body_size(f->body);
    digest_text(store_body_digest(f->body), digest);
    char *plain = base64_encode(store_body_digest(f->body), DIGEST_SIZE);
    h->etag = mem_printf("\"%s\"", digest);
    h->repr = mem_printf("sha-256=:%s:", plain);
    h->where = part ? mem_printf("bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, f->first, f->last, size)
                    : mem_printf("bytes */%" PRIu64, size);
    h->list[0] = (struct http_header){"ETag", h->etag};
    h->list[1] = (struct http_header){"Repr-Digest", h->repr};
    h->list[2] = (struct http_header){"Accept-Ranges", "bytes"};
    h->list[3] = (struct http_header){"Content-Range", h->where};
    mem_free(&plain);
}

static void free_headers(struct reply_headers *h)
{
    mem_free(&h->etag);
    mem_free(&h->repr);
    mem_free(&h->where);
}

static void stream(struct fetch *f)
{
    uint64_t size = store_body_size(f->body);
    struct http_request *req = f->req;
    f->last = size ? size - 1 : 0;
    enum http_range range = http_range_parse(http_request_header(req, "Range"), size, &f->first, &f->last);
    bool part = range == RANGE_OK;
    struct reply_headers h;
    fill_headers(&h, f, part);
    f->req = NULL;
    if (range == RANGE_BAD) {
        http_reply_problem_with(req, 416, "Range: lies outside of the message", h.list + 3);
        sent(f, false);
    } else {
        http_reply_stream(req, part ? 206 : 200, h.list, part ? 4 : 3, "message/rfc822",
                          size ? f->last - f->first + 1 : 0, pull, sent, f);
    }
    free_headers(&h);
}

/* The begin is noted, or the capability was taken away in the meantime. */
static void begun(void *arg, enum result result, const struct error *err)
{
    struct fetch *f = arg;
    f->noted = result == RESULT_OK;
    pacing_latency(f->serve->ctx->pacing, clock_mono() - f->came);
    (void)FAILPOINT(serve_begun);
    if (result == RESULT_OK) {
        stream(f);
        return;
    }
    if (result == RESULT_PERM) {
        refuse(f->req, STORE_ACCESS_GONE);
    } else {
        log_error("%s: can't note a fetch by %s: %s", f->id, f->aud, err->text);
        http_reply_problem(f->req, 503, "the store can't serve the message now", 30);
    }
    fetch_free(f);
}

static void start(struct serve *s, struct http_request *req, const char *id, const char *aud, struct store_body *body,
                  msec_t came)
{
    bool only = !is_busy(s, id, aud);
    struct fetch *f = mem_zero(1, sizeof *f);
    *f = (struct fetch){.serve = s, .next = s->fetches, .id = mem_strdup(id), .req = req, .body = body, .came = came};
    snprintf(f->aud, sizeof f->aud, "%s", aud);
    memcpy(f->key, f->aud, sizeof f->key);
    limit_hold(s->under_way, f->key);
    netaddr_ip(http_request_peer(req), f->peer);
    s->fetches = f;
    s->count++;
    f->look = strcmp(http_request_method(req), "HEAD") == 0;
    if (f->look) {
        stream(f);
        return;
    }
    struct error err;
    struct loop_relay *relay = loop_relay_new(s->ctx->loop, begun, f);
    enum result r = FAILPOINT(serve_begin)
                        ? error_set(&err, RESULT_TEMP, "disk I/O error")
                        : store_fetch_begin(s->ctx->store, id, aud, only, loop_relay_done, relay, &err);
    if (r != RESULT_OK)
        loop_relay_done(relay, err.result, &err);
}

/* Whether this domain may fetch one more now; if not it is answered. */
static bool has_room(struct serve *s, struct http_request *req, const char *aud)
{
    enum { RETRY_AFTER_BUSY = 1 /* s */ };
    unsigned wait;
    if (limit_held(s->under_way, aud) >= (unsigned)config_number(s->ctx->config, "store.fetches-per-domain")) {
        limit_refused(s->under_way, aud, "refused a fetch by %s: too many under way (store.fetches-per-domain)", aud);
        http_reply_problem(req, 429, "too many fetches of this domain are under way", RETRY_AFTER_BUSY);
        return false;
    }
    if (!limit_allows(s->bytes, aud, &wait)) {
        limit_refused(s->bytes, aud, "refused a fetch by %s: too many bytes (store.fetch-bytes-per-domain)", aud);
        http_reply_problem(req, 429, "this domain has fetched too many bytes beyond what it was notified of", wait);
        return false;
    }
    return true;
}

void serve_message(struct serve *s, struct http_request *req, const char *id)
{
    char aud[DOMAIN_MAX + 1];
    if (!capability_check(s->ctx, req, id, aud))
        return;
    if (s->ctx->draining) {
        http_reply_problem(req, 503, "shutting down", 10);
        return;
    }
    if (!has_room(s, req, aud))
        return;
    msec_t came = clock_mono();
    enum store_access access;
    struct store_body *body = NULL;
    struct error err;
    if (store_body_open(s->ctx->store, id, aud, &access, &body, &err) != RESULT_OK) {
        log_error("%s: open for %s: %s", id, aud, err.text);
        http_reply_problem(req, 503, "the store can't read the message now", 30);
    } else if (access != STORE_ACCESS_OK) {
        refuse(req, access);
    } else {
        start(s, req, id, aud, body, came);
    }
}
