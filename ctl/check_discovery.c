/* Our domains as the others find them: the record in the DNS, and the policy behind it. */
#include <stdio.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/show.h"
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/own_policy.h"

enum { TTL_LONG = 86400 /* s */ };

/* ---- the record ---- */

static void say_no_record(struct check *c, const struct net_lookup *l)
{
    if (own_policy_mode(c->config) == POLICY_NONE) {
        check_found(c->report, CHECK_OK, "%s has no record, as policy.mode is none", l->domain);
        return;
    }
    /* Without one all mail goes by SMTP, as before; a wrong one is a mistake that somebody waits to be told of. */
    check_found(c->report, l->absent ? CHECK_WARNING : CHECK_PROBLEM, "%s takes no part, as the others see it: %s",
                l->domain, l->err.text);
    check_advise(c->report, "publish exactly one record: _sender-store.%s. TXT \"v=SSMP1; id=%s\"", l->domain,
                 c->own_policy_id);
}

static void look_at_record(struct check *c, const struct net_lookup *l)
{
    if (l->no_record) {
        say_no_record(c, l);
    } else if (l->txt_id[0] == '\0') {
        check_found(c->report, CHECK_PROBLEM, "_sender-store.%s could not be looked up: %s", l->domain, l->err.text);
        check_advise(c->report,
                     "look at the resolvers (discovery.resolvers, /etc/resolv.conf) and the domain's name servers");
    } else if (own_policy_mode(c->config) == POLICY_NONE) {
        check_found(c->report, CHECK_NOTE, "_sender-store.%s still has a record, while policy.mode is none", l->domain);
        check_advise(c->report, "change its id once, so that the others see the mode; remove it after policy.max-age");
    } else if (own_policy_id_has_form(l->txt_id) && c->own_policy != NULL && strcmp(l->txt_id, c->own_policy_id) != 0) {
        check_found(c->report, CHECK_WARNING,
                    "_sender-store.%s has the id of another policy than the present one (%s): others keep the old one",
                    l->domain, l->txt_id);
        check_advise(c->report, "change the record: _sender-store.%s. TXT \"v=SSMP1; id=%s\"", l->domain,
                     c->own_policy_id);
    } else if (l->ttl > TTL_LONG) {
        check_found(c->report, CHECK_WARNING, "_sender-store.%s, id %s, has a TTL of %u s", l->domain, l->txt_id,
                    l->ttl);
        check_advise(c->report, "an hour (3600) lets changes be seen the same day");
    } else {
        check_found(c->report, CHECK_OK, "_sender-store.%s, id %s, TTL %u s", l->domain, l->txt_id, l->ttl);
    }
}

/* Made once, for the record, too: its advice names the id that belongs to it. */
static void make_own_policy(struct check *c)
{
    struct error err;
    snprintf(c->own_policy_id, sizeof c->own_policy_id, "1");
    if (own_policy_write(c->config, &c->own_policy, &err) == RESULT_OK) {
        own_policy_id(c->own_policy, c->own_policy_id);
        return;
    }
    check_found(c->report, CHECK_NOTE, "the policy can't be compared with the configuration: %s", err.text);
    check_advise(c->report, "run this as root, and see what is said about keys");
}

void check_discovery_record(struct check *c)
{
    make_own_policy(c);
    const char *const *domains = config_list(c->config, "domains", &c->nlookups);
    c->lookups = mem_zero(c->nlookups, sizeof *c->lookups);
    for (size_t i = 0; i < c->nlookups; i++)
        snprintf(c->lookups[i].domain, sizeof c->lookups[i].domain, "%s", domains[i]);
    net_lookup_all(&c->net, c->lookups, c->nlookups);
    for (size_t i = 0; i < c->nlookups; i++)
        look_at_record(c, &c->lookups[i]);
}

/* ---- the policy ---- */

static bool same_document(const char *a, const char *b)
{
    struct error err;
    json_t *x = json_parse(a, strlen(a), POLICY_SIZE_MAX, "policy", &err);
    json_t *y = json_parse(b, strlen(b), POLICY_SIZE_MAX, "policy", &err);
    bool same = x != NULL && y != NULL && json_equal(x, y) == 1;
    json_decref(x);
    json_decref(y);
    return same;
}

static bool has_signing_key(struct check *c, const struct policy *policy)
{
    struct jws_key *key = NULL;
    struct error err;
    if (policy->keys == NULL || jws_key_load(config_string(c->config, "store.signing-key"), &key, &err) != RESULT_OK)
        return true; /* said by the check of the key, or nothing is signed */
    bool has = jws_keys_have(policy->keys, jws_key_kid(key));
    jws_key_free(&key);
    return has;
}

static void compare(struct check *c, const struct net_lookup *l, const char *own)
{
    if (!has_signing_key(c, l->policy)) {
        check_found(c->report, CHECK_PROBLEM, "the policy of %s does not have our signing key: others refuse our mail",
                    l->domain);
        check_advise(c->report, "systemctl reload pontoon-store, and change the id of _sender-store.%s", l->domain);
    } else if (own != NULL && !same_document(own, l->document)) {
        check_found(c->report, CHECK_PROBLEM, "the policy of %s is not what %s makes", l->domain,
                    config_path(c->config));
        check_advise(c->report,
                     "systemctl reload pontoon-store (on every machine that serves it), and change the id of "
                     "_sender-store.%s",
                     l->domain);
    } else {
        check_found(c->report, CHECK_OK, "the policy of %s is as configured, mode %s", l->domain,
                    policy_mode_name(l->policy->mode));
    }
}

static void look_at_policy(struct check *c, const struct net_lookup *l, const char *own)
{
    if (l->txt_id[0] == '\0')
        return; /* the record's check has said why */
    if (l->policy != NULL) {
        compare(c, l, own);
        return;
    }
    check_found(c->report, CHECK_PROBLEM, "others can't get the policy of %s: %s", l->domain, l->err.text);
    check_advise(c->report,
                 "https://sender-store.%s/ must reach pontoon-store (store.listen) from everywhere, with a valid "
                 "certificate",
                 l->domain);
}

void check_discovery_policy(struct check *c)
{
    for (size_t i = 0; i < c->nlookups; i++)
        look_at_policy(c, &c->lookups[i], c->own_policy);
}
