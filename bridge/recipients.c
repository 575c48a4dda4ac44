/* Which recipients and senders take part: see recipients.h. */
#include "bridge/recipients.h"

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
