/*
 * Lists of patterns and tables of the configuration, "who": recipients, senders, users, clients. Like Postfix's match
 * lists they are tried in order, the first that matches decides, and "!" before a pattern makes it an exception.
 *
 * Addresses: "*"; "user@domain"; "user@" (in any domain); "domain" or "@domain"; ".domain" or "@.domain" (its subdomains);
 * anything with * in it (any characters; without "@" it is compared with the domain). "*@" before a domain is the same as
 * "@". Case doesn't count (A to Z), domains are compared in A-label form. In a table the keys of an address are tried in
 * the order of access(5): user@domain, domain, .domain and its parents, user@; regexp tables get the whole address.
 *
 * Logins are compared whole, or with *; tables are asked for the login. Clients: "local" (no network, or a loopback address),
 * ADDRESS, ADDRESS/BITS, "*"; tables are asked as access(5) does: the address, then the networks that it begins with.
 */
#ifndef PONTOON_PATTERNS_H
#define PONTOON_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/config.h"
#include "lib/netaddr.h"
#include "lib/result.h"

enum patterns_kind { PATTERNS_ADDRESS, PATTERNS_LOGIN, PATTERNS_CLIENT };

enum match {
    MATCH_NO,
    MATCH_YES,
    MATCH_FAILED, /* a table can't be read: nobody knows */
};

struct patterns;

/* Immutable, usable from any thread. RESULT_PERM: a malformed pattern; RESULT_TEMP: a table that can't be read. */
enum result patterns_new(enum patterns_kind kind, const char *const *words, size_t n, struct patterns **p_r,
                         struct error *err);
/* Of a list of the configuration; its errors name the place, and the parameter. */
enum result patterns_from_config(const struct config *c, const char *key, enum patterns_kind kind,
                                 struct patterns **p_r, struct error *err);
void patterns_free(struct patterns **p);

/*
 * `which_r` (may be NULL) is the word that decided, or NULL when none matched; `err` is set with MATCH_FAILED. Each is for
 * its kind of list.
 */
enum match patterns_match_address(const struct patterns *p, const char *address, const char **which_r,
                                  struct error *err);
/* A domain (normalized) without an address: only patterns of domains match. */
enum match patterns_match_domain(const struct patterns *p, const char *domain, const char **which_r, struct error *err);
enum match patterns_match_login(const struct patterns *p, const char *login, const char **which_r, struct error *err);
/* NULL: a client without a network address. */
enum match patterns_match_client(const struct patterns *p, const struct netaddr *client, const char **which_r,
                                 struct error *err);

/* Whether `text` is `pattern`, in which * stands for any characters; both in lower case. Time: the product of their lengths. */
bool glob_match(const char *pattern, const char *text);

#endif
