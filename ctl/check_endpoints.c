/* The URLs of a policy, asked as the others ask them: is anybody there, who, and how long does the certificate last. */
#include <string.h>
#include <sys/queue.h>

#include "ctl/check.h"
#include "lib/json.h"
#include "lib/mem.h"

/* No store has it; it is asked for without a token. */
#define NO_MESSAGE "00000000000000000000000000"

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
    e->gets[e->n].url = mem_printf("%s/%s", base, inbound ? "notifications" : "messages/" NO_MESSAGE);
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

/* A store refuses whoever has no token, in a document of its own kind. */
static bool look_at_outbound(struct check *c, const char *base, const struct net_get *g)
{
    int status = g->response.status;
    if ((status == 401 || status == 404 || status == 410) && is_type(g, "application/problem+json"))
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

static void check_endpoints_of(struct check *c, const struct policy *policy)
{
    struct endpoints *e = mem_zero(1, sizeof *e);
    for (size_t i = 0; i < policy->ninbound; i++)
        add(e, policy->inbound[i], true);
    for (size_t i = 0; i < policy->noutbound; i++)
        add(e, policy->outbound[i], false);
    net_get_all(&c->net, e->gets, e->n, CHECK_WAIT);
    for (size_t i = 0; i < e->n; i++) {
        look_at(c, e, i);
        mem_free(&e->gets[i].url);
    }
    mem_free(&e);
}

/* All our domains have one policy: one of them that could be had is enough. */
void check_endpoints(struct check *c)
{
    for (size_t i = 0; i < c->nlookups; i++) {
        if (c->lookups[i].policy != NULL) {
            check_endpoints_of(c, c->lookups[i].policy);
            return;
        }
    }
}
