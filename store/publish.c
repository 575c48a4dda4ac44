/* The policy that we publish: see publish.h. */
#include "store/publish.h"

#include <string.h>

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/own_policy.h"

#define HOST_PREFIX "sender-store."

struct publish {
    char *document;
};

enum result publish_new(const struct config *config, struct publish **p_r, struct error *err)
{
    char *document = NULL;
    enum result r = own_policy_write(config, &document, err);
    if (r != RESULT_OK)
        return r;
    struct publish *p = mem_zero(1, sizeof *p);
    p->document = document;
    *p_r = p;
    return RESULT_OK;
}

void publish_free(struct publish **p)
{
    if (*p == NULL)
        return;
    mem_free(&(*p)->document);
    mem_free(p);
}

static bool host_is_ours(const struct config *config, const char *host)
{
    char name[DOMAIN_MAX + 1];
    if (host == NULL || strncasecmp(host, HOST_PREFIX, strlen(HOST_PREFIX)) != 0)
        return false;
    host += strlen(HOST_PREFIX);
    char *bare = mem_strndup(host, strcspn(host, ":"));
    bool ours = domain_normalize(bare, name) && config_is_our_domain(config, name);
    mem_free(&bare);
    return ours;
}

void publish_answer(const struct publish *p, const struct config *config, struct http_request *req)
{
    if (!host_is_ours(config, http_request_header(req, "Host"))) {
        http_reply_problem(req, 404,
                           "no policy for this host name: it must be sender-store.DOMAIN of a domain of this site", 0);
        return;
    }
    http_reply(req, 200, NULL, 0, "application/json", p->document, strlen(p->document));
}
