/* The LMTP server without sockets and without a store: commands, dots, headers, and the protocol machine. */
#include "t/unit/test.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/smtpd_command.h"
#include "lib/smtpd_dots.h"
#include "lib/smtpd_session.h"
#include "milter/lmtp_headers.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- commands ---- */

static const char *parse(const char *text, struct smtpd_command *c)
{
    static char line[SMTPD_LINE_MAX + 1];
    snprintf(line, sizeof line, "%s", text);
    return smtpd_command_parse(line, strlen(line), c);
}

static void good_commands(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum smtpd_verb verb;
        const char *argument, *path, *first;
    } cases[] = {
        {"LHLO mx.a.test", SMTPD_LHLO, "mx.a.test", NULL, NULL},
        {"lhlo mx.a.test  ", SMTPD_LHLO, "mx.a.test", NULL, NULL},
        {"MAIL FROM:<>", SMTPD_MAIL, NULL, "<>", NULL},
        {"mail from: <a@b.test> SIZE=1", SMTPD_MAIL, NULL, "<a@b.test>", "SIZE=1"},
        {"MAIL FROM:<\"a> b\"@b.test> BODY=7BIT", SMTPD_MAIL, NULL, "<\"a> b\"@b.test>", "BODY=7BIT"},
        {"MAIL FROM:<\"a\\\"> b\"@b.test>", SMTPD_MAIL, NULL, "<\"a\\\"> b\"@b.test>", NULL},
        {"RCPT TO:<a@b.test>   NOTIFY=NEVER", SMTPD_RCPT, NULL, "<a@b.test>", "NOTIFY=NEVER"},
        {"RCPT TO:<d\xc3\xb6@b.test>", SMTPD_RCPT, NULL, "<d\xc3\xb6@b.test>", NULL},
        {"DATA", SMTPD_DATA, "", NULL, NULL},
        {"data ", SMTPD_DATA, "", NULL, NULL},
        {"NOOP what ever", SMTPD_NOOP, "what ever", NULL, NULL},
        {"EHLO x", SMTPD_EHLO, "x", NULL, NULL},
        {"BDAT 5 LAST", SMTPD_NOT_OFFERED, NULL, NULL, NULL},
        {"DATAX", SMTPD_UNKNOWN, "", NULL, NULL},
        {"", SMTPD_UNKNOWN, "", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct smtpd_command c;
        assert_null(parse(cases[i].line, &c));
        assert_int_equal(c.verb, cases[i].verb);
        if (cases[i].argument != NULL)
            assert_string_equal(c.argument, cases[i].argument);
        if (cases[i].path != NULL)
            assert_string_equal(c.path, cases[i].path);
        if (cases[i].first != NULL)
            assert_string_equal(c.params[0], cases[i].first);
        else if (cases[i].path != NULL)
            assert_null(c.params[0]);
    }
}

static void bad_commands(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"MAIL FROM:a@b.test", "501 5.5.4"},
        {"MAIL FROM <a@b.test>", "501 5.5.4"},
        {"MAIL", "501 5.5.4"},
        {"MAIL FROM:<a@b.test", "501 5.5.4"},
        {"MAIL FROM:<a@b.test>x", "501 5.5.4"},
        {"RCPT TO:<a b@c>", "501 5.5.4"},
        {"RCPT TO:<\"a@b.test>", "501 5.5.4"},
        {"LHLO", "501 5.5.4"},
        {"DATA now", "501 5.5.4"},
        {"NOOP \t", "500 5.5.2"},
        {"NOOP \r x", "500 5.5.2"},
        {"NOOP \xff", "500 5.5.2"},
        {"MAIL FROM:<a@b.test> a b c d e f g h i j k l m n o p q", "501 5.5.4"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct smtpd_command c;
        const char *reply = parse(cases[i].line, &c);
        assert_non_null(reply);
        assert_memory_equal(reply, cases[i].reply, strlen(cases[i].reply));
    }
    char nul[] = "MAIL FROM:<a\0@b.test>";
    struct smtpd_command c;
    assert_non_null(smtpd_command_parse(nul, sizeof nul - 1, &c));
}

/* ---- dots ---- */

static char *decode(const char *in, size_t len, size_t step, bool *end_r, size_t *rest_r)
{
    struct smtpd_dots d = {.state = DOTS_LINE};
    struct buf out = BUF_INIT(100000);
    char piece[1001];
    size_t at = 0;
    *end_r = false;
    while (at < len && !*end_r) {
        size_t n = len - at < step ? len - at : step, out_len;
        char *copy = mem_dup(in + at, n); /* so that a sanitizer sees what is read beyond */
        at += smtpd_dots_decode(&d, copy, n, piece, &out_len, end_r);
        mem_free(&copy);
        assert_true(out_len <= n + 1);
        buf_add(&out, piece, out_len);
    }
    *rest_r = len - at;
    return buf_take(&out);
}

/* Whatever the pieces are that it comes in. */
static void dots(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        size_t rest; /* bytes behind the end; SIZE_MAX: no end */
    } cases[] = {
        {".\r\n", "", 0},
        {"a\r\n.\r\n", "a\r\n", 0},
        {"a\r\n..\r\n.\r\n", "a\r\n.\r\n", 0},
        {"..a\r\n.b\r\n.\r\n", ".a\r\nb\r\n", 0},
        {"a\r\n.\r\nMAIL", "a\r\n", 4},
        {"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", 0},
        {"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", 0},
        {"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", 0},
        {"a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", 0},
        {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", 0},
        {"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", 0},
        {"a\r\r\n.\r\n", "a\r\r\n", 0},
        {"a\r\n.\r", "a\r\n", SIZE_MAX},
        {"a.\r\n", "a.\r\n", SIZE_MAX},
        {"\r\n.\r\n", "\r\n", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t step = 1; step < 12; step++) {
            bool end;
            size_t rest;
            char *out = decode(cases[i].in, strlen(cases[i].in), step, &end, &rest);
            assert_string_equal(out, cases[i].out);
            assert_int_equal(end, cases[i].rest != SIZE_MAX);
            assert_int_equal(rest, end ? cases[i].rest : 0);
            mem_free(&out);
        }
    }
}

/* ---- headers ---- */

static char seen[4000];

static void see(void *arg, const char *name, const char *value)
{
    (void)arg;
    size_t n = strlen(seen);
    snprintf(seen + n, sizeof seen - n, "[%s|%.100s]", name, value);
}

static void show_headers(const char *text, size_t len, size_t step)
{
    struct lmtp_headers h;
    seen[0] = '\0';
    lmtp_headers_init(&h, see, NULL);
    for (size_t at = 0; at < len; at += step)
        lmtp_headers_add(&h, text + at, len - at < step ? len - at : step);
    lmtp_headers_end(&h);
    lmtp_headers_free(&h);
}

static void headers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *seen;
    } cases[] = {
        {"", ""},
        {"\r\nA: b\r\n", ""},
        {"A: b\r\n\r\nC: d\r\n", "[A| b]"},
        {"A: b\r\n c\r\n\td\r\nE:f\r\n\r\n", "[A| b\r\n c\r\n\td][E|f]"},
        {"A : b\r\nno header\r\nC: d\r\n", "[A| b]"},
        {"A: b\r\nC: d", "[A| b][C| d]"},
        {" begins: blank\r\nA: b\r\n", "[ begins| blank][A| b]"},
        {"A: b\rc\nd\r\n", "[A| b\rc\nd]"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t step = 1; step < 9; step++) {
            show_headers(cases[i].text, strlen(cases[i].text), step);
            assert_string_equal(seen, cases[i].seen);
        }
    }
    size_t big = 3 * LMTP_HEADER_MAX;
    char *text = mem_alloc(big + 7);
    memset(text, 'x', big);
    memcpy(text, "A:", 2);
    memcpy(text + big, "\r\nB:c\r\n", 7);
    show_headers(text, big + 7, 5000);
    assert_memory_equal(seen, "[A|xxx", 6); /* its beginning */
    assert_non_null(strstr(seen, "[B|c]"));
    mem_free(&text);
}

/* ---- the protocol machine ---- */

static char story[4000];
static struct smtpd_session *s;
static struct buf out = BUF_INIT(100000);
static const char *refuse_rcpt;

static void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *fmt, ...)
{
    size_t n = strlen(story);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(story + n, sizeof story - n, fmt, ap);
    va_end(ap);
}

static void hello(void *arg, const char *name)
{
    (void)arg;
    tell("hello %s.", name);
}

static const char *mail(void *arg, const char *path, char *const *params)
{
    (void)arg;
    tell("mail %s%s%s.", path, params[0] != NULL ? " " : "", params[0] != NULL ? params[0] : "");
    return NULL;
}

static const char *rcpt(void *arg, const char *path, char *const *params)
{
    (void)arg, (void)params;
    if (refuse_rcpt != NULL && strstr(path, refuse_rcpt) != NULL)
        return "550 5.1.1 Nobody";
    tell("rcpt %s.", path);
    return NULL;
}

static const char *begin(void *arg)
{
    (void)arg;
    tell("begin.");
    return NULL;
}

static void content(void *arg, const char *data, size_t len)
{
    (void)arg;
    tell("%.*s.", (int)len, data);
}

static void end(void *arg)
{
    (void)arg;
    tell("end.");
}

static const char *reply(void *arg, size_t i)
{
    static char text[50];
    (void)arg;
    snprintf(text, sizeof text, "250 2.0.0 number %zu", i);
    return text;
}

static void reset(void *arg)
{
    (void)arg;
    tell("reset.");
}

static enum smtpd_protocol protocol = SMTPD_LMTP; /* of what set_up() makes */

static int set_up(void **state)
{
    (void)state;
    const struct smtpd_limits limits = {
        .protocol = protocol, .hostname = "mx.a.test", .max_size = 1000, .max_rcpts = 3, .max_errors = 5};
    const struct smtpd_taker taker = {hello, mail, rcpt, begin, content, end, reply, reset, NULL};
    s = smtpd_session_new(&limits, &taker);
    story[0] = '\0';
    refuse_rcpt = NULL;
    return 0;
}

static int set_up_smtp(void **state)
{
    protocol = SMTPD_SMTP;
    int failed = set_up(state);
    protocol = SMTPD_LMTP;
    return failed;
}

static int tear_down(void **state)
{
    (void)state;
    smtpd_session_free(&s);
    buf_free(&out);
    return 0;
}

/* The replies to one line, and what comes next. */
static const char *answer(const char *text, enum smtpd_next *next_r)
{
    char line[SMTPD_LINE_MAX + 1];
    snprintf(line, sizeof line, "%s", text);
    buf_clear(&out);
    enum smtpd_next next = smtpd_session_command(s, line, strlen(line), &out);
    if (next_r != NULL)
        *next_r = next;
    return buf_str(&out);
}

#define EXPECT(line, begins) assert_memory_equal(answer((line), NULL), (begins), strlen(begins))

static void one_message(void **state)
{
    (void)state;
    enum smtpd_next next;
    assert_non_null(strstr(answer("LHLO client", NULL), "250-SIZE 1000\r\n"));
    assert_true(smtpd_session_must_wait(s));
    assert_non_null(strstr(buf_str(&out), "250 ENHANCEDSTATUSCODES\r\n"));
    assert_null(strstr(buf_str(&out), "CHUNKING"));
    EXPECT("MAIL FROM:<a@a.test> SIZE=1000", "250 2.1.0");
    assert_false(smtpd_session_must_wait(s));
    assert_false(smtpd_session_is_idle(s));
    refuse_rcpt = "nobody";
    EXPECT("RCPT TO:<b@b.test>", "250 2.1.5");
    EXPECT("RCPT TO:<nobody@b.test>", "550 5.1.1");
    EXPECT("RCPT TO:<c@b.test> NOTIFY=NEVER", "250 2.1.5");
    answer("DATA", &next);
    assert_int_equal(next, SMTPD_NEXT_DATA);
    assert_true(smtpd_session_must_wait(s));
    smtpd_session_content(s, "text", 4);
    buf_clear(&out);
    assert_int_equal(smtpd_session_end(s, &out), SMTPD_NEXT_COMMAND);
    assert_string_equal(buf_str(&out),
                        "250 2.0.0 number 0\r\n250 2.0.0 number 1\r\n"); /* one for each that was taken */
    assert_true(smtpd_session_is_idle(s));
    answer("QUIT", &next);
    assert_int_equal(next, SMTPD_NEXT_CLOSE);
    assert_string_equal(story,
                        "hello client.mail <a@a.test> SIZE=1000.rcpt <b@b.test>.rcpt <c@b.test>.begin.text.end.reset.");
}

/* The other protocol: its greetings, and one reply for all recipients. */
static void one_message_by_smtp(void **state)
{
    (void)state;
    EXPECT("LHLO client", "500 5.5.1 This is SMTP");
    EXPECT("MAIL FROM:<a@a.test>", "503 5.5.1 Say EHLO first");
    EXPECT("HELO", "501 5.5.4");
    EXPECT("HELO client", "250 ");
    assert_null(strstr(buf_str(&out), "SIZE"));
    EXPECT("EHLO client", "250-");
    assert_non_null(strstr(buf_str(&out), "250-SIZE 1000\r\n"));
    assert_true(smtpd_session_must_wait(s));
    EXPECT("MAIL FROM:<>", "250 ");
    EXPECT("RCPT TO:<b@b.test>", "250 ");
    EXPECT("RCPT TO:<c@b.test>", "250 ");
    EXPECT("DATA", "354 ");
    smtpd_session_content(s, "text", 4);
    buf_clear(&out);
    assert_int_equal(smtpd_session_end(s, &out), SMTPD_NEXT_COMMAND);
    assert_string_equal(buf_str(&out), "250 2.0.0 number 0\r\n");
}

static void order_and_limits(void **state)
{
    (void)state;
    EXPECT("MAIL FROM:<a@a.test>", "503 5.5.1");
    EXPECT("EHLO client", "500 5.5.1");
    EXPECT("LHLO client", "250-");
    EXPECT("RCPT TO:<b@b.test>", "503 5.5.1");
    EXPECT("DATA", "503 5.5.1");
    EXPECT("MAIL FROM:<a@a.test>", "250 ");
    EXPECT("RCPT TO:<b@b.test>", "250 ");
    EXPECT("RCPT TO:<c@b.test>", "250 ");
    EXPECT("RCPT TO:<d@b.test>", "250 ");
    EXPECT("RCPT TO:<e@b.test>", "452 4.5.3");
    EXPECT("RSET", "250 2.0.0");
    EXPECT("NOOP", "250 2.0.0");
    EXPECT("VRFY <b@b.test>", "252 2.0.0");
    enum smtpd_next next;
    answer("NONSENSE", &next); /* the fifth error */
    assert_non_null(strstr(buf_str(&out), "\r\n421 4.7.0"));
    assert_int_equal(next, SMTPD_NEXT_CLOSE);
}

static void no_valid_recipients(void **state)
{
    (void)state;
    refuse_rcpt = "b";
    answer("LHLO client", NULL);
    EXPECT("MAIL FROM:<a@a.test>", "250 ");
    EXPECT("RCPT TO:<b@b.test>", "550 ");
    EXPECT("DATA", "503 5.5.1");
    EXPECT("MAIL FROM:<x@a.test>", "503 5.5.1 Nested");
    EXPECT("LHLO again", "250-"); /* as RSET */
    EXPECT("MAIL FROM:<x@a.test>", "250 ");
}

static void envelopes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"MAIL FROM:<a@a.test> SIZE=1001", "552 5.3.4"},
        {"MAIL FROM:<a@a.test> SIZE=x", "501 5.5.4"},
        {"MAIL FROM:<a@a.test> BODY=BINARYMIME", "555 5.5.4"},
        {"MAIL FROM:<a@a.test> X=Y", "555 5.5.4"},
        {"MAIL FROM:<d\xc3\xb6@a.test>", "553 5.6.7"},
        {"RCPT TO:<>", "501 5.1.3"},
        {"RCPT TO:<d\xc3\xb6@a.test>", "553 5.6.7"},
        {"RCPT TO:<a@a.test> NOTIFY=SOON", "501 5.5.4"},
        {"RCPT TO:<a@a.test> X=Y", "555 5.5.4"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        answer("LHLO client", NULL);
        if (cases[i].line[0] == 'R')
            EXPECT("MAIL FROM:<a@a.test>", "250 ");
        EXPECT(cases[i].line, cases[i].reply);
        tear_down(NULL);
        set_up(NULL);
    }
    answer("LHLO client", NULL);
    EXPECT("MAIL FROM:<d\xc3\xb6@a.test> SMTPUTF8 RET=HDRS ENVID=x", "250 ");
    EXPECT("RCPT TO:<d\xc3\xb6@a.test> ORCPT=rfc822;x@y.test", "250 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_commands),
        cmocka_unit_test(bad_commands),
        cmocka_unit_test(dots),
        cmocka_unit_test(headers),
        cmocka_unit_test_setup_teardown(one_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_message_by_smtp, set_up_smtp, tear_down),
        cmocka_unit_test_setup_teardown(order_and_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_valid_recipients, set_up, tear_down),
        cmocka_unit_test_setup_teardown(envelopes, set_up, tear_down),
    };
    return test_run("lmtp", tests);
}
