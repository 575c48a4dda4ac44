/*
 * What is known about one domain, and what follows from it: pure functions, without network, clock or lock.
 */
#ifndef PONTOON_DISCOVERY_ENTRY_H
#define PONTOON_DISCOVERY_ENTRY_H

#include <sys/queue.h>

#include "lib/discovery.h"
#include "lib/discovery_lookup.h"

struct discovery_times { /* of the configuration */
    msec_t record_ttl_min, record_ttl_max, negative_ttl, refresh_min;
};

struct discovery_entry {
    struct policy_cache_entry k; /* what is known; k.policy is not used: see next */
    const struct policy *policy; /* held, or NULL; usable until k.usable_until */
    bool failed;                 /* the last look could not find out (k.error says why) */
    msec_t refreshed;            /* when a fetch of the document was last begun */

    /* discovery.c's */
    struct discovery *discovery;
    bool busy;    /* a look-up is asked for or under way: not to be evicted */
    bool refresh; /* it fetches the document in any case */
    unsigned looks;
    struct discovery_lookup *lookup;
    TAILQ_ENTRY(discovery_entry) recent, queue;
};

/* What to believe at `now`. *due_r: it should be looked at again (always for DISCOVERY_UNKNOWN). */
enum discovery_state discovery_entry_state(const struct discovery_entry *e, msec_t now, bool *due_r,
                                           struct error *why_r);
/* The same as discovery_get() gives it: RESULT_OK with a usable policy. Not for DISCOVERY_UNKNOWN. */
enum result discovery_entry_result(const struct discovery_entry *e, msec_t now, struct error *err);
/* The id of a policy that need not be fetched again if the record still has it, else "". */
const char *discovery_entry_known_id(const struct discovery_entry *e, msec_t now);
/* Takes in what a look-up found (and its policy). Returns whether a database should know. */
bool discovery_entry_learn(struct discovery_entry *e, struct discovery_found *found, const struct discovery_times *t,
                           msec_t now);
/* Takes over what a database has, if that is newer. */
void discovery_entry_load(struct discovery_entry *e, const struct policy_cache_entry *stored,
                          const struct discovery_times *t, msec_t now);
/* What a database should keep; borrows the document (NULL for none). */
void discovery_entry_save(const struct discovery_entry *e, const char *document, struct policy_cache_entry *out);
void discovery_entry_free(struct discovery_entry **e);

#endif
