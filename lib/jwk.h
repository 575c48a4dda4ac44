/* What jws.c needs of a key beyond jws.h: the raw Ed25519 operations. */
#ifndef PONTOON_JWK_H
#define PONTOON_JWK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/jws.h"

enum { JWK_SIGNATURE_SIZE = 64 };

void jwk_sign(const struct jws_key *key, const void *data, size_t len, uint8_t signature[JWK_SIGNATURE_SIZE]);
bool jwk_verify(const struct jws_key *key, const void *data, size_t len, const uint8_t signature[JWK_SIGNATURE_SIZE]);
/* NULL if the set has none of this id. */
const struct jws_key *jwk_find(const struct jws_keys *keys, const char *kid);
/* Whether a peer may use this as a key id. */
bool jwk_kid_valid(const char *kid);

#endif
