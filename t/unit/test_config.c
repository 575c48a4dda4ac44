#include "t/unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/config_value.h"
#include "lib/mem.h"

static struct config *good(const char *text)
{
    struct config *c;
    struct error err = {.text = ""};
    if (config_parse(text, "t.conf", &c, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return c;
}

static void bad(const char *text, const char *expected)
{
    struct config *c;
    struct error err;
    assert_int_equal(config_parse(text, "t.conf", &c, &err), RESULT_PERM);
    assert_null(c);
    if (strncmp(err.text, expected, strlen(expected)) != 0)
        fail_msg("\"%s\"\n gives \"%s\"\n not   \"%s\"", text, err.text, expected);
}

static void defaults_parse(void **state)
{
    (void)state;
    struct config *c = good("");
    size_t n;
    for (size_t i = 0; config_table[i].name != NULL; i++) {
        char key[100];
        if (strcmp(config_table[i].section, "rule") == 0)
            continue; /* there is no rule */
        snprintf(key, sizeof key, "%s%s%s", config_table[i].section, config_table[i].section[0] ? "." : "",
                 config_table[i].name);
        assert_string_equal(config_where(c, key), "default");
    }
    assert_int_equal(config_number(c, "milter.socket-mode"), 0660);
    assert_int_equal(config_number(c, "milter.spool-memory"), 128 * 1024);
    assert_int_equal(config_time(c, "store.expire-after"), 5 * 86400000LL);
    assert_true(config_bool(c, "milter.divert"));
    assert_string_equal(config_string(c, "milter.on-store-failure"), "smtp");
    assert_string_equal(config_string(c, "postmaster"), "");
    const char *const *l = config_list(c, "milter.transports", &n);
    assert_int_equal(n, 3);
    assert_string_equal(l[1], "relay");
    config_list(c, "domains", &n);
    assert_int_equal(n, 0);
    assert_true(strlen(config_hostname(c)) > 0);
    config_free(&c);
    assert_null(c);
}

/* Every example and default that the sample shows must be taken when uncommented. */
static void sample_parses(void **state)
{
    (void)state;
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    config_print_sample(f);
    fclose(f);
    struct config *c = good(text);
    config_free(&c);
    unsigned set = 0;
    for (char *p = text; p != NULL && *p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
        char *hash = p + strspn(p, " ");
        if (hash[0] == '#' && hash[1] != ' ' && hash[1] != '\n') {
            hash[0] = ' ';
            set++;
        }
    }
    c = good(text);
    unsigned entries = 0, titled = 0;
    while (config_table[entries].name != NULL)
        entries++;
    for (const struct config_section *section = config_sections; section->name != NULL; section++)
        titled += section->title != NULL;
    assert_int_equal(set, entries + 2 * titled); /* "#rule NAME {" and "#}" */
    assert_string_not_equal(config_where(c, "bridge.listen"), "default");
    config_free(&c);
    free(text);
}

static void mdoc_names_all(void **state)
{
    (void)state;
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    config_print_mdoc(f);
    fclose(f);
    for (size_t i = 0; config_table[i].name != NULL; i++) {
        char item[100];
        snprintf(item, sizeof item, "\n.It Cm %s\n", config_table[i].name);
        assert_non_null(strstr(text, item));
    }
    free(text);
}

static void values_and_places(void **state)
{
    (void)state;
    struct config *c = good("# a comment\n"
                            "/* another,\n over two lines */ hostname = Mail.Example.ORG # behind\n"
                            "domains = {a.test, # in a list\n"
                            "           \"B.Test\",\n"
                            "           b\xc3\xbc"
                            "cher.example }\n"
                            "milter {\n"
                            "  socket-mode = 0666\n"
                            "  divert-clients = {*, *@b.test, user+tag@c.test}\n"
                            "  transports = @x.test\n"
                            "  transports += {y.test, 'z.test'}\n"
                            "\n"
                            "  notify-hold = 1500ms max-size=10m\n"
                            "}\n"
                            "store { listen = {[::1]:8443, *:443} }\n"
                            "policy { inbound = https://bridge.example.org/x }\n"
                            "store { mta = inet:127.0.0.1:25 }\n");
    size_t n;
    assert_string_equal(config_string(c, "hostname"), "Mail.Example.ORG");
    assert_string_equal(config_hostname(c), "mail.example.org");
    assert_string_equal(config_where(c, "hostname"), "t.conf:3");
    const char *const *l = config_list(c, "domains", &n);
    assert_int_equal(n, 3);
    assert_string_equal(l[1], "b.test");
    assert_string_equal(l[2], "xn--bcher-kva.example");
    assert_true(config_is_our_domain(c, "b.test"));
    assert_false(config_is_our_domain(c, "c.test"));
    assert_string_equal(config_where(c, "domains"), "t.conf:4");
    assert_int_equal(config_number(c, "milter.socket-mode"), 0666);
    assert_string_equal(config_where(c, "milter.socket-mode"), "t.conf:8");
    l = config_list(c, "milter.divert-clients", &n);
    assert_int_equal(n, 3);
    assert_string_equal(l[0], "*");
    assert_string_equal(l[1], "*@b.test");
    assert_string_equal(l[2], "user+tag@c.test");
    l = config_list(c, "milter.transports", &n);
    assert_int_equal(n, 3);
    assert_string_equal(l[2], "z.test");
    assert_int_equal(config_time(c, "milter.notify-hold"), 1500);
    assert_int_equal(config_number(c, "milter.max-size"), 10 << 20);
    l = config_list(c, "policy.inbound", &n);
    assert_string_equal(l[0], "https://bridge.example.org/x");
    assert_string_equal(config_where(c, "store.mta"), "t.conf:17");
    assert_string_equal(config_path(c), "t.conf");
    config_free(&c);
}

static void syntax_errors(void **state)
{
    (void)state;
    bad("\nfoo = 1\n", "t.conf:2: no such option 'foo'");
    bad("# c\n\nfoo {\n x = 1 }\n", "t.conf:3: no such option 'foo'");
    bad("milter {\n\n sockt = x }\n", "t.conf:3: section milter: no such option 'sockt'");
    bad("milter {}\nmilter|socket = x\n", "t.conf:2: ");
    bad("milter {\n socket = unix:/x\n", "t.conf:1: '{' is never closed");
    bad("hostname = a.test\n}\n", "t.conf:2: '}' without '{'");
    bad("hostname a.test\n", "t.conf:1: missing equal sign");
    bad("hostname = \n", "t.conf:2: premature end of file");
    bad("hostname = a.test b.test\n", "t.conf:1: no such option 'b.test'");
    bad("hostname = {a.test}\n", "t.conf:1: unexpected token '{'");
    bad("hostname += a.test\n", "t.conf:1: attempt to append");
    bad("domains = {a.test b.test}\n", "t.conf:1: unexpected token");
    bad("\nhostname = \"a.test\n", "t.conf:2: a quoted string is begun, but not closed");
    bad("\nhostname = 'a.test\n'", "t.conf:2: a quoted string is begun, but not closed");
    bad("\n/* comment\n\n", "t.conf:2: a comment is begun, but not closed");
    bad("hostname = a\x01.test", "t.conf:1: ");
    bad("\n\x01", "t.conf:2: a control character (0x01)");
    bad("postmaster = \"a\\nb\"", "t.conf:1: postmaster: ");
    bad("postmaster = \"\\400\"", "t.conf:1: invalid octal number");
    bad("milter = 3", "t.conf:1: missing opening brace for section 'milter'");
}

static void bad_values(void **state)
{
    (void)state;
    bad("milter {\n notify-hold = 2 }", "t.conf:2: notify-hold: \"2\" is no time");
    bad("milter {\n notify-hold = 2 s }", "t.conf:2: ");
    bad("milter { notify-hold = 2x }", "t.conf:1: notify-hold: \"2x\" is no time");
    bad("milter { notify-hold = -2s }", "t.conf:1: notify-hold: \"-2s\" is no time");
    bad("milter { notify-hold = 61s }", "t.conf:1: notify-hold: \"61s\" is out of range");
    bad("milter { spool-memory = 12Q }", "t.conf:1: spool-memory: \"12Q\" is no size");
    bad("milter { spool-memory = 4095 }", "t.conf:1: spool-memory: \"4095\" is out of range");
    bad("milter { max-size = 99999999999G }", "t.conf:1: max-size: \"99999999999G\" is no size");
    bad("milter { max-size = 99999999999999999999 }", "t.conf:1: max-size: ");
    bad("discovery { lookups-max = 1K }", "t.conf:1: lookups-max: \"1K\" is no whole number");
    bad("discovery { lookups-max = 0 }", "t.conf:1: lookups-max: \"0\" is out of range");
    bad("milter { divert = maybe }", "t.conf:1: divert: \"maybe\" is neither yes nor no");
    bad("milter { socket-mode = 0999 }", "t.conf:1: socket-mode: \"0999\" is no file mode");
    bad("milter { socket-mode = 7777 }", "t.conf:1: socket-mode: \"7777\" is no file mode");
    bad("milter { on-store-failure = panic }", "t.conf:1: on-store-failure: \"panic\" is none of: smtp tempfail");
    bad("milter { on-store-failure = \"\" }", "t.conf:1: on-store-failure: \"\" is none of");
    bad("store { directory = var/x }", "t.conf:1: directory: \"var/x\" is no absolute path");
    bad("store { directory = \"\" }", "t.conf:1: directory: \"\" is no absolute path");
    bad("store { mta = nowhere }", "t.conf:1: mta: ");
    bad("domains = {a.test, \"not a domain\"}", "t.conf:1: domains: \"not a domain\" is no mail domain");
    bad("domains = localhost", "t.conf:1: domains: ");
    bad("domains = {a.test, \"\"}", "t.conf:1: domains: an empty list member");
    bad("\nhostname = nodots", "t.conf:2: hostname: ");
    char *text = mem_alloc(CONFIG_VALUE_MAX + 100);
    memset(text, 'x', CONFIG_VALUE_MAX + 99);
    memcpy(text, "postmaster = ", 13);
    text[CONFIG_VALUE_MAX + 99] = '\0';
    bad(text, "t.conf:1: postmaster: the value is longer than");
    mem_free(&text);
}

static void duplicates(void **state)
{
    (void)state;
    bad("hostname = a.test\nhostname = b.test", "t.conf:2: hostname is set twice (first at t.conf:1)");
    bad("domains = a.test\ndomains = b.test", "t.conf:2: domains is set twice (first at t.conf:1)");
    bad("domains = {a.test, b.test}\ndomains = {c.test}", "t.conf:2: domains is set twice (first at t.conf:1)");
    bad("milter { divert = no\n}\nmilter {\n divert = yes }", "t.conf:4: divert is set twice (first at t.conf:1)");
    bad("milter { transports = a\n}\nmilter {\n transports += b }", "t.conf:4: transports is set twice");
}

static void titled_sections(void **state)
{
    (void)state;
    struct config *c = good("rule \"one\" {\n  recipients = {a.test,\n b.test}\n percent = 12.5 action = divert }\n"
                            "milter { divert = no }\n"
                            "rule two {}\n"
                            "rule three.x-y_Z { recipients = {} percent = 0.01% min-size = 4K }\n");
    size_t n;
    assert_int_equal(config_count(c, "rule"), 3);
    assert_int_equal(config_count(c, "milter"), 0);
    const struct config *r = config_nth(c, "rule", 0);
    assert_string_equal(config_title(r), "one");
    const char *const *l = config_list(r, "rule.recipients", &n);
    assert_int_equal(n, 2);
    assert_string_equal(l[1], "b.test");
    assert_string_equal(config_where(r, "rule.recipients"), "t.conf:2");
    assert_int_equal(config_number(r, "rule.percent"), 1250);
    assert_string_equal(config_string(r, "rule.action"), "divert");
    r = config_nth(c, "rule", 1);
    assert_string_equal(config_title(r), "two");
    assert_string_equal(config_title_where(r), "t.conf:6");
    assert_string_equal(config_where(r, "rule.recipients"), "default");
    assert_string_equal(config_string(r, "rule.action"), "smtp");
    assert_int_equal(config_number(r, "rule.percent"), 10000);
    r = config_nth(c, "rule", 2);
    assert_string_equal(config_title(r), "three.x-y_Z");
    config_list(r, "rule.recipients", &n);
    assert_int_equal(n, 0);
    assert_string_equal(config_where(r, "rule.recipients"), "t.conf"); /* set, and empty */
    assert_int_equal(config_number(r, "rule.percent"), 1);
    assert_int_equal(config_number(r, "rule.min-size"), 4096);
    config_free(&c);

    bad("rule a {}\n\nrule b {\n action = no }", "t.conf:4: action: \"no\" is none of");
    bad("rule a {\n percent = 1\n percent = 2 }", "t.conf:3: percent is set twice (first at t.conf:2)");
    bad("rule a {\n foo = 1 }", "t.conf:2: section rule: no such option 'foo'");
    bad("rule a {}\nrule b {}\nrule a {}\n", "t.conf:3: ");
    bad("\nrule {}", "t.conf:2: missing title for section 'rule'");
    bad("\nrule \"a b\" {}", "t.conf:2: rule \"a b\": a name is");
    bad("\nrule \"\" {}", "t.conf:2: rule \"\": a name is");
    static const char *const bad_percent[] = {
        "101", "100.01", "-1", "1.", "1.234", "x", "1 %", "1%%", "99999999999999999999", ".5"};
    for (size_t i = 0; i < sizeof bad_percent / sizeof *bad_percent; i++) {
        char text[100];
        snprintf(text, sizeof text, "rule a { percent = \"%s\" }", bad_percent[i]);
        bad(text, "t.conf:1: percent: ");
    }
    char *many = mem_zero(1, 40000), *end = many;
    for (int i = 0; i < 1001; i++)
        end += sprintf(end, "rule r%d {}\n", i);
    bad(many, "t.conf:1001: more than 1000 sections rule");
    mem_free(&many);
}

static unsigned error_lines;

static void count_errors(enum log_level level, const char *text)
{
    (void)text;
    error_lines += level == LOG_LEVEL_ERROR;
}

static void all_errors_are_logged(void **state)
{
    (void)state;
    error_lines = 0;
    log_set_hook(count_errors);
    bad("milter { divert = x\n notify-hold = y\n }\ndomains = z\n", "t.conf:1: divert");
    log_set_hook(test_drop_line);
    assert_int_equal(error_lines, 3);
}

/* ---- files and includes ---- */

static char dir[] = "/tmp/test_config.XXXXXX";

static const char *write_file(const char *name, const char *text)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void bad_file(const char *name, const char *expected)
{
    char path[200], want[500];
    struct config *c;
    struct error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    snprintf(want, sizeof want, "%s/%s", dir, expected);
    assert_int_equal(config_load(path, &c, &err), RESULT_PERM);
    if (strncmp(err.text, want, strlen(want)) != 0)
        fail_msg("\"%s\" not \"%s\"", err.text, want);
}

static void includes(void **state)
{
    (void)state;
    struct config *c;
    struct error err;
    char where[200];
    write_file("one.conf", "# one\nmilter {\n divert = no\n}\ninclude(\"two.conf\")\n");
    write_file("two.conf", "domains = a.test\n");
    const char *path = write_file("main.conf", "include(\"one.conf\")\nhostname = mail.a.test\n");
    assert_int_equal(config_load(path, &c, &err), RESULT_OK);
    assert_false(config_bool(c, "milter.divert"));
    assert_true(config_is_our_domain(c, "a.test"));
    snprintf(where, sizeof where, "%s/one.conf:3", dir);
    assert_string_equal(config_where(c, "milter.divert"), where);
    config_free(&c);

    write_file("two.conf", "\nrule two {}\n");
    write_file("one.conf", "include(\"two.conf\")\nrule one {}\n");
    assert_int_equal(config_load(path, &c, &err), RESULT_OK);
    assert_int_equal(config_count(c, "rule"), 2);
    assert_string_equal(config_title(config_nth(c, "rule", 0)), "one");
    assert_string_equal(config_title(config_nth(c, "rule", 1)), "two");
    config_free(&c);
    write_file("two.conf", "\nrule one {}\n");
    bad_file("main.conf", "two.conf:2: rule \"one\" is there twice (first at ");
    write_file("one.conf", "# one\nmilter {\n divert = no\n}\ninclude(\"two.conf\")\n");

    write_file("two.conf", "\ndomains = !\n");
    bad_file("main.conf", "two.conf:2: domains: ");
    write_file("two.conf", "\n\ninclude(\"one.conf\")\n");
    bad_file("main.conf", "two.conf:3: ");
    write_file("two.conf", "hostname = mail.b.test\n");
    bad_file("main.conf", "two.conf:1: hostname is set twice");
    write_file("two.conf", "\ninclude(missing.conf)");
    bad_file("main.conf", "missing.conf: No such file");
    write_file("two.conf", "include()");
    bad_file("main.conf", "two.conf:1: include takes one file name");
    write_file("two.conf", "milter {\n include(\"x\") }");
    bad_file("main.conf", "two.conf:2: section milter: no such option 'include'");
    bad_file("nothing.conf", "nothing.conf: No such file");
    bad_file(".", ".: ");
    for (int i = 0; i < 120; i++) {
        char name[20], text[40];
        snprintf(name, sizeof name, "n%d.conf", i);
        snprintf(text, sizeof text, "include(\"n%d.conf\")", i + 1);
        write_file(name, text);
    }
    bad_file("n0.conf", "n99.conf:1: more than 100 files");
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_parse),
        cmocka_unit_test(sample_parses),
        cmocka_unit_test(mdoc_names_all),
        cmocka_unit_test(values_and_places),
        cmocka_unit_test(syntax_errors),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(titled_sections),
        cmocka_unit_test(all_errors_are_logged),
        cmocka_unit_test_setup_teardown(includes, make_dir, remove_dir),
    };
    return test_run("config", tests);
}
