/* Which recipients and senders take part: see recipients.h. */
#include "bridge/recipients.h"

#include <string.h>

#include "lib/address.h"
#include "lib/mem.h"

static bool in_list(const struct config *config, const char *key, const char *address)
{
    size_t n;
    const char *const *list = config_list(config, key, &n);
    for (size_t i = 0; i < n; i++) {
        if (address_matches(list[i], address))
            return true;
    }
    return false;
}

const char *recipients_closed(const struct config *config)
{
    size_t ninbound;
    const char *mode = config_string(config, "policy.mode");
    if (strcmp(mode, "testing") == 0)
        return "this site is testing: its mail comes by SMTP";
    if (strcmp(mode, "none") == 0)
        return "this site is leaving: its mail comes by SMTP";
    config_list(config, "policy.inbound", &ninbound);
    return ninbound == 0 ? "this site's policy names no inbound URL: its mail comes by SMTP" : NULL;
}

bool recipients_migrated(const struct config *config, const char *address)
{
    return in_list(config, "bridge.migrated", address) && !in_list(config, "bridge.not-migrated", address);
}

bool senders_allowed(const struct config *config, const char *domain)
{
    char *any = mem_printf("postmaster@%s", domain);
    bool allowed = in_list(config, "bridge.senders", any) && !in_list(config, "bridge.refuse-senders", any);
    mem_free(&any);
    return allowed;
}
