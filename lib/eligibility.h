/*
 * What may be diverted, or shadowed: pure decisions from facts that others collected. Each returns NULL for "may be",
 * or a few words, for logs, that say why not. When in doubt mail goes by SMTP. The rules of the configuration, which
 * choose among what may be, are in lib/rules.h.
 *
 * Used by the daemons that take mail in, and by `pontoon explain`.
 */
#ifndef PONTOON_ELIGIBILITY_H
#define PONTOON_ELIGIBILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/discovery.h"
#include "lib/netaddr.h"
#include "lib/rules.h"

/* What the configuration says about it, immutable. Its errors name the place. */
struct eligibility;
enum result eligibility_new(const struct config *config, struct eligibility **e_r, struct error *err);
void eligibility_free(struct eligibility **e);

const struct rules *eligibility_rules(const struct eligibility *e);
/* Why nothing at all is diverted, or NULL. */
const char *eligibility_off(const struct eligibility *e);
uint64_t eligibility_max_size(const struct eligibility *e); /* UINT64_MAX: no limit */

/* Told of each gate in order, up to the first that is closed; `why_not` is NULL for one that is open. */
struct eligibility_trace {
    void (*gate)(void *arg, const char *gate, const char *why_not);
    void *arg;
};

struct eligibility_message {
    const char *sender; /* without brackets, "" the null sender, NULL: malformed */
    bool smtputf8;      /* declared with MAIL */
    bool params_known;  /* every MAIL parameter is one that we can carry */
    bool can_divert;    /* the MTA gives headers exactly and deletes recipients */
    bool authenticated;
    const struct netaddr *client; /* NULL: no network client */
    bool any_client;              /* it isn't asked for: the MTA has decided whom it serves */
    uint64_t size;                /* declared, or 0 */
};
/* `trace` may be NULL, here and below. */
const char *eligibility_of_message(const struct eligibility *e, const struct eligibility_message *m,
                                   const struct eligibility_trace *trace);

struct eligibility_rcpt {
    const char *address; /* without brackets, NULL: malformed */
    bool smtputf8;
    bool params_known;
    bool transport_known; /* false: it isn't asked for */
    const char *mailer;   /* {rcpt_mailer}, or NULL when the MTA doesn't say */
};
/* Everything but the rules and the recipient domain's policy. */
const char *eligibility_of_rcpt(const struct eligibility *e, const struct eligibility_rcpt *r,
                                const struct eligibility_trace *trace);

struct eligibility_policy {
    const char *stopped; /* why nothing goes to that domain at present (lib/stops.h), or NULL */
    enum discovery_state state;
    enum policy_mode mode; /* this and the others: with DISCOVERY_POLICY */
    bool inbound;
    uint64_t max_size;
};
const char *eligibility_of_policy(const struct eligibility_policy *p, uint64_t size,
                                  const struct eligibility_trace *trace);

/* What the rules' action comes to under this policy: in mode testing nothing is diverted, but shadowed. */
enum rules_action eligibility_action(enum rules_action wanted, const struct eligibility_policy *p);

#endif
