/* A partner's domain as we find it: its record, and the policy behind it. */
#include <string.h>

#include "ctl/check.h"

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
