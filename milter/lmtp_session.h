/*
 * The protocol machine of an LMTP server (RFC 2033 over RFC 5321, with PIPELINING, ENHANCEDSTATUSCODES, 8BITMIME, SIZE,
 * SMTPUTF8 and DSN): which command may come when, and what is answered. Knows no socket (lmtp_connection.c feeds it) and no
 * store (the taker, lmtp_message.c, does what a command is about).
 */
#ifndef PONTOON_MILTER_LMTP_SESSION_H
#define PONTOON_MILTER_LMTP_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

struct lmtp_limits {
    const char *hostname; /* in the greeting; must live as long as the session */
    uint64_t max_size;    /* bytes of a message; 0: none */
    size_t max_rcpts;     /* of one message */
    unsigned max_errors;  /* refused commands of one session, then 421 */
};

/*
 * What becomes of a message. Functions with a result return NULL, or the reply that refuses ("451 4.3.0 ..."; borrowed until
 * the next call).
 */
struct lmtp_taker {
    void (*hello)(void *arg, const char *name);
    const char *(*mail)(void *arg, const char *path, char *const *params);
    const char *(*rcpt)(void *arg, const char *path, char *const *params);
    const char *(*begin)(void *arg); /* DATA */
    void (*content)(void *arg, const char *data, size_t len);
    /* All content was given: does what is to be done with it. Then reply(i) is asked for each recipient that rcpt() took. */
    void (*end)(void *arg);
    const char *(*reply)(void *arg, size_t i);
    void (*reset)(void *arg); /* the message is over, or given up */
    void *arg;
};

struct lmtp_session;
struct lmtp_session *lmtp_session_new(const struct lmtp_limits *limits, const struct lmtp_taker *taker);
void lmtp_session_free(struct lmtp_session **s); /* resets the taker if a message is open */

enum lmtp_next {
    LMTP_NEXT_COMMAND,
    LMTP_NEXT_DATA, /* 354 was said: content comes, then lmtp_session_end() */
    LMTP_NEXT_CLOSE,
};

/* Replies go to `out`, with CRLF. */
void lmtp_session_greet(const struct lmtp_session *s, struct buf *out);
/* One command, `len` bytes without its line end, NUL-terminated; changed. */
enum lmtp_next lmtp_session_command(struct lmtp_session *s, char *line, size_t len, struct buf *out);
/* A line that could not be taken as a command: counts as an error. `reply`: without CRLF. */
enum lmtp_next lmtp_session_refuse(struct lmtp_session *s, const char *reply, struct buf *out);
/* Whether the command at hand must have been the last of its group (RFC 2920): more input behind it is an error. */
bool lmtp_session_must_wait(const struct lmtp_session *s);

void lmtp_session_content(struct lmtp_session *s, const char *data, size_t len);
enum lmtp_next lmtp_session_end(struct lmtp_session *s, struct buf *out);

/* Whether it is between messages, so that it could end now without anybody's loss. */
bool lmtp_session_is_idle(const struct lmtp_session *s);

#endif
