#include "t/unit/test.h"

#include "lib/envelope.h"
#include "lib/mem.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void recipients_come_and_go(void **state)
{
    (void)state;
    struct envelope e;
    envelope_init(&e);
    char address[20];
    for (int i = 0; i < 100; i++) {
        snprintf(address, sizeof address, "%d@b.test", i);
        struct envelope_rcpt *r = envelope_add_rcpt(&e, address, i % 2 ? "NEVER" : NULL, NULL);
        assert_string_equal(r->address, address);
        assert_null(r->orcpt);
    }
    for (size_t i = 0; i < e.nrcpts; i++) /* leaves the even ones */
        envelope_remove_rcpt(&e, i + 1);
    assert_int_equal(e.nrcpts, 50);
    for (int i = 0; i < 50; i++) {
        snprintf(address, sizeof address, "%d@b.test", 2 * i);
        assert_string_equal(e.rcpts[i].address, address);
        assert_null(e.rcpts[i].notify);
    }
    while (e.nrcpts > 4)
        envelope_remove_rcpt(&e, e.nrcpts - 1);
    for (int i = 0; i < 20; i++)
        envelope_add_rcpt(&e, "x@b.test", NULL, "rfc822;x@b.test");
    assert_int_equal(e.nrcpts, 24);
    assert_string_equal(e.rcpts[3].address, "6@b.test");
    envelope_free(&e);
    assert_int_equal(e.nrcpts, 0);
    assert_null(e.rcpts);
    envelope_free(&e);
}

static void sender_is_copied_deeply(void **state)
{
    (void)state;
    struct envelope e;
    struct envelope copy;
    envelope_init(&e);
    e.sender = mem_strdup("a@a.test");
    e.body = BODY_8BITMIME;
    e.smtputf8 = true;
    e.size = 42;
    e.ret = mem_strdup("HDRS");
    envelope_add_rcpt(&e, "b@b.test", NULL, NULL);
    envelope_copy_sender(&copy, &e);
    envelope_free(&e);
    assert_string_equal(copy.sender, "a@a.test");
    assert_int_equal(copy.body, BODY_8BITMIME);
    assert_true(copy.smtputf8);
    assert_int_equal(copy.size, 42);
    assert_string_equal(copy.ret, "HDRS");
    assert_null(copy.envid);
    assert_int_equal(copy.nrcpts, 0);
    envelope_free(&copy);
}

static void mail_params_are_kept(void **state)
{
    (void)state;
    struct envelope e;
    struct error err;
    bool known;
    static const char *const params[] = {"body=8BitMime", "SIZE=12345",  "smtputf8",
                                         "RET=hdrs",      "ENVID=q+2Bq", "AUTH=<>"};
    envelope_init(&e);
    for (size_t i = 0; i < COUNT(params); i++) {
        known = false;
        assert_int_equal(envelope_mail_param(&e, params[i], &known, &err), RESULT_OK);
        assert_true(known);
    }
    assert_int_equal(e.body, BODY_8BITMIME);
    assert_int_equal(e.size, 12345);
    assert_true(e.smtputf8);
    assert_string_equal(e.ret, "HDRS");
    assert_string_equal(e.envid, "q+2Bq");
    envelope_free(&e);
}

static void what_we_cannot_carry_is_said(void **state)
{
    (void)state;
    static const char *const params[] = {
        "BODY=BINARYMIME", "REQUIRETLS", "MT-PRIORITY=3", "BY=120;R", "HOLDFOR=1", "SIZES=1", "", "=", "BOD=7BIT"};
    struct envelope e;
    struct envelope_rcpt r = {0};
    struct error err;
    envelope_init(&e);
    for (size_t i = 0; i < COUNT(params); i++) {
        bool known = true;
        assert_int_equal(envelope_mail_param(&e, params[i], &known, &err), RESULT_OK);
        assert_false(known);
        known = true;
        assert_int_equal(envelope_rcpt_param(&r, params[i], &known, &err), RESULT_OK);
        assert_false(known);
    }
    assert_int_equal(e.body, BODY_UNSPECIFIED);
    assert_null(e.ret);
    envelope_free(&e);
}

static void bad_mail_params(void **state)
{
    (void)state;
    static const char *const params[] = {"BODY",          "BODY=",        "BODY=9BIT", "SIZE",
                                         "SIZE=",         "SIZE=-1",      "SIZE=1k",   "SIZE=123456789012345678901",
                                         "SMTPUTF8=",     "SMTPUTF8=yes", "RET",       "RET=",
                                         "RET=NONE",      "ENVID",        "ENVID=",    "ENVID=a b",
                                         "ENVID=a+0D+0A", "AUTH",         "AUTH="};
    struct error err;
    bool known;
    for (size_t i = 0; i < COUNT(params); i++) {
        struct envelope e;
        envelope_init(&e);
        err.text[0] = '\0';
        if (envelope_mail_param(&e, params[i], &known, &err) != RESULT_PERM)
            fail_msg("\"%s\" was taken", params[i]);
        assert_true(strstr(err.text, params[i]) != NULL);
        envelope_free(&e);
    }
    char big[600] = "ENVID=";
    memset(big + 6, 'x', 501);
    struct envelope e;
    envelope_init(&e);
    assert_int_equal(envelope_mail_param(&e, big, &known, NULL), RESULT_PERM);
    big[506] = '\0';
    assert_int_equal(envelope_mail_param(&e, big, &known, NULL), RESULT_OK);
    envelope_free(&e);
}

static void params_come_once(void **state)
{
    (void)state;
    static const char *const params[] = {"BODY=7BIT", "RET=FULL", "ENVID=x"};
    struct envelope e;
    struct envelope_rcpt r = {0};
    bool known;
    envelope_init(&e);
    for (size_t i = 0; i < COUNT(params); i++) {
        assert_int_equal(envelope_mail_param(&e, params[i], &known, NULL), RESULT_OK);
        assert_int_equal(envelope_mail_param(&e, params[i], &known, NULL), RESULT_PERM);
    }
    envelope_free(&e);
    assert_int_equal(envelope_rcpt_param(&r, "NOTIFY=NEVER", &known, NULL), RESULT_OK);
    assert_int_equal(envelope_rcpt_param(&r, "NOTIFY=DELAY", &known, NULL), RESULT_PERM);
    assert_int_equal(envelope_rcpt_param(&r, "ORCPT=rfc822;a@b", &known, NULL), RESULT_OK);
    assert_int_equal(envelope_rcpt_param(&r, "ORCPT=rfc822;a@b", &known, NULL), RESULT_PERM);
    assert_string_equal(r.notify, "NEVER");
    mem_free(&r.notify);
    mem_free(&r.orcpt);
}

static void rcpt_params_are_kept(void **state)
{
    (void)state;
    struct envelope_rcpt r = {0};
    struct error err;
    bool known = false;
    assert_int_equal(envelope_rcpt_param(&r, "notify=success,Failure", &known, &err), RESULT_OK);
    assert_true(known);
    assert_int_equal(envelope_rcpt_param(&r, "ORCPT=rfc822;X+40y", &known, &err), RESULT_OK);
    assert_true(known);
    assert_string_equal(r.notify, "SUCCESS,FAILURE");
    assert_string_equal(r.orcpt, "rfc822;X+40y");
    mem_free(&r.notify);
    mem_free(&r.orcpt);
    assert_int_equal(envelope_rcpt_param(&r, "NOTIFY", &known, &err), RESULT_PERM);
    assert_int_equal(envelope_rcpt_param(&r, "NOTIFY=SOON", &known, &err), RESULT_PERM);
    assert_int_equal(envelope_rcpt_param(&r, "ORCPT=x", &known, &err), RESULT_PERM);
    assert_null(r.notify);
    assert_null(r.orcpt);
}

static void single_values(void **state)
{
    (void)state;
    static const char *const good_notify[] = {"NEVER", "SUCCESS", "SUCCESS,FAILURE,DELAY", "DELAY,SUCCESS"};
    static const char *const bad_notify[] = {"",       ",",      "never",         "NEVER,DELAY",
                                             "DELAY,", ",DELAY", "DELAY,DELAY",   "DELAY, FAILURE",
                                             "DELAYS", "DELA",   "SUCCESS,,DELAY"};
    static const char *const good_orcpt[] = {"rfc822;a+20b@b.test", "x400;x", "utf-8;\xc3\xa4@b.test",
                                             "UTF-8;\\x{E4}@b.test"};
    static const char *const bad_orcpt[] = {"",
                                            ";",
                                            "rfc822",
                                            "rfc822;",
                                            ";a",
                                            "rfc 822;a",
                                            "rfc822;a b",
                                            "rfc822;\xc3\xa4@b.test",
                                            "rfc822;a+0Ab",
                                            "utf-8;\xff@b.test",
                                            "utf-8;a b",
                                            "utf-8;a\n"};
    for (size_t i = 0; i < COUNT(good_notify); i++)
        assert_true(envelope_notify_valid(good_notify[i]));
    for (size_t i = 0; i < COUNT(bad_notify); i++) {
        if (envelope_notify_valid(bad_notify[i]))
            fail_msg("\"%s\" was taken", bad_notify[i]);
    }
    for (size_t i = 0; i < COUNT(good_orcpt); i++)
        assert_true(envelope_orcpt_valid(good_orcpt[i]));
    for (size_t i = 0; i < COUNT(bad_orcpt); i++) {
        if (envelope_orcpt_valid(bad_orcpt[i]))
            fail_msg("\"%s\" was taken", bad_orcpt[i]);
    }
    char big[502] = "rfc822;";
    memset(big + 7, 'x', 494);
    assert_false(envelope_orcpt_valid(big));
    big[500] = '\0';
    assert_true(envelope_orcpt_valid(big));
}

static void body_names(void **state)
{
    (void)state;
    for (enum body_type b = BODY_UNSPECIFIED; b <= BODY_8BITMIME; b++) {
        enum body_type back;
        assert_true(body_type_parse(body_type_name(b), &back));
        assert_int_equal(back, b);
    }
    enum body_type kept = BODY_7BIT;
    assert_false(body_type_parse("binarymime", &kept));
    assert_int_equal(kept, BODY_7BIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recipients_come_and_go),
        cmocka_unit_test(sender_is_copied_deeply),
        cmocka_unit_test(mail_params_are_kept),
        cmocka_unit_test(what_we_cannot_carry_is_said),
        cmocka_unit_test(bad_mail_params),
        cmocka_unit_test(params_come_once),
        cmocka_unit_test(rcpt_params_are_kept),
        cmocka_unit_test(single_values),
        cmocka_unit_test(body_names),
    };
    return test_run("envelope", tests);
}
