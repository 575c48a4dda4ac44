/*
 * From a request's method and path to the part that answers it: see routes.h. The store may be published
 * under any base path (policy.outbound), so the path is read from its end.
 */
#include "store/routes.h"

#include <stdio.h>
#include <string.h>

#include "lib/digest.h"
#include "store/publish.h"
#include "store/receipts.h"
#include "store/serve.h"

enum { ID_MAX = 64, RETRY_AFTER_STOP = 30 /* s */ };

static void take_policy(struct context *ctx, struct http_request *req, const char *id)
{
    (void)id;
    publish_answer(ctx->publish, ctx->config, req);
}

static void take_message(struct context *ctx, struct http_request *req, const char *id)
{
    serve_message(ctx->serve, req, id);
}

static void take_receipt(struct context *ctx, struct http_request *req, const char *id)
{
    receipts_take(ctx, req, id);
}

static void take_status(struct context *ctx, struct http_request *req, const char *id)
{
    (void)id;
    if (ctx->draining)
        http_reply_problem(req, 503, "shutting down", RETRY_AFTER_STOP);
    else
        http_reply_ready(req);
}

static const struct route {
    const char *before; /* what stands before the id; without an id, the end of the path */
    const char *after;  /* what stands after the id; NULL: no id */
    bool whole;         /* without an id: all of the path, not its end */
    const char *methods;
    void (*handle)(struct context *ctx, struct http_request *req, const char *id);
} routes[] = {
    {"/.well-known/sender-store", NULL, true, "GET, HEAD", take_policy},
    {"/messages", NULL, false, "GET, HEAD", take_status},
    {"/messages/", "/receipts", false, "POST", take_receipt},
    {"/messages/", "", false, "GET, HEAD", take_message},
};

/* The last "/messages/" counts: a base path may hold another. */
static const char *find_last(const char *path, const char *what)
{
    const char *found = NULL;
    for (const char *p = path; (p = strstr(p, what)) != NULL; p++)
        found = p;
    return found;
}

static bool route_matches(const struct route *r, const char *path, char id[ID_MAX + 1])
{
    id[0] = '\0';
    if (r->after == NULL) {
        size_t len = strlen(path), end = strlen(r->before);
        return len >= end && (!r->whole || len == end) && strcmp(path + len - end, r->before) == 0;
    }
    const char *p = find_last(path, r->before);
    if (p == NULL)
        return false;
    p += strlen(r->before);
    size_t n = strcspn(p, "/");
    if (n == 0 || n > ID_MAX || strcmp(p + n, r->after) != 0)
        return false;
    memcpy(id, p, n);
    id[n] = '\0';
    return message_id_valid(id);
}

void routes_handle(struct http_request *req, void *arg)
{
    struct context *ctx = arg;
    const char *path = http_request_path(req);
    char id[ID_MAX + 1];
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!route_matches(&routes[i], path, id))
            continue;
        if (strstr(routes[i].methods, http_request_method(req)) == NULL)
            http_reply_not_allowed(req, routes[i].methods);
        else
            routes[i].handle(ctx, req, id);
        return;
    }
    http_reply_problem(req, 404, "nothing is served here", 0);
}
