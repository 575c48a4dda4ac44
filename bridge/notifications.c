/* Taking notifications: see notifications.h. */
#include "bridge/notifications.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "bridge/batch.h"
#include "bridge/intake.h"
#include "bridge/recipients.h"
#include "bridge/status.h"
#include "lib/jws.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    LIFETIME_MAX = 7 * 86400, /* seconds between iat and exp */
    RETRY_AFTER_POLICY = 30,  /* seconds */
};

/* A notification whose signer's policy is being looked up. */
struct incoming {
    LIST_ENTRY(incoming) link;
    struct context *ctx;
    struct http_request *req;
    struct jws *jws;
    struct notification *n;
    char peer[NETADDR_TEXT_SIZE], key[LIMIT_KEY_SIZE];
    bool looking;   /* in a look-up */
    bool refreshed; /* the policy was fetched anew for an unknown key */
};

struct notifications {
    LIST_HEAD(incoming_list, incoming) list;
};

struct notifications *notifications_new(void)
{
    struct notifications *all = mem_zero(1, sizeof *all);
    LIST_INIT(&all->list);
    return all;
}

static void incoming_free(struct incoming *in)
{
    LIST_REMOVE(in, link);
    jws_free(&in->jws);
    notification_free(&in->n);
    mem_free(&in);
}

void notifications_free(struct notifications **all)
{
    struct incoming *in;
    if (*all == NULL)
        return;
    while ((in = LIST_FIRST(&(*all)->list)) != NULL) {
        http_reply_problem(in->req, 503, "shutting down", RETRY_AFTER_POLICY); /* to nobody: it frees the request */
        incoming_free(in);
    }
    mem_free(all);
}

/* Refuses in words for the peer and for our log; the end of `in`. */
static void refuse(struct incoming *in, int status, const char *what, unsigned retry_after)
{
    limit_refused(in->ctx->peers->refusals, in->key, "refused a notification from %s[%s]: %d: %s",
                  in->n ? in->n->iss : "unknown", in->peer, status, what);
    http_reply_problem(in->req, status, what, retry_after);
    incoming_free(in);
}

/* The same when a limit of bridge/intake.c did, which has logged it. */
static void turn_away(struct incoming *in, const struct intake_refusal *no)
{
    http_reply_problem(in->req, no->status, no->why, no->retry_after);
    incoming_free(in);
}

/* ---- after the signature ---- */

static const char *bad_time(const struct incoming *in)
{
    int64_t now = clock_now() / 1000;
    int64_t skew = config_time(in->ctx->config, "bridge.clock-skew") / 1000;
    if (in->n->exp <= in->n->iat || in->n->exp - in->n->iat > LIFETIME_MAX)
        return "exp: must be after iat, and within 7 days of it";
    if (in->n->iat > now + skew)
        return "iat: is in the future by our clock: if it was signed now, one of the two clocks is wrong";
    if (in->n->exp < now - skew)
        return "exp: the notification has expired by our clock: if it was signed now, one of the two clocks is wrong";
    return NULL;
}

static void verified(struct incoming *in)
{
    struct context *ctx = in->ctx;
    const char *late = bad_time(in);
    if (late != NULL) {
        refuse(in, 400, late, 0);
        return;
    }
    char who[DOMAIN_MAX + NETADDR_TEXT_SIZE + 3];
    snprintf(who, sizeof who, "%s[%s]", in->n->iss, in->peer);
    struct intake_refusal no = intake_messages(ctx->intake, in->n->iss, in->n->shadow, in->n->nmessages, who);
    if (no.status != 0) {
        turn_away(in, &no);
        return;
    }
    struct notification *n = in->n;
    in->n = NULL;
    batch_begin(ctx, in->req, n, in->peer);
    incoming_free(in);
}

static void got_policy(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct incoming *in = arg;
    char what[ERROR_TEXT_MAX + 100];
    struct error bad;
    if (in->looking)
        intake_lookup_ends(in->ctx->intake, in->key);
    in->looking = false;
    if (result != RESULT_OK) {
        snprintf(what, sizeof what, "policy of %s: %s", in->n->iss, err->text);
        refuse(in, result == RESULT_PERM ? 401 : 503, what, result == RESULT_PERM ? 0 : RETRY_AFTER_POLICY);
        return;
    }
    error_set(&bad, RESULT_PERM, "the policy of %s has no keys", in->n->iss);
    if (policy->keys != NULL && jws_verify(in->jws, policy->keys, &bad) == RESULT_OK) {
        verified(in);
    } else if (!in->refreshed) { /* perhaps a new key */
        in->refreshed = true;
        discovery_get(in->ctx->discovery, in->n->iss, true, got_policy, in);
    } else {
        refuse(in, 401, bad.text, 0);
    }
}

/* ---- before it ---- */

static void look_up(struct incoming *in)
{
    struct context *ctx = in->ctx;
    struct intake_refusal no = intake_lookup(ctx->intake, in->key, in->n->iss);
    if (no.status != 0) {
        turn_away(in, &no);
        return;
    }
    in->looking = true;
    intake_lookup_begins(ctx->intake, in->key);
    discovery_get(ctx->discovery, in->n->iss, false, got_policy, in);
}

static void take(struct incoming *in)
{
    size_t len;
    const char *body = http_request_body(in->req, &len);
    const char *type = http_request_header(in->req, "Content-Type");
    struct error err;
    if (len > NOTIFICATION_SIZE_MAX) {
        refuse(in, 413, "a notification has at most 65536 bytes", 0);
        return;
    }
    if (type == NULL || strncasecmp(type, NOTIFICATION_CONTENT_TYPE, strlen(NOTIFICATION_CONTENT_TYPE)) != 0) {
        refuse(in, 400, "Content-Type must be " NOTIFICATION_CONTENT_TYPE, 0);
        return;
    }
    static const char *const types[] = {NOTIFICATION_TYP, NOTIFICATION_SHADOW_TYP, NULL};
    if (jws_parse_any(body, len, types, &in->jws, &err) != RESULT_OK) {
        refuse(in, 400, err.text, 0);
        return;
    }
    size_t payload_len;
    const char *payload = jws_payload(in->jws, &payload_len);
    if (notification_parse(payload, payload_len, &in->n, &err) != RESULT_OK) {
        refuse(in, 400, err.text, 0);
        return;
    }
    in->n->shadow = strcmp(jws_typ(in->jws), NOTIFICATION_SHADOW_TYP) == 0;
    if (!config_is_our_domain(in->ctx->config, in->n->aud))
        refuse(in, 403, "aud: not a domain of this site", 0);
    else if (!senders_allowed(in->ctx->recipients, in->n->iss))
        refuse(in, 403, "iss: this site takes no notifications from this domain", 0);
    else
        look_up(in);
}

static bool is_endpoint(const char *path)
{
    static const char end[] = "/notifications";
    size_t n = strlen(path);
    return n >= sizeof end - 1 && strcmp(path + n - (sizeof end - 1), end) == 0;
}

void notifications_handle(struct http_request *req, void *arg)
{
    struct context *ctx = arg;
    if (!is_endpoint(http_request_path(req))) {
        http_reply_problem(req, 404, "nothing is served here", 0);
    } else if (strcmp(http_request_method(req), "GET") == 0 || strcmp(http_request_method(req), "HEAD") == 0) {
        status_answer(ctx, req);
    } else if (strcmp(http_request_method(req), "POST") != 0) {
        http_reply_not_allowed(req, "GET, HEAD, POST");
    } else if (ctx->draining) {
        http_reply_problem(req, 503, "shutting down", RETRY_AFTER_POLICY);
    } else {
        struct incoming *in = mem_zero(1, sizeof *in);
        *in = (struct incoming){.ctx = ctx, .req = req};
        LIST_INSERT_HEAD(&ctx->notifications->list, in, link);
        netaddr_ip(http_request_peer(req), in->peer);
        limit_key_of(http_request_peer(req), in->key);
        take(in);
    }
}
