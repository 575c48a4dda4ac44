#include "t/unit/json_mutate.h"

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/notification.h"

static const char good[] =
    "{\"messages\":[{\"id\":\"01HF\",\"recipients\":["
    "{\"address\":\"a@b.test\",\"verdict\":\"delivered\",\"status\":\"2.0.0\",\"text\":\"250 2.0.0 Ok\"},"
    "{\"address\":\"b@b.test\",\"verdict\":\"accepted\"},"
    "{\"address\":\"c@b.test\",\"verdict\":\"deferred\",\"status\":\"4.2.1\"},"
    "{\"address\":\"d@b.test\",\"verdict\":\"rejected\",\"status\":\"5.1.1\",\"text\":\"550 5.1.1 no such user\"},"
    "{\"address\":\"e@b.test\",\"verdict\":\"use-smtp\"},"
    "{\"address\":\"f@b.test\",\"verdict\":\"delivered\",\"status\":\"2.0.0\",\"dsn\":\"relayed\",\"text\":\"250 Ok\"}]},"
    "{\"id\":\"01HG\",\"recipients\":[{\"address\":\"a@b.test\",\"verdict\":\"accepted\"}]}]}";

static const char good_receipt[] =
    "{\"serial\":7,\"recipients\":[{\"address\":\"a@b.test\",\"outcome\":\"delivered\",\"status\":\"2.6.0\",\"dsn\":\"delivered\",\"text\":\"250 Ok\"},"
    "{\"address\":\"b@b.test\",\"outcome\":\"failed\",\"status\":\"5.7.1\",\"text\":\"550 5.7.1 spam\"},"
    "{\"address\":\"c@b.test\",\"outcome\":\"deferred\",\"status\":\"4.0.0\"}]}";

static void verdicts_are_read(void **state)
{
    (void)state;
    struct error err;
    struct verdicts *v;
    assert_int_equal(verdicts_parse(good, sizeof good - 1, &v, &err), RESULT_OK);
    assert_int_equal(v->nmessages, 2);
    assert_string_equal(v->messages[0].id, "01HF");
    assert_string_equal(v->messages[1].id, "01HG");
    assert_int_equal(v->messages[0].nrcpts, 6);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(v->messages[0].rcpts[i].verdict.kind, VERDICT_DELIVERED + i);
    assert_int_equal(v->messages[0].rcpts[0].verdict.success, VERDICT_DSN_TAKEN);
    assert_int_equal(v->messages[0].rcpts[5].verdict.success, VERDICT_DSN_RELAYED);
    const struct verdict_rcpt *r = &v->messages[0].rcpts[3];
    assert_string_equal(r->address, "d@b.test");
    assert_string_equal(r->verdict.dsn, "5.1.1");
    assert_string_equal(r->verdict.text, "550 5.1.1 no such user");
    assert_string_equal(v->messages[0].rcpts[1].verdict.dsn, "");
    assert_string_equal(v->messages[0].rcpts[1].verdict.text, "");
    char *text = verdicts_write(v);
    assert_string_equal(text, good);
    mem_free(&text);
    verdicts_free(&v);
    assert_null(v);
}

static void receipts_are_read(void **state)
{
    (void)state;
    struct error err;
    struct verdicts *v;
    assert_int_equal(receipt_parse(good_receipt, sizeof good_receipt - 1, &v, &err), RESULT_OK);
    assert_int_equal(v->nmessages, 1);
    assert_string_equal(v->messages[0].id, "");
    assert_int_equal(v->messages[0].nrcpts, 3);
    assert_int_equal(v->messages[0].rcpts[0].verdict.kind, VERDICT_DELIVERED);
    assert_int_equal(v->messages[0].rcpts[0].verdict.success, VERDICT_DSN_DELIVERED);
    assert_int_equal(v->messages[0].rcpts[1].verdict.kind, VERDICT_REJECTED);
    assert_int_equal(v->messages[0].rcpts[2].verdict.kind, VERDICT_DEFERRED);
    assert_int_equal(v->messages[0].serial, 7);
    char *text = receipt_write(&v->messages[0]);
    assert_string_equal(text, good_receipt);
    mem_free(&text);
    verdicts_free(&v);
}

/* What a shadow's comparison gave. */
static const char good_shadow[] =
    "{\"recipients\":[{\"address\":\"a@b.test\",\"outcome\":\"delivered\",\"shadow\":{\"smtp\":\"arrived\","
    "\"delta_ms\":-120,\"differences\":[\"header Subject changed\",\"body differs\"]}},"
    "{\"address\":\"b@b.test\",\"outcome\":\"delivered\",\"shadow\":{\"smtp\":\"not-seen\"}},"
    "{\"address\":\"c@b.test\",\"outcome\":\"delivered\"}]}";

static void comparisons_are_read(void **state)
{
    (void)state;
    struct error err;
    struct verdicts *v;
    assert_int_equal(receipt_parse(good_shadow, sizeof good_shadow - 1, &v, &err), RESULT_OK);
    const struct verdict_rcpt *r = v->messages[0].rcpts;
    assert_true(r[0].verdict.comparison.known && r[0].verdict.comparison.arrived);
    assert_int_equal(r[0].verdict.comparison.delta_ms, -120);
    assert_string_equal(r[0].verdict.comparison.differences, "header Subject changed\nbody differs");
    assert_true(r[1].verdict.comparison.known && !r[1].verdict.comparison.arrived);
    assert_null(r[1].verdict.comparison.differences);
    assert_false(r[2].verdict.comparison.known);
    char *text = receipt_write(&v->messages[0]);
    assert_string_equal(text, good_shadow);
    mem_free(&text);
    verdicts_free(&v);
}

/* Whatever was found fits the document's bounds; what a peer sends can't reach a terminal. */
static void comparisons_are_bounded(void **state)
{
    (void)state;
    struct verdicts v = {0};
    struct error err;
    struct verdicts *back;
    struct verdict *verdict = verdict_message_add(verdicts_add(&v, ""), "a@b.test", VERDICT_DELIVERED, NULL, NULL);
    struct buf lines = BUF_INIT(100000);
    for (int i = 0; i < 60; i++)
        buf_printf(&lines, "%s%0300d\033[2J", i ? "\n" : "", i);
    verdict_compare(verdict, true, INT64_MIN, buf_str(&lines));
    buf_free(&lines);
    char *text = receipt_write(&v.messages[0]);
    assert_int_equal(receipt_parse(text, strlen(text), &back, &err), RESULT_OK);
    const char *is = back->messages[0].rcpts[0].verdict.comparison.differences;
    size_t n = 1;
    for (const char *p = is; *p != '\0'; p++)
        n += *p == '\n';
    assert_int_equal(n, 50);
    assert_int_equal(strcspn(is, "\n"), 200);
    mem_free(&text);
    verdicts_free(&back);
    verdicts_clear(&v);
    const char *evil =
        "{\"recipients\":[{\"address\":\"a@b.test\",\"outcome\":\"delivered\",\"shadow\":{\"smtp\":\"arrived\","
        "\"delta_ms\":1,\"differences\":[\"\\u001b[2J\\n\"]}}]}";
    assert_int_equal(receipt_parse(evil, strlen(evil), &back, &err), RESULT_OK);
    assert_string_equal(back->messages[0].rcpts[0].verdict.comparison.differences, "?[2J?");
    verdicts_free(&back);
}

#define NO_STATUS  "status: not a status code of RFC 3463"
#define NO_VERDICT "verdict: not delivered, accepted, deferred, rejected or use-smtp"
#define R          "messages[0].recipients"
#define LONG       "longer than 11 bytes"

static const struct bad_document bad_verdicts[] = {
    {"", "[]", "the document: not an object"},
    {"messages", NULL, "messages: missing"},
    {"messages", "{}", "messages: not an array"},
    {"messages", "[]", "messages: empty"},
    {"messages[1]", "1", "messages[1]: not an object"},
    {"messages[1].id", NULL, "messages[1].id: missing"},
    {"messages[1].id", "\"a/b\"", "messages[1].id: not 1 to 64 letters, digits, '-' or '_'"},
    {"messages[1].id", "\"01HF\"", "messages[1].id: an earlier message has this id"},
    {R, NULL, R ": missing"},
    {R, "[]", R ": empty"},
    {R, "1", R ": not an array"},
    {R "[2]", "[]", R "[2]: not an object"},
    {R "[2].address", NULL, R "[2].address: missing"},
    {R "[2].address", "\"nobody\"", R "[2].address: not an address"},
    {R "[2].address", "\"a@b.test\\n\"", R "[2].address: not an address"},
    {R "[2].address", "\"a@b.test\"", R "[2].address: this recipient is there already"},
    {R "[2].verdict", NULL, R "[2].verdict: missing"},
    {R "[2].verdict", "4", R "[2].verdict: not a string"},
    {R "[2].verdict", "\"failed\"", R "[2]." NO_VERDICT},
    {R "[2].verdict", "\"Deferred\"", R "[2]." NO_VERDICT},
    {R "[2].status", NULL, R "[2].status: missing"},
    {R "[3].status", NULL, R "[3].status: missing"},
    {R "[2].status", "4", R "[2].status: not a string"},
    {R "[2].status", "\"5.1.1\"", R "[2].status: not of class 4"},
    {R "[3].status", "\"4.1.1\"", R "[3].status: not of class 5"},
    {R "[0].status", "\"5.0.0\"", R "[0].status: not of class 2"},
    {R "[1].status", "\"4.0.0\"", R "[1].status: not of class 2"},
    {R "[2].status", "\"\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4.1\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4..1\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4.1.\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4.1.1.\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4.1.1234\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"3.1.1\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4.1.1 x\"", R "[2]." NO_STATUS},
    {R "[2].status", "\"4.1.1111111111\"", R "[2].status: " LONG},
    {R "[0].text", "250", R "[0].text: not a string"},
    {R "[5].dsn", "1", R "[5].dsn: not a string"},
    {R "[5].dsn", "\"taken\"", R "[5].dsn: not relayed or delivered"},
    {R "[5].dsn", "\"Relayed\"", R "[5].dsn: not relayed or delivered"},
    {R "[3].dsn", "\"relayed\"", R "[3].dsn: only for what was delivered"},
};

static const struct bad_document bad_receipts[] = {
    {"", "[]", "the document: not an object"},
    {"recipients", NULL, "recipients: missing"},
    {"recipients", "[]", "recipients: empty"},
    {"recipients[1]", "null", "recipients[1]: not an object"},
    {"recipients[1].address", NULL, "recipients[1].address: missing"},
    {"recipients[1].address", "\"\"", "recipients[1].address: not an address"},
    {"recipients[1].address", "\"a@b.test\"", "recipients[1].address: this recipient is there already"},
    {"recipients[1].outcome", NULL, "recipients[1].outcome: missing"},
    {"recipients[1].outcome", "\"rejected\"", "recipients[1].outcome: not delivered, failed or deferred"},
    {"recipients[1].outcome", "\"accepted\"", "recipients[1].outcome: not delivered, failed or deferred"},
    {"recipients[1].outcome", "\"use-smtp\"", "recipients[1].outcome: not delivered, failed or deferred"},
    {"recipients[1].status", NULL, "recipients[1].status: missing"},
    {"recipients[1].status", "\"2.0.0\"", "recipients[1].status: not of class 5"},
    {"recipients[1].status", "\"5.x.0\"", "recipients[1]." NO_STATUS},
    {"recipients[1].text", "{}", "recipients[1].text: not a string"},
    {"serial", "0", "serial: not a whole number from 1 to 2147483647"},
    {"serial", "\"7\"", "serial: not a whole number from 1 to 2147483647"},
    {"recipients[0].dsn", "\"\"", "recipients[0].dsn: not relayed or delivered"},
    {"recipients[1].dsn", "\"delivered\"", "recipients[1].dsn: only for what was delivered"},
};

#define S "recipients[0].shadow"
static const struct bad_document bad_shadows[] = {
    {S, "[]", S ": not an object"},
    {S, "true", S ": not an object"},
    {S ".smtp", NULL, S ".smtp: missing"},
    {S ".smtp", "\"seen\"", S ".smtp: neither arrived nor not-seen"},
    {S ".smtp", "1", S ".smtp: not a string"},
    {S ".delta_ms", NULL, S ".delta_ms: missing"},
    {S ".delta_ms", "\"1\"", S ".delta_ms: not a whole number from -31536000000 to 31536000000"},
    {S ".delta_ms", "31536000001", S ".delta_ms: not a whole number from -31536000000 to 31536000000"},
    {S ".differences", "{}", S ".differences: not an array"},
    {S ".differences[0]", "1", S ".differences: not strings of 1 to 200 bytes"},
    {S ".differences[0]", "\"\"", S ".differences: not strings of 1 to 200 bytes"},
};

static void malformed_documents(void **state)
{
    (void)state;
    struct error err;
    struct verdicts *v;
    for (size_t i = 0; i < sizeof bad_verdicts / sizeof *bad_verdicts; i++) {
        char *text = json_mutate(good, bad_verdicts[i].path, bad_verdicts[i].value);
        assert_refused(verdicts_parse(text, strlen(text), &v, &err), err, bad_verdicts[i].error, text);
        free(text);
    }
    for (size_t i = 0; i < sizeof bad_shadows / sizeof *bad_shadows; i++) {
        char *text = json_mutate(good_shadow, bad_shadows[i].path, bad_shadows[i].value);
        assert_refused(receipt_parse(text, strlen(text), &v, &err), err, bad_shadows[i].error, text);
        free(text);
    }
    for (size_t i = 0; i < sizeof bad_receipts / sizeof *bad_receipts; i++) {
        char *text = json_mutate(good_receipt, bad_receipts[i].path, bad_receipts[i].value);
        assert_refused(receipt_parse(text, strlen(text), &v, &err), err, bad_receipts[i].error, text);
        free(text);
    }
    assert_int_equal(receipt_parse("", 0, &v, &err), RESULT_PERM);
    assert_memory_equal(err.text, "receipt: not strict JSON", 24);
    assert_int_equal(verdicts_parse("{", 1, &v, &err), RESULT_PERM);
    assert_memory_equal(err.text, "verdicts: not strict JSON", 25);
}

static void texts_are_cleaned_and_cut(void **state)
{
    (void)state;
    struct verdicts v = {0};
    struct verdict_message *m = verdicts_add(&v, "ID");
    struct verdict *one = verdict_message_add(m, "a@b.test", VERDICT_DEFERRED, NULL,
                                              "451\r\n\x1b[31m \xc3\xa9 \xe9 \x7f \xc2\x9b[m \xc2\xa0");
    assert_string_equal(one->text, "451???[31m \xc3\xa9 ? ? ??[m \xc2\xa0");
    assert_string_equal(one->dsn, "");
    char big[REPLY_TEXT_MAX + 10];
    memset(big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    assert_int_equal(strlen(verdict_message_add(m, "b@b.test", VERDICT_REJECTED, "5.0.0", big)->text), REPLY_TEXT_MAX);
    memcpy(big + REPLY_TEXT_MAX - 1, "\xc3\xa9", 2); /* not half a character */
    assert_int_equal(strlen(verdict_message_add(m, "c@b.test", VERDICT_REJECTED, "5.0.0", big)->text),
                     REPLY_TEXT_MAX - 1);
    assert_string_equal(verdict_message_add(m, "d@b.test", VERDICT_ACCEPTED, "", NULL)->text, "");
    verdicts_clear(&v);
    assert_int_equal(v.nmessages, 0);
    assert_null(v.messages);
}

static void text_from_a_peer_is_bounded_and_cleaned(void **state)
{
    (void)state;
    struct error err;
    struct verdicts *v;
    char value[REPLY_TEXT_MAX + 4];
    memset(value, 'x', sizeof value);
    value[0] = value[REPLY_TEXT_MAX + 2] = '"';
    value[REPLY_TEXT_MAX + 3] = '\0';
    char *text = json_mutate(good, "messages[0].recipients[0].text", value);
    assert_refused(verdicts_parse(text, strlen(text), &v, &err), err,
                   "messages[0].recipients[0].text: longer than 500 bytes", text);
    free(text);
    text = json_mutate(good, "messages[0].recipients[0].text", "\"a\\nb\"");
    assert_int_equal(verdicts_parse(text, strlen(text), &v, &err), RESULT_OK);
    assert_string_equal(v->messages[0].rcpts[0].verdict.text, "a?b");
    verdicts_free(&v);
    free(text);
}

static void many_grow(void **state)
{
    (void)state;
    struct error err;
    struct verdicts v = {0}, *again;
    char reply[REPLY_TEXT_MAX + 1];
    memset(reply, '"', REPLY_TEXT_MAX);
    reply[REPLY_TEXT_MAX] = '\0';
    for (int i = 0; i < 3; i++) {
        char address[40];
        snprintf(address, sizeof address, "ID%d", i);
        struct verdict_message *m = verdicts_add(&v, address);
        for (int k = 0; k < NOTIFICATION_RCPTS_MAX; k++) {
            snprintf(address, sizeof address, "%d@b.test", k);
            verdict_message_add(m, address, VERDICT_REJECTED, "5.1.1", reply);
        }
    }
    char *text = verdicts_write(&v); /* with the texts it would be 3 MB */
    assert_true(strlen(text) <= VERDICTS_SIZE_MAX);
    assert_int_equal(verdicts_parse(text, strlen(text), &again, &err), RESULT_OK);
    assert_int_equal(again->messages[2].nrcpts, NOTIFICATION_RCPTS_MAX);
    assert_string_equal(again->messages[2].rcpts[999].address, "999@b.test");
    assert_string_equal(again->messages[2].rcpts[999].verdict.dsn, "5.1.1");
    assert_string_equal(again->messages[2].rcpts[999].verdict.text, "");
    verdicts_free(&again);
    mem_free(&text);
    text = receipt_write(&v.messages[0]); /* 1,000 texts of 1,000 bytes each, as escaped */
    assert_true(strlen(text) <= VERDICTS_SIZE_MAX);
    assert_int_equal(receipt_parse(text, strlen(text), &again, &err), RESULT_OK);
    assert_string_equal(again->messages[0].rcpts[0].verdict.text, "");
    verdicts_free(&again);
    mem_free(&text);
    verdict_message_add(&v.messages[0], "x@b.test", VERDICT_ACCEPTED, NULL, NULL);
    text = verdicts_write(&v);
    assert_int_equal(verdicts_parse(text, strlen(text), &again, &err), RESULT_PERM);
    assert_string_equal(err.text, "messages[0].recipients: more than 1000 members");
    mem_free(&text);
    verdicts_clear(&v);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(verdict_name(VERDICT_DELIVERED), "delivered");
    assert_string_equal(verdict_name(VERDICT_ACCEPTED), "accepted");
    assert_string_equal(verdict_name(VERDICT_DEFERRED), "deferred");
    assert_string_equal(verdict_name(VERDICT_REJECTED), "rejected");
    assert_string_equal(verdict_name(VERDICT_USE_SMTP), "use-smtp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_read),
        cmocka_unit_test(receipts_are_read),
        cmocka_unit_test(comparisons_are_read),
        cmocka_unit_test(comparisons_are_bounded),
        cmocka_unit_test(malformed_documents),
        cmocka_unit_test(texts_are_cleaned_and_cut),
        cmocka_unit_test(text_from_a_peer_is_bounded_and_cleaned),
        cmocka_unit_test(many_grow),
        cmocka_unit_test(names),
    };
    return test_run("verdicts", tests);
}
