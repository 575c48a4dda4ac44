/* One look-up of a domain's record and policy, now and past any cache, as the daemons would make it. */
#ifndef PONTOON_CTL_LOOK_UP_H
#define PONTOON_CTL_LOOK_UP_H

#include "lib/config.h"
#include "lib/eligibility.h"
#include "lib/policy_cache.h"

struct look_up {
    char domain[DOMAIN_MAX + 1];     /* set by the caller, normalized */
    enum result result;              /* OK: takes part; PERM: no; TEMP: could not be found out */
    struct error err;                /* why, if not OK */
    struct policy_cache_entry found; /* as discovery would have saved it: record and document as they are */
    struct eligibility_policy policy;
};

/* RESULT_OK: it was looked up, with whatever result. */
enum result look_up_run(struct look_up *l, const struct config *config, struct error *err);
void look_up_free(struct look_up *l); /* what it holds */

#endif
