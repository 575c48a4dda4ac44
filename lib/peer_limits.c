/* The limits on the peers of an HTTPS daemon: see peer_limits.h. */
#include "lib/peer_limits.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

enum {
    REQUESTS_BURST = 2,  /* seconds' worth */
    REFUSALS_BURST = 30, /* the same: a peer that is only misconfigured gets its reasons */
};

struct peer_limits *peer_limits_new(struct loop *loop, const char *section)
{
    struct peer_limits *p = mem_zero(1, sizeof *p);
    bool store = strcmp(section, "store") == 0;
    p->all = limits_new(loop);
    p->connections_all = limits_add(p->all, store ? "store.connections" : "bridge.connections");
    p->connections = limits_add(p->all, store ? "store.connections-per-address" : "bridge.connections-per-address");
    p->requests = limits_add(p->all, store ? "store.requests-per-address" : "bridge.requests-per-address");
    p->refusals = limits_add(p->all, store ? "store.refusals-per-address" : "bridge.refusals-per-address");
    return p;
}

void peer_limits_free(struct peer_limits **p)
{
    if (*p == NULL)
        return;
    limits_free(&(*p)->all);
    mem_free(p);
}

static int64_t number(const struct config *config, const char *section, const char *name)
{
    char key[80];
    snprintf(key, sizeof key, "%s.%s", section, name);
    return config_number(config, key);
}

void peer_limits_configure(struct peer_limits *p, const struct config *config, const char *section)
{
    int64_t requests = number(config, section, "requests-per-address");
    int64_t refusals = number(config, section, "refusals-per-address");
    p->most = (unsigned)number(config, section, "connections");
    p->most_per_address = (unsigned)number(config, section, "connections-per-address");
    limit_set_rate(p->requests, requests, requests * REQUESTS_BURST);
    limit_set_rate(p->refusals, refusals, refusals * REFUSALS_BURST);
}

bool peer_limits_is_refusal(int status)
{
    return status == 400 || status == 401 || status == 403 || status == 404 || status == 405 || status == 413 ||
           status == 429;
}
