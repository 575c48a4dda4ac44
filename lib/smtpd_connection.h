/*
 * One client of an SMTP or LMTP server, from its greeting to its end, in a thread of its own: moves bytes between the socket
 * (smtpd_stream.h) and the protocol machine (smtpd_session.h).
 */
#ifndef PONTOON_SMTPD_CONNECTION_H
#define PONTOON_SMTPD_CONNECTION_H

#include "lib/clock.h"
#include "lib/smtpd_session.h"

struct smtpd_connection {
    int fd;           /* non-blocking; closed at the end */
    int wake;         /* readable once the daemon stops: a client between messages is then told 421 */
    msec_t timeout;   /* ms that a client may be silent */
    const char *peer; /* for the log */
};

/* Returns when the connection is closed. */
void smtpd_connection_run(const struct smtpd_connection *c, const struct smtpd_limits *limits,
                          const struct smtpd_taker *taker);

#endif
