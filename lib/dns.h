/*
 * DNS through c-ares on a loop. Every look-up has a bound in time (the configuration's
 * discovery.dns-timeout) and its callback is called exactly once, never before the call returns.
 */
#ifndef PONTOON_DNS_H
#define PONTOON_DNS_H

#include "lib/config.h"
#include "lib/loop.h"
#include "lib/netaddr.h"
#include "lib/result.h"

struct dns;

enum { DNS_TXT_MAX = 16, DNS_ADDRESSES_MAX = 16 };

/* Servers from discovery.resolvers ("ADDR:PORT"), else the system's. */
enum result dns_new(struct loop *loop, const struct config *config, struct dns **dns_r, struct error *err);
/* Every waiting callback gets RESULT_TEMP. */
void dns_free(struct dns **dns);

struct dns_txt {
    char *text; /* the record's strings joined; may hold any byte, NUL-terminated behind `len` */
    size_t len;
};
/*
 * RESULT_OK with n >= 1; RESULT_PERM: the name or the record does not exist (n == 0); RESULT_TEMP: no
 * answer. `ttl`: seconds (smallest of the records; for RESULT_PERM 0).
 */
typedef void dns_txt_done(void *arg, enum result result, const struct dns_txt *records, size_t n, uint32_t ttl,
                          const struct error *err);
void dns_txt(struct dns *dns, const char *name, dns_txt_done *done, void *arg);

/* A and AAAA of a host, or the literal itself; the port is put into each. Results as above; kept for their TTL (300 s at most). */
typedef void dns_addresses_done(void *arg, enum result result, const struct netaddr *addresses, size_t n,
                                const struct error *err);
void dns_addresses(struct dns *dns, const char *host, uint16_t port, dns_addresses_done *done, void *arg);

/*
 * The verified name of an address: a PTR name that has this address (FCrDNS, as Postfix does for
 * client names). RESULT_OK with name; RESULT_PERM: none; RESULT_TEMP: no answer.
 */
typedef void dns_name_done(void *arg, enum result result, const char *name, const struct error *err);
void dns_name(struct dns *dns, const struct netaddr *address, dns_name_done *done, void *arg);

#endif
