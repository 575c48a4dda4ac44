/*
 * Asking an MTA about envelopes, as pontoon-bridge does: XCLIENT, MAIL, RCPT, and then RSET. No message is sent; the MTA may
 * log what it refuses.
 */
#ifndef PONTOON_CTL_MTA_ASK_H
#define PONTOON_CTL_MTA_ASK_H

#include "lib/loop.h"
#include "lib/netaddr.h"
#include "lib/result.h"
#include "lib/smtp_reply.h"

struct mta_question {
    const char *sender, *recipient; /* without brackets; the caller's */
    /* The answer: the reply to RCPT, or to MAIL where that was refused; RESULT_OK, TEMP or PERM as it says, and no code where none came. */
    struct smtp_reply reply;
    struct error err;
};

/* `peer`: the address for XCLIENT, or NULL. Each step has `timeout`. */
void mta_ask(struct loop *loop, const struct netaddr *server, bool lmtp, const char *helo, const char *peer,
             msec_t timeout, struct mta_question *questions, size_t n);

#endif
