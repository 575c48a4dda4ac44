/* A partner's domain as we find it: its record, and the policy behind it. */
#include <string.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "ctl/show.h"
#include "lib/policy_cache.h"
#include "lib/store.h"
#include "lib/store_stops.h"

enum { MAX_AGE_SHORT = 3600 /* s */ };

void check_peer_record(struct check *c)
{
    struct net_lookup *l = &c->lookups[0];
    net_lookup_all(&c->net, l, 1);
    if (l->no_record) {
        check_found(c->report, CHECK_PROBLEM, "%s takes no part: %s", l->domain, l->err.text);
        check_advise(
            c->report,
            "mail to it goes by SMTP; it joins by publishing one record: _sender-store.%s. TXT \"v=SSMP1; id=1\"",
            l->domain);
    } else if (l->txt_id[0] == '\0') {
        check_found(c->report, CHECK_PROBLEM, "_sender-store.%s could not be looked up: %s", l->domain, l->err.text);
        check_advise(c->report, "look at our resolvers (discovery.resolvers), and at the domain's name servers");
    } else {
        check_found(c->report, CHECK_OK, "_sender-store.%s, id %s, TTL %u s", l->domain, l->txt_id, l->ttl);
    }
}

static void look_at_parts(struct check *c, const char *domain, const struct policy *p)
{
    if (p->ninbound == 0) {
        check_found(c->report, CHECK_NOTE, "%s takes nothing this way: its policy has no inbound", domain);
        check_advise(c->report, "mail to it goes by SMTP");
    }
    if (p->noutbound == 0 || p->keys == NULL) {
        check_found(c->report, CHECK_NOTE, "%s sends nothing this way: its policy has no outbound or no keys", domain);
        check_advise(c->report, "mail from it comes by SMTP");
    }
    if (p->max_age < MAX_AGE_SHORT) {
        check_found(c->report, CHECK_NOTE, "the policy of %s may be kept for %lld s only", domain,
                    (long long)p->max_age);
        check_advise(c->report, "a day (86400) is usual: it bridges failures of its DNS and web server");
    }
}

void check_peer_policy(struct check *c)
{
    const struct net_lookup *l = &c->lookups[0];
    if (l->txt_id[0] == '\0')
        return; /* the record's check has said why */
    if (l->policy == NULL) {
        check_found(c->report, CHECK_PROBLEM, "the policy of %s can't be had: %s", l->domain, l->err.text);
        check_advise(c->report, "mail to it goes by SMTP; tell its postmaster what was found");
    } else if (l->policy->mode == POLICY_NONE) {
        check_found(c->report, CHECK_NOTE, "%s is leaving: its policy has mode none", l->domain);
        check_advise(c->report, "mail to it goes by SMTP");
    } else {
        check_found(c->report, CHECK_OK, "the policy of %s is well-formed, mode %s, max_age %lld s", l->domain,
                    policy_mode_name(l->policy->mode), (long long)l->policy->max_age);
        look_at_parts(c, l->domain, l->policy);
    }
}

/* ---- what our own store knows of it ---- */

static void look_at_cache(struct check *c, struct store *store, const struct net_lookup *l)
{
    struct policy_cache_entry *e = NULL;
    struct error err;
    char when[SHOW_WHEN_SIZE];
    if (store_policy_load(store, l->domain, &e, &err) != RESULT_OK) {
        check_found(c->report, CHECK_NOTE, "what is remembered of %s can't be read: %s", l->domain, err.text);
    } else if (e == NULL) {
        check_found(c->report, CHECK_OK, "pontoon-store has not looked for %s yet", l->domain);
    } else if (e->policy == NULL || e->usable_until < clock_now()) {
        check_found(c->report, CHECK_OK, "pontoon-store has no policy of %s, last looked at %s%s%s", l->domain,
                    show_when(e->checked, when), e->error[0] != '\0' ? ": " : "", e->error);
    } else if (l->txt_id[0] != '\0' && strcmp(e->txt_id, l->txt_id) != 0) {
        check_found(c->report, CHECK_NOTE, "pontoon-store still has the policy of %s with id %s", l->domain, e->txt_id);
        check_advise(c->report, "it looks at the record again at %s", show_when(e->check_next, when));
    } else {
        check_found(c->report, e->error[0] != '\0' ? CHECK_WARNING : CHECK_OK,
                    "pontoon-store has the policy of %s, id %s, usable until %s%s%s", l->domain, e->txt_id,
                    show_when(e->usable_until, when), e->error[0] != '\0' ? "; the last look failed: " : "", e->error);
        if (e->error[0] != '\0')
            check_advise(c->report, "after that mail for it goes by SMTP: see what is said of its record and policy");
    }
    policy_cache_entry_free(&e);
}

static void look_at_breaker(struct check *c, struct store *store, const char *domain)
{
    struct store_peers *peers = NULL;
    struct error err;
    char age[SHOW_AGE_SIZE];
    if (store_peers_read(store, &peers, &err) != RESULT_OK)
        return; /* the check of the database, or of the cache, has said why */
    for (size_t i = 0; i < peers->n; i++) {
        const struct store_peer *p = &peers->list[i];
        if (strcmp(p->domain, domain) != 0)
            continue;
        bool open = p->breaker != STORE_BREAKER_CLOSED;
        check_found(
            c->report, open ? CHECK_PROBLEM : CHECK_WARNING, "the last %u requests to %s failed, since %s%s: %s",
            p->failures, domain, show_age(clock_now() - p->failing, age),
            open ? ", and mail for it goes by SMTP (the breaker is open)" : "", p->error != NULL ? p->error : "");
        check_advise(c->report, "%s",
                     open ? "nothing: it is asked now and then, and used again once it answers"
                          : "see what is said of its endpoints");
    }
    store_peers_free(&peers);
}

void check_peer_known(struct check *c)
{
    struct store *store = NULL;
    struct error err;
    if (store_open(c->config, STORE_READ_ONLY, "check", &store, &err) != RESULT_OK) {
        check_found(c->report, CHECK_NOTE, "what our own store knows of it can't be read: %s", err.text);
        check_advise(c->report, "%s",
                     access_was_denied(err.text) ? "run this as root" : "nothing, if this machine has no store");
        return;
    }
    look_at_cache(c, store, &c->lookups[0]);
    look_at_breaker(c, store, c->lookups[0].domain);
    store_close(&store);
}
