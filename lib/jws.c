/* The flattened JWS (RFC 7515 section 7.2.2) with EdDSA: see jws.h. */
#include "lib/jws.h"

#include <string.h>

#include "lib/digest.h"
#include "lib/json.h"
#include "lib/jwk.h"
#include "lib/log.h"
#include "lib/mem.h"

struct jws {
    char *kid, *typ;
    char *payload;
    size_t payload_len;
    char *input; /* what is signed: BASE64URL(protected) "." BASE64URL(payload) */
    uint8_t signature[JWK_SIGNATURE_SIZE];
};

char *jws_sign(const struct jws_key *key, const char *typ, const void *payload, size_t len)
{
    json_t *header = json_pack("{s:s, s:s, s:s}", "alg", "EdDSA", "kid", jws_key_kid(key), "typ", typ);
    char *header_text = json_text(header);
    char *protected = base64url_encode(header_text, strlen(header_text));
    char *payload64 = base64url_encode(payload, len);
    char *input = mem_printf("%s.%s", protected, payload64);
    uint8_t raw[JWK_SIGNATURE_SIZE];
    jwk_sign(key, input, strlen(input), raw);
    char *signature = base64url_encode(raw, sizeof raw);
    char *text =
        mem_printf("{\"payload\":\"%s\",\"protected\":\"%s\",\"signature\":\"%s\"}", payload64, protected, signature);
    json_decref(header);
    mem_free(&header_text);
    mem_free(&protected);
    mem_free(&payload64);
    mem_free(&input);
    mem_free(&signature);
    return text;
}

/* RFC 7515 lets readers ignore what they don't know; we sign nothing more, so anything more is somebody's trick. */
static enum result only_members(const json_t *object, const char *path, const char *const names[3], struct error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (strcmp(name, names[0]) != 0 && strcmp(name, names[1]) != 0 && strcmp(name, names[2]) != 0)
            return error_set(err, RESULT_PERM, "%s: has more than %s, %s and %s", path, names[0], names[1], names[2]);
    }
    return RESULT_OK;
}

static enum result need_base64url(const json_t *object, const char *name, const char **text_r, void **data_r,
                                  size_t *len_r, struct error *err)
{
    enum result result = json_need_string(object, "", name, JWS_SIZE_MAX, text_r, err);
    if (result != RESULT_OK)
        return result;
    *data_r = base64url_decode(*text_r, strlen(*text_r), len_r);
    return *data_r != NULL ? RESULT_OK : json_refuse(err, "", name, "not base64url");
}

static enum result check_header(const json_t *header, const char *const *types, struct jws *jws, struct error *err)
{
    static const char *const names[] = {"alg", "kid", "typ"};
    const char *alg, *kid, *its_typ;
    enum result result;
    if ((result = only_members(header, "protected", names, err)) != RESULT_OK ||
        (result = json_need_string(header, "protected", "alg", JWS_SIZE_MAX, &alg, err)) != RESULT_OK ||
        (result = json_need_string(header, "protected", "kid", JWS_KID_MAX, &kid, err)) != RESULT_OK ||
        (result = json_need_string(header, "protected", "typ", JWS_SIZE_MAX, &its_typ, err)) != RESULT_OK)
        return result;
    if (strcmp(alg, "EdDSA") != 0)
        return json_refuse(err, "protected", "alg", "not EdDSA");
    if (!jwk_kid_valid(kid))
        return json_refuse(err, "protected", "kid", "not 1 to 128 visible ASCII characters");
    const char *const *typ = types;
    while (*typ != NULL && strcmp(its_typ, *typ) != 0)
        typ++;
    if (*typ == NULL)
        return error_set(err, RESULT_PERM, "protected.typ: not %s%s%s", types[0], types[1] ? " or " : "",
                         types[1] ? types[1] : "");
    jws->kid = mem_strdup(kid);
    jws->typ = mem_strdup(its_typ);
    return RESULT_OK;
}

static enum result parse_header(const char *text, size_t len, const char *const *types, struct jws *jws,
                                struct error *err)
{
    json_t *header = json_parse(text, len, JWS_SIZE_MAX, "protected", err);
    if (header == NULL)
        return RESULT_PERM;
    enum result result = check_header(header, types, jws, err);
    json_decref(header);
    return result;
}

static enum result parse_members(const json_t *j, const char *const *types, struct jws *jws, struct error *err)
{
    static const char *const names[] = {"payload", "protected", "signature"};
    const char *protected, *payload, *signature;
    void *header = NULL, *raw = NULL, *content = NULL;
    size_t header_len = 0, raw_len = 0;
    enum result result;
    if ((result = only_members(j, "JWS", names, err)) == RESULT_OK &&
        (result = need_base64url(j, "protected", &protected, &header, &header_len, err)) == RESULT_OK &&
        (result = need_base64url(j, "signature", &signature, &raw, &raw_len, err)) == RESULT_OK &&
        (result = need_base64url(j, "payload", &payload, &content, &jws->payload_len, err)) == RESULT_OK &&
        (result = parse_header(header, header_len, types, jws, err)) == RESULT_OK) {
        if (raw_len == sizeof jws->signature) {
            memcpy(jws->signature, raw, raw_len);
            jws->input = mem_printf("%s.%s", protected, payload);
        } else {
            result = json_refuse(err, "", "signature", "not 64 bytes in base64url");
        }
    }
    jws->payload = content;
    mem_free(&header);
    mem_free(&raw);
    return result;
}

enum result jws_parse_any(const char *text, size_t len, const char *const *types, struct jws **jws_r, struct error *err)
{
    json_t *j = json_parse(text, len, JWS_SIZE_MAX, "JWS", err);
    if (j == NULL)
        return RESULT_PERM;
    struct jws *jws = mem_zero(1, sizeof *jws);
    enum result result = parse_members(j, types, jws, err);
    json_decref(j);
    if (result == RESULT_OK)
        *jws_r = jws;
    else
        jws_free(&jws);
    return result;
}

enum result jws_parse(const char *text, size_t len, const char *typ, struct jws **jws_r, struct error *err)
{
    return jws_parse_any(text, len, (const char *const[]){typ, NULL}, jws_r, err);
}

const char *jws_typ(const struct jws *jws)
{
    return jws->typ;
}

const char *jws_kid(const struct jws *jws)
{
    return jws->kid;
}

const char *jws_payload(const struct jws *jws, size_t *len_r)
{
    *len_r = jws->payload_len;
    return jws->payload;
}

enum result jws_verify(const struct jws *jws, const struct jws_keys *keys, struct error *err)
{
    const struct jws_key *key = jwk_find(keys, jws->kid);
    if (key == NULL)
        return error_set(err, RESULT_PERM, "no key with id %s in the sender's policy", jws->kid);
    if (!jwk_verify(key, jws->input, strlen(jws->input), jws->signature))
        return error_set(err, RESULT_PERM, "the signature of key %s is wrong", jws->kid);
    return RESULT_OK;
}

void jws_free(struct jws **jws)
{
    if (*jws == NULL)
        return;
    mem_free(&(*jws)->kid);
    mem_free(&(*jws)->typ);
    mem_free(&(*jws)->payload);
    mem_free(&(*jws)->input);
    mem_free(jws);
}
