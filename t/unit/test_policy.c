#include "t/unit/json_mutate.h"

#include "lib/json.h"
#include "lib/mem.h"
#include "lib/policy.h"

#define X    "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define JWKS "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k1\",\"x\":\"" X "\"}]}"

static const char good[] = "{\"version\":\"SSMP1\",\"mode\":\"enforce\",\"max_age\":86400,"
                           "\"inbound\":[\"https://bridge.b.test:8443/in\",\"https://bridge2.b.test\"],"
                           "\"outbound\":[\"https://sender-store.b.test\"],"
                           "\"keys\":" JWKS ",\"max_size\":52428800}";

static struct policy *parse(const char *text)
{
    struct error err;
    struct policy *p = NULL;
    if (policy_parse(text, strlen(text), &p, &err) != RESULT_OK)
        fail_msg("%s: %s", text, err.text);
    return p;
}

static struct policy *parse_changed(const char *path, const char *value)
{
    char *text = json_mutate(good, path, value);
    struct policy *p = parse(text);
    free(text);
    return p;
}

static void all_members_are_read(void **state)
{
    (void)state;
    struct policy *p = parse(good);
    assert_int_equal(p->mode, POLICY_ENFORCE);
    assert_int_equal(p->max_age, 86400);
    assert_int_equal(p->ninbound, 2);
    assert_string_equal(p->inbound[0], "https://bridge.b.test:8443/in");
    assert_string_equal(p->inbound[1], "https://bridge2.b.test");
    assert_int_equal(p->noutbound, 1);
    assert_string_equal(p->outbound[0], "https://sender-store.b.test");
    assert_int_equal(jws_keys_count(p->keys), 1);
    assert_true(jws_keys_have(p->keys, "k1"));
    assert_int_equal(p->max_size, 52428800);
    policy_free(&p);
    assert_null(p);
}

static void what_may_be_missing(void **state)
{
    (void)state;
    struct policy *p = parse_changed("max_size", NULL);
    assert_true(p->max_size == UINT64_MAX);
    policy_free(&p);
    p = parse_changed("inbound", NULL); /* sends only */
    assert_int_equal(p->ninbound, 0);
    policy_free(&p);
    p = parse(
        "{\"version\":\"SSMP1\",\"mode\":\"testing\",\"max_age\":60,\"inbound\":[\"https://b.b.test\"]}"); /* receives
                                                                                                              only */
    assert_int_equal(p->mode, POLICY_TESTING);
    assert_null(p->keys);
    policy_free(&p);
    p = parse("{\"version\":\"SSMP1\",\"mode\":\"none\",\"max_age\":31557600}");
    assert_int_equal(p->mode, POLICY_NONE);
    policy_free(&p);
}

static void unknown_members_are_ignored(void **state)
{
    (void)state;
    struct policy *p = parse_changed("future", "{\"a\":[1,2.5,null]}");
    assert_int_equal(p->ninbound, 2);
    policy_free(&p);
}

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *url, *becomes; /* NULL: refused */
    } cases[] = {
        {"https://B.Test", "https://b.test"},
        {"HTTPS://b.test/", "https://b.test"},
        {"https://b.test//", "https://b.test"},
        {"https://b.test/A/b/", "https://b.test/A/b"},
        {"https://b.test:1", "https://b.test:1"},
        {"https://b.test:65535/~x/%2f;a=1", "https://b.test:65535/~x/%2f;a=1"},
        {"https://xn--bcher-kva.test", "https://xn--bcher-kva.test"},
        {"", NULL},
        {"https://", NULL},
        {"https:///path", NULL},
        {"http://b.test", NULL},
        {"ftp://b.test", NULL},
        {"b.test", NULL},
        {"https:b.test", NULL},
        {"https://localhost", NULL},
        {"https://127.0.0.1", NULL},
        {"https://127.0.0.1:8443/", NULL},
        {"https://[::1]", NULL},
        {"https://user@b.test", NULL},
        {"https://user:pw@b.test", NULL},
        {"https://b.test@evil.test", NULL},
        {"https://b.test:80@evil.test", NULL},
        {"https://b.test\\\\@evil.test", NULL},
        {"https://b_c.test", NULL},
        {"https://b..test", NULL},
        {"https://b\xc3\xbc"
         "cher.test",
         NULL},
        {"https://b.test:", NULL},
        {"https://b.test:0", NULL},
        {"https://b.test:65536", NULL},
        {"https://b.test:999999", NULL},
        {"https://b.test:-1", NULL},
        {"https://b.test:8443x", NULL},
        {"https://b.test?q", NULL},
        {"https://b.test/?q", NULL},
        {"https://b.test/#f", NULL},
        {"https://b.test/a b", NULL},
        {"https://b.test/a\\r\\nX: y", NULL},
        {"https://b.test/%2", NULL},
        {"https://b.test/%zz", NULL},
        {"https://b.test/%", NULL},
        {"https://b.test/\xc3\xa9", NULL},
        {"https://b.test\\u0000.evil.test", NULL},
        {" https://b.test", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct policy *p = NULL;
        char *text = mem_printf("{\"version\":\"SSMP1\",\"mode\":\"enforce\",\"max_age\":60,\"inbound\":[\"%s\"]}",
                                cases[i].url);
        enum result result = policy_parse(text, strlen(text), &p, &err);
        if (result != (cases[i].becomes != NULL ? RESULT_OK : RESULT_PERM))
            fail_msg("%s: %s", cases[i].url, p != NULL ? p->inbound[0] : err.text);
        if (cases[i].becomes != NULL)
            assert_string_equal(p->inbound[0], cases[i].becomes);
        policy_free(&p);
        mem_free(&text);
    }
}

static char *quoted_url(size_t len)
{
    char *url = mem_alloc(len + 3);
    memset(url, 'p', len + 2);
    memcpy(url, "\"https://b.test/", 16);
    memcpy(url + len + 1, "\"", 2);
    return url;
}

static void url_length_is_bounded(void **state)
{
    (void)state;
    char *url = quoted_url(POLICY_URL_MAX);
    struct policy *p = parse_changed("inbound[0]", url);
    assert_int_equal(strlen(p->inbound[0]), POLICY_URL_MAX);
    policy_free(&p);
    mem_free(&url);

    struct error err;
    url = quoted_url(POLICY_URL_MAX + 1);
    char *text = json_mutate(good, "inbound[0]", url);
    assert_int_equal(policy_parse(text, strlen(text), &p, &err), RESULT_PERM);
    free(text);
    mem_free(&url);
}

#define BAD_URL "not a URL https://HOST[:PORT][/PATH] of at most 500 bytes"
#define MAX_AGE "policy: max_age: not a whole number from 60 to 31557600"
#define U       "\"https://b.test\","

static void malformed_documents(void **state)
{
    (void)state;
    static const struct bad_document cases[] = {
        {"", "[]", "policy: the document: not an object"},
        {"version", NULL, "policy: version: missing"},
        {"version", "1", "policy: version: not a string"},
        {"version", "\"SSMP2\"", "policy: version: not SSMP1: made for a later pontoon"},
        {"mode", NULL, "policy: mode: missing"},
        {"mode", "\"ENFORCE\"", "policy: mode: not enforce, testing or none"},
        {"mode", "true", "policy: mode: not a string"},
        {"max_age", NULL, "policy: max_age: missing"},
        {"max_age", "59", MAX_AGE},
        {"max_age", "31557601", MAX_AGE},
        {"max_age", "-1", MAX_AGE},
        {"max_age", "86400.0", MAX_AGE},
        {"max_age", "\"86400\"", MAX_AGE},
        {"inbound", "\"https://b.test\"", "policy: inbound: not an array"},
        {"inbound", "[" U U U U U U U U U U U U U U U U "\"https://b.test\"]", "policy: inbound: more than 16 members"},
        {"inbound[1]", "1", "policy: inbound[1]: " BAD_URL},
        {"inbound[1]", "\"http://b.test\"", "policy: inbound[1]: " BAD_URL},
        {"outbound", "{}", "policy: outbound: not an array"},
        {"outbound[0]", "\"https://b.test?\"", "policy: outbound[0]: " BAD_URL},
        {"keys", NULL, "policy: keys: no Ed25519 key, but outbound needs one"},
        {"keys.keys[0].kty", "\"RSA\"", "policy: keys: no Ed25519 key, but outbound needs one"},
        {"keys", "[]", "policy: keys: the document: not an object"},
        {"keys.keys[0].x", "\"AAAA\"", "policy: keys: keys[0].x: not 32 bytes in base64url"},
        {"max_size", "0", "policy: max_size: not a whole number of at least 1"},
        {"max_size", "\"1G\"", "policy: max_size: not a whole number of at least 1"},
        {"max_size", "null", "policy: max_size: not a whole number of at least 1"},
    };
    struct error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct policy *p;
        char *bad = json_mutate(good, cases[i].path, cases[i].value);
        assert_refused(policy_parse(bad, strlen(bad), &p, &err), err, cases[i].error, bad);
        free(bad);
    }
    struct policy *p;
    const char *nothing = "{\"version\":\"SSMP1\",\"mode\":\"testing\",\"max_age\":60,\"inbound\":[],\"outbound\":[]}";
    assert_refused(policy_parse(nothing, strlen(nothing), &p, &err), err,
                   "policy: inbound: missing, and outbound too: this policy offers nothing", nothing);
}

static void document_is_bounded(void **state)
{
    (void)state;
    struct error err;
    struct policy *p;
    char *text = mem_alloc(POLICY_SIZE_MAX + 1);
    memset(text, ' ', POLICY_SIZE_MAX + 1);
    memcpy(text, good, sizeof good - 1);
    assert_int_equal(policy_parse(text, POLICY_SIZE_MAX, &p, &err), RESULT_OK);
    policy_free(&p);
    assert_refused(policy_parse(text, POLICY_SIZE_MAX + 1, &p, &err), err, "policy: longer than 65536 bytes", "spaces");
    mem_free(&text);
}

static void written_then_read(void **state)
{
    (void)state;
    const char *in[] = {"https://b1.b.test", "https://b2.b.test"}, *out[] = {"https://s.b.test"};
    json_t *jwks = json_loads(JWKS, 0, NULL);
    char *text = policy_write(POLICY_TESTING, 3600, in, 2, out, 1, jwks, 1000);
    assert_string_equal(
        text, "{\"version\":\"SSMP1\",\"mode\":\"testing\",\"max_age\":3600,\"inbound\":[\"https://b1.b.test\","
              "\"https://b2.b.test\"],\"outbound\":[\"https://s.b.test\"],\"keys\":" JWKS ",\"max_size\":1000}");
    struct policy *p = parse(text);
    assert_int_equal(p->noutbound, 1);
    policy_free(&p);
    mem_free(&text);
    json_decref(jwks);

    text = policy_write(POLICY_NONE, 60, NULL, 0, NULL, 0, NULL, 0);
    assert_string_equal(text, "{\"version\":\"SSMP1\",\"mode\":\"none\",\"max_age\":60}");
    mem_free(&text);
    jwks = json_loads("{\"keys\":[]}", 0, NULL);
    text = policy_write(POLICY_ENFORCE, 60, in, 1, NULL, 0, jwks, UINT64_MAX);
    assert_string_equal(
        text, "{\"version\":\"SSMP1\",\"mode\":\"enforce\",\"max_age\":60,\"inbound\":[\"https://b1.b.test\"]}");
    p = parse(text);
    policy_free(&p);
    mem_free(&text);
    json_decref(jwks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_members_are_read),        cmocka_unit_test(what_may_be_missing),
        cmocka_unit_test(unknown_members_are_ignored), cmocka_unit_test(urls),
        cmocka_unit_test(url_length_is_bounded),       cmocka_unit_test(malformed_documents),
        cmocka_unit_test(document_is_bounded),         cmocka_unit_test(written_then_read),
    };
    return test_run("policy", tests);
}
