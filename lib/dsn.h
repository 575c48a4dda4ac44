/*
 * Delivery status notifications (RFC 3464, 3462; UTF-8 forms RFC 6533), written as a complete message.
 */
#ifndef PONTOON_DSN_H
#define PONTOON_DSN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/envelope.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED };

struct dsn_rcpt {
    const char *address;
    const char *orcpt; /* as given at RCPT, or NULL */
    enum dsn_action action;
    const char *status;                    /* "5.1.1" */
    const char *diagnostic;                /* the remote MTA's reply "550 5.1.1 …", or NULL */
    const char *remote_mta;                /* host name, or NULL */
    const char *reason;                    /* a sentence for people */
    msec_t last_attempt, will_retry_until; /* 0: not given */
};

struct dsn {
    const char *hostname; /* Reporting-MTA */
    const char *id;       /* pontoon's id, for people */
    const char *queue_id;
    const char *sender; /* to whom */
    const char *envid;  /* as given at MAIL (xtext), or NULL */
    bool smtputf8;
    msec_t arrived;
    msec_t now;
    const struct dsn_rcpt *rcpts; /* all with one action */
    size_t nrcpts;
    char boundary[40]; /* of the MIME parts: made by dsn_write_begin() */
};

/*
 * Appends everything up to and with the header of the third part (CRLF); the caller then appends the original
 * message, or its header (dsn_wants_full()), and dsn_write_end(). `eight_bit`: the original has bytes over 127.
 */
void dsn_write_begin(struct buf *out, struct dsn *d, bool full, bool eight_bit);
void dsn_write_end(struct buf *out, const struct dsn *d);
/* RFC 3461 section 4.3: RET=HDRS or absent with a large message (over `limit`): headers only. */
bool dsn_wants_full(const char *ret, uint64_t size, uint64_t limit);
/* Whether `notify` (or NULL) asks for this action's DSN; failure is the default, delay too. */
bool dsn_wanted(const char *notify, enum dsn_action action);

#endif
