/* Fingerprints and what they tell apart; the datagram that carries them. */
#include "t/unit/test.h"

#include "lib/arrival.h"
#include "lib/mem.h"

/* In pieces of `step` bytes. */
static struct fingerprint *of_bytes(const char *text, size_t step)
{
    struct fingerprint_maker *m = fingerprint_maker_new();
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i += step)
        fingerprint_add_bytes(m, text + i, i + step < len ? step : len - i);
    return fingerprint_finish(&m);
}

static void assert_differ(const char *ssmp, const char *smtp, const char *differences)
{
    struct fingerprint *a = of_bytes(ssmp, 1000), *b = of_bytes(smtp, 1000);
    struct buf out = BUF_INIT(100000);
    fingerprint_compare(a, b, &out);
    assert_string_equal(buf_str(&out), differences);
    buf_free(&out);
    fingerprint_free(&a);
    fingerprint_free(&b);
}

#define MAIL "Subject: hello\r\nX-Long: one\r\n two\r\nMessage-ID: <1@a.test>\r\n\r\n body\r\n"

static void the_same(void **state)
{
    (void)state;
    assert_differ(MAIL, MAIL, "");
    assert_differ("Received: from a\r\n\tby b\r\n" MAIL, "Return-Path: <>\r\nReceived: x\r\nReceived: y\r\n" MAIL, "");
    assert_differ("subject: hello\r\n\r\n", "Subject: hello\r\n\r\n", "");
    assert_differ("A: 1\r\nB: 2\r\n\r\n", "B: 2\r\nA: 1\r\n\r\n", "");
    assert_differ("", "", "");
    assert_differ("\r\nbody", "\r\nbody", "");
}

static void differences(void **state)
{
    (void)state;
    assert_differ(MAIL, "Subject: HELLO\r\nX-Long: one\r\n\ttwo\r\nMessage-ID: <1@a.test>\r\n\r\n body\r\n",
                  "header X-Long folded or spaced otherwise\nheader Subject changed");
    assert_differ("A: 1\r\nA: 2\r\n\r\n", "A: 2\r\n\r\n", "header A missing in what came by SMTP");
    assert_differ("A: 2\r\n\r\n", "A: 1\r\nA: 2\r\nX-Spam: yes\r\n\r\n",
                  "header A added in what came by SMTP\nheader X-Spam added in what came by SMTP");
    assert_differ("\r\nabc", "\r\nabcd", "body differs: 4 bytes by SMTP, 3 by SSMP");
    assert_differ("\r\nabc", "\r\nabd", "body differs: other bytes, of the same length");
    assert_differ("\r\n abc", "\r\nabc", "body differs: 3 bytes by SMTP, 4 by SSMP");
}

static void pieces_of_any_size(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof MAIL; step++) {
        struct fingerprint *f = of_bytes(MAIL, step);
        assert_int_equal(f->nfields, 3);
        assert_string_equal(f->message_id, "<1@a.test>");
        assert_int_equal(f->body_size, 7);
        fingerprint_free(&f);
    }
}

/* A milter sees the fields one by one, folded by LF. */
static void a_milters_view(void **state)
{
    (void)state;
    struct fingerprint_maker *m = fingerprint_maker_new();
    fingerprint_add_field(m, "Subject", " hello");
    fingerprint_add_field(m, "X-Long", " one\n two");
    fingerprint_add_field(m, "Message-ID", " <1@a.test>");
    fingerprint_add_body(m, " body\r\n", 7);
    struct fingerprint *a = fingerprint_finish(&m), *b = of_bytes(MAIL, 3);
    struct buf out = BUF_INIT(1000);
    fingerprint_compare(a, b, &out);
    assert_string_equal(buf_str(&out), "");
    fingerprint_free(&a);
    fingerprint_free(&b);
}

static void bounds(void **state)
{
    (void)state;
    struct buf many = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    for (int i = 0; i < FINGERPRINT_FIELDS_MAX; i++)
        buf_printf(&many, "X-%d: y\r\n", i);
    struct fingerprint *f = of_bytes(buf_str(&many), 4096), *none = of_bytes("\r\n", 10);
    assert_false(f->cut);
    assert_int_equal(f->nfields, FINGERPRINT_FIELDS_MAX);
    fingerprint_compare(f, none, &out);
    size_t lines = 1;
    for (size_t i = 0; i < out.len; i++)
        lines += out.data[i] == '\n';
    assert_int_equal(lines, DIFFERENCES_MAX);
    fingerprint_free(&f);
    buf_add_str(&many, "One: more\r\n\r\nbody");
    f = of_bytes(buf_str(&many), 4096);
    assert_true(f->cut);
    assert_int_equal(f->body_size, 4);
    buf_clear(&out);
    fingerprint_compare(f, none, &out);
    assert_non_null(strstr(buf_str(&out), "headers not compared"));
    fingerprint_free(&f);
    buf_clear(&many);
    buf_add_str(&many, "Endless: ");
    for (int i = 0; i < 100000; i++)
        buf_add_char(&many, 'x');
    buf_add_str(&many, "\r\nNext: 1\r\n\r\nbody");
    f = of_bytes(buf_str(&many), 4096);
    assert_int_equal(f->nfields, 2);
    assert_string_equal(f->fields[1].name, "Next");
    assert_int_equal(f->body_size, 4);
    fingerprint_free(&f);
    fingerprint_free(&none);
    buf_free(&many);
    buf_free(&out);
}

static void datagram_and_back(void **state)
{
    (void)state;
    struct error err = {0};
    struct arrival a = {.sender = mem_strdup(""), .fingerprint = of_bytes(MAIL, 7)}, b;
    arrival_add_rcpt(&a, "bob@b.test");
    arrival_add_rcpt(&a, "carol@b.test");
    char *text = arrival_write(&a);
    assert_non_null(text);
    assert_null(strstr(text, "hello")); /* nothing of what it says */
    assert_int_equal(arrival_parse(text, strlen(text), &b, &err), RESULT_OK);
    assert_int_equal(b.nrcpts, 2);
    assert_string_equal(b.rcpts[1], "carol@b.test");
    assert_string_equal(b.sender, "");
    struct buf out = BUF_INIT(1000);
    fingerprint_compare(a.fingerprint, b.fingerprint, &out);
    assert_string_equal(buf_str(&out), "");
    assert_string_equal(b.fingerprint->message_id, "<1@a.test>");
    mem_free(&text);
    arrival_clear(&a);
    arrival_clear(&b);
    text = arrival_write(&(struct arrival){0});
    assert_int_equal(arrival_parse(text, strlen(text), &b, &err), RESULT_OK);
    assert_int_equal(b.nrcpts, 0);
    mem_free(&text);
}

#define HEAD "{\"recipients\":[\"bob@b.test\"],\"sender\":\"a@a.test\",\"message_id\":\"<1>\","
#define BODY "\"body_size\":1,\"body_digest\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\","
static void malformed(void **state)
{
    (void)state;
    static const char *const good = HEAD BODY "\"fields\":[[\"A\",\"00112233445566778899aabbccddeeff\"]]}";
    static const char *const bad[] = {
        "",
        "[]x",
        "{\"recipients\":[1]}",
        "{\"recipients\":[\"bob\"]}",
        "{\"recipients\":[\"bob@b.test\"]}",
        HEAD "\"fields\":[]}",
        HEAD BODY "\"fields\":[[\"A\"]]}",
        HEAD BODY "\"fields\":[[\"A\",\"00112233445566778899aabbccddeefg\"]]}",
        HEAD BODY "\"fields\":[[\"A\",\"0011\"]]}",
        HEAD BODY "\"fields\":[[\"A B\",\"00112233445566778899aabbccddeeff\"]]}",
        HEAD "\"body_size\":-1,\"body_digest\":\"47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU\"}",
        HEAD "\"body_size\":1,\"body_digest\":\"47\"}",
        HEAD BODY "\"cut\":1}",
    };
    struct arrival a;
    struct error err = {0};
    assert_int_equal(arrival_parse(good, strlen(good), &a, &err), RESULT_OK);
    assert_int_equal(a.fingerprint->fields[0].exact, 0x0011223344556677);
    arrival_clear(&a);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (arrival_parse(bad[i], strlen(bad[i]), &a, &err) != RESULT_PERM)
            fail_msg("taken: %s", bad[i]);
        arrival_clear(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same),       cmocka_unit_test(differences), cmocka_unit_test(pieces_of_any_size),
        cmocka_unit_test(a_milters_view), cmocka_unit_test(bounds),      cmocka_unit_test(datagram_and_back),
        cmocka_unit_test(malformed),
    };
    return test_run("fingerprint", tests);
}
