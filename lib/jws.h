/*
 * Ed25519 keys (RFC 8037) and the flattened JWS (RFC 7515 section 7.2.2) that signs notifications.
 * Exactly what SSMP needs: alg EdDSA, kid, typ; nothing is negotiated.
 *
 * A key file holds one private key in PEM (PKCS#8); its kid is the RFC 7638 thumbprint.
 */
#ifndef PONTOON_JWS_H
#define PONTOON_JWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/result.h"

enum {
    JWS_SIZE_MAX = 65536, /* bytes of a whole JWS */
    JWS_KID_MAX = 128,    /* bytes of a key id: ours are thumbprints (43), a peer's can be any visible ASCII */
    JWS_KEYS_MAX = 16,
};

struct jws_key;  /* one key, private or public */
struct jws_keys; /* a set of public keys: a domain's JWK Set */

/* Makes a new key and writes it to `path` (lib/secret_file.h: mode 0600, must not exist, fsynced). */
enum result jws_key_generate(const char *path, struct jws_key **key_r, struct error *err);
enum result jws_key_load(const char *path, struct jws_key **key_r, struct error *err);
void jws_key_free(struct jws_key **key);
const char *jws_key_kid(const struct jws_key *key);
json_t *jws_key_public_jwk(const struct jws_key *key); /* {"kty":"OKP","crv":"Ed25519","kid":…,"x":…}: new reference */

/*
 * `jwks`: {"keys":[…]}. Keys of other kinds are skipped; a malformed Ed25519 key, one that shows its private half,
 * two with one kid, or more than JWS_KEYS_MAX in all are errors. A key without a kid goes by its thumbprint.
 */
enum result jws_keys_parse(const json_t *jwks, struct jws_keys **keys_r, struct error *err);
/* Whether the set has a key of this id: if not, the set may be out of date. */
bool jws_keys_have(const struct jws_keys *keys, const char *kid);
size_t jws_keys_count(const struct jws_keys *keys);
void jws_keys_free(struct jws_keys **keys);

/* The flattened JWS with this payload as compact JSON text, to mem_free(). */
char *jws_sign(const struct jws_key *key, const char *typ, const void *payload, size_t len);

struct jws; /* a parsed, not yet verified JWS */
/* Strict: exactly the members protected, payload, signature; protected header of alg, kid, typ only. `typ`: the only one that
   is taken; jws_parse_any(): one of several, NULL-terminated. */
enum result jws_parse_any(const char *text, size_t len, const char *const *types, struct jws **jws_r,
                          struct error *err);
enum result jws_parse(const char *text, size_t len, const char *typ, struct jws **jws_r, struct error *err);
const char *jws_kid(const struct jws *jws);
const char *jws_typ(const struct jws *jws);
/* The payload, NUL-terminated; NOT to be believed before jws_verify(), except to find whose key it wants. */
const char *jws_payload(const struct jws *jws, size_t *len_r);
enum result jws_verify(const struct jws *jws, const struct jws_keys *keys, struct error *err);
void jws_free(struct jws **jws);

#endif
