#include "t/unit/test.h"

#include "lib/smtp_reply.h"
#include "lib/utf8.h"

/* Feeds `text` in pieces; true if it is exactly one whole reply, which is then in *r. */
static bool parse_cut(const char *text, size_t len, size_t piece, struct smtp_reply *r)
{
    struct smtp_reply_parser p;
    bool complete = false, good = true;
    size_t i = 0;
    smtp_reply_parser_init(&p);
    while (good && !complete && i < len) {
        struct error err;
        size_t used, n = len - i < piece ? len - i : piece;
        good = smtp_reply_feed(&p, text + i, n, &used, &complete, &err) == RESULT_OK;
        if (!good)
            assert_string_not_equal(err.text, "");
        i += used;
    }
    *r = p.reply;
    smtp_reply_parser_free(&p);
    return good && complete && i == len;
}

static bool parse(const char *text, struct smtp_reply *r)
{
    return parse_cut(text, strlen(text), 100000, r);
}

static void takes_replies_however_they_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        int code;
        const char *dsn, *text;
    } cases[] = {
        {"220 mail.example ESMTP\r\n", 220, "", "mail.example ESMTP"},
        {"250\r\n", 250, "", ""},
        {"354 \r\n", 354, "", ""},
        {"250 2.1.0 Ok\r\n", 250, "2.1.0", "Ok"},
        {"250 2.1.0\r\n", 250, "2.1.0", ""},
        {"550 2.1.0 Ok\r\n", 550, "", "2.1.0 Ok"}, /* class and code differ: no enhanced code */
        {"550 5.1.1000 x\r\n", 550, "", "5.1.1000 x"},
        {"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n", 550, "5.7.1", "one two three"},
        {"250-a\r\n250-\r\n250 b\n", 250, "", "a b"}, /* a lone LF is tolerated */
        {"451 a\tb\x7f\x01\r\n", 451, "", "a?b??"},
        {"451 caf\xc3\xa9 \xff\r\n", 451, "", "caf\xc3\xa9 ?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece < 30; piece++) {
            struct smtp_reply r;
            assert_true(parse_cut(cases[i].wire, strlen(cases[i].wire), piece, &r));
            assert_int_equal(r.code, cases[i].code);
            assert_string_equal(r.dsn, cases[i].dsn);
            assert_string_equal(r.text, cases[i].text);
        }
    }
}

static void refuses_what_is_no_reply(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",           "hello\r\n",   "25\r\n",      "25x ok\r\n",         "150 early\r\n",        "650 late\r\n",
        "250_ok\r\n",     " 250 ok\r\n", "-250 ok\r\n", "250-a\r\n251 b\r\n", "HTTP/1.1 400 Bad\r\n", "2500 ok\r\n",
        "250-a\r\nb\r\n",
    };
    struct smtp_reply r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse(bad[i], &r));
    assert_false(parse_cut("250 a\0b\r\n", 9, 100, &r));
}

static void is_bounded(void **state)
{
    (void)state;
    struct smtp_reply_parser p;
    struct error err;
    size_t used;
    bool complete;
    char line[SMTP_REPLY_LINE_MAX + 10];
    memset(line, 'x', sizeof line);
    memcpy(line, "250 ", 4);
    smtp_reply_parser_init(&p);
    assert_int_equal(smtp_reply_feed(&p, line, SMTP_REPLY_LINE_MAX, &used, &complete, &err), RESULT_OK);
    assert_int_equal(smtp_reply_feed(&p, line, 1, &used, &complete, &err), RESULT_PERM);
    smtp_reply_parser_free(&p);

    smtp_reply_parser_init(&p);
    unsigned lines = 0;
    while (smtp_reply_feed(&p, "250-x\r\n", 7, &used, &complete, &err) == RESULT_OK)
        assert_true(++lines <= SMTP_REPLY_LINES_MAX);
    assert_int_equal(lines, SMTP_REPLY_LINES_MAX);
    smtp_reply_parser_free(&p);
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        struct smtp_reply r;
        char wire[1100] = "250 ";
        size_t n = 4;
        for (size_t i = 0; i < shift; i++)
            wire[n++] = 'x';
        while (n < 1000) {
            memcpy(wire + n, "\xf0\x9f\x93\xa7", 4);
            n += 4;
        }
        strcpy(wire + n, "\r\n");
        assert_true(parse(wire, &r));
        assert_true(strlen(r.text) > sizeof r.text - 6);
        assert_true(utf8_valid(r.text));
    }
}

static void one_reply_at_a_time(void **state)
{
    (void)state;
    struct smtp_reply_parser p;
    size_t used;
    bool complete;
    const char *two = "250 one\r\n550 two\r\n";
    smtp_reply_parser_init(&p);
    assert_int_equal(smtp_reply_feed(&p, two, strlen(two), &used, &complete, NULL), RESULT_OK);
    assert_true(complete && used == 9);
    assert_string_equal(p.reply.text, "one");
    assert_int_equal(smtp_reply_feed(&p, two + used, strlen(two) - used, &used, &complete, NULL), RESULT_OK);
    assert_true(complete && p.reply.code == 550);
    assert_string_equal(p.reply.text, "two");
    assert_string_equal(buf_str(&p.raw), "two\n");
    smtp_reply_parser_free(&p);
}

static void classes_and_texts(void **state)
{
    (void)state;
    struct smtp_reply r;
    char text[100];
    assert_true(parse("354 go\r\n", &r));
    assert_int_equal(smtp_reply_result(&r), RESULT_OK);
    assert_string_equal(smtp_reply_dsn(&r), "2.0.0");
    assert_true(parse("450 later\r\n", &r));
    assert_int_equal(smtp_reply_result(&r), RESULT_TEMP);
    assert_string_equal(smtp_reply_dsn(&r), "4.0.0");
    assert_true(parse("550 5.1.1 who?\r\n", &r));
    assert_int_equal(smtp_reply_result(&r), RESULT_PERM);
    smtp_reply_text(&r, text, sizeof text);
    assert_string_equal(text, "550 5.1.1 who?");
    smtp_reply_text(&r, text, 8);
    assert_string_equal(text, "550 5.1");
    assert_true(parse("250\r\n", &r));
    smtp_reply_text(&r, text, sizeof text);
    assert_string_equal(text, "250");
}

static void finds_queue_ids(void **state)
{
    (void)state;
    static const struct {
        const char *wire, *id;
    } cases[] = {
        {"250 2.0.0 Ok: queued as 4XyZ1234bcz\r\n", "4XyZ1234bcz"},
        {"250 2.0.0 from MTA(smtp:[127.0.0.1]:10026): 250 2.0.0 Ok: queued as ABC\r\n", "ABC"},
        {"250 2.0.0 Ok: queued as A: 250 queued as B\r\n", "B"},
        {"250 2.0.0 47AB1x2y012345 Message accepted for delivery\r\n", "47AB1x2y012345"},
        {"250 OK id=1abcDE-0000XX-2Y\r\n", "1abcDE-0000XX-2Y"},
        {"250 2.0.0 Ok\r\n", ""},
        {"250 (odd) Message accepted\r\n", ""},
        {"250 Ok: queued as \r\n", ""},
        {"250 Ok: queued as AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", ""}, /* too long for `out` */
        {"451 queued as X\r\n", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct smtp_reply r;
        char id[32];
        assert_true(parse(cases[i].wire, &r));
        smtp_reply_queue_id(&r, id, sizeof id);
        assert_string_equal(id, cases[i].id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_replies_however_they_are_cut),
        cmocka_unit_test(refuses_what_is_no_reply),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(one_reply_at_a_time),
        cmocka_unit_test(classes_and_texts),
        cmocka_unit_test(finds_queue_ids),
    };
    return test_run("smtp_reply", tests);
}
