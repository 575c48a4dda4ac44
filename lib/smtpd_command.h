/*
 * The command lines of SMTP and LMTP (RFC 5321, RFC 2033), as a server reads them: one line into verb, path and parameters. Pure, no memory of
 * its own: what it finds points into the line.
 */
#ifndef PONTOON_SMTPD_COMMAND_H
#define PONTOON_SMTPD_COMMAND_H

#include <stddef.h>

enum {
    SMTPD_LINE_MAX = 4096, /* bytes without CRLF: RFC 5321's 510, and what SIZE, DSN and SMTPUTF8 add, generously */
    SMTPD_PARAMS_MAX = 16, /* ESMTP parameters of one command */
    SMTPD_REPLY_MAX = 510, /* bytes of a reply's line, without CRLF (RFC 5321 section 4.5.3.1.5) */
};

enum smtpd_verb {
    SMTPD_LHLO,
    SMTPD_MAIL,
    SMTPD_RCPT,
    SMTPD_DATA,
    SMTPD_RSET,
    SMTPD_NOOP,
    SMTPD_QUIT,
    SMTPD_VRFY,
    SMTPD_HELP,
    SMTPD_HELO,
    SMTPD_EHLO,
    SMTPD_NOT_OFFERED, /* of SMTP's, and none that we have */
    SMTPD_UNKNOWN,
    SMTPD_VERBS
};

struct smtpd_command {
    enum smtpd_verb verb;
    char *argument;                     /* what follows the verb, without blanks around it; "" when nothing does */
    char *path;                         /* MAIL and RCPT: with its angle brackets */
    char *params[SMTPD_PARAMS_MAX + 1]; /* of these, as given; ends with NULL */
};

/*
 * Cuts up `line`, which has `len` bytes without the line end and a NUL behind them. Returns NULL, or the reply ("501
 * 5.5.4 ...", static) that says what is wrong with it; the verb is set in any case.
 */
const char *smtpd_command_parse(char *line, size_t len, struct smtpd_command *c_r);

#endif
