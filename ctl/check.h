/*
 * `pontoon check`: the doctor. check.c has the tables of checks; each concern has a file check_*.c, whose functions look and
 * report (check_report.h). They change nothing, and every wait in them is bounded.
 */
#ifndef PONTOON_CTL_CHECK_H
#define PONTOON_CTL_CHECK_H

#include "ctl/check_report.h"
#include "ctl/net.h"
#include "ctl/postfix_config.h"
#include "lib/config.h"
#include "lib/own_policy.h"

/* What the checks of settings have said, so that those of answers need not say it again. */
enum check_mta_said { MTA_SAID_XCLIENT = 1, MTA_SAID_NO_BRIDGE = 2, MTA_SAID_NO_RETURN = 4 };

struct check {
    struct check_report *report;
    const struct config *config;
    struct net net;
    /* Of a partner, else of our first domains; looked up by the check of records, for those behind it. */
    struct net_lookup *lookups;
    size_t nlookups;
    char *own_policy;                       /* the document that our configuration makes; NULL: it can't be made */
    char own_policy_id[OWN_POLICY_ID_SIZE]; /* of it, or "1" */
    /* The MTA of this machine. */
    const char *postfix_directory;                     /* of --postfix-config, or NULL: the system's */
    const char *sendmail_cf;                           /* of --sendmail-cf, or NULL: the system's */
    struct postfix_config *postfix;                    /* NULL: none that could be read */
    const struct postfix_service *mta_in, *mta_return; /* the listeners at bridge.mta and store.mta; or NULL */
    unsigned mta_said;                                 /* of enum check_mta_said */
};

enum { CHECK_WAIT = 10000 /* ms, for an endpoint's or a program's answer */ };
#define CHECK_CERTIFICATE_SOON (14LL * 24 * 3600 * 1000) /* ms: renewing by ACME should have happened long before */

/* Whether a daemon ("milter", "store", "bridge") is meant to run here: it is installed, and the configuration has what it needs. */
bool check_runs_here(const struct check *c, const char *section);

/* Our own site, in this order. */
void check_config_daemons(struct check *c);
void check_config_settings(struct check *c);
void check_keys_signing(struct check *c);
void check_keys_published(struct check *c);
void check_keys_token_secret(struct check *c);
void check_certificates(struct check *c);
void check_discovery_record(struct check *c);
void check_discovery_policy(struct check *c);
void check_endpoints(struct check *c);

void check_machine_daemons(struct check *c);
void check_machine_disk(struct check *c);
void check_machine_queue(struct check *c);

void check_rights_sockets(struct check *c);
void check_rights_directories(struct check *c);
void check_rights_secrets(struct check *c);
void check_processes(struct check *c);
void check_clock(struct check *c);
void check_resolvers(struct check *c);
void check_database(struct check *c);

void check_postfix(struct check *c); /* reads it, for those behind */
void check_postfix_milters(struct check *c);
void check_postfix_listeners(struct check *c);
void check_postfix_mail(struct check *c);
void check_mta_milter(struct check *c); /* by the milter protocol */
void check_mta(struct check *c);        /* by SMTP and LMTP */
bool check_sendmail_is_here(const struct check *c);
void check_sendmail(struct check *c);

/* A partner, whose domain is in lookups[0]. */
void check_peer_record(struct check *c);
void check_peer_policy(struct check *c);
void check_peer_endpoints(struct check *c);
void check_peer_known(struct check *c);
void check_peer_clock(struct check *c);

/* Whether a list of the configuration has anything in it: "bridge.listen" says that pontoon-bridge runs here. */
bool check_is_set(const struct check *c, const char *key);

/* Adds "it ends in …" to what was found about a certificate: ok, warning when soon, problem when over. */
void check_certificate_dates(struct check_report *r, const char *what, msec_t ends, const char *advice);

#endif
