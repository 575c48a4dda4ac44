/* What is remembered about one domain's policy: see policy_cache.h. */
#include "lib/policy_cache.h"

#include "lib/mem.h"

void policy_cache_entry_free(struct policy_cache_entry **entry)
{
    if (*entry == NULL)
        return;
    mem_free(&(*entry)->policy);
    mem_free(entry);
}
