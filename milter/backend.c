/* Store, discovery, stops: see backend.h. */
#include "milter/backend.h"

#include "lib/dns.h"
#include "lib/http_client.h"
#include "lib/log.h"

/* ---- the policy cache is the store's ---- */

static enum result load_policy(void *arg, const char *domain, struct policy_cache_entry **entry_r, struct error *err)
{
    struct backend *b = arg;
    return store_policy_load(b->store, domain, entry_r, err);
}

static void policy_saved(void *arg, enum result result, const struct error *err)
{
    (void)arg;
    if (result != RESULT_OK)
        log_warning("remember a policy: %s", err->text);
}

static void save_policy(void *arg, const struct policy_cache_entry *entry)
{
    struct backend *b = arg;
    store_policy_save(b->store, entry, policy_saved, b, NULL);
}

/* ---- start and end ---- */

enum result backend_open(struct backend *b, struct loop *loop, const struct config *config, const char *node,
                         struct error *err)
{
    struct discovery_backing backing = {load_policy, save_policy, b};
    enum result r = store_open(config, STORE_READ_WRITE, node, &b->store, err);
    if (r == RESULT_OK)
        r = dns_new(loop, config, &b->dns, err);
    if (r == RESULT_OK)
        r = http_client_new(loop, b->dns, config, &b->http, err);
    if (r == RESULT_OK)
        r = discovery_new(loop, b->dns, b->http, config, &backing, &b->discovery, err);
    if (r == RESULT_OK) {
        b->stops = stops_new(b->store);
        b->queue = queue_bounds_new(b->store, true);
    }
    return r;
}

void backend_close(struct backend *b)
{
    stops_free(&b->stops);
    queue_bounds_free(&b->queue);
    discovery_free(&b->discovery);
    http_client_free(&b->http);
    dns_free(&b->dns);
    store_close(&b->store);
}

/* ---- use ---- */

static const char *why_stopped(const struct backend *b, const struct message *m, const char *domain)
{
    char from[DOMAIN_MAX + 1];
    if (!domain_normalize(address_domain(m->envelope.sender), from))
        from[0] = '\0';
    const char *why = stops_words(stops_find(b->stops, from, domain));
    return why != NULL ? why : queue_bounds_full(b->queue, &m->settings->queue, domain);
}

void backend_look_up(struct backend *b, struct message *m, const char *domain, struct eligibility_policy *facts_r)
{
    const struct policy *policy = NULL;
    msec_t begin = clock_mono();
    *facts_r = (struct eligibility_policy){.state = DISCOVERY_UNKNOWN, .stopped = why_stopped(b, m, domain)};
    if (facts_r->stopped != NULL)
        return;
    if (m->wait_left > 0)
        facts_r->state = discovery_wait(b->discovery, domain, m->wait_left, &policy, NULL);
    else
        facts_r->state = discovery_peek(b->discovery, domain, &policy, NULL);
    m->wait_left -= clock_mono() - begin;
    if (policy == NULL)
        return;
    facts_r->mode = policy->mode;
    facts_r->inbound = policy->ninbound > 0;
    facts_r->max_size = policy->max_size;
    discovery_release(&policy);
}
