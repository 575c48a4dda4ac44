/* The policy that we publish, from configuration and keys: see own_policy.h. */
#include "lib/own_policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/digest.h"
#include "lib/jws.h"
#include "lib/mem.h"

static bool has_kid(const json_t *keys, const char *kid)
{
    size_t i;
    json_t *k;
    json_array_foreach(keys, i, k)
    {
        const char *known = json_string_value(json_object_get(k, "kid"));
        if (known != NULL && strcmp(known, kid) == 0)
            return true;
    }
    return false;
}

static enum result add_key(json_t *keys, const char *path, struct error *err)
{
    struct jws_key *key = NULL;
    enum result r = jws_key_load(path, &key, err);
    if (r != RESULT_OK)
        return r;
    if (!has_kid(keys, jws_key_kid(key)))
        json_array_append_new(keys, jws_key_public_jwk(key));
    jws_key_free(&key);
    return RESULT_OK;
}

/* All *.pem files of the directory; one that can't be read is an error, as peers would refuse what it signed. */
static enum result add_directory(json_t *keys, const char *dir, struct error *err)
{
    DIR *d = opendir(dir);
    if (d == NULL && errno == ENOENT)
        return RESULT_OK;
    if (d == NULL)
        return error_set(err, RESULT_PERM, "store.published-keys: open %s: %s", dir, strerror(errno));
    enum result r = RESULT_OK;
    for (struct dirent *e; r == RESULT_OK && (e = readdir(d)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n < 5 || e->d_name[0] == '.' || strcmp(e->d_name + n - 4, ".pem") != 0)
            continue;
        char *path = mem_printf("%s/%s", dir, e->d_name);
        r = add_key(keys, path, err);
        mem_free(&path);
    }
    closedir(d);
    return r;
}

enum policy_mode own_policy_mode(const struct config *config)
{
    const char *mode = config_string(config, "policy.mode");
    if (strcmp(mode, "none") == 0)
        return POLICY_NONE;
    return strcmp(mode, "testing") == 0 ? POLICY_TESTING : POLICY_ENFORCE;
}

/* All keys that a peer may need, once each. A new reference, or NULL with err set. */
static json_t *published_keys(const struct config *config, struct error *err)
{
    json_t *keys = json_array();
    enum result r = add_key(keys, config_string(config, "store.signing-key"), err);
    if (r == RESULT_OK)
        r = add_directory(keys, config_string(config, "store.published-keys"), err);
    if (r != RESULT_OK) {
        json_decref(keys);
        return NULL;
    }
    json_t *jwks = json_object();
    json_object_set_new(jwks, "keys", keys);
    return jwks;
}

/* What we publish must be what others can read: the same parser decides. */
static enum result check(const char *text, struct error *err)
{
    struct policy *policy = NULL;
    if (policy_parse(text, strlen(text), &policy, err) != RESULT_OK)
        return error_prefix(err, "the policy that this configuration publishes is not valid (section policy)");
    policy_free(&policy);
    return RESULT_OK;
}

enum result own_policy_write(const struct config *config, char **document_r, struct error *err)
{
    json_t *jwks = published_keys(config, err);
    if (jwks == NULL)
        return err->result;
    size_t nin, nout;
    const char *const *inbound = config_list(config, "policy.inbound", &nin);
    const char *const *outbound = config_list(config, "policy.outbound", &nout);
    uint64_t max_size = (uint64_t)config_number(config, "policy.max-size");
    char *text = policy_write(own_policy_mode(config), config_time(config, "policy.max-age") / 1000, inbound, nin,
                              outbound, nout, jwks, max_size ? max_size : UINT64_MAX);
    json_decref(jwks);
    if (check(text, err) != RESULT_OK) {
        mem_free(&text);
        return err->result;
    }
    *document_r = text;
    return RESULT_OK;
}

void own_policy_id(const char *document, char out[OWN_POLICY_ID_SIZE])
{
    uint8_t digest[DIGEST_SIZE];
    digest_of(document, strlen(document), digest);
    for (size_t i = 0; i < (OWN_POLICY_ID_SIZE - 1) / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

bool own_policy_id_has_form(const char *id)
{
    return strlen(id) == OWN_POLICY_ID_SIZE - 1 && strspn(id, "0123456789abcdef") == OWN_POLICY_ID_SIZE - 1;
}
