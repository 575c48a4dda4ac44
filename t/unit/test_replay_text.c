/* pontoon-replay's pure parts: mailboxes, content, names, addresses, mapping, tokens, pace. */
#include "t/unit/test.h"

#include "ctl/replay/addresses.h"
#include "ctl/replay/comparison.h"
#include "ctl/replay/content.h"
#include "ctl/replay/mapping.h"
#include "ctl/replay/mbox.h"
#include "ctl/replay/milter_script.h"
#include "ctl/replay/names.h"
#include "ctl/replay/pace.h"
#include "ctl/replay/token.h"
#include "lib/mem.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- mailboxes ---- */

#define FROM_A "From a@a.test Thu Nov 26 10:00:00 2026\n"
#define FROM_B "From b@b.test Fri Nov 27 11:00 2026\n"

static void from_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool is;
    } cases[] = {
        {FROM_A, true},
        {FROM_B, true},
        {"From MAILER-DAEMON Thu Nov 26 10:00:00 2026", true},
        {"From here on it is different\n", false},
        {">From a@a.test Thu Nov 26 10:00:00 2026\n", false},
        {"from a@a.test Thu Nov 26 10:00:00 2026\n", false},
        {"From: a@a.test 10:00\n", false},
        {"From ", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(mbox_is_from_line(cases[i].line, strlen(cases[i].line)), cases[i].is);
}

/* Cuts `text`, giving it `step` bytes more at a time; the messages, unquoted and joined by "|". */
static char *cut(enum mbox_kind kind, const char *text, size_t step, bool *bad_r)
{
    struct buf out = BUF_INIT(100000);
    size_t len = strlen(text), begin = 0;
    *bad_r = false;
    while (begin < len) {
        struct mbox_message m;
        size_t seen = 0, have = 0;
        bool last = false;
        do {
            have = have + step < len - begin ? have + step : len - begin;
            last = have == len - begin;
        } while (!mbox_find_end(kind, text + begin, have, last, &seen, &m));
        if (begin > 0)
            buf_add_char(&out, '|');
        mbox_unquote(kind, text + begin + m.from_len, m.end - m.from_len, &out);
        *bad_r = *bad_r || m.bad_length;
        begin += m.next;
    }
    return buf_take(&out);
}

static void mailboxes(void **state)
{
    (void)state;
    static const struct {
        enum mbox_kind kind;
        const char *text, *messages;
        bool bad;
    } cases[] = {
        {MBOX_O, FROM_A "S: 1\n\nx\n\n" FROM_B "S: 2\n\ny\n", "S: 1\n\nx\n|S: 2\n\ny\n", false},
        {MBOX_O, FROM_A "S: 1\n\n>From x\n>>From y\n\n", "S: 1\n\nFrom x\n>>From y\n", false},
        {MBOX_RD, FROM_A "S: 1\n\n>From x\n>>From y\n> From\n", "S: 1\n\nFrom x\n>From y\n> From\n", false},
        {MBOX_CL2, FROM_A "Content-Length: 44\n\nFrom b@b.test Fri Nov 27 11:00 2026\n>From x\n\n" FROM_B "S: 2\n\ny\n",
         "Content-Length: 44\n\nFrom b@b.test Fri Nov 27 11:00 2026\n>From x\n|S: 2\n\ny\n", true},
        {MBOX_CL, FROM_A "Content-Length: 8\n\n>From x\n\n" FROM_B "Content-Length: 2\n\ny\n",
         "Content-Length: 8\n\nFrom x\n|Content-Length: 2\n\ny\n", false},
        {MBOX_CL, FROM_A "Content-Length: 3\n\nlonger\n\n" FROM_B "Content-Length: 2\n\ny\n",
         "Content-Length: 3\n\nlonger\n|Content-Length: 2\n\ny\n", true},
        {MBOX_O, FROM_A "S: 1\r\n\r\nx\r\n\r\n" FROM_B "S: 2\r\n\r\ny\r\n", "S: 1\r\n\r\nx\r\n|S: 2\r\n\r\ny\r\n",
         false},
        {MBOX_O, FROM_A "S: 1\n\nFrom here on\n" FROM_B "\n", "S: 1\n\nFrom here on\n|\n", false},
        {MBOX_O, FROM_A "S: no end", "S: no end", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t step = 1; step < 200; step += 13) {
            bool bad;
            char *got = cut(cases[i].kind, cases[i].text, step, &bad);
            assert_string_equal(got, cases[i].messages);
            assert_int_equal(bad, cases[i].bad);
            mem_free(&got);
        }
    }
}

static void detection(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mbox_kind kind;
    } cases[] = {
        {FROM_A "S: 1\n\nx\n", MBOX_O},
        {FROM_A "S: 1\n\n>From x\n", MBOX_O},
        {FROM_A "S: 1\n\n>>From x\n", MBOX_RD},
        {FROM_A "Content-Length: 2\n\nx\n\n" FROM_B "Content-Length: 2\n\ny\n", MBOX_CL2},
        {FROM_A "Content-Length: 8\n\n>From x\n\n" FROM_B "Content-Length: 2\n\ny\n", MBOX_CL},
        {FROM_A "Content-Length: 7\n\nFrom x\n\n" FROM_B "Content-Length: 2\n\ny\n", MBOX_CL2},
        {FROM_A "Content-Length: 99\n\nx\n\n" FROM_B "Content-Length: 2\n\ny\n", MBOX_O},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(mbox_kind_name(mbox_detect(cases[i].text, strlen(cases[i].text))),
                            mbox_kind_name(cases[i].kind));
    enum mbox_kind kind;
    assert_true(mbox_kind_parse("mboxcl2", &kind));
    assert_int_equal(kind, MBOX_CL2);
    assert_false(mbox_kind_parse("mbox9", &kind));
}

/* ---- content and names ---- */

static void contents(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wire, *reason;
        unsigned notes;
    } cases[] = {
        {"S: 1\n\nx\n", "S: 1\r\n\r\nx\r\n", NULL, 0},
        {"S: 1\r\n\r\nx\r\n", "S: 1\r\n\r\nx\r\n", NULL, 0},
        {"S: 1\r\n\r\nx\ny\r\n", NULL, "a bare LF at byte 9", 0},
        {"S: 1\n\r\nx\n", "S: 1\r\n\r\nx\r\n", NULL, CONTENT_MIXED_LINE_ENDS},
        {"S: 1\n\nx", "S: 1\r\n\r\nx\r\n", NULL, CONTENT_NO_LAST_LINE_END},
        {"S: 1\n\nx\ry\n", "S: 1\r\n\r\nx\ry\r\n", NULL, CONTENT_BARE_CR},
        {"S: \xe9\n\n", "S: \xe9\r\n\r\n", NULL, CONTENT_EIGHT_BIT},
        {"S: 1\n", "S: 1\r\n", NULL, CONTENT_HEADER_ONLY},
        {"", NULL, "it is empty", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = BUF_INIT(1000);
        unsigned notes;
        char why[120];
        const char *reason = content_to_wire(cases[i].text, strlen(cases[i].text), &out, &notes, why);
        if (cases[i].reason != NULL) {
            assert_non_null(reason);
            assert_memory_equal(reason, cases[i].reason, strlen(cases[i].reason));
        } else {
            assert_null(reason);
            assert_string_equal(buf_str(&out), cases[i].wire);
            assert_int_equal(notes, cases[i].notes);
        }
        buf_free(&out);
    }
    for (unsigned bit = 0; bit < CONTENT_NOTES; bit++)
        assert_string_not_equal(content_note_name(1u << bit), "");
}

static void file_names(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum name_kind kind;
    } cases[] = {
        {"Maildir/new/1700000000.M1P2.host", NAME_MESSAGE},
        {"Maildir/.Sent/cur/1700000000.M1P2.host:2,S", NAME_MESSAGE},
        {"Maildir/tmp/1700000000.M1P2.host", NAME_NO_MAIL},
        {"Maildir/dovecot.index.log", NAME_NO_MAIL},
        {"Maildir/.Sent/maildirfolder", NAME_NO_MAIL},
        {"mh/inbox/17", NAME_MESSAGE},
        {"mh/inbox/.mh_sequences", NAME_NO_MAIL},
        {"mh/inbox/,17", NAME_NO_MAIL},
        {"a/b/letter.EML", NAME_MESSAGE},
        {"archive.mbox", NAME_MAIL},
        {"/tmp/mail.mbox", NAME_MAIL},
        {"tmp/sent", NAME_MAIL},
        {"inbox", NAME_MAIL},
        {"pictures/x.jpg", NAME_NO_MAIL},
        {"knew/x", NAME_MAIL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (name_kind_of(cases[i].path) != cases[i].kind)
            fail_msg("%s: %d", cases[i].path, (int)name_kind_of(cases[i].path));
    }
}

/* ---- addresses and mapping ---- */

static void join(void *arg, const char *address)
{
    buf_printf(arg, "%s ", address);
}

static void address_lists(void **state)
{
    (void)state;
    static const struct {
        const char *value, *addresses;
    } cases[] = {
        {"a@a.test", "a@a.test "},
        {"A B <a@a.test>, b@b.test", "a@a.test b@b.test "},
        {"\"Doe, John <x@x.test>\" <j@a.test>", "j@a.test "},
        {"j@a.test (John (the first), <y@y.test>)", "j@a.test "},
        {"friends: a@a.test, B <b@b.test>;, c@c.test", "a@a.test b@b.test c@c.test "},
        {"undisclosed-recipients:;", ""},
        {"\"a b\"@a.test", "\"a b\"@a.test "},
        {"<a@a.test", ""},
        {"nobody, <>, @a.test", ""},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = BUF_INIT(1000);
        addresses_each(cases[i].value, join, &out);
        assert_string_equal(buf_str(&out), cases[i].addresses);
        buf_free(&out);
    }
}

/* "sender>rcpt rcpt", or the error. */
static size_t left_out;
static const char *envelope_of(const struct mapping *m, const char *message, const char *from_sender, uint64_t number)
{
    static char text[1000];
    struct envelope e;
    struct error err;
    envelope_init(&e);
    if (mapping_envelope(m, message, strlen(message), from_sender, number, &e, &left_out, &err) != RESULT_OK) {
        snprintf(text, sizeof text, "%s", err.text);
    } else {
        int n = snprintf(text, sizeof text, "%s>", e.sender);
        for (size_t i = 0; i < e.nrcpts; i++)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", i > 0 ? " " : "", e.rcpts[i].address);
    }
    envelope_free(&e);
    return text;
}

static const char message[] = "Return-Path: <r@a.test>\r\nDelivered-To: d@b.test\r\nFrom: f@a.test\r\n"
                              "To: T <t@b.test>, u@foreign.test\r\nCc: c@b.test\r\n\r\nx\r\n";
static const char plain[] = "From: f@a.test\r\nTo: T <t@b.test>, u@foreign.test\r\nCc: c@b.test\r\n\r\nx\r\n";

static void envelopes(void **state)
{
    (void)state;
    struct mapping *m = mapping_new();
    assert_non_null(strstr(envelope_of(m, message, "", 1), "give --from"));
    assert_int_equal(mapping_allow(m, "a.test", NULL), RESULT_OK);
    assert_non_null(strstr(envelope_of(m, message, "", 1), "no recipient is at a domain that you named"));
    assert_int_equal(mapping_allow(m, "b.test", NULL), RESULT_OK);
    assert_string_equal(envelope_of(m, message, "", 1), "r@a.test>d@b.test");
    assert_string_equal(envelope_of(m, plain, "", 1), "f@a.test>t@b.test c@b.test");
    assert_int_equal(left_out, 1);
    assert_string_equal(envelope_of(m, plain, "m@a.test", 1), "m@a.test>t@b.test c@b.test");
    assert_non_null(strstr(envelope_of(m, plain, "m@foreign.test", 1), "<m@foreign.test> is at no domain"));
    assert_string_equal(envelope_of(m, "Return-Path: <>\r\nTo: t@b.test\r\n\r\n", "", 1), ">t@b.test");
    assert_non_null(strstr(envelope_of(m, "From: f@a.test\r\n\r\n", "", 1), "names no recipient"));
    mapping_set_max_rcpts(m, 1);
    assert_string_equal(envelope_of(m, plain, "", 1), "f@a.test>t@b.test");
    mapping_free(&m);
}

static void maps(void **state)
{
    (void)state;
    struct mapping *m = mapping_new();
    assert_int_equal(mapping_add(m, "t@b.test=new@x.test", false, NULL), RESULT_OK);
    assert_int_equal(mapping_add(m, "foreign.test=y.test", false, NULL), RESULT_OK);
    assert_int_equal(mapping_add(m, "*=z.test", false, NULL), RESULT_OK);
    assert_int_equal(mapping_add(m, "*=s@x.test", true, NULL), RESULT_OK);
    assert_string_equal(envelope_of(m, plain, "", 1), "s@x.test>new@x.test u@y.test c@z.test");
    assert_int_equal(mapping_spread(m, "3=d%.x.test", NULL), RESULT_OK);
    assert_string_equal(envelope_of(m, plain, "", 4), "s@x.test>new@d2.x.test u@d2.x.test c@d2.x.test");
    mapping_free(&m);
    m = mapping_new();
    assert_int_equal(mapping_add(m, "*=.x.test", false, NULL), RESULT_OK);
    assert_int_equal(mapping_add(m, "*=.x.test", true, NULL), RESULT_OK);
    assert_string_equal(envelope_of(m, plain, "", 1),
                        "f@a.test.x.test>t@b.test.x.test u@foreign.test.x.test c@b.test.x.test");
    mapping_free(&m);
    m = mapping_new();
    assert_int_equal(mapping_set_sender(m, "<>", NULL), RESULT_OK);
    assert_int_equal(mapping_add_rcpt(m, "r@b.test", NULL), RESULT_OK);
    assert_string_equal(envelope_of(m, plain, "", 1), ">r@b.test");
    static const char *const bad[] = {"a@a.test", "=b", "a=", "a=b c@x", "a=nodomain"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(mapping_add(m, bad[i], false, NULL), RESULT_PERM);
    static const char *const bad_spreads[] = {"0=d%.x.test", "5=d.x.test", "x", "5", "5=%", "9999999999=d%.x.test"};
    for (size_t i = 0; i < COUNT(bad_spreads); i++)
        assert_int_equal(mapping_spread(m, bad_spreads[i], NULL), RESULT_PERM);
    assert_int_equal(mapping_allow(m, "no domain", NULL), RESULT_PERM);
    mapping_free(&m);
}

static void domains_below(void **state)
{
    (void)state;
    struct mapping *m = mapping_new();
    mapping_set_sender(m, "s@a.test", NULL);
    mapping_allow(m, ".b.test", NULL);
    assert_string_equal(envelope_of(m, "To: t@sub.b.test, u@b.test, v@notb.test\r\n\r\n", "", 1),
                        "s@a.test>t@sub.b.test");
    mapping_free(&m);
}

/* Addresses that name more than the domain behind the last "@". */
static void routes(void **state)
{
    (void)state;
    static const char mail[] =
        "From: f@b.test\r\nTo: u%foreign.test@b.test, foreign.test!u@b.test, \"u@foreign.test\"@b.test,"
        " @b.test:u@foreign.test, u@[192.0.2.1], u@b.test.foreign.test, u@notb.test, u@b.test@foreign.test,"
        " u, good@B.Test\r\n\r\n";
    struct mapping *m = mapping_new();
    mapping_allow(m, "b.test", NULL);
    assert_string_equal(envelope_of(m, mail, "", 1), "f@b.test>good@B.Test");
    assert_non_null(
        strstr(envelope_of(m, mail, "u%foreign.test@b.test", 1), "<u%foreign.test@b.test> is at no domain"));
    mapping_add(m, "*=c.test", false, NULL);
    assert_null(strstr(envelope_of(m, mail, "", 1), "%"));
    mapping_spread(m, "3=d%.c.test", NULL);
    assert_null(strstr(envelope_of(m, mail, "", 1), "foreign"));
    mapping_free(&m);
    m = mapping_new();
    mapping_set_sender(m, "<>", NULL);
    mapping_add_rcpt(m, "u%foreign.test@b.test", NULL); /* the user's own word */
    assert_string_equal(envelope_of(m, mail, "", 1), ">u%foreign.test@b.test");
    mapping_free(&m);
}

/* ---- two ways ---- */

static char *pair(struct comparison *c, uint8_t byte, const char *first, const char *second, msec_t took)
{
    const struct comparison_side a = {"plain", {1}, (char *)first, 100}, b = {"pontoon", {byte}, (char *)second, took};
    return comparison_add(c, &a, &b);
}

static void expect_pair(struct comparison *c, uint8_t byte, const char *first, const char *second, msec_t took,
                        const char *what)
{
    char *said = pair(c, byte, first, second, took);
    if (what == NULL)
        assert_null(said);
    else
        assert_string_equal(said, what);
    mem_free(&said);
}

static void comparisons(void **state)
{
    (void)state;
    static const char pass[] = "Authentication-Results: mx; dkim=pass header.d=a.test; spf=none\nX-Spam: No\n",
                      other[] = "X-Spam: No\nAuthentication-Results: mx; dkim=pass header.d=a.test; spf=pass\n",
                      fail[] = "X-Spam: No\nAuthentication-Results: mx; spf=none; dkim=fail header.d=a.test\n";
    struct comparison c = {0};
    expect_pair(&c, 1, pass, pass, 130, NULL);
    expect_pair(&c, 1, "", "", 90, NULL);
    expect_pair(&c, 2, "", "", 100, "the bytes that arrived differ");
    expect_pair(&c, 1, pass, fail, 100,
                "by plain, not by pontoon: Authentication-Results: mx; dkim=pass header.d=a.test; spf=none");
    expect_pair(&c, 1, pass, other, 100,
                "by plain, not by pontoon: Authentication-Results: mx; dkim=pass header.d=a.test; spf=none");
    expect_pair(&c, 1, "X-Spam: No\n", "X-Spam: No\nx-spam: No\nX-Spam: No\n", 100,
                "by pontoon, not by plain: X-Spam: No");
    assert_int_equal(c.pairs, 6);
    assert_int_equal(c.different, 4);
    assert_int_equal(c.bytes.same, 5);
    assert_int_equal(c.dkim.n, 3);
    assert_int_equal(c.dkim.same, 2);
    assert_int_equal(c.nfields, 2);
    assert_string_equal(c.fields[1].name, "X-Spam");
    assert_int_equal(c.fields[1].n, 4);
    assert_int_equal(c.fields[1].same, 3);
    assert_int_equal(c.later.n, 5);
    assert_int_equal(c.later.max, 30);
    assert_int_equal(c.earlier.n, 1);
    assert_int_equal(c.earlier.max, 10);
}

/* ---- tokens ---- */

static const struct token_watch nothing = {NULL, 0};

static void tokens(void **state)
{
    (void)state;
    static const char *const names[] = {"X-Spam-Status"};
    const struct token_watch spam = {names, 1};
    const char *sent = "Subject: x\r\nX-Spam-Status: old\r\n\r\nbody\r\n";
    const char *behind = "Subject: x\r\nX-Spam-Status: old\r\nX-Spam-Status: Yes,\r\n score=9\r\n\r\nbody\r\n";
    uint8_t digest[DIGEST_SIZE];
    char field[TOKEN_FIELD_MAX];
    token_field("abcdefghijkl", 17, field);
    char *arrived = mem_printf("Return-Path: <>\r\nReceived: from a by b;\r\n Thu, 26 Nov 2026 10:00:07 +0200\r\n"
                               "Received: from x by a; Thu, 26 Nov 2026 08:00:05 +0000 (UTC)\r\n"
                               "Authentication-Results: b; dkim=pass\r\n%s%s",
                               field, behind);
    struct token_arrival a;
    token_read(arrived, strlen(arrived), "abcdefghijkl", &spam, &a);
    assert_true(a.found);
    assert_int_equal(a.copy, 17);
    assert_int_equal(a.rest_len, strlen(behind));
    assert_int_equal(a.nhops, 2);
    assert_int_equal(a.hops[1] - a.hops[0], 2000);
    assert_string_equal(buf_str(&a.watched),
                        "Authentication-Results: b; dkim=pass\nX-Spam-Status: old\nX-Spam-Status: Yes, score=9\n");
    token_digest(sent, strlen(sent), &spam, digest);
    assert_true(digest_equal(a.digest, digest));
    token_digest(sent, strlen(sent), &nothing, digest);
    assert_false(digest_equal(a.digest, digest));
    size_t rest_len;
    char *rest = token_without_watched(a.rest, a.rest_len, &spam, &rest_len);
    assert_int_equal(rest_len, strlen("Subject: x\r\n\r\nbody\r\n"));
    assert_memory_equal(rest, "Subject: x\r\n\r\nbody\r\n", rest_len);
    mem_free(&rest);
    assert_memory_equal(arrived + token_above(arrived, strlen(arrived)), "X-Pontoon-Replay:", 17);
    assert_int_equal(token_above("A: b\nC: d\n\nX-Pontoon-Replay: x\n", 32), 10);
    token_arrival_free(&a);
    token_read(arrived, strlen(arrived), "other run...", &nothing, &a);
    assert_false(a.found);
    token_arrival_free(&a);
    mem_free(&arrived);
}

/* A body that has the token's text, or a message without a header: never taken for it. */
static void no_tokens(void **state)
{
    (void)state;
    static const char *const messages[] = {"Subject: x\r\n\r\nX-Pontoon-Replay: run-1\r\n",
                                           "no header\r\n",
                                           "",
                                           "X-Pontoon-Replay: run-\r\n",
                                           "X-Pontoon-Replay: run-1x\r\n",
                                           ": \r\nX-Pontoon-Replay: run-1\r\n"};
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct token_arrival a;
        token_read(messages[i], strlen(messages[i]), "run", &nothing, &a);
        assert_false(a.found);
        token_arrival_free(&a);
    }
}

static void differences(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *arrived, *text;
    } cases[] = {
        {"a\r\nbc\r\n", "a\r\nbc\r\n", ""},
        {"a\r\nbc\r\n", "a\r\nbX\r\n", "byte 4 (line 2): sent \"bc\\r\\n\", arrived \"bX\\r\\n\""},
        {"a\r\nbc\r\n", "a\r\n", "byte 3 (line 2): 4 bytes are missing at the end, from \"bc\\r\\n\""},
        {"a\r\n", "a\r\n\x01\"", "byte 3 (line 2): 2 bytes more at the end: \"\\x01\\x22\""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out = BUF_INIT(1000);
        token_first_difference(cases[i].sent, strlen(cases[i].sent), cases[i].arrived, strlen(cases[i].arrived), &out);
        assert_string_equal(buf_str(&out), cases[i].text);
        buf_free(&out);
    }
}

/* ---- pace ---- */

static void rates(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, &(struct pace_options){.rate = 10}, 1000);
    for (int i = 0; i < 50; i++)
        assert_int_equal(pace_next(&p, 0), 1000 + i * 100);
    pace_resume(&p, 8000); /* it was 5900's turn: nothing is made up for */
    assert_int_equal(pace_next(&p, 0), 8100);
    pace_init(&p, &(struct pace_options){0}, 1000);
    assert_int_equal(pace_next(&p, 0), 1000);
    assert_int_equal(pace_next(&p, 0), 1000);
}

/* After the ramp's 10 s half of what the full rate gives is out; then the rate is full. */
static void ramp(void **state)
{
    (void)state;
    struct pace p;
    msec_t due = 0, before = 0;
    pace_init(&p, &(struct pace_options){.rate = 100, .ramp = 10000}, 0);
    int n = 0;
    while ((due = pace_next(&p, 0)) < 10000) {
        assert_true(due >= before);
        before = due;
        n++;
    }
    assert_in_range(n, 499, 501);
    for (int i = 0; i < 100; i++)
        due = pace_next(&p, 0);
    assert_in_range(due, 10990, 11010);
}

static void own_times(void **state)
{
    (void)state;
    struct pace p;
    pace_init(&p, &(struct pace_options){.compress = 60, .gap_max = 5000}, 100);
    assert_int_equal(pace_next(&p, 3600000), 100);
    assert_int_equal(pace_next(&p, 3660000), 1100);
    assert_int_equal(pace_next(&p, 0), 1100);       /* unknown */
    assert_int_equal(pace_next(&p, 3650000), 1100); /* it went back */
    assert_int_equal(pace_next(&p, 99999999), 6100);
}

static void dates(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        msec_t time;
    } cases[] = {
        {"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\n", 1795687200000},
        {"Date: 26 Nov 2026 12:00:00 +0200 (later)\r\n\r\n", 1795687200000},
        {"Received: from x by y;\r\n Thu, 26 Nov 2026 10:00:05 +0000\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\n",
         1795687205000},
        {"Received: by y\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n\r\n", 1795687200000},
        {"Date: yesterday\r\n\r\n", 0},
        {"Subject: x\r\n\r\nDate: Thu, 26 Nov 2026 10:00:00 +0000\r\n", 0},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(token_time(cases[i].message, strlen(cases[i].message)), cases[i].time);
}

/* ---- scripts for milters ---- */

static void milter_scripts(void **state)
{
    (void)state;
    struct milter_script *s;
    struct error err;
    size_t n = 0;
    for (const char *name; (name = milter_script_name(n)) != NULL; n++) {
        assert_int_equal(milter_script_parse(name, milter_script_text(name), &s, &err), RESULT_OK);
        assert_true(s->n >= 2);
        milter_script_free(&s);
    }
    assert_true(n >= 28);
    assert_null(milter_script_text("none"));
    assert_int_equal(
        milter_script_parse("f", "mta sendmail\n\n# x\n connect a 192.0.2.1 25 # y\nmail <a@a.test> SIZE=1\nquit", &s,
                            &err),
        RESULT_OK);
    assert_int_equal(s->mta, MILTER_SENDMAIL);
    assert_int_equal(s->n, 3);
    assert_int_equal(s->steps[1].verb, MILTER_DO_MAIL);
    assert_int_equal(s->steps[1].n, 2);
    assert_string_equal(s->steps[1].arguments[1], "SIZE=1");
    milter_script_free(&s);
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "f: no steps"},
        {"quit\nsing", "f:2: no step \"sing\""},
        {"connect a", "f:1: \"connect\" takes 2 to 3 arguments"},
        {"data now", "f:1: \"data\" takes 0 to 0 arguments"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(milter_script_parse("f", bad[i].text, &s, &err), RESULT_PERM);
        assert_string_equal(err.text, bad[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_lines), cmocka_unit_test(mailboxes),  cmocka_unit_test(detection),
        cmocka_unit_test(contents),   cmocka_unit_test(file_names), cmocka_unit_test(address_lists),
        cmocka_unit_test(envelopes),  cmocka_unit_test(maps),       cmocka_unit_test(domains_below),
        cmocka_unit_test(tokens),     cmocka_unit_test(no_tokens),  cmocka_unit_test(differences),
        cmocka_unit_test(rates),      cmocka_unit_test(ramp),       cmocka_unit_test(milter_scripts),
        cmocka_unit_test(own_times),  cmocka_unit_test(routes),     cmocka_unit_test(comparisons),
        cmocka_unit_test(dates),
    };
    return test_run("replay_text", tests);
}
