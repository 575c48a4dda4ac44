/*
 * How a replayed message is known again: a header field that goes on top of it. What arrives has trace fields above it; from it on,
 * every byte must be as it was sent. Pure.
 */
#ifndef PONTOON_REPLAY_TOKEN_H
#define PONTOON_REPLAY_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/digest.h"

#define REPLAY_TOKEN_FIELD "X-Pontoon-Replay"

enum {
    TOKEN_RUN_LEN = 12,    /* characters of a run's name, [0-9a-z] */
    TOKEN_FIELD_MAX = 100, /* bytes of the field, with its line end */
    TOKEN_HOPS_MAX = 30,
    TOKEN_VALUE_MAX = 4000, /* bytes kept of a watched field */
};

/* The field with CRLF, for copy `copy` of run `run`. */
void token_field(const char *run, uint64_t copy, char out[TOKEN_FIELD_MAX]);

/* Fields that filters add or change, and that are compared instead of being part of what must be equal. */
struct token_watch {
    const char *const *names;
    size_t n;
};

/* SHA-256 of a message (CRLF lines, without the token's field) but for the watched fields of its header. */
void token_digest(const char *message, size_t len, const struct token_watch *watch, uint8_t out[DIGEST_SIZE]);

struct token_arrival {
    bool found; /* the token's field, of this run */
    uint64_t copy;
    const char *rest; /* what is behind the field, in the caller's bytes */
    size_t rest_len;
    uint8_t digest[DIGEST_SIZE]; /* of that: see token_digest() */
    msec_t hops[TOKEN_HOPS_MAX]; /* when Received: fields above the token say, oldest first */
    size_t nhops;
    struct buf
        watched; /* "Name: value\n" of watched fields in all of the header, and of Authentication-Results above the token */
};

/* Reads what arrived (CRLF or LF lines). token_arrival_free() in any case. */
void token_read(const char *message, size_t len, const char *run, const struct token_watch *watch,
                struct token_arrival *a_r);
void token_arrival_free(struct token_arrival *a);

/* Bytes above the token's field of whichever run, or of the whole header: what the way has put there. */
size_t token_above(const char *message, size_t len);

/* The message as token_digest() takes it: to mem_free(). */
char *token_without_watched(const char *message, size_t len, const struct token_watch *watch, size_t *len_r);

/* When a message came, by its first Received: field, else when it was written, by Date:. 0: neither says. */
msec_t token_time(const char *message, size_t len);

/*
 * Says where two messages differ first: "byte 1203 (line 17): sent \"...\", arrived \"...\"", or that one is
 * shorter. Nothing printable is lost; other bytes are shown as \x00.
 */
void token_first_difference(const char *sent, size_t sent_len, const char *arrived, size_t arrived_len,
                            struct buf *out);

#endif
