/*
 * One client of pontoon-lmtp, from its greeting to its end, in a thread of its own: moves bytes between the socket
 * (lmtp_stream.h) and the protocol machine (lmtp_session.h).
 */
#ifndef PONTOON_MILTER_LMTP_CONNECTION_H
#define PONTOON_MILTER_LMTP_CONNECTION_H

#include "lib/clock.h"
#include "milter/lmtp_session.h"

struct lmtp_connection {
    int fd;           /* non-blocking; closed at the end */
    int wake;         /* readable once the daemon stops: a client between messages is then told 421 */
    msec_t timeout;   /* ms that a client may be silent */
    const char *peer; /* for the log */
};

/* Returns when the connection is closed. */
void lmtp_connection_run(const struct lmtp_connection *c, const struct lmtp_limits *limits,
                         const struct lmtp_taker *taker);

#endif
