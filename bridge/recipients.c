/* Which recipients and senders take part: see recipients.h. */
#include "bridge/recipients.h"

#include <string.h>

#include "lib/mem.h"
#include "lib/patterns.h"

struct recipients {
    struct patterns *migrated, *not_migrated, *senders, *refuse_senders;
};

const char *recipients_closed(const struct config *config, bool shadow)
{
    size_t ninbound;
    const char *mode = config_string(config, "policy.mode");
    if (strcmp(mode, "testing") == 0 && !shadow)
        return "this site is testing: its mail comes by SMTP";
    if (strcmp(mode, "none") == 0)
        return "this site is leaving: its mail comes by SMTP";
    config_list(config, "policy.inbound", &ninbound);
    return ninbound == 0 ? "this site's policy names no inbound URL: its mail comes by SMTP" : NULL;
}

static enum result read_list(const struct config *config, const char *key, struct patterns **p_r, struct error *err)
{
    return patterns_from_config(config, key, PATTERNS_ADDRESS, p_r, err);
}

enum result recipients_new(const struct config *config, struct recipients **r_r, struct error *err)
{
    struct recipients *rs = mem_zero(1, sizeof *rs);
    enum result r = read_list(config, "bridge.migrated", &rs->migrated, err);
    if (r == RESULT_OK)
        r = read_list(config, "bridge.not-migrated", &rs->not_migrated, err);
    if (r == RESULT_OK)
        r = read_list(config, "bridge.senders", &rs->senders, err);
    if (r == RESULT_OK)
        r = read_list(config, "bridge.refuse-senders", &rs->refuse_senders, err);
    if (r != RESULT_OK)
        recipients_free(&rs);
    *r_r = rs;
    return r;
}

void recipients_free(struct recipients **r_p)
{
    struct recipients *r = *r_p;
    if (r == NULL)
        return;
    patterns_free(&r->migrated);
    patterns_free(&r->not_migrated);
    patterns_free(&r->senders);
    patterns_free(&r->refuse_senders);
    mem_free(r_p);
}

bool recipients_migrated(const struct recipients *r, const char *address)
{
    struct error err;
    return patterns_match_address(r->migrated, address, NULL, &err) == MATCH_YES &&
           patterns_match_address(r->not_migrated, address, NULL, &err) == MATCH_NO;
}

bool senders_allowed(const struct recipients *r, const char *domain)
{
    struct error err;
    return patterns_match_domain(r->senders, domain, NULL, &err) == MATCH_YES &&
           patterns_match_domain(r->refuse_senders, domain, NULL, &err) == MATCH_NO;
}
