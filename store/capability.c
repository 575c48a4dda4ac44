/* The check of a request's fetch token: see capability.h. */
#include "store/capability.h"

bool capability_check(const struct context *ctx, struct http_request *req, const char *id, char aud_r[DOMAIN_MAX + 1])
{
    const char *token = http_request_bearer(req);
    if (token != NULL && token_check(ctx->secret, id, token, aud_r))
        return true;
    char peer[NETADDR_TEXT_SIZE], key[LIMIT_KEY_SIZE];
    netaddr_ip(http_request_peer(req), peer);
    limit_key_of(http_request_peer(req), key);
    limit_refused(ctx->peers->refusals, key, "refused %s %s from [%s]: %s", http_request_method(req),
                  http_request_path(req), peer, token ? "the token is not ours" : "no token");
    http_reply_problem(req, 401, token ? "the token does not open this message" : "a Bearer token is needed", 0);
    return false;
}
