/* DSNs: read by eye here, and by Python's email package where there is one. */
#include "t/unit/test.h"

#include <sys/wait.h>
#include <unistd.h>

#include "lib/dsn.h"
#include "lib/mem.h"
#include "lib/utf8.h"
#include "t/unit/temp_dir.h"

static const struct dsn_rcpt failed = {
    .address = "bob@b.test",
    .orcpt = "rfc822;bob+2Bx@b.test",
    .action = DSN_FAILED,
    .status = "5.1.1",
    .diagnostic = "550 5.1.1 <bob@b.test>: Recipient address rejected: User unknown in virtual mailbox table",
    .remote_mta = "bridge.b.test",
    .reason = "The mail system of the recipient refused it.",
    .last_attempt = 1700000000000,
};

static struct dsn sample(const struct dsn_rcpt *rcpts, size_t n)
{
    return (struct dsn){.hostname = "mail.a.test",
                        .from = "",
                        .id = "0123456789ABCDEFGHIJKLMNOP",
                        .queue_id = "4XyZ",
                        .sender = "alice@a.test",
                        .envid = "e+2B1",
                        .arrived = 1699990000000,
                        .now = 1700000001000,
                        .rcpts = rcpts,
                        .nrcpts = n};
}

static void write_all(struct buf *out, struct dsn *d, bool full, bool eight_bit, const char *original)
{
    buf_clear(out);
    dsn_write_begin(out, d, full, eight_bit);
    buf_add_str(out, original);
    dsn_write_end(out, d);
    assert_false(out->overflow);
}

static void assert_lines_fit(const struct buf *b, bool ascii)
{
    for (const char *p = buf_str(b); *p != '\0';) {
        const char *end = strstr(p, "\r\n");
        assert_non_null(end);
        assert_true(end - p <= 998);
        for (; p < end; p++) {
            assert_true(*p != '\r' && *p != '\n');
            assert_true(!ascii || (unsigned char)*p < 0x80);
        }
        p = end + 2;
    }
}

static void assert_has(const struct buf *b, const char *text)
{
    if (strstr(buf_str(b), text) == NULL)
        fail_msg("\"%s\" is not in:\n%s", text, buf_str(b));
}

static void says_what_happened(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn d = sample(&failed, 1);
    write_all(&b, &d, true, false, "Subject: x\r\n\r\nbody\r\n");
    assert_lines_fit(&b, true);
    assert_has(&b, "From: Mail Delivery System <MAILER-DAEMON@mail.a.test>\r\nTo: <alice@a.test>\r\n");
    assert_has(&b, "Auto-Submitted: auto-replied\r\n");
    assert_has(&b, "Reporting-MTA: dns; mail.a.test\r\nOriginal-Envelope-Id: e+1\r\n");
    assert_has(&b,
               "\r\n\r\nOriginal-Recipient: rfc822; bob+x@b.test\r\nFinal-Recipient: rfc822; bob@b.test\r\n"
               "Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; bridge.b.test\r\nDiagnostic-Code: smtp; 550 5.1.1");
    assert_has(&b, "Last-Attempt-Date: ");
    assert_has(&b, "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n");
    assert_null(strstr(buf_str(&b), "8bit"));
    assert_null(strstr(buf_str(&b), "Will-Retry-Until"));
    d.from = "help@a.test";
    write_all(&b, &d, true, false, "");
    assert_has(&b, "From: Mail Delivery System <help@a.test>\r\nTo:");
    buf_free(&b);
}

static void delay_says_how_long(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt r = {.address = "b@b.test", .action = DSN_DELAYED, .will_retry_until = 1700100000000};
    struct dsn d = sample(&r, 1);
    d.envid = NULL;
    d.queue_id = NULL;
    write_all(&b, &d, false, false, "Subject: x\r\n");
    assert_has(&b, "Action: delayed\r\nStatus: 4.0.0\r\nWill-Retry-Until: ");
    assert_has(&b, "It will be tried until ");
    assert_has(&b, "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n");
    assert_null(strstr(buf_str(&b), "Original-"));
    assert_null(strstr(buf_str(&b), "Last-Attempt-Date"));
    buf_free(&b);
}

/* Whatever a peer put into its replies or parameters: no line of ours begins where it wants. */
static void nothing_is_smuggled_into_fields(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt r = failed;
    r.orcpt = "rfc822;a+0D+0ABcc:+20evil@x+C3+A9";
    r.diagnostic = "550 x\r\nStatus: 2.0.0\r\n\r\n--b\x01 caf\xc3\xa9";
    r.remote_mta = "x\r\nY: z";
    r.reason = "one\r\n.\r\ntwo";
    r.status = "5.0.0\nX: y";
    struct dsn d = sample(&r, 1);
    d.envid = "a+0D+0AX-Evil:+20yes";
    write_all(&b, &d, true, false, "\r\n");
    assert_lines_fit(&b, true);
    assert_null(strstr(buf_str(&b), "\nBcc:"));
    assert_null(strstr(buf_str(&b), "\nX-Evil"));
    assert_null(strstr(buf_str(&b), "\nStatus: 2"));
    assert_null(strstr(buf_str(&b), "\nY: z"));
    assert_null(strstr(buf_str(&b), "\n."));
    assert_has(&b, "Original-Envelope-Id: a+0D+0AX-Evil:+20yes\r\n");
    buf_free(&b);
}

static void long_texts_are_folded(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    char words[2000] = "", solid[3000];
    for (int i = 0; i < 150; i++)
        strcat(words, "several w ");
    memset(solid, 'x', sizeof solid - 1);
    solid[sizeof solid - 1] = '\0';
    struct dsn_rcpt r = failed;
    r.diagnostic = words;
    r.reason = solid;
    struct dsn d = sample(&r, 1);
    write_all(&b, &d, true, false, "\r\n");
    assert_lines_fit(&b, true);
    const char *field = strstr(buf_str(&b), "Diagnostic-Code: ");
    assert_non_null(field);
    const char *end = strstr(field, "\r\nLast-Attempt-Date");
    for (; field < end; field += strcspn(field, "\n") + 1) {
        assert_true(strcspn(field, "\r") <= 76);
        assert_true(*field == 'D' || (field[0] == ' ' && field[1] != ' '));
    }
    r.diagnostic = solid;
    write_all(&b, &d, true, false, "\r\n");
    assert_lines_fit(&b, true);
    buf_free(&b);
}

static void utf8_where_it_belongs(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt r = failed;
    r.address = "b\xc3\xbc"
                "cher@b.test";
    r.orcpt = "utf-8;b\\x{FC}cher@b.test";
    struct dsn d = sample(&r, 1);
    d.smtputf8 = true;
    d.sender = "\xc3\xa4@a.test";
    write_all(&b, &d, true, true, "Subject: \xc3\xa4\r\n\r\n");
    assert_has(&b, "To: <\xc3\xa4@a.test>\r\n");
    assert_has(&b, "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n");
    assert_has(&b, "Final-Recipient: utf-8; b\xc3\xbc"
                   "cher@b.test\r\n");
    assert_has(&b, "Original-Recipient: utf-8; b\xc3\xbc"
                   "cher@b.test\r\n");
    assert_has(&b, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n");
    write_all(&b, &d, false, false, "Subject: \xc3\xa4\r\n");
    assert_has(&b, "Content-Type: message/global-headers\r\n");

    d = sample(&failed, 1); /* ASCII but for the content */
    write_all(&b, &d, true, true, "Subject: x\r\n\r\n\xe9\r\n");
    assert_has(&b, "Content-Type: message/delivery-status\r\n\r\n");
    assert_has(&b, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n");
    buf_free(&b);
}

/* The same where the MTA takes no SMTPUTF8: RFC 6533 has a form for that, and nothing is lost. */
static void utf8_where_it_can_t_be(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt r = failed;
    r.address = "b\xc3\xbc"
                "cher@b.test";
    r.orcpt = "utf-8;\xe2\x82\xac@b.test";
    struct dsn d = sample(&r, 1);
    d.smtputf8 = d.ascii = true;
    static const char header[] = "Subject: an old bridge, a new bridge, and \xc3\xa4\xc3\xb6\xc3\xbc\r\nTo: x\r\n";
    dsn_write_begin(&b, &d, false, true);
    dsn_write_header(&b, &d, header, sizeof header - 1);
    dsn_write_end(&b, &d);
    assert_lines_fit(&b, true);
    assert_has(&b, "Content-Type: message/delivery-status\r\n\r\n");
    assert_has(&b, "Final-Recipient: utf-8; b\\x{FC}cher@b.test\r\n");
    assert_has(&b, "Original-Recipient: utf-8; \\x{20AC}@b.test\r\n");
    assert_has(&b, "  <b\\x{FC}cher@b.test>\r\n");
    assert_has(&b, "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                   "U3ViamVjdDogYW4gb2xkIGJyaWRnZSwgYSBuZXcgYnJpZGdlLCBhbmQgw6TDtsO8DQpUbzog\r\neA0K\r\n\r\n--");
    assert_null(strstr(buf_str(&b), "8bit"));
    buf_free(&b);
}

static void utf8_addresses_in_ascii(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"plain@b.test", "plain@b.test"},
        {"\xc3\xa9@b.test", "\\x{E9}@b.test"},
        {"\xf0\x9f\x98\x80@\xe2\x82\xac.test", "\\x{1F600}@\\x{20AC}.test"},
        {"\"a\\\\b\"@b.test", "\"a\\x{5C}\\x{5C}b\"@b.test"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *escaped = utf8_escape(pairs[i][0]);
        assert_string_equal(escaped, pairs[i][1]);
        char *twice = utf8_escape(escaped);
        assert_string_equal(twice, escaped);
        char *back = utf8_unescape(escaped);
        assert_string_equal(back, pairs[i][0]);
        mem_free(&escaped);
        mem_free(&twice);
        mem_free(&back);
    }
    /* What is no character, or none that may stand in a header, stays as it is. */
    static const char *const odd[] = {"\\x{D800}", "\\x{110000}", "\\x{0A}", "\\x{85}", "\\x{7F}",
                                      "\\x{}",     "\\x{E9",      "\\x{e9}", "\\x",     "\\"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char *same = utf8_unescape(odd[i]);
        assert_string_equal(same, odd[i]);
        mem_free(&same);
    }
}

static void words_of_ours_are_no_smtp_reply(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt r = failed;
    r.diagnostic = "connection refused";
    r.reason = "The message could not be delivered in time.";
    struct dsn d = sample(&r, 1);
    write_all(&b, &d, true, false, "\r\n");
    assert_has(&b, "Diagnostic-Code: x-pontoon; connection refused\r\n");
    assert_null(strstr(buf_str(&b), "bridge.b.test said"));
    buf_free(&b);
}

static void success_says_who_reports(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt rcpts[2] = {{.address = "a@b.test", .action = DSN_DELIVERED, .status = "2.1.5"},
                                {.address = "b@b.test", .action = DSN_RELAYED}};
    struct dsn d = sample(rcpts, 2);
    write_all(&b, &d, false, false, "Subject: x\r\n");
    assert_has(&b, "Final-Recipient: rfc822; a@b.test\r\nAction: delivered\r\nStatus: 2.1.5\r\n");
    assert_has(&b, "Final-Recipient: rfc822; b@b.test\r\nAction: relayed\r\nStatus: 2.0.0\r\n");
    buf_free(&b);
}

static void boundary_is_never_the_same(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn d = sample(&failed, 1), e = d;
    dsn_write_begin(&b, &d, true, false);
    dsn_write_begin(&b, &e, true, false);
    assert_true(strlen(d.boundary) > 20);
    assert_string_not_equal(d.boundary, e.boundary);
    buf_free(&b);
}

static const char reader[] =
    "import sys, email, email.policy\n"
    "m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.SMTP)\n"
    "assert not m.defects, m.defects\n"
    "assert m.get_content_type() == 'multipart/report' and m.get_param('report-type') == 'delivery-status'\n"
    "text, status, original = m.get_payload()\n"
    "assert text.get_content_type() == 'text/plain' and 'bob@b.test' in text.get_content()\n"
    "assert status.get_content_type() == 'message/delivery-status'\n"
    "per_message, first, second = status.get_payload()\n"
    "assert per_message['Reporting-MTA'] == 'dns; mail.a.test' and per_message['Original-Envelope-Id'] == 'e+1'\n"
    "assert first['Final-Recipient'] == 'rfc822; bob@b.test' and first['Action'] == 'failed' and first['Status'] == '5.1.1'\n"
    "assert first['Diagnostic-Code'].endswith('User unknown in virtual mailbox table'), first['Diagnostic-Code']\n"
    "assert second['Final-Recipient'] == 'rfc822; carol@b.test'\n"
    "assert not any(p.defects for p in m.walk())\n"
    "assert original.get_content_type() == 'message/rfc822' and original.get_payload(0)['Subject'] == 'x'\n"
    "assert original.get_payload(0).get_payload(decode=True).split() == [b'caf\\xc3\\xa9']\n";

static void assert_python_reads(const char *program, const struct buf *b)
{
    struct temp_dir dir;
    char command[1000], script[400];
    temp_dir_make(&dir);
    snprintf(script, sizeof script, "%s", temp_write(&dir, "reader.py", program, 0600));
    snprintf(command, sizeof command, "/usr/bin/python3 %s %s", script, temp_write(&dir, "dsn.eml", buf_str(b), 0600));
    int status = system(command);
    temp_dir_remove(&dir);
    assert_int_equal(status, 0);
}

static bool python_has(const char *module)
{
    char command[100];
    snprintf(command, sizeof command, "/usr/bin/python3 -c 'import %s' 2>/dev/null", module);
    bool has = system(command) == 0;
    if (!has)
        print_message("# not checked: there is no python3 with %s\n",
                      module); /* cmocka's skip() is "not ok" to prove */
    return has;
}

static void python_can_read_it(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt rcpts[2] = {failed, failed};
    rcpts[1].address = "carol@b.test";
    struct dsn d = sample(rcpts, 2);
    if (!python_has("email"))
        return;
    write_all(&b, &d, true, true, "Subject: x\r\n\r\ncaf\xc3\xa9\r\n");
    assert_python_reads(reader, &b);
    buf_free(&b);
}

/* Mailing list managers find in it which subscribers failed, in other DSNs that nobody did for good. */
static void bounce_detectors_understand_it(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100000);
    struct dsn_rcpt rcpts[2] = {failed, failed};
    rcpts[1].address = "carol@b.test";
    rcpts[1].orcpt = NULL;
    struct dsn d = sample(rcpts, 2);
    if (!python_has("flufl.bounce"))
        return;
    write_all(&b, &d, false, false, "Subject: x\r\n");
    assert_python_reads(
        "import sys, email\n"
        "from flufl.bounce import all_failures\n"
        "temporary, failed = all_failures(email.message_from_binary_file(open(sys.argv[1], 'rb')))\n"
        "assert failed == {b'bob@b.test', b'carol@b.test'} or failed == {b'bob+x@b.test', b'carol@b.test'}, failed\n"
        "assert not temporary, temporary\n",
        &b);
    rcpts[0].action = rcpts[1].action = DSN_DELAYED;
    rcpts[0].status = rcpts[1].status = "4.4.7";
    write_all(&b, &d, false, false, "Subject: x\r\n");
    assert_python_reads("import sys, email\n"
                        "from flufl.bounce import all_failures\n"
                        "temporary, failed = all_failures(email.message_from_binary_file(open(sys.argv[1], 'rb')))\n"
                        "assert len(temporary) == 2 and not failed, (temporary, failed)\n",
                        &b);
    buf_free(&b);
}

static void what_is_wanted(void **state)
{
    (void)state;
    assert_true(dsn_wanted(NULL, DSN_FAILED) && dsn_wanted(NULL, DSN_DELAYED));
    assert_false(dsn_wanted(NULL, DSN_DELIVERED) || dsn_wanted(NULL, DSN_RELAYED));
    assert_false(dsn_wanted("NEVER", DSN_FAILED) || dsn_wanted("NEVER", DSN_DELAYED));
    assert_true(dsn_wanted("SUCCESS,FAILURE", DSN_FAILED) && dsn_wanted("SUCCESS,FAILURE", DSN_RELAYED));
    assert_false(dsn_wanted("SUCCESS,FAILURE", DSN_DELAYED));
    assert_true(dsn_wanted("delay", DSN_DELAYED));
    assert_false(dsn_wanted("FAILUREX", DSN_FAILED) || dsn_wanted("", DSN_FAILED));
    assert_true(dsn_wants_full(DSN_FAILED, "FULL", 1000, 10) && dsn_wants_full(DSN_FAILED, NULL, 10, 10));
    assert_false(dsn_wants_full(DSN_DELAYED, "FULL", 1, 10) || dsn_wants_full(DSN_RELAYED, NULL, 1, 10));
    assert_false(dsn_wants_full(DSN_FAILED, "HDRS", 1, 10) || dsn_wants_full(DSN_FAILED, NULL, 11, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_happened),
        cmocka_unit_test(delay_says_how_long),
        cmocka_unit_test(nothing_is_smuggled_into_fields),
        cmocka_unit_test(long_texts_are_folded),
        cmocka_unit_test(utf8_where_it_belongs),
        cmocka_unit_test(boundary_is_never_the_same),
        cmocka_unit_test(utf8_where_it_can_t_be),
        cmocka_unit_test(utf8_addresses_in_ascii),
        cmocka_unit_test(words_of_ours_are_no_smtp_reply),
        cmocka_unit_test(success_says_who_reports),
        cmocka_unit_test(python_can_read_it),
        cmocka_unit_test(bounce_detectors_understand_it),
        cmocka_unit_test(what_is_wanted),
    };
    return test_run("dsn", tests);
}
