#include "t/unit/test.h"

#include "lib/policy.h"

#define ID64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NAME32 "n23456789012345678901234567890ab"

static void good_records(void **state)
{
    (void)state;
    static const struct {
        const char *txt, *id;
    } cases[] = {
        {"v=SSMP1; id=20240101T000000", "20240101T000000"},
        {"v=SSMP1;id=a", "a"},
        {"v=SSMP1; id=a;", "a"},
        {"v=SSMP1 \t;\t id=a \t; ", "a"},
        {"v=SSMP1; id=a-b_c.D9", "a-b_c.D9"},
        {"v=SSMP1; id=" ID64, ID64},
        {"v=SSMP1; x=1; id=a; ext_1-2.3=a,b:c/d!", "a"},
        {"v=SSMP1; " NAME32 "=1; id=a", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        char id[POLICY_TXT_ID_MAX + 1];
        if (policy_txt_parse(cases[i].txt, strlen(cases[i].txt), id, &err) != RESULT_OK)
            fail_msg("%s: %s", cases[i].txt, err.text);
        assert_string_equal(id, cases[i].id);
    }
}

#define FIELD         "TXT record: a field is not NAME=VALUE"
#define ID            "TXT record: id is not 1 to 64 letters, digits, '-', '_' or '.'"
#define OTHER_VERSION "TXT record: unknown version (not SSMP1)"
#define OTHER         "TXT record: not a sender-store record (no v=SSMP1 first)"
#define SEPARATOR     "TXT record: fields are not separated by ';'"

static void bad_records(void **state)
{
    (void)state;
    static const struct {
        const char *txt;
        enum result result;
        const char *error;
    } cases[] = {
        {"", RESULT_TEMP, OTHER},
        {"v=spf1 -all", RESULT_TEMP, OTHER},
        {"v=SSMP", RESULT_PERM, OTHER_VERSION},
        {"v=SSM", RESULT_TEMP, OTHER},
        {" v=SSMP1; id=a", RESULT_TEMP, OTHER},
        {"id=a; v=SSMP1", RESULT_TEMP, OTHER},
        {"v=ssmp1; id=a", RESULT_TEMP, OTHER},
        {"v = SSMP1; id=a", RESULT_TEMP, OTHER},
        {"v=SSMP2; id=a", RESULT_PERM, OTHER_VERSION},
        {"v=SSMP10; id=a", RESULT_PERM, OTHER_VERSION},
        {"v=SSMP1x; id=a", RESULT_PERM, OTHER_VERSION},
        {"v=SSMP1", RESULT_PERM, "TXT record: no id"},
        {"v=SSMP1;", RESULT_PERM, "TXT record: no id"},
        {"v=SSMP1; x=1", RESULT_PERM, "TXT record: no id"},
        {"v=SSMP1 id=a", RESULT_PERM, SEPARATOR},
        {"v=SSMP1=; id=a", RESULT_PERM, SEPARATOR},
        {"v=SSMP1; id=a b=c", RESULT_PERM, SEPARATOR},
        {"v=SSMP1; id=a=b", RESULT_PERM, SEPARATOR},
        {"v=SSMP1; id=a\nb", RESULT_PERM, SEPARATOR},
        {"v=SSMP1; id=\xc3\xa9", RESULT_PERM, FIELD},
        {"v=SSMP1; id=", RESULT_PERM, FIELD},
        {"v=SSMP1; id =a", RESULT_PERM, FIELD},
        {"v=SSMP1; id= a", RESULT_PERM, FIELD},
        {"v=SSMP1; id", RESULT_PERM, FIELD},
        {"v=SSMP1; =a", RESULT_PERM, FIELD},
        {"v=SSMP1;; id=a", RESULT_PERM, FIELD},
        {"v=SSMP1; " NAME32 "x=1; id=a", RESULT_PERM, FIELD},
        {"v=SSMP1; id=a,b", RESULT_PERM, ID},
        {"v=SSMP1; id=" ID64 "0", RESULT_PERM, ID},
        {"v=SSMP1; id=a; id=a", RESULT_PERM, "TXT record: more than one id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        char id[POLICY_TXT_ID_MAX + 1];
        enum result result = policy_txt_parse(cases[i].txt, strlen(cases[i].txt), id, &err);
        if (result != cases[i].result || strcmp(err.text, cases[i].error) != 0)
            fail_msg("\"%s\": %s: %s", cases[i].txt, result_name(result), err.text);
        assert_string_equal(id, "");
    }
}

static void any_byte_may_come(void **state)
{
    (void)state;
    struct error err;
    char id[POLICY_TXT_ID_MAX + 1];
    assert_int_equal(policy_txt_parse("v=SSMP1; id=a\0b", 15, id, &err), RESULT_PERM);
    assert_int_equal(policy_txt_parse("v=SSMP1;\0id=a", 13, id, &err), RESULT_PERM);
    assert_int_equal(policy_txt_parse("v=SSMP1; id=abc", 13, id, &err), RESULT_OK); /* not a byte beyond len */
    assert_string_equal(id, "a");
    char every[] = "v=SSMP1;x?";
    for (int c = 0; c < 256; c++) {
        every[9] = (char)c;
        (void)policy_txt_parse(every, 10, id, &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_records),
        cmocka_unit_test(bad_records),
        cmocka_unit_test(any_byte_may_come),
    };
    return test_run("policy_txt", tests);
}
