#include "t/unit/json_mutate.h"
#include "t/unit/temp_dir.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "lib/digest.h"
#include "lib/json.h"
#include "lib/jwk.h"
#include "lib/jws.h"
#include "lib/mem.h"

/* RFC 8037 appendix A: the key, its thumbprint, and a signature. */
#define RFC_D          "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define RFC_X          "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define RFC_THUMBPRINT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
#define RFC_INPUT      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
#define RFC_SIGNATURE  "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
#define RFC_JWKS       "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" RFC_X "\"}]}"

#define TYP "ssmp-notification"

static void write_pem(const char *path, EVP_PKEY *pkey, const EVP_CIPHER *cipher)
{
    char password[] = "secret";
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PKCS8PrivateKey(f, pkey, cipher, cipher ? password : NULL, cipher ? 6 : 0, NULL, NULL),
                     1);
    fclose(f);
    chmod(path, 0600);
    EVP_PKEY_free(pkey);
}

static struct jws_key *rfc_key(void)
{
    struct temp_dir t;
    struct error err;
    struct jws_key *key;
    size_t len;
    uint8_t *d = base64url_decode(RFC_D, strlen(RFC_D), &len);
    temp_dir_make(&t);
    write_pem(temp_path(&t, "key.pem"), EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, d, len), NULL);
    assert_int_equal(jws_key_load(t.path, &key, &err), RESULT_OK);
    mem_free(&d);
    temp_dir_remove(&t);
    return key;
}

static struct jws_keys *key_set(const char *text)
{
    struct error err;
    struct jws_keys *keys;
    json_t *j = json_loads(text, 0, NULL);
    if (jws_keys_parse(j, &keys, &err) != RESULT_OK)
        fail_msg("%s: %s", text, err.text);
    json_decref(j);
    return keys;
}

static void rfc8037_key(void **state)
{
    (void)state;
    struct jws_key *key = rfc_key();
    assert_string_equal(jws_key_kid(key), RFC_THUMBPRINT);
    json_t *jwk = jws_key_public_jwk(key);
    char *text = json_text(jwk);
    assert_string_equal(text,
                        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" RFC_THUMBPRINT "\",\"x\":\"" RFC_X "\"}");
    mem_free(&text);
    json_decref(jwk);
    jws_key_free(&key);
    assert_null(key);
}

static void rfc8037_signature(void **state)
{
    (void)state;
    struct jws_key *key = rfc_key();
    struct jws_keys *keys = key_set(RFC_JWKS);
    uint8_t signature[JWK_SIGNATURE_SIZE];
    jwk_sign(key, RFC_INPUT, strlen(RFC_INPUT), signature);
    char *text = base64url_encode(signature, sizeof signature);
    assert_string_equal(text, RFC_SIGNATURE);
    const struct jws_key *public = jwk_find(keys, RFC_THUMBPRINT);
    assert_non_null(public);
    assert_true(jwk_verify(public, RFC_INPUT, strlen(RFC_INPUT), signature));
    assert_false(jwk_verify(public, RFC_INPUT, strlen(RFC_INPUT) - 1, signature));
    mem_free(&text);
    jws_keys_free(&keys);
    jws_key_free(&key);
}

static char *signed_sample(const char *payload)
{
    struct jws_key *key = rfc_key();
    char *text = jws_sign(key, TYP, payload, strlen(payload));
    jws_key_free(&key);
    return text;
}

static void signed_then_verified(void **state)
{
    (void)state;
    struct error err;
    struct jws *jws;
    size_t len;
    char *text = signed_sample("{\"iss\":\"a.test\"}");
    assert_int_equal(jws_parse(text, strlen(text), TYP, &jws, &err), RESULT_OK);
    assert_string_equal(jws_kid(jws), RFC_THUMBPRINT);
    assert_string_equal(jws_payload(jws, &len), "{\"iss\":\"a.test\"}");
    assert_int_equal(len, 16);
    struct jws_keys *keys = key_set(RFC_JWKS);
    assert_int_equal(jws_verify(jws, keys, &err), RESULT_OK);
    jws_keys_free(&keys);

    /* The right id on another key. */
    keys = key_set("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"" RFC_THUMBPRINT
                   "\",\"x\":\"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw\"}]}");
    assert_int_equal(jws_verify(jws, keys, &err), RESULT_PERM);
    assert_string_equal(err.text, "the signature of key " RFC_THUMBPRINT " is wrong");
    jws_keys_free(&keys);

    keys = key_set("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"x\",\"x\":\"" RFC_X "\"}]}");
    assert_false(jws_keys_have(keys, jws_kid(jws)));
    assert_true(jws_keys_have(keys, "x"));
    assert_int_equal(jws_verify(jws, keys, &err), RESULT_PERM);
    assert_string_equal(err.text, "no key with id " RFC_THUMBPRINT " in the sender's policy");
    jws_keys_free(&keys);
    jws_free(&jws);
    mem_free(&text);
}

/* Each bit of payload and signature counts; the header is the table below. */
static void any_change_is_noticed(void **state)
{
    (void)state;
    static const char *const members[] = {"payload", "signature"};
    struct jws_keys *keys = key_set(RFC_JWKS);
    char *text = signed_sample("{\"iss\":\"a.test\"}");
    for (size_t m = 0; m < 2; m++) {
        json_t *j = json_loads(text, 0, NULL);
        size_t len;
        const char *value = json_string_value(json_object_get(j, members[m]));
        uint8_t *raw = base64url_decode(value, strlen(value), &len);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            struct error err;
            struct jws *jws;
            raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
            char *changed64 = base64url_encode(raw, len);
            json_object_set_new(j, members[m], json_string(changed64));
            char *changed = json_text(j);
            assert_int_equal(jws_parse(changed, strlen(changed), TYP, &jws, &err), RESULT_OK);
            assert_int_equal(jws_verify(jws, keys, &err), RESULT_PERM);
            jws_free(&jws);
            mem_free(&changed);
            mem_free(&changed64);
            raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        mem_free(&raw);
        json_decref(j);
    }
    mem_free(&text);
    jws_keys_free(&keys);
}

static void malformed_jws(void **state)
{
    (void)state;
    static const struct bad_document cases[] = {
        {"payload", NULL, "payload: missing"},
        {"payload", "{}", "payload: not a string"},
        {"payload", "\"e30=\"", "payload: not base64url"},
        {"payload", "\"e3+/\"", "payload: not base64url"},
        {"payload", "\"e 30\"", "payload: not base64url"},
        {"payload", "\"e31\"", "payload: not base64url"},
        {"protected", NULL, "protected: missing"},
        {"protected", "1", "protected: not a string"},
        {"protected", "\"!\"", "protected: not base64url"},
        {"signature", NULL, "signature: missing"},
        {"signature", "null", "signature: not a string"},
        {"signature", "\"AAAA\"", "signature: not 64 bytes in base64url"},
        {"signature", "\"AAAAA\"", "signature: not base64url"},
        {"header", "{}", "JWS: has more than payload, protected and signature"},
        {"signatures", "[]", "JWS: has more than payload, protected and signature"},
        {"", "[]", "the document: not an object"},
    };
    struct error err;
    char *text = signed_sample("{}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jws *jws;
        char *bad = json_mutate(text, cases[i].path, cases[i].value);
        assert_refused(jws_parse(bad, strlen(bad), TYP, &jws, &err), err, cases[i].error, bad);
        free(bad);
    }
    mem_free(&text);
}

static void malformed_protected_header(void **state)
{
    (void)state;
    static const struct bad_document cases[] = {
        {"alg", NULL, "protected.alg: missing"},
        {"alg", "\"none\"", "protected.alg: not EdDSA"},
        {"alg", "\"HS256\"", "protected.alg: not EdDSA"},
        {"alg", "\"eddsa\"", "protected.alg: not EdDSA"},
        {"kid", NULL, "protected.kid: missing"},
        {"kid", "\"\"", "protected.kid: not 1 to 128 visible ASCII characters"},
        {"kid", "\"a b\"", "protected.kid: not 1 to 128 visible ASCII characters"},
        {"kid", "\"\xc3\xa9\"", "protected.kid: not 1 to 128 visible ASCII characters"},
        {"kid", "7", "protected.kid: not a string"},
        {"typ", NULL, "protected.typ: missing"},
        {"typ", "\"JWT\"", "protected.typ: not " TYP},
        {"crit", "[\"b64\"]", "protected: has more than alg, kid and typ"},
        {"jwk", "{}", "protected: has more than alg, kid and typ"},
        {"", "[]", "protected: not an object"},
    };
    struct error err;
    char *text = signed_sample("{}");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jws *jws;
        char *header =
            json_mutate("{\"alg\":\"EdDSA\",\"kid\":\"k\",\"typ\":\"" TYP "\"}", cases[i].path, cases[i].value);
        char *header64 = base64url_encode(header, strlen(header));
        char *quoted = mem_printf("\"%s\"", header64);
        char *bad = json_mutate(text, "protected", quoted);
        assert_refused(jws_parse(bad, strlen(bad), TYP, &jws, &err), err, cases[i].error, header);
        free(header);
        free(bad);
        mem_free(&header64);
        mem_free(&quoted);
    }
    char *bad = json_mutate(text, "protected", "\"e30x\"");
    struct jws *jws;
    assert_int_equal(jws_parse(bad, strlen(bad), TYP, &jws, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "protected: not strict JSON"));
    free(bad);
    mem_free(&text);
}

static void size_is_bounded(void **state)
{
    (void)state;
    struct error err;
    struct jws *jws;
    char *text = mem_zero(JWS_SIZE_MAX + 2, 1);
    memset(text, ' ', JWS_SIZE_MAX + 1);
    assert_refused(jws_parse(text, JWS_SIZE_MAX + 1, TYP, &jws, &err), err, "JWS: longer than 65536 bytes", "spaces");
    assert_int_equal(jws_parse(text, JWS_SIZE_MAX, TYP, &jws, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "not strict JSON"));
    mem_free(&text);
}

static const char two_keys[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"one\",\"x\":\"" RFC_X "\"},"
                               "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"two\",\"x\":\"" RFC_X "\"}]}";

static void foreign_keys_are_skipped(void **state)
{
    (void)state;
    static const struct {
        const char *path, *value;
    } cases[] = {
        {"keys[0]", "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}"},
        {"keys[0]", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" RFC_X "\"}"},
        {"keys[0].crv", NULL},
        {"keys[0].use", "\"enc\""},
        {"keys[0].alg", "\"ES256\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = json_mutate(two_keys, cases[i].path, cases[i].value);
        struct jws_keys *keys = key_set(text);
        assert_int_equal(jws_keys_count(keys), 1);
        assert_true(jws_keys_have(keys, "two"));
        assert_false(jws_keys_have(keys, "one"));
        jws_keys_free(&keys);
        free(text);
    }
    char *text = json_mutate(two_keys, "keys[0].use", "\"sig\"");
    struct jws_keys *keys = key_set(text);
    assert_int_equal(jws_keys_count(keys), 2);
    jws_keys_free(&keys);
    free(text);
}

static void malformed_key_sets(void **state)
{
    (void)state;
    static const struct bad_document cases[] = {
        {"", "[]", "the document: not an object"},
        {"keys", NULL, "keys: missing"},
        {"keys", "{}", "keys: not an array"},
        {"keys", "[]", "keys: empty"},
        {"keys", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "keys: more than 16 members"},
        {"keys[1]", "\"x\"", "keys[1]: not an object"},
        {"keys[1].kty", NULL, "keys[1].kty: missing"},
        {"keys[1].kty", "1", "keys[1].kty: not a string"},
        {"keys[1].crv", "1", "keys[1].crv: not a string"},
        {"keys[1].use", "[]", "keys[1].use: not a string"},
        {"keys[1].alg", "1", "keys[1].alg: not a string"},
        {"keys[1].kid", "\"\"", "keys[1].kid: not 1 to 128 visible ASCII characters"},
        {"keys[1].kid", "\"one\"", "keys[1].kid: another key has this id"},
        {"keys[1].x", NULL, "keys[1].x: missing"},
        {"keys[1].x", "\"AAAA\"", "keys[1].x: not 32 bytes in base64url"},
        {"keys[1].x", "\"" RFC_X "=\"", "keys[1].x: not 32 bytes in base64url"},
        {"keys[1].x", "\"" RFC_X "A\"", "keys[1].x: not 32 bytes in base64url"},
        {"keys[1].d", "\"" RFC_D "\"", "keys[1].d: a private key is published: replace this key"},
    };
    struct error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct jws_keys *keys;
        char *bad = json_mutate(two_keys, cases[i].path, cases[i].value);
        json_t *j = json_loads(bad, 0, NULL);
        assert_refused(jws_keys_parse(j, &keys, &err), err, cases[i].error, bad);
        json_decref(j);
        free(bad);
    }
}

static void key_files(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    struct stat st;
    struct jws_key *made, *loaded;
    temp_dir_make(&t);
    assert_int_equal(jws_key_generate(temp_path(&t, "a.pem"), &made, &err), RESULT_OK);
    assert_int_equal(stat(t.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(jws_key_load(t.path, &loaded, &err), RESULT_OK);
    assert_string_equal(jws_key_kid(loaded), jws_key_kid(made));
    assert_int_equal(strlen(jws_key_kid(made)), 43);
    jws_key_free(&loaded);
    jws_key_free(&made);

    assert_int_equal(jws_key_generate(t.path, &made, &err), RESULT_PERM); /* never over an old one */
    assert_int_equal(chmod(t.path, 0644), 0);
    assert_int_equal(jws_key_load(t.path, &loaded, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "chmod 600"));

    assert_int_equal(jws_key_load(temp_write(&t, "no.pem", "hello\n", 0600), &loaded, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "no private key in PEM"));
    write_pem(temp_path(&t, "ec.pem"), EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), NULL);
    assert_int_equal(jws_key_load(t.path, &loaded, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "not an Ed25519 key"));
    write_pem(temp_path(&t, "pw.pem"), EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_aes_128_cbc());
    assert_int_equal(jws_key_load(t.path, &loaded, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "without a password"));
    temp_dir_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc8037_key),          cmocka_unit_test(rfc8037_signature),
        cmocka_unit_test(signed_then_verified), cmocka_unit_test(any_change_is_noticed),
        cmocka_unit_test(malformed_jws),        cmocka_unit_test(malformed_protected_header),
        cmocka_unit_test(size_is_bounded),      cmocka_unit_test(foreign_keys_are_skipped),
        cmocka_unit_test(malformed_key_sets),   cmocka_unit_test(key_files),
    };
    return test_run("jws", tests);
}
