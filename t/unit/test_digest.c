#include "t/unit/test.h"

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/mem.h"

/* FIPS 180-4 example "abc". */
static const uint8_t abc[DIGEST_SIZE] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static void stream_and_whole_agree(void **state)
{
    (void)state;
    uint8_t out[DIGEST_SIZE];
    digest_of("abc", 3, out);
    assert_memory_equal(out, abc, DIGEST_SIZE);
    struct digest *d = digest_new();
    digest_add(d, "a", 1);
    digest_add(d, "", 0);
    digest_add(d, "bc", 2);
    memset(out, 0, sizeof out);
    digest_finish(&d, out);
    assert_null(d);
    assert_true(digest_equal(out, abc));
    out[31] ^= 1;
    assert_false(digest_equal(out, abc));
    d = digest_new();
    digest_free(&d);
    digest_free(&d);
}

static void text_form(void **state)
{
    (void)state;
    char text[DIGEST_TEXT_SIZE + 1];
    uint8_t out[DIGEST_SIZE];
    digest_text(abc, text);
    assert_string_equal(text, "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    assert_true(digest_parse(text, out));
    assert_memory_equal(out, abc, DIGEST_SIZE);
    assert_false(digest_parse("", out));
    assert_false(digest_parse("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa", out));
    assert_false(digest_parse("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=", out));
    assert_false(digest_parse("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0", out));
    assert_false(digest_parse("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa1", out)); /* stray bits */
}

/* RFC 4231, test case 2. */
static void hmac(void **state)
{
    (void)state;
    static const uint8_t want[DIGEST_SIZE] = {
        0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
        0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
    };
    uint8_t out[DIGEST_SIZE];
    digest_hmac("Jefe", 4, "what do ya want for nothing?", 28, out);
    assert_memory_equal(out, want, DIGEST_SIZE);
    digest_hmac("", 0, "", 0, out); /* must not crash */
}

/* RFC 4648, section 10. */
static void base64_vectors(void **state)
{
    (void)state;
    static const char *const padded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    static const char *const bare[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
    for (size_t i = 0; i < 7; i++) {
        char *text = base64_encode("foobar", i);
        assert_string_equal(text, padded[i]);
        mem_free(&text);
        text = base64url_encode("foobar", i);
        assert_string_equal(text, bare[i]);
        size_t len = 99;
        char *back = base64url_decode(text, strlen(text), &len);
        assert_non_null(back);
        assert_int_equal(len, i);
        assert_memory_equal(back, "foobar", i);
        assert_int_equal(back[i], '\0');
        mem_free(&back);
        mem_free(&text);
    }
}

static void every_byte_survives(void **state)
{
    (void)state;
    uint8_t bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(255 - i);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        char *text = base64url_encode(bytes, n);
        assert_int_equal(strcspn(text, "+/="), strlen(text));
        size_t len;
        void *back = base64url_decode(text, strlen(text), &len);
        assert_non_null(back);
        assert_int_equal(len, n);
        assert_memory_equal(back, bytes, n);
        mem_free(&back);
        mem_free(&text);
    }
}

static void decoder_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",     "Zg==",  "Zg=",  " Zm9v",      "Zm9v ",   "Zm9v\n",
                                      "Zm 9v", "Zm+v",  "Zm/v", "Zm9vY",      "Zh",      "Zm9",
                                      "Zm=v",  "Zm9v=", "====", "Zm\xc3\xa4", "Zm9vYmE?"};
    size_t len;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *data = base64url_decode(bad[i], strlen(bad[i]), &len);
        if (data != NULL)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    assert_null(base64url_decode("Zm9\0", 4, &len));
    void *part = base64url_decode("Zm9vYmFy????", 4, &len); /* only text_len counts */
    assert_non_null(part);
    assert_int_equal(len, 3);
    mem_free(&part);
}

static void random_numbers_stay_below(void **state)
{
    (void)state;
    bool seen[7] = {false};
    for (int i = 0; i < 2000; i++) {
        uint32_t r = random_below(7);
        assert_true(r < 7);
        seen[r] = true;
    }
    for (int i = 0; i < 7; i++)
        assert_true(seen[i]);
    assert_int_equal(random_below(1), 0);
    random_below(UINT32_MAX);
}

static msec_t fake_time;
static msec_t fake_clock(void)
{
    return fake_time;
}

static void ids_sort_by_age(void **state)
{
    (void)state;
    char last[MESSAGE_ID_LEN + 1] = "";
    char id[MESSAGE_ID_LEN + 1];
    clock_set_source(fake_clock);
    for (fake_time = 1; fake_time < INT64_C(1) << 47; fake_time = fake_time * 3 + 1) {
        message_id_new(id);
        assert_int_equal(strlen(id), MESSAGE_ID_LEN);
        assert_int_equal(strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), MESSAGE_ID_LEN);
        assert_true(message_id_valid(id));
        assert_true(strcmp(last, id) < 0);
        memcpy(last, id, sizeof last);
    }
    message_id_new(last);
    message_id_new(id);
    assert_string_not_equal(last, id); /* the same moment */
    clock_set_source(NULL);
}

static void peers_ids(void **state)
{
    (void)state;
    char big[66];
    memset(big, 'a', sizeof big);
    big[65] = '\0';
    assert_false(message_id_valid(big));
    assert_true(message_id_valid(big + 1));
    assert_true(message_id_valid("-_aZ9"));
    assert_int_equal(message_id_time("01M88KPNH6MZ5NDV695SKEV7PW"), INT64_C(1795585431078));
    assert_int_equal(message_id_time("01M88KPNH6MZ5NDV695SKEV7P"), 0);
    assert_int_equal(message_id_time("4BCDEF-IL"), 0);
    assert_false(message_id_valid(""));
    assert_false(message_id_valid("a/b"));
    assert_false(message_id_valid("a.b"));
    assert_false(message_id_valid("a\n"));
    assert_false(message_id_valid("\xc3\xa4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_and_whole_agree),
        cmocka_unit_test(text_form),
        cmocka_unit_test(hmac),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(every_byte_survives),
        cmocka_unit_test(decoder_is_strict),
        cmocka_unit_test(random_numbers_stay_below),
        cmocka_unit_test(ids_sort_by_age),
        cmocka_unit_test(peers_ids),
    };
    return test_run("digest", tests);
}
