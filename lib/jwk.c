/* Ed25519 keys: PEM files, JWKs (RFC 7517, 8037), thumbprints (RFC 7638) and sets. See jws.h. */
#include "lib/jwk.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "lib/digest.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/secret_file.h"

enum { KEY_SIZE = 32 };

struct jws_key {
    EVP_PKEY *pkey;
    char *x; /* the public key in base64url */
    char *kid;
};

struct jws_keys {
    struct jws_key *keys[JWS_KEYS_MAX];
    size_t n;
};

/* RFC 7638: the required members only, in order of name, without white space. */
static char *thumbprint(const char *x)
{
    char *canonical = mem_printf("{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}", x);
    uint8_t digest[DIGEST_SIZE];
    digest_of(canonical, strlen(canonical), digest);
    mem_free(&canonical);
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    return mem_strdup(text);
}

/* Takes over `pkey`, which is an Ed25519 key. A NULL kid means the thumbprint. */
static struct jws_key *key_new(EVP_PKEY *pkey, const char *kid)
{
    uint8_t raw[KEY_SIZE];
    size_t len = sizeof raw;
    if (EVP_PKEY_get_raw_public_key(pkey, raw, &len) != 1 || len != sizeof raw)
        log_panic("key_new: an Ed25519 key without a public half");
    struct jws_key *key = mem_zero(1, sizeof *key);
    key->pkey = pkey;
    key->x = base64url_encode(raw, len);
    key->kid = kid != NULL ? mem_strdup(kid) : thumbprint(key->x);
    return key;
}

void jws_key_free(struct jws_key **key)
{
    if (*key == NULL)
        return;
    EVP_PKEY_free((*key)->pkey);
    mem_free(&(*key)->x);
    mem_free(&(*key)->kid);
    mem_free(key);
}

enum result jws_key_generate(const char *path, struct jws_key **key_r, struct error *err)
{
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *bio = BIO_new(BIO_s_secmem());
    if (pkey == NULL || bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
        log_fatal("OpenSSL can't make an Ed25519 key");
    char *pem;
    long len = BIO_get_mem_data(bio, &pem);
    enum result result = secret_file_create(path, pem, (size_t)len, err);
    BIO_free(bio); /* secure memory: wiped */
    if (result == RESULT_OK)
        *key_r = key_new(pkey, NULL);
    else
        EVP_PKEY_free(pkey);
    return result;
}

/* An encrypted file must fail: OpenSSL's own callback would ask the terminal. */
static int no_password(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

enum result jws_key_load(const char *path, struct jws_key **key_r, struct error *err)
{
    char *pem;
    size_t len;
    enum result result = secret_file_read(path, &pem, &len, err);
    if (result != RESULT_OK)
        return result;
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    explicit_bzero(pem, len);
    mem_free(&pem);
    if (pkey == NULL)
        return error_set(err, RESULT_PERM, "%s: no private key in PEM without a password", path);
    if (EVP_PKEY_get_id(pkey) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(pkey);
        return error_set(err, RESULT_PERM, "%s: not an Ed25519 key: make one with `pontoon keys make'", path);
    }
    *key_r = key_new(pkey, NULL);
    return RESULT_OK;
}

const char *jws_key_kid(const struct jws_key *key)
{
    return key->kid;
}

json_t *jws_key_public_jwk(const struct jws_key *key)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "kty", "OKP", "crv", "Ed25519", "kid", key->kid, "x", key->x);
}

bool jwk_kid_valid(const char *kid)
{
    size_t len = strlen(kid);
    for (const char *p = kid; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~')
            return false;
    }
    return len >= 1 && len <= JWS_KID_MAX;
}

/* ---- sets ---- */

/* RFC 7517: a reader skips keys of kinds it doesn't know and for uses it hasn't. */
static enum result is_ours(const json_t *jwk, const char *path, bool *ours_r, struct error *err)
{
    const char *kty, *crv, *use, *alg;
    enum result result;
    if ((result = json_need_string(jwk, path, "kty", JWS_SIZE_MAX, &kty, err)) != RESULT_OK ||
        (result = json_want_string(jwk, path, "crv", JWS_SIZE_MAX, &crv, err)) != RESULT_OK ||
        (result = json_want_string(jwk, path, "use", JWS_SIZE_MAX, &use, err)) != RESULT_OK ||
        (result = json_want_string(jwk, path, "alg", JWS_SIZE_MAX, &alg, err)) != RESULT_OK)
        return result;
    *ours_r = strcmp(kty, "OKP") == 0 && crv != NULL && strcmp(crv, "Ed25519") == 0 &&
              (use == NULL || strcmp(use, "sig") == 0) && (alg == NULL || strcmp(alg, "EdDSA") == 0);
    return RESULT_OK;
}

static enum result parse_key(const json_t *jwk, const char *path, struct jws_key **key_r, struct error *err)
{
    const char *kid, *x;
    enum result result;
    if ((result = json_want_string(jwk, path, "kid", JWS_KID_MAX, &kid, err)) != RESULT_OK ||
        (result = json_need_string(jwk, path, "x", JWS_SIZE_MAX, &x, err)) != RESULT_OK)
        return result;
    if (kid != NULL && !jwk_kid_valid(kid))
        return json_refuse(err, path, "kid", "not 1 to 128 visible ASCII characters");
    if (json_object_get(jwk, "d") != NULL)
        return json_refuse(err, path, "d", "a private key is published: replace this key");
    size_t len = 0;
    uint8_t *raw = base64url_decode(x, strlen(x), &len);
    EVP_PKEY *pkey =
        raw != NULL && len == KEY_SIZE ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, len) : NULL;
    mem_free(&raw);
    if (pkey == NULL)
        return json_refuse(err, path, "x", "not 32 bytes in base64url");
    *key_r = key_new(pkey, kid);
    return RESULT_OK;
}

static enum result add_member(struct jws_keys *keys, const json_t *jwk, const char *path, struct error *err)
{
    bool ours = false;
    struct jws_key *key = NULL;
    enum result result = is_ours(jwk, path, &ours, err);
    if (result != RESULT_OK || !ours)
        return result;
    if ((result = parse_key(jwk, path, &key, err)) != RESULT_OK)
        return result;
    if (jwk_find(keys, key->kid) != NULL) {
        jws_key_free(&key);
        return json_refuse(err, path, "kid", "another key has this id");
    }
    keys->keys[keys->n++] = key;
    return RESULT_OK;
}

enum result jws_keys_parse(const json_t *jwks, struct jws_keys **keys_r, struct error *err)
{
    const json_t *array;
    enum result result = json_need_array(jwks, "", "keys", JWS_KEYS_MAX, &array, err);
    if (result != RESULT_OK)
        return result;
    struct jws_keys *keys = mem_zero(1, sizeof *keys);
    size_t i;
    json_t *jwk;
    json_array_foreach(array, i, jwk)
    {
        char path[40];
        snprintf(path, sizeof path, "keys[%zu]", i);
        if ((result = add_member(keys, jwk, path, err)) != RESULT_OK) {
            jws_keys_free(&keys);
            return result;
        }
    }
    *keys_r = keys;
    return RESULT_OK;
}

size_t jws_keys_count(const struct jws_keys *keys)
{
    return keys->n;
}

const struct jws_key *jwk_find(const struct jws_keys *keys, const char *kid)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (strcmp(keys->keys[i]->kid, kid) == 0)
            return keys->keys[i];
    }
    return NULL;
}

bool jws_keys_have(const struct jws_keys *keys, const char *kid)
{
    return jwk_find(keys, kid) != NULL;
}

void jws_keys_free(struct jws_keys **keys)
{
    if (*keys == NULL)
        return;
    for (size_t i = 0; i < (*keys)->n; i++)
        jws_key_free(&(*keys)->keys[i]);
    mem_free(keys);
}

/* ---- signatures ---- */

void jwk_sign(const struct jws_key *key, const void *data, size_t len, uint8_t signature[JWK_SIGNATURE_SIZE])
{
    size_t n = JWK_SIGNATURE_SIZE;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
        EVP_DigestSign(ctx, signature, &n, data, len) != 1 || n != JWK_SIGNATURE_SIZE)
        log_panic("jwk_sign: OpenSSL can't sign with key %s", key->kid);
    EVP_MD_CTX_free(ctx);
}

bool jwk_verify(const struct jws_key *key, const void *data, size_t len, const uint8_t signature[JWK_SIGNATURE_SIZE])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) != 1)
        log_panic("jwk_verify: OpenSSL can't verify with key %s", key->kid);
    bool good = EVP_DigestVerify(ctx, signature, JWK_SIGNATURE_SIZE, data, len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}
