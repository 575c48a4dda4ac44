/*
 * LMTP's command lines (RFC 2033; the grammar is RFC 5321's): one line into verb, path and parameters. Pure, no memory of
 * its own: what it finds points into the line.
 */
#ifndef PONTOON_MILTER_LMTP_COMMAND_H
#define PONTOON_MILTER_LMTP_COMMAND_H

#include <stddef.h>

enum {
    LMTP_LINE_MAX = 4096, /* bytes without CRLF: RFC 5321's 510, and what SIZE, DSN and SMTPUTF8 add, generously */
    LMTP_PARAMS_MAX = 16, /* ESMTP parameters of one command */
    LMTP_REPLY_MAX = 510, /* bytes of a reply's line, without CRLF (RFC 5321 section 4.5.3.1.5) */
};

enum lmtp_verb {
    LMTP_LHLO,
    LMTP_MAIL,
    LMTP_RCPT,
    LMTP_DATA,
    LMTP_RSET,
    LMTP_NOOP,
    LMTP_QUIT,
    LMTP_VRFY,
    LMTP_HELP,
    LMTP_HELO,        /* HELO and EHLO: the client takes us for an SMTP server */
    LMTP_NOT_OFFERED, /* of SMTP's, and none that we have */
    LMTP_UNKNOWN,
    LMTP_VERBS
};

struct lmtp_command {
    enum lmtp_verb verb;
    char *argument;                    /* what follows the verb, without blanks around it; "" when nothing does */
    char *path;                        /* MAIL and RCPT: with its angle brackets */
    char *params[LMTP_PARAMS_MAX + 1]; /* of these, as given; ends with NULL */
};

/*
 * Cuts up `line`, which has `len` bytes without the line end and a NUL behind them. Returns NULL, or the reply ("501
 * 5.5.4 ...", static) that says what is wrong with it; the verb is set in any case.
 */
const char *lmtp_command_parse(char *line, size_t len, struct lmtp_command *c_r);

#endif
