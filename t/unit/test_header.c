#include "t/unit/test.h"

#include <time.h>

#include "lib/header.h"
#include "lib/mem.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const msec_t when = INT64_C(1795489920) * 1000; /* Tue, 24 Nov 2026 03:12:00 UTC */

static void set_zone(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static void dates(void **state)
{
    (void)state;
    char date[HEADER_DATE_SIZE];
    set_zone("UTC0");
    header_date(when, date);
    assert_string_equal(date, "Tue, 24 Nov 2026 03:12:00 +0000");
    header_date(0, date);
    assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 +0000");
    set_zone("XXX-5:45");
    header_date(when, date);
    assert_string_equal(date, "Tue, 24 Nov 2026 08:57:00 +0545");
    set_zone("XXX3:30");
    header_date(when, date);
    assert_string_equal(date, "Mon, 23 Nov 2026 23:42:00 -0330");
    header_date(INT64_MAX, date); /* no such year: anything but a crash */
    set_zone("UTC0");
}

static char *trace(const struct header_trace *t)
{
    struct buf out = BUF_INIT(10000);
    header_trace_add(&out, t);
    assert_false(out.overflow);
    return buf_take(&out);
}

static struct header_trace sample(void)
{
    return (struct header_trace){
        .helo = "client.a.test",
        .name = "host.a.test",
        .address = "192.0.2.1",
        .by = "mx.b.test",
        .with = "ESMTP",
        .id = "4XyZ12",
        .recipient = "u@b.test",
        .when = when,
    };
}

static void check_trace(const struct header_trace *t, const char *want)
{
    char *text = trace(t);
    assert_string_equal(text, want);
    mem_free(&text);
}

static void trace_forms(void **state)
{
    (void)state;
    struct header_trace t = sample();
    check_trace(&t, "Received: from client.a.test (host.a.test [192.0.2.1])\r\n"
                    "\tby mx.b.test (pontoon) with ESMTP id 4XyZ12\r\n"
                    "\tfor <u@b.test>;\r\n"
                    "\tTue, 24 Nov 2026 03:12:00 +0000\r\n");
    t.name = NULL;
    t.address = "2001:db8::1";
    t.login = "joe";
    t.recipient = NULL;
    check_trace(&t, "Received: from client.a.test ([IPv6:2001:db8::1])\r\n"
                    "\tby mx.b.test (pontoon) with ESMTPA id 4XyZ12;\r\n"
                    "\tTue, 24 Nov 2026 03:12:00 +0000\r\n");
    t.helo = "";
    t.address = "IPv6:2001:db8::1";
    t.with = "SSMP";
    check_trace(&t, "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n"
                    "\tby mx.b.test (pontoon) with SSMP id 4XyZ12;\r\n"
                    "\tTue, 24 Nov 2026 03:12:00 +0000\r\n");
    t.helo = NULL;
    t.address = "";
    t.login = "";
    t.with = "ESMTPS";
    check_trace(&t, "Received: by mx.b.test (pontoon) with ESMTPS id 4XyZ12;\r\n"
                    "\tTue, 24 Nov 2026 03:12:00 +0000\r\n");
    t.name = "host.a.test";
    check_trace(&t, "Received: from host.a.test (host.a.test)\r\n"
                    "\tby mx.b.test (pontoon) with ESMTPS id 4XyZ12;\r\n"
                    "\tTue, 24 Nov 2026 03:12:00 +0000\r\n");
}

/* Every line folded where it should be, and nothing but the header itself in it. */
static void check_shape(const char *text, size_t max_line)
{
    assert_memory_equal(text, "Received:", 9);
    size_t len = strlen(text);
    assert_true(len > 2);
    assert_memory_equal(text + len - 2, "\r\n", 2);
    for (const char *p = text; *p != '\0';) {
        const char *eol = strstr(p, "\r\n");
        assert_non_null(eol);
        assert_true((size_t)(eol - p) <= max_line);
        for (const char *c = p; c < eol; c++)
            assert_true((*c >= 0x20 && *c < 0x7f) || (*c == '\t' && c == p));
        assert_true(p == text || (*p == '\t' && eol > p + 1)); /* no line of blanks */
        p = eol + 2;
    }
}

static void long_names_fold(void **state)
{
    (void)state;
    char name[61];
    memset(name, 'n', 60);
    name[60] = '\0';
    struct header_trace t = sample();
    t.helo = t.name = t.by = t.id = name;
    char *text = trace(&t);
    check_shape(text, 78);
    assert_true(header_is_own_trace(text + 9, name));
    mem_free(&text);
}

static void hostile_values_are_harmless(void **state)
{
    (void)state;
    char huge[5001];
    memset(huge, 'x', 5000);
    huge[5000] = '\0';
    const char *const evil[] = {
        "a\r\nSubject: x",
        "a\nb",
        "x (y) by z",
        ") by evil (pontoon",
        "a\\",
        "\xff\xfe",
        "a;b",
        "<a>",
        "\"a",
        "\x01\x7f\t",
        huge,
        "",
        " ",
    };
    for (size_t i = 0; i < COUNT(evil); i++) {
        struct header_trace t = sample();
        t.helo = t.name = t.address = t.login = t.id = t.recipient = evil[i];
        char *text = trace(&t);
        check_shape(text, 998);
        assert_int_equal(strlen(text) > 2000, 0);
        assert_true(header_is_own_trace(text + 9, "mx.b.test"));
        assert_false(header_is_own_trace(text + 9, "evil"));
        assert_null(strstr(text, "for"));
        mem_free(&text);
    }
    struct header_trace t = sample();
    t.helo = "a b(c)\\\xc3\xa4";
    t.recipient = NULL;
    t.login = "\r\nX: secret";
    check_trace(&t, "Received: from a?b?c???? (host.a.test [192.0.2.1])\r\n"
                    "\tby mx.b.test (pontoon) with ESMTPA id 4XyZ12;\r\n"
                    "\tTue, 24 Nov 2026 03:12:00 +0000\r\n");
}

static void recipient_is_right_or_absent(void **state)
{
    (void)state;
    struct header_trace t = sample();
    char big[1001];
    memset(big, 'x', sizeof big);
    memcpy(big + 893, "@b.test", 8);
    t.recipient = big; /* 900 bytes */
    char *text = trace(&t);
    check_shape(text, 998);
    assert_non_null(strstr(text, "xx@b.test>;"));
    mem_free(&text);
    big[893] = 'x';
    memcpy(big + 894, "@b.test", 8);
    const char *const unshown[] = {big, "", "\xc3\xa4@b.test", "a b@b.test", "u@b.test>; x"};
    for (size_t i = 0; i < COUNT(unshown); i++) {
        t.recipient = unshown[i];
        text = trace(&t);
        assert_null(strstr(text, "for"));
        mem_free(&text);
    }
    t.recipient = "\"a b\"@b.test";
    text = trace(&t);
    assert_non_null(strstr(text, "\tfor <\"a b\"@b.test>;\r\n"));
    mem_free(&text);
}

static void overflow_is_the_buffers_business(void **state)
{
    (void)state;
    struct header_trace t = sample();
    struct buf out = BUF_INIT(50);
    header_trace_add(&out, &t);
    assert_true(out.overflow);
    buf_free(&out);
}

static void own_trace_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *value, *by;
        bool own;
    } cases[] = {
        {"by mx.b.test (pontoon) with ESMTP id x; date", "mx.b.test", true},
        {" from a (b [1.2.3.4])\n\tby MX.b.test (pontoon)\n\twith SSMP id x;\n\tdate", "mx.b.test", true},
        {"from a by mx.b.test (pontoon) id x; date", NULL, true},
        {"from a by mx.b.test (pontoon) id x; date", "other.test", false},
        {"from a by mx.b.test (Postfix) id x; date", "mx.b.test", false},
        {"from a by mx.b.test (Postfix) (pontoon) id x; date", "mx.b.test", false},
        {"from a by mx.b.test with (pontoon) id x; date", "mx.b.test", false},
        /* A client that calls itself our host at an MTA that lets it. */
        {"from by mx.b.test (pontoon) ([1.2.3.4]) by other.test (Postfix) id x; date", "mx.b.test", false},
        {"from by mx.b.test (pontoon) x by other.test; date", "mx.b.test", false},
        {"from a (by mx.b.test (pontoon)) by other.test (Postfix) id x; date", "mx.b.test", false},
        {"from a (\\) by mx.b.test (pontoon) ) by other.test (Postfix); date", NULL, false},
        {"from \"x by mx.b.test (pontoon) \" by other.test; date", NULL, false},
        {"from a by other.test; by mx.b.test (pontoon) date", NULL, false},
        {"from by (x [1.2.3.4]) by mx.b.test (pontoon) id x; date", "mx.b.test", true},
        {"from a by mx.b.test(pontoon)id x; date", "mx.b.test", true},
        {"from \"a ; (\\\" \" by mx.b.test (pontoon) id x; date", "mx.b.test", true},
        {"", NULL, false},
        {"by", NULL, false},
        {"by mx.b.test", NULL, false},
        {"by mx.b.test (pontoon", NULL, false},
        {"(((((", NULL, false},
        {"\"\\", NULL, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (header_is_own_trace(cases[i].value, cases[i].by) != cases[i].own)
            fail_msg("%s", cases[i].value);
    }
}

static void check_find(const char *message, const char *name, const char *want)
{
    /* An exact copy, so that the sanitizer sees a read behind the end. */
    size_t len = strlen(message);
    char *copy = mem_dup(message, len);
    char out[40];
    bool found = header_find(copy, len, name, out, sizeof out);
    if (found != (want != NULL) || strcmp(out, want != NULL ? want : "") != 0)
        fail_msg("%s in \"%s\": \"%s\"", name, message, out);
    mem_free(&copy);
}

static void headers_are_found(void **state)
{
    (void)state;
    check_find("A: 1\r\nMessage-ID: <x@y>\r\n\r\nbody", "message-id", "<x@y>");
    check_find("A: 1\nMessage-Id:<x@y>\n\nbody", "Message-ID", "<x@y>");
    check_find("Message-ID:\r\n\t<x@y>  \r\nB: 2\r\n", "Message-ID", "<x@y>");
    check_find("Subject: a\r\n b\r\n\tc\r\nB: 2\r\n", "Subject", "a b\tc");
    check_find("Subject : a", "Subject", "a");
    check_find("Subject: one\nSubject: two\n", "Subject", "one");
    check_find("Subject:", "Subject", "");
    check_find("Subject:\r\n\r\nbody", "Subject", "");
    check_find("Subject: a\r\n \r\n b\r\n\r\n", "Subject", "a  b");
    check_find("Subject: a\rb\r\n", "Subject", "a\rb");
    check_find("Subject: 0123456789012345678901234567890123456789", "Subject",
               "012345678901234567890123456789012345678");
    check_find("From x\nSubject: a\n", "Subject", "a");
    check_find("A: 1\n\nSubject: a\n", "Subject", NULL);
    check_find("A: 1\r\n\r\nSubject: a\n", "Subject", NULL);
    check_find("\r\nSubject: a\n", "Subject", NULL);
    check_find("\nSubject: a\n", "Subject", NULL);
    check_find("A: 1\r\n Subject: a\r\n", "Subject", NULL);
    check_find("Subjects: a\r\n", "Subject", NULL);
    check_find("Subjec", "Subject", NULL);
    check_find("Subject", "Subject", NULL);
    check_find("Subject x: a", "Subject", NULL);
    check_find("", "Subject", NULL);
    char out[4];
    assert_true(header_find("A: b\0c\n", 7, "A", out, sizeof out));
    assert_string_equal(out, "b?c");
}

static void queue_ids(void **state)
{
    (void)state;
    static const struct {
        const char *value, *id;
    } cases[] = {
        {" from x (y [127.0.0.1])\r\n\tby mx.a.test (Postfix) with ESMTPS id 4ABC12\r\n\tfor <b@b.test>; Tue, 24 Nov",
         "4ABC12"},
        {" from id (id 1) by mx.exim.test with esmtp (Exim 4.96)\r\n\t(envelope-from <a@a.test>)\r\n\tid 1xW5nK-00086R-3A;",
         "1xW5nK-00086R-3A"},
        {" by mx (id 7) with ESMTP; id 9", NULL},
        {" by mx with ESMTP id <x@y>;", NULL},
        {" by mx with ESMTP id", NULL},
        {" by mx id 12345678901234567890;", NULL}, /* no room */
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char id[20];
        assert_int_equal(header_received_id(cases[i].value, id, sizeof id), cases[i].id != NULL);
        if (cases[i].id != NULL)
            assert_string_equal(id, cases[i].id);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates),
        cmocka_unit_test(queue_ids),
        cmocka_unit_test(trace_forms),
        cmocka_unit_test(long_names_fold),
        cmocka_unit_test(hostile_values_are_harmless),
        cmocka_unit_test(recipient_is_right_or_absent),
        cmocka_unit_test(overflow_is_the_buffers_business),
        cmocka_unit_test(own_trace_is_known),
        cmocka_unit_test(headers_are_found),
    };
    set_zone("UTC0");
    return test_run("header", tests);
}
