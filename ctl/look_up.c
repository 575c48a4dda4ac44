/* One look-up: see look_up.h. */
#include "ctl/look_up.h"

#include "lib/discovery.h"
#include "lib/dns.h"
#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/mem.h"

/* What it takes, for as long as it takes. */
struct parts {
    struct look_up *l;
    struct loop *loop;
    struct dns *dns;
    struct http_client *http;
    struct discovery *discovery;
};

static void keep_found(void *arg, const struct policy_cache_entry *entry)
{
    struct look_up *l = ((struct parts *)arg)->l;
    mem_free(&l->found.policy);
    l->found = *entry;
    l->found.policy = mem_strdup(entry->policy);
}

static void looked_up(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct parts *p = arg;
    struct look_up *l = p->l;
    l->result = result;
    if (result != RESULT_OK)
        l->err = *err;
    l->policy.state = result == RESULT_PERM ? DISCOVERY_NONE : DISCOVERY_UNKNOWN;
    if (result == RESULT_OK)
        l->policy = (struct eligibility_policy){.state = DISCOVERY_POLICY,
                                                .mode = policy->mode,
                                                .inbound = policy->ninbound > 0,
                                                .max_size = policy->max_size};
    loop_stop(p->loop);
}

static enum result open_parts(struct parts *p, const struct config *config, const struct discovery_backing *backing,
                              struct error *err)
{
    p->loop = loop_new();
    enum result r = dns_new(p->loop, config, &p->dns, err);
    if (r == RESULT_OK)
        r = http_client_new(p->loop, p->dns, config, &p->http, err);
    if (r == RESULT_OK)
        r = discovery_new(p->loop, p->dns, p->http, config, backing, &p->discovery, err);
    return r;
}

static void close_parts(struct parts *p)
{
    if (p->discovery != NULL)
        discovery_free(&p->discovery);
    if (p->http != NULL)
        http_client_free(&p->http);
    if (p->dns != NULL)
        dns_free(&p->dns);
    loop_free(&p->loop);
}

enum result look_up_run(struct look_up *l, const struct config *config, struct error *err)
{
    struct parts p = {.l = l};
    const struct discovery_backing backing = {.save = keep_found, .arg = &p};
    enum result r = open_parts(&p, config, &backing, err);
    if (r == RESULT_OK) {
        discovery_get(p.discovery, l->domain, true, looked_up, &p);
        loop_run(p.loop);
    }
    close_parts(&p);
    return r;
}

void look_up_free(struct look_up *l)
{
    mem_free(&l->found.policy);
}
