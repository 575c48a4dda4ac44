/* SHA-256 as a stream (OpenSSL EVP), HMAC-SHA256, base64url without padding (RFC 4648 section 5). */
#ifndef PONTOON_DIGEST_H
#define PONTOON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

enum {
    DIGEST_SIZE = 32,
    DIGEST_TEXT_SIZE = 44, /* base64url of a digest, with the NUL */
};

struct digest; /* a running SHA-256 */

struct digest *digest_new(void);
void digest_add(struct digest *d, const void *data, size_t len);
/* Writes the digest of all so far and frees: *d becomes NULL. */
void digest_finish(struct digest **d, uint8_t out[DIGEST_SIZE]);
void digest_free(struct digest **d);

void digest_of(const void *data, size_t len, uint8_t out[DIGEST_SIZE]);
void digest_hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[DIGEST_SIZE]);
bool digest_equal(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE]); /* constant time */
void digest_text(const uint8_t d[DIGEST_SIZE], char out[DIGEST_TEXT_SIZE]);
bool digest_parse(const char *text, uint8_t out[DIGEST_SIZE]);

/* To mem_free(). */
char *base64url_encode(const void *data, size_t len);
/* Strict: no padding, no white space, no stray bits. NULL if malformed; else to mem_free(), with a NUL behind. */
void *base64url_decode(const char *text, size_t text_len, size_t *len_r);
/* RFC 4648 section 4 with padding, as Repr-Digest (RFC 9530) and MIME want it. To mem_free(). */
char *base64_encode(const void *data, size_t len);

/* Cryptographic randomness; failure is fatal. */
void random_bytes(void *out, size_t len);
uint32_t random_below(uint32_t n); /* 0..n-1, n > 0 */
/* A new message id: 26 characters of [0-9A-Z], time first, so that ids sort by age. out has 27 bytes. */
enum { MESSAGE_ID_LEN = 26 };
void message_id_new(char out[MESSAGE_ID_LEN + 1]);
msec_t message_id_time(const char *id); /* when message_id_new() made it; 0: it is of another kind */
bool message_id_valid(const char *id);  /* what a peer may send: 1..64 of [A-Za-z0-9_-] */

#endif
