/*
 * The worked example of doc/protocol.md, made again with our code: what the document shows is what we write, and what
 * we read. White space in the document is for display only. PROTOCOL_SHOW=1 prints the pieces for pasting.
 */
#include "t/unit/test.h"

#include <ctype.h>
#include <unistd.h>

#include "lib/digest.h"
#include "lib/jws.h"
#include "lib/mem.h"
#include "lib/notification.h"
#include "lib/policy.h"
#include "lib/token.h"

#define ID     "1CE3QDKS0G9Y2M5VB8T4XWZR6K"
#define SECRET "an example secret, not for use: 0123456789"
#define IAT    INT64_C(1795489920)

/* RFC 8037, appendix A.1: everybody has this key. */
static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                              "-----END PRIVATE KEY-----\n";

static const char message[] = "Received: from [192.0.2.7] by mail.a.example (pontoon) with ESMTPSA\r\n"
                              "\tid 4XyZ1k5Qk1z9rL; Tue, 24 Nov 2026 03:12:00 +0000\r\n"
                              "From: Alice <alice@a.example>\r\n"
                              "To: bob@b.example\r\n"
                              "Subject: a bridge\r\n"
                              "\r\n"
                              "It holds.\r\n";

static char *document; /* doc/protocol.md without white space */

static void squeeze(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (!isspace((unsigned char)*from))
            *to++ = *from;
    }
    *to = '\0';
}

static int load_document(void **state)
{
    (void)state;
    FILE *f = fopen(TOP_SRCDIR "/doc/protocol.md", "r");
    if (f == NULL)
        return -1;
    document = mem_zero(1, 1 << 20);
    size_t n = fread(document, 1, (1 << 20) - 1, f);
    fclose(f);
    squeeze(document);
    return n > 0 ? 0 : -1;
}

static int free_document(void **state)
{
    (void)state;
    mem_free(&document);
    return 0;
}

/* The document has this text. */
static void assert_shown(const char *what, const char *text)
{
    if (getenv("PROTOCOL_SHOW") != NULL) {
        fprintf(stderr, "%s: %s\n", what, text);
        return;
    }
    char *squeezed = mem_strdup(text);
    squeeze(squeezed);
    bool there = strstr(document, squeezed) != NULL;
    mem_free(&squeezed);
    if (!there)
        fail_msg("doc/protocol.md does not show the %s that our code makes: %s", what, text);
}

static struct jws_key *example_key(void)
{
    char path[] = "/tmp/protocol-key-XXXXXX";
    struct jws_key *key = NULL;
    struct error err;
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, key_pem, sizeof key_pem - 1) == (ssize_t)(sizeof key_pem - 1));
    close(fd);
    enum result r = jws_key_load(path, &key, &err);
    unlink(path);
    assert_int_equal(r, RESULT_OK);
    return key;
}

static void fill_token(char token[TOKEN_MAX + 1])
{
    struct token_secret *secret = NULL;
    struct error err;
    assert_int_equal(token_secret_parse(SECRET, strlen(SECRET), "example", &secret, &err), RESULT_OK);
    token_make(secret, ID, "b.example", token);
    token_secret_free(&secret);
}

static char *example_payload(void)
{
    struct notification_message m = {.id = ID, .size = sizeof message - 1};
    struct notification n = {
        .iss = "a.example", .aud = "b.example", .iat = IAT, .exp = IAT + 3600, .messages = &m, .nmessages = 1};
    fill_token(m.token);
    digest_of(message, sizeof message - 1, m.digest);
    envelope_init(&m.envelope);
    mem_free(&m.envelope.sender);
    m.envelope.sender = mem_strdup("alice@a.example");
    m.envelope.body = BODY_7BIT;
    envelope_add_rcpt(&m.envelope, "bob@b.example", "FAILURE,DELAY", "rfc822;bob@b.example");
    envelope_add_rcpt(&m.envelope, "carol@b.example", NULL, NULL);
    char *payload = notification_write(&n);
    envelope_free(&m.envelope);
    return payload;
}

static void test_policy(void **state)
{
    (void)state;
    struct jws_key *key = example_key();
    json_t *jwks = json_pack("{s:[o]}", "keys", jws_key_public_jwk(key));
    char *text = policy_write(POLICY_ENFORCE, 86400, (const char *[]){"https://bridge.a.example:8443"}, 1,
                              (const char *[]){"https://sender-store.a.example"}, 1, jwks, 52428800);
    assert_shown("policy", text);
    mem_free(&text);
    json_decref(jwks);
    jws_key_free(&key);
}

static void test_fetch(void **state)
{
    (void)state;
    uint8_t digest[DIGEST_SIZE];
    char text[DIGEST_TEXT_SIZE], token[TOKEN_MAX + 1];
    digest_of(message, sizeof message - 1, digest);
    digest_text(digest, text);
    char *plain = base64_encode(digest, sizeof digest);
    char *etag = mem_printf("ETag: \"%s\"", text);
    char *repr = mem_printf("Repr-Digest: sha-256=:%s:", plain);
    char *length = mem_printf("Content-Length: %zu", sizeof message - 1);
    fill_token(token);
    char *bearer = mem_printf("Authorization: Bearer %s", token);
    assert_shown("ETag", etag);
    assert_shown("Repr-Digest", repr);
    assert_shown("Content-Length", length);
    assert_shown("Authorization", bearer);
    assert_shown("message", message);
    mem_free(&plain);
    mem_free(&etag);
    mem_free(&repr);
    mem_free(&length);
    mem_free(&bearer);
}

static void test_notification(void **state)
{
    (void)state;
    struct jws_key *key = example_key();
    char *payload = example_payload();
    char *jws = jws_sign(key, NOTIFICATION_TYP, payload, strlen(payload));
    assert_shown("key id", jws_key_kid(key));
    assert_shown("payload", payload);
    assert_shown("JWS", jws);
    mem_free(&jws);
    mem_free(&payload);
    jws_key_free(&key);
}

static void test_verdicts(void **state)
{
    (void)state;
    struct verdicts v = {0};
    struct verdict_message *m = verdicts_add(&v, ID);
    verdict_message_add(m, "bob@b.example", VERDICT_DELIVERED, "2.0.0", "250 2.0.0 Ok: queued as 4XyZ2m0pTfz1vQ");
    verdict_message_add(m, "carol@b.example", VERDICT_REJECTED, "5.1.1",
                        "550 5.1.1 <carol@b.example>: Recipient address rejected: User unknown");
    char *text = verdicts_write(&v);
    assert_shown("answer", text);
    verdicts_clear(&v);
    mem_free(&text);
}

static void test_receipt(void **state)
{
    (void)state;
    struct verdicts v = {0};
    struct verdict_message *m = verdicts_add(&v, "");
    verdict_message_add(m, "bob@b.example", VERDICT_DELIVERED, "2.0.0", "250 2.0.0 Ok: queued as 4XyZ2m0pTfz1vQ");
    char *text = receipt_write(m);
    assert_shown("receipt", text);
    verdicts_clear(&v);
    mem_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),   cmocka_unit_test(test_fetch),   cmocka_unit_test(test_notification),
        cmocka_unit_test(test_verdicts), cmocka_unit_test(test_receipt),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("protocol example", tests, load_document, free_document);
}
