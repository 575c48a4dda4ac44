#include "t/unit/temp_dir.h"

#include "lib/mem.h"
#include "lib/token.h"

#define OLD "0123456789abcdef0123456789abcdef"
#define NEW "ABCDEFGHABCDEFGHABCDEFGHABCDEFGH"

static struct token_secret *secrets(const char *text)
{
    struct error err;
    struct token_secret *s;
    if (token_secret_parse(text, strlen(text), "secrets", &s, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return s;
}

static void made_then_checked(void **state)
{
    (void)state;
    struct token_secret *s = secrets(OLD "\n");
    char token[TOKEN_MAX + 1], aud[DOMAIN_MAX + 1];
    token_make(s, "ID1", "b.test", token);
    /* HMAC-SHA256 of "ID1\0b.test" by `openssl dgst -hmac`. */
    assert_string_equal(token, "b.test~L1cNAtdpoH3RatvSNNqckg007ndtjuZvfN3XjZ3TueQ");
    assert_true(token_check(s, "ID1", token, aud));
    assert_string_equal(aud, "b.test");
    assert_false(token_check(s, "ID2", token, aud));
    assert_false(token_check(s, "", token, aud));
    token_secret_free(&s);
    assert_null(s);
}

static void every_character_counts(void **state)
{
    (void)state;
    struct token_secret *s = secrets(OLD);
    char token[TOKEN_MAX + 1], aud[DOMAIN_MAX + 1] = "untouched";
    token_make(s, "ID1", "b.test", token);
    size_t len = strlen(token);
    for (size_t i = 0; i < len; i++) {
        char was = token[i];
        token[i] = was == 'x' ? 'y' : 'x';
        assert_false(token_check(s, "ID1", token, aud));
        token[i] = '\0';
        assert_false(token_check(s, "ID1", token, aud));
        token[i] = was;
    }
    char longer[TOKEN_MAX + 1];
    snprintf(longer, sizeof longer, "%sA", token);
    assert_false(token_check(s, "ID1", longer, aud));
    assert_false(token_check(s, "ID1", token + 6, aud)); /* no domain */
    assert_string_equal(aud, "untouched");
    token_secret_free(&s);
}

/* What joins id and aud can't be moved from one to the other. */
static void id_and_domain_are_kept_apart(void **state)
{
    (void)state;
    struct token_secret *s = secrets(OLD);
    char token[TOKEN_MAX + 1], aud[DOMAIN_MAX + 1], moved[TOKEN_MAX + 1];
    token_make(s, "ID1", "b.test", token);
    snprintf(moved, sizeof moved, "%s", token + 1);
    assert_false(token_check(s, "ID1b", moved, aud));
    snprintf(moved, sizeof moved, "1%s", token);
    assert_false(token_check(s, "ID", moved, aud));
    token_secret_free(&s);
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    struct token_secret *s = secrets(OLD);
    char token[TOKEN_MAX + 1], aud[DOMAIN_MAX + 1], domain[DOMAIN_MAX + 1];
    memset(domain, 'd', DOMAIN_MAX);
    domain[DOMAIN_MAX] = '\0';
    token_make(s, "ID1", domain, token);
    assert_int_equal(strlen(token), TOKEN_MAX);
    assert_true(token_check(s, "ID1", token, aud));
    assert_string_equal(aud, domain);
    char *big = mem_printf("d%s", token);
    assert_false(token_check(s, "ID1", big, aud));
    mem_free(&big);
    assert_false(token_check(s, "ID1", "", aud));
    token_secret_free(&s);
}

static void secrets_can_be_changed(void **state)
{
    (void)state;
    struct token_secret *old = secrets(OLD "\n"), *both = secrets(NEW "\n\n" OLD "\n"), *new = secrets(NEW);
    char before[TOKEN_MAX + 1], after[TOKEN_MAX + 1], aud[DOMAIN_MAX + 1];
    token_make(old, "ID1", "b.test", before);
    token_make(both, "ID1", "b.test", after);
    assert_true(token_check(both, "ID1", before, aud));
    assert_true(token_check(both, "ID1", after, aud));
    assert_true(token_check(new, "ID1", after, aud));
    assert_false(token_check(new, "ID1", before, aud));
    token_secret_free(&old);
    token_secret_free(&both);
    token_secret_free(&new);
}

static void malformed_secret_files(void **state)
{
    (void)state;
#define FOUR OLD "\n" OLD "\n" OLD "\n" OLD "\n"
    static const struct {
        const char *text;
        size_t len;
        const char *error;
    } cases[] = {
        {"", 0, "f: no secret in it: remove the file, and a new one is made"},
        {"\n\n", 2, "f: no secret in it: remove the file, and a new one is made"},
        {OLD "\nshort\n", 39, "f:2: a secret of less than 32 characters"},
        {"0123456789abcdef0123456789abcde", 31, "f:1: a secret of less than 32 characters"},
        {OLD "\0\n", 34, "f:1: a NUL in the secret"},
        {FOUR FOUR FOUR FOUR OLD, 17 * 33 - 1, "f:17: more than 16 secrets"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        struct token_secret *s;
        assert_int_equal(token_secret_parse(cases[i].text, cases[i].len, "f", &s, &err), RESULT_PERM);
        assert_string_equal(err.text, cases[i].error);
    }
}

static void file_is_made_once(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    struct stat st;
    struct token_secret *first, *again;
    char token[TOKEN_MAX + 1], aud[DOMAIN_MAX + 1];
    temp_dir_make(&t);
    assert_int_equal(token_secret_load(temp_path(&t, "secret"), &first, &err), RESULT_OK);
    assert_int_equal(stat(t.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 44);
    assert_int_equal(token_secret_load(t.path, &again, &err), RESULT_OK);
    token_make(first, "ID1", "b.test", token);
    assert_true(token_check(again, "ID1", token, aud));
    token_secret_free(&first);
    token_secret_free(&again);
    assert_int_equal(chmod(t.path, 0644), 0);
    assert_int_equal(token_secret_load(t.path, &first, &err), RESULT_PERM);
    assert_int_equal(token_secret_load(temp_path(&t, "none/secret"), &first, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "No such file"));
    temp_dir_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_then_checked),
        cmocka_unit_test(every_character_counts),
        cmocka_unit_test(id_and_domain_are_kept_apart),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(secrets_can_be_changed),
        cmocka_unit_test(malformed_secret_files),
        cmocka_unit_test(file_is_made_once),
    };
    return test_run("token", tests);
}
