/*
 * Addresses of hosts, for as long as their TTL says: so that a request over a connection that is open already costs no look-up. A place for
 * each of some hundred hosts; one that comes to a place that is taken takes it. One thread's.
 */
#ifndef PONTOON_DNS_CACHE_H
#define PONTOON_DNS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/netaddr.h"

struct dns_cache;

enum { DNS_CACHE_TTL_MAX = 300 /* s */ };

struct dns_cache *dns_cache_new(void);
void dns_cache_free(struct dns_cache **c);

/* Copies up to `max` addresses, their ports as they were kept; returns how many, 0 if the host is not known (any more). */
size_t dns_cache_find(const struct dns_cache *c, const char *host, struct netaddr *addresses_r, size_t max);
/* `ttl`: seconds; 0 keeps nothing. */
void dns_cache_keep(struct dns_cache *c, const char *host, const struct netaddr *addresses, size_t n, uint32_t ttl);

#endif
