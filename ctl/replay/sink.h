/*
 * Where replayed mail may end: an SMTP or LMTP server that takes all of it, keeps nothing, and says what came. It listens on the
 * loop; each client has a thread (lib/smtpd_connection.h).
 */
#ifndef PONTOON_REPLAY_SINK_H
#define PONTOON_REPLAY_SINK_H

#include <stdint.h>

#include "ctl/replay/arrivals.h"
#include "lib/loop.h"
#include "lib/smtpd_session.h"

struct sink_options {
    const char *listen; /* as netaddr_endpoint() has it */
    enum smtpd_protocol protocol;
    uint64_t max_size;
    unsigned max_clients;
};

struct sink;
/* `arrivals` must live longer. */
enum result sink_open(struct loop *loop, const struct sink_options *o, struct arrivals *arrivals, struct sink **s_r,
                      struct error *err);
void sink_close(struct sink **s);                   /* ends its clients and waits for them */
void sink_address(const struct sink *s, char *out); /* NETADDR_TEXT_SIZE bytes: where it listens, with its port */

#endif
