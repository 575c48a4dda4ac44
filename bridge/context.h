/*
 * What the parts of pontoon-bridge share: made and owned by main.c, borrowed by all others. The
 * configuration is replaced on reload: read it when it is needed, don't keep its strings.
 */
#ifndef PONTOON_BRIDGE_CONTEXT_H
#define PONTOON_BRIDGE_CONTEXT_H

#include "lib/config.h"
#include "lib/discovery.h"
#include "lib/http_client.h"
#include "lib/http_server.h"
#include "lib/jobs.h"
#include "lib/loop.h"
#include "lib/smtp_client.h"

struct arrivals;
struct busy;
struct batches;
struct deliveries;
struct notifications;
struct receipts;
struct intake;
struct recipients;
struct peer_names;
struct slots;
struct witness;

struct context {
    const struct config *config;
    struct recipients *recipients; /* who takes part, by this configuration */
    struct loop *loop;
    struct peer_limits *peers;
    struct intake *intake; /* how much is taken from one address and one domain */
    struct jobs *jobs;
    struct dns *dns;
    struct http_client *http;
    struct discovery *discovery;
    struct busy *busy; /* stores, by outbound URL, that asked for time */
    struct smtp_pool *mta;
    struct peer_names *peer_names;       /* verified names of notifiers, for XCLIENT */
    struct slots *slots;                 /* who may open a transaction */
    struct notifications *notifications; /* whose signer's policy is being looked up */
    struct batches *batches;             /* those that are verified and not answered yet */
    struct deliveries *deliveries;       /* messages under way */
    struct receipts *receipts;
    struct arrivals *arrivals; /* what comes by SMTP, for comparing shadows with it */
    struct witness *witness;   /* what survives a crash of ours */
    bool draining;             /* SIGTERM came: nothing new is begun */
};

#endif
