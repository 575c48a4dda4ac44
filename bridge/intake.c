/* How much is taken in: see intake.h. */
#include "bridge/intake.h"

#include <stdio.h>

#include "lib/limits.h"
#include "lib/mem.h"

enum {
    LOOKUPS_BURST = 60,    /* seconds' worth */
    LOOKUPS_AT_ONCE = 20,  /* of one address */
    MESSAGES_BURST = 10,   /* seconds' worth */
    RETRY_AFTER_FULL = 60, /* seconds */
    RETRY_AFTER_BUSY = 5,
};

struct intake {
    struct context *ctx;
    struct limit *lookups, *messages, *queue, *queue_of_domain;
    unsigned count[2]; /* under way: mail, shadows */
};

struct intake *intake_new(struct context *ctx)
{
    struct intake *i = mem_zero(1, sizeof *i);
    struct limits *all = ctx->peers->all;
    i->ctx = ctx;
    i->lookups = limits_add(all, "bridge.lookups-per-address");
    i->messages = limits_add(all, "bridge.messages-per-domain");
    i->queue = limits_add(all, "bridge.queue-max");
    i->queue_of_domain = limits_add(all, "bridge.queue-max-per-domain");
    intake_configure(i, ctx->config);
    return i;
}

void intake_free(struct intake **i)
{
    mem_free(i); /* the limits are the peers' */
}

void intake_configure(struct intake *i, const struct config *config)
{
    int64_t lookups = config_number(config, "bridge.lookups-per-address");
    int64_t messages = config_number(config, "bridge.messages-per-domain");
    limit_set_rate(i->lookups, lookups, lookups * LOOKUPS_BURST);
    limit_set_rate(i->messages, messages, messages * MESSAGES_BURST);
}

/* ---- look-ups on a stranger's word ---- */

struct intake_refusal intake_lookup(struct intake *i, const char *address_key, const char *domain)
{
    unsigned wait = 0;
    if (discovery_knows(i->ctx->discovery, domain))
        return (struct intake_refusal){0};
    if (limit_held(i->lookups, address_key) < LOOKUPS_AT_ONCE && limit_take(i->lookups, address_key, &wait))
        return (struct intake_refusal){0};
    limit_refused(i->lookups, address_key,
                  "[%s]: look-up of %s refused: too many for this address (bridge.lookups-per-address)", address_key,
                  domain);
    return (struct intake_refusal){429, "too many unknown domains are named by this address",
                                   wait > 0 ? wait : RETRY_AFTER_BUSY};
}

void intake_lookup_begins(struct intake *i, const char *address_key)
{
    limit_hold(i->lookups, address_key);
}

void intake_lookup_ends(struct intake *i, const char *address_key)
{
    limit_release(i->lookups, address_key);
}

/* ---- messages ---- */

/* Shadows are counted by themselves, so that they never take the place of mail. */
static void key_of(const char *iss, bool shadow, char key[LIMIT_KEY_SIZE])
{
    snprintf(key, LIMIT_KEY_SIZE, "%s%s", shadow ? "shadows " : "", iss);
}

struct intake_refusal intake_messages(struct intake *i, const char *iss, bool shadow, size_t n, const char *who)
{
    const struct config *config = i->ctx->config;
    char key[LIMIT_KEY_SIZE];
    unsigned wait;
    unsigned most = (unsigned)config_number(config, "bridge.queue-max");
    unsigned most_of_one = (unsigned)config_number(config, "bridge.queue-max-per-domain");
    key_of(iss, shadow, key);
    if (i->count[shadow] + n > most) {
        limit_refused(i->queue, key, "refused a notification from %s: 503: the queue is full (bridge.queue-max)", who);
        return (struct intake_refusal){503, "the queue is full", RETRY_AFTER_FULL};
    }
    if (limit_held(i->queue_of_domain, key) + n > most_of_one) {
        limit_refused(
            i->queue_of_domain, key,
            "refused a notification from %s: 429: too many of its messages are under way (bridge.queue-max-per-domain)",
            who);
        return (struct intake_refusal){429, "too many messages of this domain are under way", RETRY_AFTER_FULL};
    }
    if (!limit_allows(i->messages, key, &wait)) {
        limit_refused(i->messages, key,
                      "refused a notification from %s: 429: too many messages in a second (bridge.messages-per-domain)",
                      who);
        return (struct intake_refusal){429, "too many messages of this domain in a second", wait};
    }
    limit_charge(i->messages, key, (int64_t)n);
    return (struct intake_refusal){0};
}

void intake_begins(struct intake *i, const char *iss, bool shadow)
{
    char key[LIMIT_KEY_SIZE];
    key_of(iss, shadow, key);
    i->count[shadow]++;
    limit_hold(i->queue_of_domain, key);
}

void intake_ends(struct intake *i, const char *iss, bool shadow)
{
    char key[LIMIT_KEY_SIZE];
    key_of(iss, shadow, key);
    i->count[shadow]--;
    limit_release(i->queue_of_domain, key);
}

unsigned intake_count(const struct intake *i, bool shadow)
{
    return i->count[shadow];
}
