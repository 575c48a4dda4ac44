/*
 * Addresses as RFC 5321 (paths), RFC 6531 (SMTPUTF8) and RFC 3461 (xtext) write them.
 * Pure functions; all input is a stranger's.
 */
#ifndef PONTOON_ADDRESS_H
#define PONTOON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/result.h"

enum {
    ADDRESS_MAX = 1000, /* bytes of a path; RFC 5321 says 254, UTF-8 and real life say more */
    DOMAIN_MAX = 253,   /* bytes of a domain in A-label form */
    XTEXT_MAX = 4000,
};

/*
 * What an MTA hands a milter: "<local@domain>", "local@domain" or "<>", kept as it is but for the
 * angle brackets. Source routes are removed (RFC 5321, appendix F.2). Returns a string to
 * mem_free() ("" for the null path), or NULL with the error set when it is empty, too long, or has
 * a control character.
 */
char *address_from_path(const char *path, struct error *err);

/*
 * Checks that `address` (without brackets) can stand in a MAIL or RCPT command and in our
 * protocol: dot-atom or quoted local part, one '@', a domain or an address literal; UTF-8 must be
 * valid (RFC 3629) and makes *utf8_r true. "" is not valid here.
 */
bool address_valid(const char *address, bool *utf8_r);

/* The domain of an address as written, or "" when it has none. Points into `address`. */
const char *address_domain(const char *address);

/*
 * A domain in the form that discovery compares and looks up: lower case, A-labels (IDNA 2008 by
 * libidn2), no trailing dot. Returns false for anything that is no host name of at least two labels
 * (literals, underscores, "localhost", labels over 63 bytes).
 */
bool domain_normalize(const char *domain, char out[DOMAIN_MAX + 1]);

/* Normalized, or else (a literal, "localhost") in lower case. To mem_free(). */
char *domain_fold(const char *domain);

/* "local@DOMAIN" with DOMAIN normalized where it can be; for comparing. To mem_free(). */
char *address_normalize(const char *address);

/* RFC 3461 section 4: xtext. The decoder returns NULL for malformed text. Results to mem_free(). */
char *xtext_encode(const char *plain);
char *xtext_decode(const char *xtext);
bool xtext_valid(const char *xtext);

#endif
