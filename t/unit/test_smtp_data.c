#include "t/unit/test.h"

#include "lib/smtp_data.h"

/* Stuffs `in` cut into pieces of `piece` bytes, with what ends it; to free(). */
static char *wire(const char *in, size_t len, size_t piece, struct smtp_data *d)
{
    char *out = calloc(1, 2 * len + 8);
    size_t n = 0;
    smtp_data_init(d);
    for (size_t i = 0; i < len; i += piece)
        n += smtp_data_stuff(d, in + i, len - i < piece ? len - i : piece, out + n);
    strcpy(out + n, smtp_data_end(d));
    return out;
}

static void stuffs_the_same_however_it_is_cut(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ".\r\n"},
        {".", "..\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"a\r\n.\r\nQUIT\r\n", "a\r\n..\r\nQUIT\r\n.\r\n"},
        {"..a.\r\n.b\r\n", "...a.\r\n..b\r\n.\r\n"},
        {"no end", "no end\r\n.\r\n"},
        {"a\r", "a\r\r\n.\r\n"},
        {"a\r.\r\nb\r\n", "a\r.\r\nb\r\n.\r\n"},
        {"a\r\r\n.b\r\n", "a\r\r\n..b\r\n.\r\n"},
        {"\r\n.", "\r\n..\r\n.\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t piece = 1; piece <= 5; piece++) {
            struct smtp_data d;
            char *out = wire(cases[i].in, strlen(cases[i].in), piece, &d);
            assert_string_equal(out, cases[i].out);
            assert_int_equal(d.bytes, strlen(cases[i].in));
            assert_false(d.bare_lf);
            free(out);
        }
    }
}

static void content_never_ends_data_early(void **state)
{
    (void)state;
    /* All texts of eight bytes from four letters: the end must appear nowhere but at the end. */
    for (unsigned code = 0; code < 65536; code++) {
        char in[8], out[40];
        for (size_t i = 0; i < sizeof in; i++)
            in[i] = "\r\n.x"[code >> (2 * i) & 3];
        struct smtp_data d;
        smtp_data_init(&d);
        size_t n = smtp_data_stuff(&d, in, sizeof in, out);
        assert_true(n <= smtp_data_room(sizeof in));
        if (d.bare_lf)
            assert_true(n == 0 || out[n - 1] != '\n' || n < 2 || out[n - 2] == '\r');
        strcpy(out + n, smtp_data_end(&d));
        for (size_t i = 0; i + 3 <= strlen(out); i++) {
            bool ends = memcmp(out + i, ".\r\n", 3) == 0 && (i == 0 || (i >= 2 && memcmp(out + i - 2, "\r\n", 2) == 0));
            assert_true(!ends || i + 3 == strlen(out) || d.bare_lf);
            assert_true(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'));
        }
    }
}

static void stops_before_a_bare_lf(void **state)
{
    (void)state;
    char out[100];
    struct smtp_data d;
    smtp_data_init(&d);
    assert_int_equal(smtp_data_stuff(&d, "ab\n.\r\nMAIL", 10, out), 2);
    assert_true(d.bare_lf);
    assert_int_equal(smtp_data_stuff(&d, "more\r\n", 6, out), 0);
    smtp_data_init(&d);
    assert_int_equal(smtp_data_stuff(&d, "\n", 1, out), 0); /* at the very start */
    assert_true(d.bare_lf);
}

static void sees_what_it_should(void **state)
{
    (void)state;
    struct smtp_data d;
    smtp_data_init(&d);
    smtp_data_scan(&d, "a\r", 2);
    smtp_data_scan(&d, "\nb\r\n", 4);
    assert_false(d.bare_cr || d.bare_lf);
    smtp_data_scan(&d, "\rx", 2);
    assert_true(d.bare_cr);
    smtp_data_scan(&d, "\xc3\xa9\n", 3);
    assert_true(d.bare_lf);
    assert_int_equal(d.bytes, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stuffs_the_same_however_it_is_cut),
        cmocka_unit_test(content_never_ends_data_early),
        cmocka_unit_test(stops_before_a_bare_lf),
        cmocka_unit_test(sees_what_it_should),
    };
    return test_run("smtp_data", tests);
}
