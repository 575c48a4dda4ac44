#include "t/unit/json_mutate.h"
#include "t/unit/temp_dir.h"

#include "lib/jws.h"
#include "lib/mem.h"
#include "lib/notification.h"

#define DIGEST "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" /* of nothing */

static const char good[] =
    "{\"iss\":\"a.test\",\"aud\":\"b.test\",\"iat\":1700000000,\"exp\":1700000300,\"messages\":["
    "{\"id\":\"01HF\",\"token\":\"b.test~abc\",\"sender\":\"alice@a.test\",\"recipients\":["
    "{\"address\":\"bob@b.test\",\"notify\":\"SUCCESS,DELAY\",\"orcpt\":\"rfc822;bob+2Bx@a.test\"},"
    "{\"address\":\"carol@b.test\"}],"
    "\"size\":1234,\"digest\":\"" DIGEST
    "\",\"serial\":9,\"body\":\"8bitmime\",\"smtputf8\":true,\"ret\":\"HDRS\",\"envid\":\"e+3D1\"},"
    "{\"id\":\"01HG\",\"token\":\"t\",\"sender\":\"alice@a.test\",\"recipients\":[{\"address\":\"bob@b.test\"}],"
    "\"size\":0,\"digest\":\"" DIGEST "\"}]}";

static struct notification *parse(const char *text)
{
    struct error err;
    struct notification *n = NULL;
    if (notification_parse(text, strlen(text), &n, &err) != RESULT_OK)
        fail_msg("%s: %s", text, err.text);
    return n;
}

static void all_members_are_read(void **state)
{
    (void)state;
    struct notification *n = parse(good);
    assert_string_equal(n->iss, "a.test");
    assert_string_equal(n->aud, "b.test");
    assert_int_equal(n->iat, 1700000000);
    assert_int_equal(n->exp, 1700000300);
    assert_int_equal(n->nmessages, 2);
    const struct notification_message *m = &n->messages[0];
    const struct envelope *e = &m->envelope;
    uint8_t nothing[DIGEST_SIZE];
    digest_of("", 0, nothing);
    assert_string_equal(m->id, "01HF");
    assert_string_equal(m->token, "b.test~abc");
    assert_int_equal(m->size, 1234);
    assert_int_equal(m->serial, 9);
    assert_int_equal(n->messages[1].serial, 0);
    assert_memory_equal(m->digest, nothing, DIGEST_SIZE);
    assert_string_equal(e->sender, "alice@a.test");
    assert_int_equal(e->body, BODY_8BITMIME);
    assert_true(e->smtputf8);
    assert_string_equal(e->ret, "HDRS");
    assert_string_equal(e->envid, "e+3D1");
    assert_int_equal(e->nrcpts, 2);
    assert_string_equal(e->rcpts[0].address, "bob@b.test");
    assert_string_equal(e->rcpts[0].notify, "SUCCESS,DELAY");
    assert_string_equal(e->rcpts[0].orcpt, "rfc822;bob+2Bx@a.test");
    assert_null(e->rcpts[1].notify);
    assert_null(e->rcpts[1].orcpt);
    e = &n->messages[1].envelope;
    assert_int_equal(e->body, BODY_UNSPECIFIED);
    assert_false(e->smtputf8);
    assert_null(e->ret);
    assert_null(e->envid);
    notification_free(&n);
    assert_null(n);
}

static void what_is_equivalent_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *path, *value;
    } cases[] = {
        {"iss", "\"A.Test\""},
        {"messages[0].sender", "\"alice@A.TEST\""},
        {"messages[0].recipients[0].address", "\"bob@B.Test\""},
        {"messages[0].recipients[0].address", "\"Carol@b.test\""}, /* local parts may differ in case only */
        {"messages[0].recipients[0].address", "\"\\\"a b\\\"@b.test\""},
        {"messages[0].recipients[0].address", "\"b\xc3\xb6"
                                              "b@b.test\""},
        {"messages[0].recipients[0].orcpt", "\"utf-8;b\xc3\xb6"
                                            "b@b.test\""},
        {"messages[0].body", "\"7bit\""},
        {"messages[0].future", "[1]"},
        {"future", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = json_mutate(good, cases[i].path, cases[i].value);
        struct notification *n = parse(text);
        assert_string_equal(n->iss, "a.test");
        notification_free(&n);
        free(text);
    }
}

#define TIME "not a whole number from 0 to 253402300799"
#define SIZE "not a whole number of at least 0"
#define R0   "messages[0].recipients[0]"
#define R1   "messages[0].recipients[1]"
#define X65  "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\""

static const struct bad_document bad[] = {
    {"", "[]", "the document: not an object"},
    {"iss", NULL, "iss: missing"},
    {"iss", "1", "iss: not a string"},
    {"iss", "\"\"", "iss: not a domain name"},
    {"iss", "\"a_b.test\"", "iss: not a domain name"},
    {"iss", "\"[192.0.2.1]\"", "iss: not a domain name"},
    {"aud", NULL, "aud: missing"},
    {"aud", "\"b.test\\u0000.x\"", "notification: not strict JSON"},
    {"aud", "\"localhost\"", "aud: not a domain name"},
    {"iat", NULL, "iat: missing"},
    {"iat", "-1", "iat: " TIME},
    {"iat", "\"1700000000\"", "iat: " TIME},
    {"iat", "1.7e9", "iat: " TIME},
    {"exp", NULL, "exp: missing"},
    {"exp", "253402300800", "exp: " TIME},
    {"exp", "1700000000", "exp: not later than iat"},
    {"messages", NULL, "messages: missing"},
    {"messages", "{}", "messages: not an array"},
    {"messages", "[]", "messages: empty"},
    {"messages[1]", "null", "messages[1]: not an object"},
    {"messages[1].id", NULL, "messages[1].id: missing"},
    {"messages[1].id", "7", "messages[1].id: not a string"},
    {"messages[1].id", "\"\"", "messages[1].id: not 1 to 64 letters, digits, '-' or '_'"},
    {"messages[1].id", "\"../x\"", "messages[1].id: not 1 to 64 letters, digits, '-' or '_'"},
    {"messages[1].id", X65, "messages[1].id: longer than 64 bytes"},
    {"messages[1].id", "\"01HF\"", "messages[1].id: an earlier message has this id"},
    {"messages[0].token", NULL, "messages[0].token: missing"},
    {"messages[0].token", "\"\"", "messages[0].token: not a bearer token"},
    {"messages[0].token", "\"a b\"", "messages[0].token: not a bearer token"},
    {"messages[0].token", "\"a\\r\\nX: y\"", "messages[0].token: not a bearer token"},
    {"messages[0].token", "\"a=b\"", "messages[0].token: not a bearer token"},
    {"messages[0].sender", NULL, "messages[0].sender: missing"},
    {"messages[0].sender", "\"\"", "messages[0].sender: not an address"},
    {"messages[0].sender", "\"alice\"", "messages[0].sender: not an address"},
    {"messages[0].sender", "\"<alice@a.test>\"", "messages[0].sender: not an address"},
    {"messages[0].sender", "\"al\\nice@a.test\"", "messages[0].sender: not an address"},
    {"messages[0].sender", "\"alice@a.test BODY=7BIT\"", "messages[0].sender: not an address"},
    {"messages[0].sender", "\"alice@b.test\"", "messages[0].sender: not an address of a.test"},
    {"messages[0].sender", "\"alice@x.a.test\"", "messages[0].sender: not an address of a.test"},
    {"messages[0].sender", "\"alice@[192.0.2.1]\"", "messages[0].sender: not an address of a.test"},
    {"messages[1].sender", "\"\xc3\xa9@a.test\"", "messages[1].sender: not ASCII, but smtputf8 is not set"},
    {"messages[0].size", NULL, "messages[0].size: missing"},
    {"messages[0].size", "-1", "messages[0].size: " SIZE},
    {"messages[0].size", "1.5", "messages[0].size: " SIZE},
    {"messages[0].size", "\"1\"", "messages[0].size: " SIZE},
    {"messages[0].digest", NULL, "messages[0].digest: missing"},
    {"messages[0].digest", "\"\"", "messages[0].digest: not a SHA-256 digest in base64url"},
    {"messages[0].digest", "\"" DIGEST "=\"", "messages[0].digest: not a SHA-256 digest in base64url"},
    {"messages[0].digest", "\"" DIGEST "AA\"", "messages[0].digest: not a SHA-256 digest in base64url"},
    {"messages[0].body", "\"binarymime\"", "messages[0].body: neither 7bit nor 8bitmime"},
    {"messages[0].body", "\"\"", "messages[0].body: neither 7bit nor 8bitmime"},
    {"messages[0].body", "8", "messages[0].body: not a string"},
    {"messages[0].smtputf8", "1", "messages[0].smtputf8: neither true nor false"},
    {"messages[0].smtputf8", "\"true\"", "messages[0].smtputf8: neither true nor false"},
    {"messages[0].ret", "\"ALL\"", "messages[0].ret: neither FULL nor HDRS"},
    {"messages[0].ret", "null", "messages[0].ret: not a string"},
    {"messages[0].envid", "\"\"", "messages[0].envid: not xtext of 1 to 500 bytes"},
    {"messages[0].envid", "\"a b\"", "messages[0].envid: not xtext of 1 to 500 bytes"},
    {"messages[0].envid", "\"a+4\"", "messages[0].envid: not xtext of 1 to 500 bytes"},
    {"messages[0].recipients", NULL, "messages[0].recipients: missing"},
    {"messages[0].recipients", "\"bob@b.test\"", "messages[0].recipients: not an array"},
    {"messages[0].recipients", "[]", "messages[0].recipients: empty"},
    {R1, "\"bob@b.test\"", R1 ": not an object"},
    {R1 ".address", NULL, R1 ".address: missing"},
    {R1 ".address", "\"\"", R1 ".address: not an address"},
    {R1 ".address", "\"bob\"", R1 ".address: not an address"},
    {R1 ".address", "\"bob@b.test> SIZE=1\"", R1 ".address: not an address"},
    {R1 ".address", "\"bob@c.test\"", R1 ".address: not an address of b.test"},
    {R1 ".address", "\"bob@b.test\"", R1 ".address: the message has this recipient already"},
    {R1 ".address", "\"bob@B.TEST\"", R1 ".address: the message has this recipient already"},
    {R0 ".notify", "\"SOMETIMES\"", R0 ".notify: neither NEVER nor a list of SUCCESS, FAILURE and DELAY"},
    {R0 ".notify", "\"NEVER,DELAY\"", R0 ".notify: neither NEVER nor a list of SUCCESS, FAILURE and DELAY"},
    {R0 ".notify", "\"\"", R0 ".notify: neither NEVER nor a list of SUCCESS, FAILURE and DELAY"},
    {R0 ".notify", "[]", R0 ".notify: not a string"},
    {R0 ".orcpt", "\"bob@b.test\"", R0 ".orcpt: not ADDR-TYPE;XTEXT"},
    {R0 ".orcpt", "\"rfc822;\"", R0 ".orcpt: not ADDR-TYPE;XTEXT"},
    {R0 ".orcpt", "\"rfc822;a b\"", R0 ".orcpt: not ADDR-TYPE;XTEXT"},
    {R0 ".orcpt", "0", R0 ".orcpt: not a string"},
    {"messages[1].recipients[0].address", "\"\xc3\xa9@b.test\"",
     "messages[1].recipients[0].address: not ASCII, but smtputf8 is not set"},
    {"messages[1].recipients[0].orcpt", "\"utf-8;\xc3\xa9@b.test\"",
     "messages[1].recipients[0].orcpt: not ASCII, but smtputf8 is not set"},
};

static void malformed_notifications(void **state)
{
    (void)state;
    struct error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct notification *n;
        char *text = json_mutate(good, bad[i].path, bad[i].value);
        if (strstr(bad[i].error, "strict JSON") != NULL) {
            assert_int_equal(notification_parse(text, strlen(text), &n, &err), RESULT_PERM);
            assert_memory_equal(err.text, bad[i].error, strlen(bad[i].error));
        } else {
            assert_refused(notification_parse(text, strlen(text), &n, &err), err, bad[i].error, text);
        }
        free(text);
    }
}

/* As small as a message and a recipient can be, for counting. */
static struct notification *many(size_t messages, size_t rcpts)
{
    struct notification *n = mem_zero(1, sizeof *n);
    strcpy(n->iss, "a.test");
    strcpy(n->aud, "b.test");
    n->exp = 1;
    n->messages = mem_zero(messages, sizeof *n->messages);
    n->nmessages = messages;
    for (size_t i = 0; i < messages; i++) {
        struct notification_message *m = &n->messages[i];
        snprintf(m->id, sizeof m->id, "%zu", i);
        strcpy(m->token, "t");
        envelope_init(&m->envelope);
        m->envelope.sender = mem_strdup("a@a.test");
        for (size_t k = 0; k < rcpts; k++) {
            char address[40];
            snprintf(address, sizeof address, "%zu@b.test", k);
            envelope_add_rcpt(&m->envelope, address, NULL, NULL);
        }
    }
    return n;
}

static void counts_are_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t messages, rcpts;
        const char *error;
    } cases[] = {
        {NOTIFICATION_MESSAGES_MAX, 1, NULL},
        {NOTIFICATION_MESSAGES_MAX + 1, 1, "messages: more than 100 members"},
        {1, NOTIFICATION_RCPTS_MAX, NULL},
        {1, NOTIFICATION_RCPTS_MAX + 1, "messages[0].recipients: more than 1000 members"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct notification *n = many(cases[i].messages, cases[i].rcpts), *again;
        char *text = notification_write(n);
        enum result result = notification_parse(text, strlen(text), &again, &err);
        assert_int_equal(result, cases[i].error != NULL ? RESULT_PERM : RESULT_OK);
        if (cases[i].error != NULL)
            assert_string_equal(err.text, cases[i].error);
        else
            notification_free(&again);
        mem_free(&text);
        notification_free(&n);
    }
}

static void token_shapes(void **state)
{
    (void)state;
    assert_true(notification_token_valid("b.test~abc"));
    assert_true(notification_token_valid("AZaz09-._~+/=="));
    assert_false(notification_token_valid(""));
    assert_false(notification_token_valid("=="));
    assert_false(notification_token_valid("a\tb"));
    assert_false(notification_token_valid("a,b"));
    assert_false(notification_token_valid("a=b"));
    char token[sizeof((struct notification_message *)0)->token + 8];
    struct error err;
    struct notification *n;
    for (size_t len = 457; len <= 458; len++) {
        memset(token, 't', sizeof token);
        token[0] = token[len + 1] = '"';
        token[len + 2] = '\0';
        char *text = json_mutate(good, "messages[0].token", token);
        if (len == 457) {
            n = parse(text);
            assert_int_equal(strlen(n->messages[0].token), 457);
            notification_free(&n);
        } else {
            assert_refused(notification_parse(text, strlen(text), &n, &err), err,
                           "messages[0].token: longer than 457 bytes", text);
        }
        free(text);
    }
}

static void written_then_read(void **state)
{
    (void)state;
    struct notification *n = parse(good);
    char *text = notification_write(n);
    char *compact = json_mutate(good, "iss", "\"a.test\"");
    assert_string_equal(text, compact);
    free(compact);
    mem_free(&text);
    notification_free(&n);
}

/* Whatever fills a payload up to its bound by weight must fit the JWS's. */
static void weights_are_enough(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    struct jws_key *key;
    temp_dir_make(&t);
    assert_int_equal(jws_key_generate(temp_path(&t, "k"), &key, &err), RESULT_OK);
    struct notification *n = many(NOTIFICATION_MESSAGES_MAX, 1);
    memset(n->iss, 'a', DOMAIN_MAX);
    memset(n->aud, 'b', DOMAIN_MAX);
    n->iat = n->exp = 253402300799;
    size_t room = notification_payload_max(), weight = 0;
    for (size_t i = 0; i < n->nmessages; i++) {
        struct envelope *e = &n->messages[i].envelope;
        while (weight + notification_message_weight(&n->messages[i]) + 60 <= room / n->nmessages * (i + 1))
            envelope_add_rcpt(e, "\"\\\"\"@b.test", NULL, NULL); /* what JSON must escape weighs what it takes */
        weight += notification_message_weight(&n->messages[i]);
    }
    char *token = n->messages[0].token; /* and the last bytes, exactly */
    memset(token + 1, 't', room - weight);
    token[1 + room - weight] = '\0';
    char *payload = notification_write(n);
    char *jws = jws_sign(key, NOTIFICATION_TYP, payload, strlen(payload));
    assert_true(strlen(jws) <= NOTIFICATION_SIZE_MAX);
    assert_true(strlen(jws) > NOTIFICATION_SIZE_MAX - 1000); /* and little is wasted */
    mem_free(&payload);
    mem_free(&jws);
    notification_free(&n);
    jws_key_free(&key);
    temp_dir_remove(&t);
}

static void payload_is_bounded(void **state)
{
    (void)state;
    struct error err;
    struct notification *n;
    char *text = mem_alloc(NOTIFICATION_SIZE_MAX + 1);
    memset(text, ' ', NOTIFICATION_SIZE_MAX + 1);
    memcpy(text, good, sizeof good - 1);
    assert_int_equal(notification_parse(text, NOTIFICATION_SIZE_MAX, &n, &err), RESULT_OK);
    notification_free(&n);
    assert_refused(notification_parse(text, NOTIFICATION_SIZE_MAX + 1, &n, &err), err,
                   "notification: longer than 65536 bytes", "spaces");
    mem_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_members_are_read),
        cmocka_unit_test(what_is_equivalent_is_taken),
        cmocka_unit_test(malformed_notifications),
        cmocka_unit_test(counts_are_bounded),
        cmocka_unit_test(token_shapes),
        cmocka_unit_test(written_then_read),
        cmocka_unit_test(weights_are_enough),
        cmocka_unit_test(payload_is_bounded),
    };
    return test_run("notification", tests);
}
