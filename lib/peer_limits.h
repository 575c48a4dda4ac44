/*
 * The limits on the peers of an HTTPS daemon, before it is known what they want: connections, requests a second, and refused
 * requests a second, by address (lib/limits.h). lib/http_server.c asks; what a daemon limits by domain is its own.
 *
 * Who has too many requests refused (bad tokens, bad signatures, 429 that it does not heed) is cut off before TLS until the
 * rate is back: a refusal must cost us less than it costs the peer.
 */
#ifndef PONTOON_PEER_LIMITS_H
#define PONTOON_PEER_LIMITS_H

#include "lib/config.h"
#include "lib/limits.h"

struct peer_limits {
    struct limits *all; /* the daemon may add its own */
    struct limit *connections_all, *connections, *requests, *refusals;
    unsigned most, most_per_address; /* connections */
};

/* `section`: "store" or "bridge", whose parameters they are. */
struct peer_limits *peer_limits_new(struct loop *loop, const char *section);
void peer_limits_free(struct peer_limits **p);
/* At the start and on reload. */
void peer_limits_configure(struct peer_limits *p, const struct config *config, const char *section);
/* Whether an answer of this status is the peer's own fault, and counted as such. */
bool peer_limits_is_refusal(int status);

#endif
