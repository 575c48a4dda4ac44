/*
 * DNS and HTTPS for subcommands, through the library that the daemons use and with the same rules: verified TLS, only
 * addresses that may be connected to. Each call here does several things at once and waits for all; each of them has a bound in time.
 */
#ifndef PONTOON_CTL_NET_H
#define PONTOON_CTL_NET_H

#include "lib/address.h"
#include "lib/discovery_lookup.h"
#include "lib/dns.h"
#include "lib/http_client.h"

struct net {
    struct loop *loop;
    struct dns *dns;
    struct http_client *http;
    struct discovery_net discovery;
};

/* net_close() in any case. */
enum result net_open(const struct config *config, struct net *n_r, struct error *err);
void net_close(struct net *n);

enum { NET_BODY_MAX = 4096 };

struct net_get {
    char *url; /* the caller sets and frees it; the rest is the answer */
    enum result result;
    struct error err;              /* why there is no answer */
    struct http_response response; /* its pointers are gone: only what is no pointer counts */
    char text[ERROR_TEXT_MAX];     /* "HTTP 503: the queue is full" */
    char type[128];                /* Content-Type, "" none */
    char body[NET_BODY_MAX + 1];
};
void net_get_all(struct net *n, struct net_get *gets, size_t count, msec_t timeout);

struct net_lookup {
    char domain[DOMAIN_MAX + 1]; /* the caller sets it; the rest is the answer */
    enum result result;
    struct error err;
    bool no_record, absent; /* as struct discovery_found has them */
    char txt_id[POLICY_TXT_ID_MAX + 1];
    uint32_t ttl;
    struct policy *policy; /* or NULL */
    char *document;        /* or NULL */
};
/* Record and document, past every cache. */
void net_lookup_all(struct net *n, struct net_lookup *lookups, size_t count);
void net_lookup_free(struct net_lookup *l); /* frees what it holds */

#endif
