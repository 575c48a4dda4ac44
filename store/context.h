/*
 * What the parts of pontoon-store share: made and owned by main.c, borrowed by all others. The
 * configuration is replaced on reload: read it when it is needed, don't keep its strings.
 */
#ifndef PONTOON_STORE_CONTEXT_H
#define PONTOON_STORE_CONTEXT_H

#include "lib/config.h"
#include "lib/discovery.h"
#include "lib/http_client.h"
#include "lib/http_server.h"
#include "lib/jws.h"
#include "lib/loop.h"
#include "lib/store.h"
#include "lib/token.h"
#include "store/wall_clock.h"

struct notifier;
struct give_back;
struct serve;
struct publish;
struct pacing;
struct breaker;
struct stops;
struct witness;

struct context {
    const struct config *config;
    struct loop *loop;
    struct peer_limits *peers;
    struct store *store;
    struct wall_clock clock;
    struct dns *dns;
    struct http_client *http;
    struct discovery *discovery;
    struct jws_key *key;
    struct token_secret *secret;
    struct publish *publish; /* the policy document */
    struct serve *serve;     /* fetches under way */
    struct stops *stops;     /* what is not notified at present */
    struct breaker *breaker; /* of each peer */
    struct pacing *pacing;   /* how much is notified at one time */
    struct notifier *notifier;
    struct give_back *give_back;
    struct witness *witness; /* what survives a crash of ours */
    bool draining;           /* SIGTERM came: nothing new is begun */
};

#endif
