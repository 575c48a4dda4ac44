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
    const char *status;     /* "5.1.1" */
    const char *diagnostic; /* the remote MTA's reply "550 5.1.1 …", or words of ours (not shown to people), or NULL */
    const char *remote_mta;                /* host name, or NULL */
    const char *reason;                    /* a sentence for people */
    msec_t last_attempt, will_retry_until; /* 0: not given */
};

struct dsn {
    const char *hostname; /* Reporting-MTA */
    const char *from;     /* address of the From: header; "": MAILER-DAEMON at the host */
    const char *id;       /* pontoon's id, for people */
    const char *queue_id;
    const char *sender; /* to whom */
    const char *envid;  /* as given at MAIL (xtext), or NULL */
    bool smtputf8;      /* the original's */
    bool ascii;         /* goes where UTF-8 can't: RFC 6533's forms for such places; the original's header only */
    msec_t arrived;
    msec_t now;
    const struct dsn_rcpt *rcpts; /* all with one action, or delivered and relayed ones */
    size_t nrcpts;
    char boundary[40]; /* of the MIME parts: made by dsn_write_begin() */
};

/*
 * Appends everything up to and with the header of the third part (CRLF); the caller then appends the original
 * message, or calls dsn_write_header() with its header (dsn_wants_full()), and then dsn_write_end(). `eight_bit`: what comes
 * of the original has bytes over 127. With d->ascii everything is ASCII, unless the original follows in full.
 */
void dsn_write_begin(struct buf *out, struct dsn *d, bool full, bool eight_bit);
/* The original's header, without the empty line behind it. */
void dsn_write_header(struct buf *out, const struct dsn *d, const char *header, size_t len);
void dsn_write_end(struct buf *out, const struct dsn *d);
/*
 * RFC 3461 section 4.3: RET is about failures only; other DSNs return headers only. RET=HDRS, or absent with a large message (over
 * `limit`): headers only.
 */
bool dsn_wants_full(enum dsn_action action, const char *ret, uint64_t size, uint64_t limit);
/* Whether `notify` (or NULL) asks for this action's DSN; failure is the default, delay too. */
bool dsn_wanted(const char *notify, enum dsn_action action);

#endif
