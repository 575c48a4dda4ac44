/* The breaker of each peer: see breaker.h. */
#include "store/breaker.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/peer_status.h"
#include "lib/retry.h"
#include "lib/stops.h"
#include "store/notifier.h"

enum {
    LOOK_EVERY = 1000,        /* ms: drains and breakers of other processes are seen after this */
    PROBE_TIMEOUT = 10000,    /* ms for one URL */
    PROBE_LEASE = 60000,      /* ms that a probe is this node's */
    PROBES_RARE = 300 * 1000, /* ms between probes at most, whatever store.retry-max */
    PROBES_MAX = 50,          /* at one time */
};

/* One peer being asked. */
struct probe {
    struct probe *next;
    struct breaker *owner;
    char domain[DOMAIN_MAX + 1];
    unsigned probes; /* before this one */
    char *urls;      /* a line each */
    const char *url; /* the line of `urls` that is asked */
    struct peer_probe *call;
};

struct breaker {
    struct context *ctx;
    struct loop_timer *timer;
    struct store_peers *failing; /* as last read; NULL none */
    unsigned generation;         /* of ctx->stops */
    struct probe *probes;
    unsigned nprobes;
    bool unreadable; /* was said */
};

/* ---- what is known ---- */

static const struct store_peer *find(const struct breaker *b, const char *domain)
{
    for (size_t i = 0; b->failing != NULL && i < b->failing->n; i++) {
        if (strcmp(b->failing->list[i].domain, domain) == 0)
            return &b->failing->list[i];
    }
    return NULL;
}

static void read_peers(struct breaker *b)
{
    struct store_peers *fresh = NULL;
    struct error err;
    enum result r = store_peers_read(b->ctx->store, &fresh, &err);
    if (r == RESULT_OK) {
        store_peers_free(&b->failing);
        b->failing = fresh;
    } else if (!b->unreadable) {
        log_error("can't read the peers' breakers: %s", err.text);
    }
    b->unreadable = r != RESULT_OK;
}

static msec_t next_probe(const struct breaker *b, unsigned probes, msec_t retry_after)
{
    const struct config *config = b->ctx->config;
    msec_t most = config_time(config, "store.retry-max");
    if (most > PROBES_RARE)
        most = PROBES_RARE;
    return clock_now() + retry_delay(probes + 1, config_time(config, "store.retry-min"), most, retry_after);
}

/* A breaker of ours has changed: what is claimed from now on must see it. */
static void changed(struct breaker *b)
{
    b->generation = stops_renew(b->ctx->stops);
    notifier_kick(b->ctx->notifier);
}

/* ---- news from requests ---- */

void breaker_failed(struct breaker *b, const char *domain, const char *text)
{
    const struct config *config = b->ctx->config;
    const struct store_breaker_rule rule = {.failures = (unsigned)config_number(config, "store.breaker-failures"),
                                            .time = config_time(config, "store.breaker-time")};
    const struct store_peer *known = find(b, domain);
    enum store_breaker before = known ? known->breaker : STORE_BREAKER_CLOSED, state;
    unsigned probes = known && before == STORE_BREAKER_TRIAL ? known->probes + 1 : 0;
    bool news;
    struct error err;
    if (rule.failures == 0)
        return;
    if (store_peer_failed(b->ctx->store, domain, &rule, text, next_probe(b, probes, 0), &state, &news, &err) !=
        RESULT_OK) {
        log_error("peer %s: can't note a failure: %s", domain, err.text);
        return;
    }
    read_peers(b);
    if (!news)
        return;
    known = find(b, domain);
    log_warning(
        "peer %s: breaker open%s after %u failures (%s): mail for it goes by SMTP, and so does what is stored for "
        "it and was not fetched, until it answers again",
        domain, before == STORE_BREAKER_TRIAL ? " again" : "", known ? known->failures : 0, text);
    changed(b);
}

void breaker_answered(struct breaker *b, const char *domain)
{
    bool news;
    struct error err;
    if (find(b, domain) == NULL)
        return;
    if (store_peer_answered(b->ctx->store, domain, &news, &err) != RESULT_OK) {
        log_error("peer %s: can't note that it answers again: %s", domain, err.text);
        return;
    }
    read_peers(b);
    if (!news)
        return;
    log_info("peer %s: breaker closed: it answers notifications again", domain);
    changed(b);
}

/* ---- probes ---- */

static void probe_free(struct probe *p)
{
    struct probe **q = &p->owner->probes;
    while (*q != p)
        q = &(*q)->next;
    *q = p->next;
    p->owner->nprobes--;
    peer_probe_cancel(&p->call);
    discovery_cancel(p->owner->ctx->discovery, p);
    mem_free(&p->urls);
    mem_free(&p);
}

/* The end of a probe. */
static void probed(struct probe *p, bool ready, const char *text, msec_t retry_after)
{
    struct breaker *b = p->owner;
    bool news = false;
    struct error err;
    if (store_peer_probed(b->ctx->store, p->domain, ready, text, next_probe(b, p->probes + 1, retry_after), &news,
                          &err) != RESULT_OK)
        log_error("peer %s: can't note what a probe found: %s", p->domain, err.text);
    else if (!ready)
        log_debug("peer %s: still not ready: %s", p->domain, text);
    if (news) {
        log_info(
            "peer %s: it is there again (%s): breaker on trial, mail for it is diverted until a notification fails",
            p->domain, text);
        changed(b);
    }
    read_peers(b);
    probe_free(p);
}

static void ask(struct probe *p);

static void answered(void *arg, const struct peer_status *status)
{
    struct probe *p = arg;
    p->call = NULL;
    const char *next = strchr(p->url, '\n');
    if (status->state != PEER_READY && next != NULL) {
        p->url = next + 1;
        ask(p);
        return;
    }
    char text[ERROR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", status->text);
    probed(p, status->state == PEER_READY, text, status->retry_after);
}

static void ask(struct probe *p)
{
    char url[POLICY_URL_MAX + 1];
    snprintf(url, sizeof url, "%.*s", (int)strcspn(p->url, "\n"), p->url);
    p->call = peer_probe_start(p->owner->ctx->http, url, PROBE_TIMEOUT, answered, p);
}

static void got_policy(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct probe *p = arg;
    struct breaker *b = p->owner;
    char text[ERROR_TEXT_MAX];
    struct error ignored;
    snprintf(text, sizeof text, "%s", result == RESULT_OK ? "its policy has no inbound URL" : err->text);
    if (result == RESULT_OK && policy->ninbound > 0)
        p->urls = policy_inbound_lines(policy);
    else
        store_peer_inbound(b->ctx->store, p->domain, &p->urls, &ignored);
    if (result == RESULT_PERM) {
        log_info("peer %s: takes no part any more (%s): its breaker is forgotten", p->domain, text);
        breaker_answered(b, p->domain);
        probe_free(p);
    } else if (p->urls == NULL) {
        probed(p, false, text, 0);
    } else {
        p->url = p->urls;
        ask(p);
    }
}

static void begin_probe(struct breaker *b, const struct store_peer *peer)
{
    struct probe *p = mem_zero(1, sizeof *p);
    *p = (struct probe){.next = b->probes, .owner = b, .probes = peer->probes};
    snprintf(p->domain, sizeof p->domain, "%s", peer->domain);
    b->probes = p;
    b->nprobes++;
    discovery_get(b->ctx->discovery, p->domain, false, got_policy, p);
}

static bool probe_due(const struct breaker *b)
{
    for (size_t i = 0; b->failing != NULL && i < b->failing->n; i++) {
        const struct store_peer *p = &b->failing->list[i];
        if (p->breaker == STORE_BREAKER_OPEN && p->next_probe <= clock_now())
            return true;
    }
    return false;
}

static void begin_probes(struct breaker *b)
{
    struct store_peers *due = NULL;
    struct error err;
    if (b->nprobes >= PROBES_MAX || !probe_due(b))
        return;
    if (store_peer_claim_probes(b->ctx->store, clock_now() + PROBE_LEASE, &due, &err) != RESULT_OK)
        log_error("can't claim probes of peers: %s", err.text);
    for (size_t i = 0; due != NULL && i < due->n; i++)
        begin_probe(b, &due->list[i]);
    store_peers_free(&due);
}

/* ---- beginning and end ---- */

static void look(void *arg)
{
    struct breaker *b = arg;
    if (b->ctx->draining)
        return;
    unsigned generation = stops_renew(b->ctx->stops);
    if (generation != b->generation || stops_any(b->ctx->stops)) /* others may have made work due */
        notifier_kick(b->ctx->notifier);
    b->generation = generation;
    read_peers(b);
    begin_probes(b);
    loop_timer_set(b->timer, LOOK_EVERY);
}

struct breaker *breaker_new(struct context *ctx)
{
    struct breaker *b = mem_zero(1, sizeof *b);
    b->ctx = ctx;
    b->generation = stops_renew(ctx->stops);
    b->timer = loop_timer_new(ctx->loop, look, b);
    loop_timer_set(b->timer, 0);
    return b;
}

void breaker_free(struct breaker **b)
{
    if (*b == NULL)
        return;
    while ((*b)->probes != NULL)
        probe_free((*b)->probes);
    loop_timer_free(&(*b)->timer);
    store_peers_free(&(*b)->failing);
    mem_free(b);
}
