/*
 * What may be diverted: pure decisions from facts that others collected. Each returns NULL for "may be diverted", or
 * a few words, for logs, that say why not. When in doubt mail goes by SMTP.
 */
#ifndef PONTOON_MILTER_ELIGIBILITY_H
#define PONTOON_MILTER_ELIGIBILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/discovery.h"
#include "lib/netaddr.h"
#include "milter/settings.h"

struct eligibility_message {
    const char *sender; /* without brackets, "" the null sender, NULL: malformed */
    bool smtputf8;      /* declared with MAIL */
    bool params_known;  /* every MAIL parameter is one that we can carry */
    bool can_divert;    /* the MTA gives headers exactly and deletes recipients */
    bool authenticated;
    const struct netaddr *client; /* NULL: no network client */
    uint64_t size;                /* declared, or 0 */
};
const char *eligibility_of_message(const struct settings *s, const struct eligibility_message *m);

struct eligibility_rcpt {
    const char *address; /* without brackets, NULL: malformed */
    bool smtputf8;
    bool params_known;
    const char *mailer; /* {rcpt_mailer}, or NULL when the MTA doesn't say */
};
/* Everything but the recipient domain's policy. */
const char *eligibility_of_rcpt(const struct settings *s, const struct eligibility_rcpt *r);

struct eligibility_policy {
    const char *stopped; /* why nothing goes to that domain at present (lib/stops.h), or NULL */
    enum discovery_state state;
    enum policy_mode mode; /* this and the others: with DISCOVERY_POLICY */
    bool inbound;
    uint64_t max_size;
};
const char *eligibility_of_policy(const struct eligibility_policy *p, uint64_t size);

#endif
