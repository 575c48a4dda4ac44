/* Addresses that were looked up a short time ago: see dns_cache.h. */
#include "lib/dns_cache.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/hash.h"
#include "lib/mem.h"

enum { PLACES = 256 };

struct entry {
    char *host;
    struct netaddr *addresses;
    size_t n;
    msec_t ends; /* by clock_mono() */
};

struct dns_cache {
    struct entry places[PLACES];
};

struct dns_cache *dns_cache_new(void)
{
    return mem_zero(1, sizeof(struct dns_cache));
}

static void entry_clear(struct entry *e)
{
    mem_free(&e->host);
    mem_free(&e->addresses);
    *e = (struct entry){0};
}

void dns_cache_free(struct dns_cache **c)
{
    if (*c == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++)
        entry_clear(&(*c)->places[i]);
    mem_free(c);
}

static size_t place_of(const char *host)
{
    return hash_text(host) % PLACES;
}

size_t dns_cache_find(const struct dns_cache *c, const char *host, struct netaddr *addresses_r, size_t max)
{
    const struct entry *e = &c->places[place_of(host)];
    if (e->host == NULL || strcmp(e->host, host) != 0 || clock_mono() >= e->ends)
        return 0;
    size_t n = e->n < max ? e->n : max;
    memcpy(addresses_r, e->addresses, n * sizeof *addresses_r);
    return n;
}

void dns_cache_keep(struct dns_cache *c, const char *host, const struct netaddr *addresses, size_t n, uint32_t ttl)
{
    struct entry *e = &c->places[place_of(host)];
    if (n == 0 || ttl == 0)
        return;
    entry_clear(e);
    e->host = mem_strdup(host);
    e->addresses = mem_dup(addresses, n * sizeof *addresses);
    e->n = n;
    e->ends = clock_mono() + (ttl < DNS_CACHE_TTL_MAX ? ttl : DNS_CACHE_TTL_MAX) * INT64_C(1000);
}
