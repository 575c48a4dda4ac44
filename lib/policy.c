/* The policy document: see policy.h. */
#include "lib/policy.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/json.h"
#include "lib/mem.h"

enum { MAX_AGE_MIN = 60, MAX_AGE_MAX = 31557600 };

static const char *const mode_names[] = {
    [POLICY_NONE] = "none",
    [POLICY_TESTING] = "testing",
    [POLICY_ENFORCE] = "enforce",
};

char *policy_inbound_lines(const struct policy *policy)
{
    char *lines = NULL;
    for (size_t i = 0; i < policy->ninbound; i++) {
        char *more = lines ? mem_printf("%s\n%s", lines, policy->inbound[i]) : mem_strdup(policy->inbound[i]);
        mem_free(&lines);
        lines = more;
    }
    return lines;
}

const char *policy_mode_name(enum policy_mode mode)
{
    return mode_names[mode];
}

/* ---- URLs ---- */

/* ":PORT" or nothing, up to the path. Returns where the path begins, or NULL. */
static const char *skip_port(const char *p)
{
    if (*p != ':')
        return p;
    size_t digits = strspn(p + 1, "0123456789");
    long port = digits >= 1 && digits <= 5 ? strtol(p + 1, NULL, 10) : 0;
    return port >= 1 && port <= 65535 ? p + 1 + digits : NULL;
}

/* RFC 3986 path-abempty: nothing that could begin a query, a fragment, or a header of its own. */
static bool path_valid(const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/";
    static const char hex[] = "0123456789ABCDEFabcdef";
    if (*path != '/' && *path != '\0')
        return false;
    for (path += strspn(path, plain); *path == '%'; path += strspn(path, plain)) {
        if (strspn(path + 1, hex) < 2)
            return false;
        path += 3;
    }
    return *path == '\0';
}

/* The URL with its host in lower case and without '/' at the end, to mem_free(); NULL if we can't use it. */
static char *url_normalize(const char *url)
{
    static const char scheme[] = "https://";
    char host[POLICY_URL_MAX + 1], normal[DOMAIN_MAX + 1];
    if (strncasecmp(url, scheme, strlen(scheme)) != 0)
        return NULL;
    const char *p = url + strlen(scheme);
    size_t len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.");
    snprintf(host, sizeof host, "%.*s", (int)len, p);
    const char *path = skip_port(p + len);
    if (path == NULL || !path_valid(path) || !domain_normalize(host, normal))
        return NULL;
    char *result = mem_printf("%s%s%s", scheme, normal, p + len);
    for (char *end = result + strlen(result); end[-1] == '/'; end--)
        end[-1] = '\0';
    return result;
}

static enum result parse_urls(const json_t *j, const char *name, char *urls[POLICY_URLS_MAX], size_t *n,
                              struct error *err)
{
    const json_t *array;
    enum result result = json_want_array(j, "", name, POLICY_URLS_MAX, &array, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *member = json_array_get(array, i);
        const char *text = json_string_value(member); /* NULL if it is none */
        char *url = text != NULL && strlen(text) <= POLICY_URL_MAX ? url_normalize(text) : NULL;
        if (url == NULL) {
            char where[40];
            snprintf(where, sizeof where, "%s[%zu]", name, i);
            return json_refuse(err, "", where, "not a URL https://HOST[:PORT][/PATH] of at most 500 bytes");
        }
        urls[(*n)++] = url;
    }
    return RESULT_OK;
}

/* ---- the document ---- */

static enum result parse_mode(const json_t *j, enum policy_mode *mode_r, struct error *err)
{
    const char *name;
    enum result result = json_need_string(j, "", "mode", POLICY_SIZE_MAX, &name, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++) {
        if (strcmp(mode_names[i], name) == 0) {
            *mode_r = (enum policy_mode)i;
            return RESULT_OK;
        }
    }
    return json_refuse(err, "", "mode", "not enforce, testing or none");
}

static enum result parse_version(const json_t *j, struct error *err)
{
    const char *version;
    enum result result = json_need_string(j, "", "version", POLICY_SIZE_MAX, &version, err);
    if (result == RESULT_OK && strcmp(version, "SSMP1") != 0)
        return json_refuse(err, "", "version", "not SSMP1: made for a later pontoon");
    return result;
}

static enum result parse_keys(const json_t *j, struct policy *p, struct error *err)
{
    const json_t *jwks = json_object_get(j, "keys");
    if (jwks == NULL)
        return RESULT_OK;
    enum result result = jws_keys_parse(jwks, &p->keys, err);
    if (result != RESULT_OK)
        error_prefix(err, "keys");
    return result;
}

static enum result parse_max_size(const json_t *j, struct policy *p, struct error *err)
{
    int64_t n;
    p->max_size = UINT64_MAX;
    if (json_object_get(j, "max_size") == NULL)
        return RESULT_OK;
    enum result result = json_need_int(j, "", "max_size", 1, INT64_MAX, &n, err);
    if (result == RESULT_OK)
        p->max_size = (uint64_t)n;
    return result;
}

static enum result parse_members(const json_t *j, struct policy *p, struct error *err)
{
    enum result result;
    if ((result = parse_version(j, err)) != RESULT_OK || (result = parse_mode(j, &p->mode, err)) != RESULT_OK ||
        (result = json_need_int(j, "", "max_age", MAX_AGE_MIN, MAX_AGE_MAX, &p->max_age, err)) != RESULT_OK ||
        (result = parse_urls(j, "inbound", p->inbound, &p->ninbound, err)) != RESULT_OK ||
        (result = parse_urls(j, "outbound", p->outbound, &p->noutbound, err)) != RESULT_OK ||
        (result = parse_keys(j, p, err)) != RESULT_OK || (result = parse_max_size(j, p, err)) != RESULT_OK)
        return result;
    if (p->mode != POLICY_NONE && p->ninbound + p->noutbound == 0)
        return json_refuse(err, "", "inbound", "missing, and outbound too: this policy offers nothing");
    if (p->noutbound > 0 && (p->keys == NULL || jws_keys_count(p->keys) == 0))
        return json_refuse(err, "", "keys", "no Ed25519 key, but outbound needs one");
    return RESULT_OK;
}

enum result policy_parse(const char *text, size_t len, struct policy **policy_r, struct error *err)
{
    json_t *j = json_parse(text, len, POLICY_SIZE_MAX, "policy", err);
    if (j == NULL)
        return RESULT_PERM;
    struct policy *p = mem_zero(1, sizeof *p);
    enum result result = parse_members(j, p, err);
    json_decref(j);
    if (result == RESULT_OK) {
        *policy_r = p;
    } else {
        error_prefix(err, "policy");
        policy_free(&p);
    }
    return result;
}

void policy_free(struct policy **policy)
{
    struct policy *p = *policy;
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->ninbound; i++)
        mem_free(&p->inbound[i]);
    for (size_t i = 0; i < p->noutbound; i++)
        mem_free(&p->outbound[i]);
    jws_keys_free(&p->keys);
    mem_free(policy);
}

static void write_urls(json_t *j, const char *name, const char *const *urls, size_t n)
{
    if (n == 0)
        return;
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_string_lossy(urls[i]));
    json_object_set_new(j, name, array);
}

char *policy_write(enum policy_mode mode, int64_t max_age, const char *const *inbound, size_t ninbound,
                   const char *const *outbound, size_t noutbound, const json_t *jwks, uint64_t max_size)
{
    json_t *j = json_pack("{s:s, s:s, s:I}", "version", "SSMP1", "mode", policy_mode_name(mode), "max_age",
                          (json_int_t)max_age);
    write_urls(j, "inbound", inbound, ninbound);
    write_urls(j, "outbound", outbound, noutbound);
    if (json_array_size(json_object_get(jwks, "keys")) > 0)
        json_object_set(j, "keys", (json_t *)jwks);
    if (max_size > 0 && max_size <= INT64_MAX)
        json_object_set_new(j, "max_size", json_integer((json_int_t)max_size));
    char *text = json_text(j);
    json_decref(j);
    return text;
}
