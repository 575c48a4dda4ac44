/* What follows from what is known about a domain: see discovery_entry.h. Also the counted references to policies. */
#include "lib/discovery_entry.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

/* ---- counted policies ---- */

struct held_policy {
    struct policy policy; /* what others see; a flat copy of *parsed */
    struct policy *parsed;
    atomic_uint references;
};

static const struct policy *first_hold(struct policy *parsed)
{
    struct held_policy *h = mem_zero(1, sizeof *h);
    h->policy = *parsed;
    h->parsed = parsed;
    atomic_init(&h->references, 1);
    return &h->policy;
}

const struct policy *discovery_hold(const struct policy *p)
{
    if (p != NULL)
        atomic_fetch_add(&((struct held_policy *)p)->references, 1);
    return p;
}

void discovery_release(const struct policy **p)
{
    struct held_policy *h = (struct held_policy *)*p;
    *p = NULL;
    if (h == NULL || atomic_fetch_sub(&h->references, 1) != 1)
        return;
    policy_free(&h->parsed);
    mem_free(&h);
}

/* ---- what to believe ---- */

static bool usable(const struct discovery_entry *e, msec_t now)
{
    return e->policy != NULL && now < e->k.usable_until;
}

/* Past half of its time a policy is fetched again, so that one in use does not run out. */
static msec_t half_time(const struct discovery_entry *e)
{
    return e->k.fetched + (e->k.usable_until - e->k.fetched) / 2;
}

enum discovery_state discovery_entry_state(const struct discovery_entry *e, msec_t now, bool *due_r,
                                           struct error *why_r)
{
    *due_r = now >= e->k.check_next || now < e->k.checked; /* or the clock went back since */
    if (usable(e, now)) {
        bool none = e->policy->mode == POLICY_NONE;
        error_set(why_r, none ? RESULT_PERM : RESULT_OK, "%s: policy mode %s", e->k.domain,
                  policy_mode_name(e->policy->mode));
        return none ? DISCOVERY_NONE : DISCOVERY_POLICY;
    }
    if (e->k.checked > 0 && !*due_r) {
        error_set(why_r, e->failed ? RESULT_TEMP : RESULT_PERM, "%s", e->k.error);
        return DISCOVERY_NONE;
    }
    *due_r = true;
    error_set(why_r, RESULT_TEMP, "%s: not looked up %s", e->k.domain, e->k.checked > 0 ? "lately" : "yet");
    return DISCOVERY_UNKNOWN;
}

enum result discovery_entry_result(const struct discovery_entry *e, msec_t now, struct error *err)
{
    if (usable(e, now)) {
        bool due;
        discovery_entry_state(e, now, &due, err);
        return e->policy->mode == POLICY_NONE ? RESULT_PERM : RESULT_OK;
    }
    return error_set(err, e->failed ? RESULT_TEMP : RESULT_PERM, "%s", e->k.error);
}

const char *discovery_entry_known_id(const struct discovery_entry *e, msec_t now)
{
    return usable(e, now) && now < half_time(e) ? e->k.txt_id : "";
}

/* ---- learning ---- */

static void set_policy(struct discovery_entry *e, struct policy *policy, msec_t fetched, msec_t usable_until)
{
    discovery_release(&e->policy);
    e->policy = policy ? first_hold(policy) : NULL;
    e->k.fetched = fetched;
    e->k.usable_until = usable_until;
}

static msec_t record_lifetime(const struct discovery_times *t, uint32_t ttl)
{
    msec_t life = (msec_t)ttl * 1000;
    if (life < t->record_ttl_min)
        life = t->record_ttl_min;
    return life < t->record_ttl_max ? life : t->record_ttl_max;
}

static bool learn_policy(struct discovery_entry *e, struct discovery_found *found, const struct discovery_times *t,
                         msec_t now)
{
    bool news = found->policy != NULL;
    if (news) {
        set_policy(e, found->policy, now, now + found->policy->max_age * 1000);
        found->policy = NULL;
        snprintf(e->k.txt_id, sizeof e->k.txt_id, "%s", found->txt_id);
    }
    e->k.check_next = now + record_lifetime(t, found->ttl);
    if (e->k.check_next > half_time(e) && half_time(e) > now)
        e->k.check_next = half_time(e);
    e->k.error[0] = '\0';
    e->failed = false;
    return news;
}

bool discovery_entry_learn(struct discovery_entry *e, struct discovery_found *found, const struct discovery_times *t,
                           msec_t now)
{
    e->k.checked = now;
    e->looks++;
    if (found->result == RESULT_OK)
        return learn_policy(e, found, t, now);
    bool withdrawn = found->no_record || !usable(e, now);
    if (withdrawn) {
        set_policy(e, NULL, 0, 0);
        snprintf(e->k.txt_id, sizeof e->k.txt_id, "%s", found->txt_id);
    }
    e->failed = found->result != RESULT_PERM;
    snprintf(e->k.error, sizeof e->k.error, "%s", found->err.text);
    e->k.check_next = now + t->negative_ttl;
    return withdrawn;
}

void discovery_entry_load(struct discovery_entry *e, const struct policy_cache_entry *stored,
                          const struct discovery_times *t, msec_t now)
{
    struct policy *policy = NULL;
    if (stored->checked <= e->k.checked)
        return;
    if (stored->policy != NULL && policy_parse(stored->policy, strlen(stored->policy), &policy, NULL) != RESULT_OK)
        return; /* written by another version: look again */
    set_policy(e, policy, stored->fetched, stored->usable_until);
    snprintf(e->k.txt_id, sizeof e->k.txt_id, "%s", stored->txt_id);
    snprintf(e->k.error, sizeof e->k.error, "%s", stored->error);
    e->k.checked = stored->checked;
    e->k.check_next = stored->check_next;
    e->refreshed = stored->fetched;
    /* Written under another configuration or a clock that ran ahead. */
    msec_t longest = policy ? t->record_ttl_max : t->negative_ttl;
    if (e->k.check_next > now + longest)
        e->k.check_next = now + longest;
    e->failed = policy == NULL && stored->error[0] != '\0';
    if (policy == NULL && !e->failed)
        snprintf(e->k.error, sizeof e->k.error, "%s takes no part (as last looked up)", e->k.domain);
}

void discovery_entry_save(const struct discovery_entry *e, const char *document, struct policy_cache_entry *out)
{
    *out = e->k;
    out->policy = (char *)document;
    if (!e->failed)
        out->error[0] = '\0'; /* to take no part is no failure */
}

void discovery_entry_free(struct discovery_entry **e)
{
    if (*e == NULL)
        return;
    assert((*e)->lookup == NULL);
    discovery_release(&(*e)->policy);
    mem_free(e);
}
