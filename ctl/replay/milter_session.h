/* One message through a milter, told in the order of a script; what becomes of it is as an MTA would see it. In a thread that waits. */
#ifndef PONTOON_REPLAY_MILTER_SESSION_H
#define PONTOON_REPLAY_MILTER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/milter_client.h"
#include "ctl/replay/milter_script.h"
#include "lib/envelope.h"

struct milter_message {
    uint64_t number;
    const char *bytes; /* CRLF lines */
    size_t len;
    const struct envelope *envelope;
    const char *client; /* the address of who is said to have sent it: IPv4 */
};

struct milter_outcome {
    enum milter_verdict verdict; /* on the message, or on the connection or sender, which is the message's then */
    const char *step;            /* where it was said: "mail", "end" */
    char reply[512];
    size_t refused_rcpts;
    unsigned messages; /* of the script that came to their end */
    unsigned nchanges; /* of all of them */
    char *changes;     /* to mem_free(): of the last; a line each */
    msec_t took;
};

/* RESULT_OK: the script was told. Else the connection failed or the filter broke the protocol. `o_r` is filled as far as it came. */
enum result milter_session_run(const char *socket, msec_t timeout, const struct milter_script *script,
                               const struct milter_message *message, struct milter_outcome *o_r, struct error *err);

#endif
