/*
 * Network addresses: endpoints from the configuration, CIDR lists, and which addresses a stranger
 * may make us connect to (only globally routable ones, unless the configuration allows more).
 */
#ifndef PONTOON_NETADDR_H
#define PONTOON_NETADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/result.h"

struct netaddr {
    struct sockaddr_storage sa; /* AF_INET, AF_INET6 or AF_UNIX */
    socklen_t len;
};

enum { NETADDR_TEXT_SIZE = 128 };

/* "127.0.0.1" or "2001:db8::1", port in host order. False if not a literal address. */
bool netaddr_parse(const char *ip, uint16_t port, struct netaddr *a_r);
/*
 * "HOST:PORT", "[V6]:PORT", "unix:/path", or the first two behind "inet:". HOST must be a literal address,
 * "localhost" (127.0.0.1) or "*" ("::", which takes IPv4 too on Linux). Port 0: the kernel chooses.
 */
enum result netaddr_endpoint(const char *text, struct netaddr *a_r, struct error *err);
/* "192.0.2.1", "2001:db8::1", "unix:/path" — without port. An IPv4 address in IPv6 form (::ffff:0:0/96) is shown as IPv4. */
void netaddr_ip(const struct netaddr *a, char out[NETADDR_TEXT_SIZE]);
/* "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path". */
void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_SIZE]);
uint16_t netaddr_port(const struct netaddr *a);
void netaddr_set_port(struct netaddr *a, uint16_t port);
bool netaddr_equal_ip(const struct netaddr *a, const struct netaddr *b);

/*
 * The bytes of an IP address in network order; *len_r is 4 or 16, 0 for other families. What comes over an IPv6
 * socket in IPv4 clothes (::ffff:0:0/96) is IPv4, here and in all comparisons.
 */
const uint8_t *netaddr_bytes(const struct netaddr *a, size_t *len_r);
/* Whether the first `bits` bits are the same. */
bool netaddr_prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits);

/*
 * CIDR blocks: "10.0.0.0/8", "2001:db8::/32", "192.0.2.1". Bits behind the prefix must be zero, as in Postfix.
 */
struct netaddr_list;
enum result netaddr_list_parse(const char *const *blocks, size_t n, struct netaddr_list **l_r, struct error *err);
bool netaddr_list_has(const struct netaddr_list *l, const struct netaddr *a); /* NULL list: false */
void netaddr_list_free(struct netaddr_list **l);

/*
 * Whether a stranger's word may make us connect there: not loopback, private (RFC 1918, 4193),
 * link-local, shared (6598), multicast, documentation, benchmarking, "this network", 6to4/Teredo/NAT64/
 * v4-mapped forms of these, ... — IANA special-purpose registries, "globally reachable" false.
 */
bool netaddr_is_global(const struct netaddr *a);

#endif
