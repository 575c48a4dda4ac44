/*
 * A certificate file looked at as a peer would see it: dates, host names, who vouches for it. For `pontoon check`;
 * serving is lib/tls.h.
 */
#ifndef PONTOON_CERTIFICATE_H
#define PONTOON_CERTIFICATE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/clock.h"
#include "lib/result.h"

struct certificate;

/* A PEM file: the server's certificate, then its chain. RESULT_PERM: none in it; RESULT_TEMP: can't be read. */
enum result certificate_load(const char *chain_file, struct certificate **c_r, struct error *err);
void certificate_free(struct certificate **c);

/* When the first certificate of the whole chain ends, and when the last of them begins. */
msec_t certificate_ends(const struct certificate *c);
msec_t certificate_begins(const struct certificate *c);
/* As TLS clients compare: alternative names, wildcards for one label. */
bool certificate_names(const struct certificate *c, const char *host);
/*
 * Whether a client that trusts these authorities (NULL or "": the system's) believes the chain, whatever the date.
 * RESULT_PERM says why not.
 */
enum result certificate_verify(const struct certificate *c, const char *ca_file, struct error *err);

/* When the first certificate of the chain by which a peer was believed runs out; 0: it showed none. */
msec_t certificate_of_peer_ends(const SSL *session);

#endif
