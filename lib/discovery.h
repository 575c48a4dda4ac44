/*
 * Whether a domain takes part, and its policy: TXT record, then HTTPS document, cached in memory and in a
 * database (the ops). Look-ups of one domain at one time are one look-up; those made on a stranger's word are
 * bounded in number; failures are cached (discovery.negative-ttl), a stale policy stays usable
 * until its max_age runs out.
 *
 * Thread: discovery_peek() may be called from any thread; everything else belongs to the loop's thread.
 */
#ifndef PONTOON_DISCOVERY_H
#define PONTOON_DISCOVERY_H

#include "lib/dns.h"
#include "lib/http_client.h"
#include "lib/policy.h"
#include "lib/policy_cache.h"

struct discovery;

/* The database behind it; any function may be NULL. `save` must not wait. */
struct discovery_backing {
    enum result (*load)(void *arg, const char *domain, struct policy_cache_entry **entry_r, struct error *err);
    void (*save)(void *arg, const struct policy_cache_entry *entry);
    void *arg;
};

enum result discovery_new(struct loop *loop, struct dns *dns, struct http_client *http, const struct config *config,
                          const struct discovery_backing *backing, struct discovery **d_r, struct error *err);
void discovery_free(struct discovery **d);

enum discovery_state {
    DISCOVERY_UNKNOWN, /* never looked, or the answer is out of date */
    DISCOVERY_NONE,    /* does not take part (no record, or mode none, or the look-up failed lately) */
    DISCOVERY_POLICY,  /* has a usable policy */
};

/* A counted reference to a parsed policy; release with discovery_release(). */
const struct policy *discovery_hold(const struct policy *p);
void discovery_release(const struct policy **p);

/*
 * What the cache says now, without any network work: any thread. With DISCOVERY_POLICY *policy_r is a held
 * reference (policy_r may be NULL). DISCOVERY_UNKNOWN, or a policy whose record should be looked at again, starts a
 * look-up in the background. `why_r` (may be NULL) gets a few words for logs and `pontoon explain`.
 */
enum discovery_state discovery_peek(struct discovery *d, const char *domain, const struct policy **policy_r,
                                    struct error *why_r);
/* As above, waiting up to `wait` for a look-up under way: NOT on the loop's thread. */
enum discovery_state discovery_wait(struct discovery *d, const char *domain, msec_t wait,
                                    const struct policy **policy_r, struct error *why_r);

/* Whether it is in memory, so that discovery_get() costs no look-up, not even in the database. Any thread. */
bool discovery_knows(struct discovery *d, const char *domain);

/*
 * Loop's thread: calls done (perhaps at once) when the answer is known. `refresh`: look at the record and the
 * document again even if the cache is fresh (an unknown key id, `pontoon policy`), at most once in
 * discovery.refresh-min per domain. RESULT_OK with a policy borrowed for the call (hold it to keep it);
 * RESULT_PERM: takes no part; RESULT_TEMP: could not be found out, or too many look-ups under way.
 */
typedef void discovery_done(void *arg, enum result result, const struct policy *policy, const struct error *err);
void discovery_get(struct discovery *d, const char *domain, bool refresh, discovery_done *done, void *arg);
/* Takes back all of `arg`'s waiting discovery_get() calls. */
void discovery_cancel(struct discovery *d, void *arg);

#endif
