/*
 * What is remembered about one domain's policy, in memory and in a database (store and bridge queue
 * both keep such a table).
 */
#ifndef PONTOON_POLICY_CACHE_H
#define PONTOON_POLICY_CACHE_H

#include "lib/address.h"
#include "lib/clock.h"
#include "lib/policy.h"
#include "lib/result.h"

struct policy_cache_entry {
    char domain[DOMAIN_MAX + 1];        /* normalized */
    char txt_id[POLICY_TXT_ID_MAX + 1]; /* of the record the policy was fetched for; "" none */
    char *policy;                       /* the document, or NULL: the domain has none */
    msec_t fetched;                     /* when the policy was fetched, 0 never */
    msec_t usable_until;                /* fetched + max_age; 0 without a policy */
    msec_t checked;                     /* when the record was last looked at */
    msec_t check_next;                  /* when to look again (record TTL, failure backoff) */
    char error[ERROR_TEXT_MAX];         /* why the last look failed, "" if it didn't */
};

void policy_cache_entry_free(struct policy_cache_entry **entry);

#endif
