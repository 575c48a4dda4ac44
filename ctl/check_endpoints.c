/* The URLs of a policy, asked as the others ask them: is anybody there, who, and how long does the certificate last. */
#include <string.h>
#include <sys/queue.h>

#include "ctl/check.h"
#include "lib/json.h"
#include "lib/mem.h"

struct endpoints {
    struct net_get gets[2 * POLICY_URLS_MAX];
    const char *bases[2 * POLICY_URLS_MAX];
    bool inbound[2 * POLICY_URLS_MAX];
    size_t n;
};

static void add(struct endpoints *e, const char *base, bool inbound)
{
    if (e->n == sizeof e->bases / sizeof *e->bases)
        return;
    e->gets[e->n].url = mem_printf("%s/%s", base, inbound ? "notifications" : "messages");
    e->bases[e->n] = base;
    e->inbound[e->n++] = inbound;
}

/* ---- what the answer means ---- */

static bool speaks_ssmp1(const struct net_get *g)
{
    struct error err;
    const char *version = NULL;
    json_t *o = json_parse(g->body, strlen(g->body), NET_BODY_MAX, "status", &err);
    bool same = o != NULL && json_need_string(o, "", "version", 100, &version, &err) == RESULT_OK &&
                strcmp(version, "SSMP1") == 0;
    json_decref(o);
    return same;
}

static bool is_type(const struct net_get *g, const char *type)
{
    return strncmp(g->type, type, strlen(type)) == 0;
}

/* True: it is a bridge that would take notifications. */
static bool look_at_inbound(struct check *c, const char *base, const struct net_get *g)
{
    int status = g->response.status;
    if (status == 200 && speaks_ssmp1(g))
        return true;
    if (status == 503) {
        check_found(c->report, CHECK_WARNING, "inbound %s takes nothing just now: %s", base, g->text);
        check_advise(c->report, "see the log of pontoon-bridge there");
    } else if (status == 404 || status == 405) {
        check_found(c->report, CHECK_WARNING, "inbound %s answers %s: an older bridge, or something else", base,
                    g->text);
        check_advise(c->report, "see that it leads to pontoon-bridge (bridge.listen), and update that");
    } else {
        check_found(c->report, CHECK_PROBLEM, "inbound %s is no bridge: %s", base, g->text);
        check_advise(c->report, "it must lead to pontoon-bridge (bridge.listen)");
    }
    return false;
}

/* A store without a status resource refuses in a document of its own kind. */
static bool look_at_outbound(struct check *c, const char *base, const struct net_get *g)
{
    int status = g->response.status;
    if ((status == 200 && speaks_ssmp1(g)) || (status == 404 && is_type(g, "application/problem+json")))
        return true;
    if (status == 503 || status == 429) {
        check_found(c->report, CHECK_WARNING, "outbound %s serves nothing just now: %s", base, g->text);
        check_advise(c->report, "see the log of pontoon-store there");
    } else {
        check_found(c->report, CHECK_PROBLEM, "outbound %s is no store: %s", base, g->text);
        check_advise(c->report, "it must lead to pontoon-store (store.listen)");
    }
    return false;
}

static void look_at(struct check *c, const struct endpoints *e, size_t i)
{
    const struct net_get *g = &e->gets[i];
    const char *kind = e->inbound[i] ? "inbound" : "outbound";
    if (g->result != RESULT_OK) {
        check_found(c->report, CHECK_PROBLEM, "%s %s does not answer: %s", kind, e->bases[i], g->err.text);
        check_advise(c->report, "%s",
                     g->result == RESULT_PERM
                         ? "it needs an address that everybody can connect to"
                         : "see that the daemon runs, and that DNS, firewall and certificate are right");
        return;
    }
    if (!(e->inbound[i] ? look_at_inbound : look_at_outbound)(c, e->bases[i], g))
        return;
    char *what = mem_printf("%s %s answers by %s", kind, e->bases[i], g->response.tls);
    check_certificate_dates(c->report, what, g->response.certificate_ends, "renew it, and reload the daemon");
    mem_free(&what);
}

/* Asks all, and frees. */
static void ask_all(struct check *c, struct endpoints *e)
{
    net_get_all(&c->net, e->gets, e->n, CHECK_WAIT);
    for (size_t i = 0; i < e->n; i++) {
        look_at(c, e, i);
        mem_free(&e->gets[i].url);
    }
    mem_free(&e);
}

static struct endpoints *endpoints_of_policy(const struct policy *policy)
{
    struct endpoints *e = mem_zero(1, sizeof *e);
    for (size_t i = 0; i < policy->ninbound; i++)
        add(e, policy->inbound[i], true);
    for (size_t i = 0; i < policy->noutbound; i++)
        add(e, policy->outbound[i], false);
    return e;
}

static struct endpoints *endpoints_of_config(const struct config *config)
{
    struct endpoints *e = mem_zero(1, sizeof *e);
    size_t n;
    const char *const *urls = config_list(config, "policy.inbound", &n);
    for (size_t i = 0; i < n; i++)
        add(e, urls[i], true);
    urls = config_list(config, "policy.outbound", &n);
    for (size_t i = 0; i < n; i++)
        add(e, urls[i], false);
    return e;
}

/* All our domains have one policy: one of them that could be had is enough. If none can be had, the configuration says what it will be. */
void check_endpoints(struct check *c)
{
    for (size_t i = 0; i < c->nlookups; i++) {
        if (c->lookups[i].policy != NULL) {
            ask_all(c, endpoints_of_policy(c->lookups[i].policy));
            return;
        }
    }
    ask_all(c, endpoints_of_config(c->config));
}

void check_peer_endpoints(struct check *c)
{
    if (c->lookups[0].policy != NULL)
        ask_all(c, endpoints_of_policy(c->lookups[0].policy));
}
