/* A JWS before its signature is verified, and a JWK Set. Nothing that was not signed verifies. */
#include "lib/json.h"
#include "lib/jws.h"
#include "t/fuzz/fuzz.h"

/* The public key of RFC 8037, appendix A.1. */
static const char keys_text[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\","
                                "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static void try_keys(const char *text, size_t len)
{
    struct error err;
    struct jws_keys *keys = NULL;
    json_t *j = json_parse(text, len, 65536, "keys", &err);
    if (j != NULL && jws_keys_parse(j, &keys, &err) == RESULT_OK)
        MUST(jws_keys_count(keys) <= JWS_KEYS_MAX);
    jws_keys_free(&keys);
    json_decref(j);
}

FUZZ(data, size)
{
    static struct jws_keys *keys;
    struct error err;
    struct jws *jws = NULL;
    if (keys == NULL) {
        json_t *j = json_parse(keys_text, strlen(keys_text), 65536, "keys", &err);
        MUST(jws_keys_parse(j, &keys, &err) == RESULT_OK);
        json_decref(j);
    }
    try_keys((const char *)data, size);
    if (jws_parse((const char *)data, size, "ssmp-notification", &jws, &err) == RESULT_OK) {
        size_t len;
        MUST(jws_payload(jws, &len) != NULL && strlen(jws_kid(jws)) <= JWS_KID_MAX);
        MUST(jws_verify(jws, keys, &err) != RESULT_OK);
    }
    jws_free(&jws);
    return 0;
}
