/*
 * The protocol machine of an SMTP or LMTP server (RFC 5321, RFC 2033; with PIPELINING, ENHANCEDSTATUSCODES, 8BITMIME, SIZE,
 * SMTPUTF8 and DSN): which command may come when, and what is answered. Knows no socket (smtpd_connection.c feeds it);
 * what a command is about is done by the taker, such as milter/lmtp_message.c.
 */
#ifndef PONTOON_SMTPD_SESSION_H
#define PONTOON_SMTPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum smtpd_protocol { SMTPD_LMTP, SMTPD_SMTP };

struct smtpd_limits {
    enum smtpd_protocol protocol;
    const char *hostname; /* in the greeting; must live as long as the session */
    uint64_t max_size;    /* bytes of a message; 0: none */
    size_t max_rcpts;     /* of one message */
    unsigned max_errors;  /* refused commands of one session, then 421 */
};

/*
 * What becomes of a message. Functions with a result return NULL, or the reply that refuses ("451 4.3.0 ..."; borrowed until
 * the next call).
 */
struct smtpd_taker {
    void (*hello)(void *arg, const char *name);
    const char *(*mail)(void *arg, const char *path, char *const *params);
    const char *(*rcpt)(void *arg, const char *path, char *const *params);
    const char *(*begin)(void *arg); /* DATA */
    void (*content)(void *arg, const char *data, size_t len);
    /*
     * All content was given: does what is to be done with it. Then reply(i) is asked for each recipient that rcpt() took;
     * of SMTP, whose one reply is for all of them, only reply(0).
     */
    void (*end)(void *arg);
    const char *(*reply)(void *arg, size_t i);
    void (*reset)(void *arg); /* the message is over, or given up */
    void *arg;
};

struct smtpd_session;
struct smtpd_session *smtpd_session_new(const struct smtpd_limits *limits, const struct smtpd_taker *taker);
void smtpd_session_free(struct smtpd_session **s); /* resets the taker if a message is open */

enum smtpd_next {
    SMTPD_NEXT_COMMAND,
    SMTPD_NEXT_DATA, /* 354 was said: content comes, then smtpd_session_end() */
    SMTPD_NEXT_CLOSE,
};

/* Replies go to `out`, with CRLF. */
void smtpd_session_greet(const struct smtpd_session *s, struct buf *out);
/* One command, `len` bytes without its line end, NUL-terminated; changed. */
enum smtpd_next smtpd_session_command(struct smtpd_session *s, char *line, size_t len, struct buf *out);
/* A line that could not be taken as a command: counts as an error. `reply`: without CRLF. */
enum smtpd_next smtpd_session_refuse(struct smtpd_session *s, const char *reply, struct buf *out);
/* Whether the command at hand must have been the last of its group (RFC 2920): more input behind it is an error. */
bool smtpd_session_must_wait(const struct smtpd_session *s);

void smtpd_session_content(struct smtpd_session *s, const char *data, size_t len);
enum smtpd_next smtpd_session_end(struct smtpd_session *s, struct buf *out);

/* Whether it is between messages, so that it could end now without anybody's loss. */
bool smtpd_session_is_idle(const struct smtpd_session *s);

#endif
