/* The policy that we publish: see publish.h. */
#include "store/publish.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/address.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/policy.h"

#define HOST_PREFIX "sender-store."

struct publish {
    char *document;
};

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

static enum policy_mode configured_mode(const struct config *config)
{
    const char *mode = config_string(config, "policy.mode");
    if (strcmp(mode, "none") == 0)
        return POLICY_NONE;
    return strcmp(mode, "testing") == 0 ? POLICY_TESTING : POLICY_ENFORCE;
}

enum result publish_new(const struct config *config, struct publish **p_r, struct error *err)
{
    json_t *jwks = json_object();
    json_t *keys = json_array();
    json_object_set_new(jwks, "keys", keys);
    enum result r = add_key(keys, config_string(config, "store.signing-key"), err);
    if (r == RESULT_OK)
        r = add_directory(keys, config_string(config, "store.published-keys"), err);
    if (r != RESULT_OK) {
        json_decref(jwks);
        return r;
    }
    size_t nin, nout;
    const char *const *inbound = config_list(config, "policy.inbound", &nin);
    const char *const *outbound = config_list(config, "policy.outbound", &nout);
    uint64_t max_size = (uint64_t)config_number(config, "policy.max-size");
    char *text = policy_write(configured_mode(config), config_time(config, "policy.max-age") / 1000, inbound, nin,
                              outbound, nout, jwks, max_size ? max_size : UINT64_MAX);
    json_decref(jwks);

    /* What we publish must be what others can read: the same parser decides. */
    struct policy *check = NULL;
    r = policy_parse(text, strlen(text), &check, err);
    if (r != RESULT_OK) {
        error_prefix(err, "the policy that this configuration publishes is not valid (section policy)");
        mem_free(&text);
        return r;
    }
    policy_free(&check);
    struct publish *p = mem_zero(1, sizeof *p);
    p->document = text;
    *p_r = p;
    return RESULT_OK;
}

void publish_free(struct publish **p)
{
    if (*p == NULL)
        return;
    mem_free(&(*p)->document);
    mem_free(p);
}

static bool host_is_ours(const struct config *config, const char *host)
{
    char name[DOMAIN_MAX + 1];
    if (host == NULL || strncasecmp(host, HOST_PREFIX, strlen(HOST_PREFIX)) != 0)
        return false;
    host += strlen(HOST_PREFIX);
    char *bare = mem_strndup(host, strcspn(host, ":"));
    bool ours = domain_normalize(bare, name) && config_is_our_domain(config, name);
    mem_free(&bare);
    return ours;
}

void publish_answer(const struct publish *p, const struct config *config, struct http_request *req)
{
    if (!host_is_ours(config, http_request_header(req, "Host"))) {
        http_reply_problem(req, 404,
                           "no policy for this host name: it must be sender-store.DOMAIN of a domain of this site", 0);
        return;
    }
    http_reply(req, 200, NULL, 0, "application/json", p->document, strlen(p->document));
}
