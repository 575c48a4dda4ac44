/* One look at a domain: its record, and if that is new its policy document. Nothing is remembered here. */
#ifndef PONTOON_DISCOVERY_LOOKUP_H
#define PONTOON_DISCOVERY_LOOKUP_H

#include "lib/dns.h"
#include "lib/http_client.h"
#include "lib/policy.h"

struct discovery_net {
    struct dns *dns;
    struct http_client *http;
    uint16_t policy_port;
    msec_t timeout; /* of fetching the document */
};

struct discovery_found {
    enum result result; /* OK; PERM: takes no part; TEMP: could not be found out */
    struct error err;
    bool no_record; /* PERM by the record: whatever policy there was is withdrawn */
    bool absent;    /* of these, that there is none: neither malformed nor several */
    char txt_id[POLICY_TXT_ID_MAX + 1];
    uint32_t ttl;          /* of the record */
    struct policy *policy; /* for the callee to take (set to NULL); NULL with RESULT_OK: the id is the known one */
    const char *document;  /* its text */
};

struct discovery_lookup;
typedef void discovery_lookup_done(void *arg, struct discovery_found *found);

/* `known_id`: the id of the policy that is at hand, or "" to fetch in any case. done comes once, after the return. */
struct discovery_lookup *discovery_lookup_start(const struct discovery_net *net, const char *domain,
                                                const char *known_id, discovery_lookup_done *done, void *arg);
/* No callback after this. Not for a look-up that has called back. */
void discovery_lookup_cancel(struct discovery_lookup **l);

#endif
