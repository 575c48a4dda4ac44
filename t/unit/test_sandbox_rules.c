/* What a profile and a configuration open: folders of files, where links lead, tables, nothing else. */
#include "t/unit/test.h"

#include <limits.h>

#include "lib/buf.h"
#include "lib/config.h"
#include "lib/mem.h"
#include "lib/sandbox_rules.h"
#include "t/unit/temp_dir.h"

enum { ALL_MAY = SANDBOX_MAY_READ | SANDBOX_MAY_CHANGE | SANDBOX_MAY_APPEND | SANDBOX_MAY_REMOVE | SANDBOX_MAY_SOCKET };

static const struct sandbox_path paths[] = {
    {"store.directory", SANDBOX_DATA}, {"store.published-keys", SANDBOX_FOLDER}, {"store.certificate", SANDBOX_FILE},
    {"milter.socket", SANDBOX_SOCKET}, {"discovery.ca-file", SANDBOX_FILE},      {NULL, 0},
};
static const struct sandbox_profile profile = {.paths = paths, .tables = "rule"};

static struct temp_dir t;
static struct sandbox_rules rules;

/* `name` in the test's folder. To mem_free(). */
static char *in_dir(const char *name)
{
    return mem_printf("%s%s%s", t.dir, name[0] != '\0' ? "/" : "", name);
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(temp_path(&t, name), 0700), 0);
}

static int begin(void **state)
{
    (void)state;
    temp_dir_make(&t);
    rules = (struct sandbox_rules){0};
    return 0;
}

static void remove_below(const char *name)
{
    struct temp_dir below;
    snprintf(below.dir, sizeof below.dir, "%s/%s", t.dir, name);
    if (access(below.dir, F_OK) == 0)
        temp_dir_remove(&below);
}

static int end(void **state)
{
    (void)state;
    sandbox_rules_free(&rules);
    assert_null(rules.all);
    static const char *const below[] = {"data", "etc", "live", "archive", "log", "run", "tables"};
    for (size_t i = 0; i < sizeof below / sizeof *below; i++)
        remove_below(below[i]);
    temp_dir_remove(&t);
    return 0;
}

static void add_text(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '@')
            buf_add_str(out, t.dir);
        else
            buf_add_char(out, *text);
    }
}

/* The rules of a configuration: what section store has beside its directory, "data", and others. Each @ is the test's folder. */
static void make(const char *store, const char *others)
{
    struct config *c;
    struct error err;
    struct buf out = BUF_INIT(10000);
    add_text(&out, "store { directory = \"@/data\" ");
    add_text(&out, store);
    add_text(&out, "}\n");
    add_text(&out, others);
    if (config_parse(buf_str(&out), "t.conf", &c, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    buf_free(&out);
    sandbox_rules_make(&rules, &profile, c);
    config_free(&c);
}

static unsigned may(const char *name)
{
    char *path = in_dir(name);
    unsigned m = sandbox_rules_allow(&rules, path, ALL_MAY);
    mem_free(&path);
    return m;
}

/* ---- tests ---- */

static void each_use(void **state)
{
    (void)state;
    make_dir("etc");
    make_dir("log");
    make_dir("run");
    make_dir("live");
    make("published-keys = \"@/live\" certificate = \"@/etc/cert.pem\"",
         "log { target = \"@/log/pontoon.log\" }\n"
         "milter { socket = \"unix:@/run/milter.sock\" }\n");
    assert_int_equal(may("data"), SANDBOX_MAY_READ | SANDBOX_MAY_CHANGE); /* it was made, too */
    assert_int_equal(may("data/incoming/x"), SANDBOX_MAY_READ | SANDBOX_MAY_CHANGE);
    assert_int_equal(may("live/a.pem"), SANDBOX_MAY_READ);
    assert_int_equal(may("etc/cert.pem"), SANDBOX_MAY_READ);
    assert_int_equal(may("etc/cert.pem.new"), SANDBOX_MAY_READ); /* files are replaced by renaming */
    assert_int_equal(may("log/pontoon.log"), SANDBOX_MAY_APPEND);
    assert_int_equal(may("run/milter.sock"), SANDBOX_MAY_SOCKET | SANDBOX_MAY_REMOVE);
    assert_int_equal(may(""), 0);
    assert_int_equal(may("other"), 0);
    assert_int_equal(sandbox_rules_allow(&rules, "/etc/shadow", ALL_MAY), 0);
    assert_int_equal(sandbox_rules_allow(&rules, "/", ALL_MAY), 0);
}

/* A folder is not opened by another one whose name begins alike. */
static void names_that_begin_alike(void **state)
{
    (void)state;
    make("", "");
    assert_int_equal(may("data/x"), SANDBOX_MAY_READ | SANDBOX_MAY_CHANGE);
    assert_int_equal(may("database"), 0);
    assert_int_equal(may("data-old/x"), 0);
    assert_int_equal(may("dat"), 0);
}

/* A certificate that is a link into an archive, as ACME clients have them: both folders. */
static void links(void **state)
{
    (void)state;
    make_dir("live");
    make_dir("archive");
    temp_write(&t, "archive/cert7.pem", "x", 0600);
    char *target = in_dir("archive/cert7.pem");
    assert_int_equal(symlink(target, temp_path(&t, "live/cert.pem")), 0);
    mem_free(&target);
    make("certificate = \"@/live/cert.pem\"", "");
    assert_int_equal(may("live/cert.pem"), SANDBOX_MAY_READ);
    assert_int_equal(may("archive/cert8.pem"), SANDBOX_MAY_READ);
    assert_int_equal(may("other"), 0);
}

/* Rules are canonical paths: ".." and links in the configuration lead nowhere else. */
static void canonical(void **state)
{
    (void)state;
    make_dir("etc");
    make_dir("live");
    assert_int_equal(symlink("live", temp_path(&t, "link")), 0);
    make("published-keys = \"@/link\" certificate = \"@/etc/../etc/./cert.pem\"", "");
    assert_int_equal(may("live/x"), SANDBOX_MAY_READ);
    assert_int_equal(may("link/x"), 0);
    assert_int_equal(may("etc/cert.pem"), SANDBOX_MAY_READ);
    for (size_t i = 0; i < rules.n; i++) {
        char real[PATH_MAX];
        assert_non_null(realpath(rules.all[i].path, real));
        assert_string_equal(real, rules.all[i].path);
    }
}

/* What is no path opens nothing, nor does what isn't there. */
static void no_paths(void **state)
{
    (void)state;
    make("published-keys = \"@/missing\" certificate = \"@/missing/cert.pem\"",
         "log { target = syslog }\n"
         "milter { socket = \"inet:127.0.0.1:8891\" }\n"
         "discovery { ca-file = \"\" }\n");
    size_t below = 0;
    for (size_t i = 0; i < rules.n; i++)
        below += strncmp(rules.all[i].path, t.dir, strlen(t.dir)) == 0;
    assert_int_equal(below, 1); /* the store's */
    assert_int_equal(may("missing"), 0);
    assert_int_equal(may(""), 0);
    sandbox_rules_add_pid_file(&rules, NULL);
    assert_int_equal(sandbox_rules_allow(&rules, "/run", ALL_MAY), 0);
}

/* Rules name tables, with "!" or without; only this profile's section counts. */
static void tables(void **state)
{
    (void)state;
    make_dir("tables");
    make_dir("etc");
    make("", "rule a { recipients = {bob@b.test, \"texthash:@/tables/vips\"} }\n"
             "rule b { senders = {\"!texthash:@/etc/others\"} }\n");
    assert_int_equal(may("tables/vips"), SANDBOX_MAY_READ);
    assert_int_equal(may("etc/others"), SANDBOX_MAY_READ);
    assert_int_equal(may("other"), 0);
    const struct sandbox_rule *r = &rules.all[rules.n - 1];
    assert_string_equal(r->key, "senders");
    assert_non_null(strstr(r->named, "/etc/others"));
}

/* Its folder: to write it, and to remove it at the end. */
static void pid_file(void **state)
{
    (void)state;
    make_dir("run");
    char *path = in_dir("run/x.pid");
    sandbox_rules_add_pid_file(&rules, path);
    mem_free(&path);
    assert_int_equal(may("run/x.pid"), SANDBOX_MAY_APPEND | SANDBOX_MAY_REMOVE);
    assert_int_equal(may("x.pid"), 0);
}

/* Libraries, resolver and CAs can be read, and nothing of it changed; no secrets are among them. */
static void system_paths(void **state)
{
    (void)state;
    static const char *const secrets[] = {
        "/etc/shadow", "/etc/ssh/ssh_host_ed25519_key", "/root/.ssh/id_ed25519", "/var/lib/pontoon/keys", "/home",
        "/etc/passwd-"};
    sandbox_rules_add_system(&rules);
    assert_int_equal(sandbox_rules_allow(&rules, "/etc/passwd", ALL_MAY), SANDBOX_MAY_READ);
    char real[PATH_MAX];
    assert_non_null(realpath("/usr/lib", real));
    assert_int_equal(sandbox_rules_allow(&rules, real, ALL_MAY), SANDBOX_MAY_READ);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        assert_int_equal(sandbox_rules_allow(&rules, secrets[i], ALL_MAY), 0);
    for (size_t i = 0; i < rules.n; i++)
        assert_int_equal(rules.all[i].may, SANDBOX_MAY_READ);
}

/* Only what was asked for is answered, and several rules for one path add up. */
static void asked(void **state)
{
    (void)state;
    make_dir("data");
    make("", "log { target = \"@/data/log\" }\n");
    assert_int_equal(may("data/x"), SANDBOX_MAY_READ | SANDBOX_MAY_CHANGE | SANDBOX_MAY_APPEND);
    char *path = in_dir("data/x");
    assert_int_equal(sandbox_rules_allow(&rules, path, SANDBOX_MAY_READ), SANDBOX_MAY_READ);
    assert_int_equal(sandbox_rules_allow(&rules, path, SANDBOX_MAY_SOCKET), 0);
    mem_free(&path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_use, begin, end),
        cmocka_unit_test_setup_teardown(names_that_begin_alike, begin, end),
        cmocka_unit_test_setup_teardown(links, begin, end),
        cmocka_unit_test_setup_teardown(canonical, begin, end),
        cmocka_unit_test_setup_teardown(no_paths, begin, end),
        cmocka_unit_test_setup_teardown(tables, begin, end),
        cmocka_unit_test_setup_teardown(pid_file, begin, end),
        cmocka_unit_test_setup_teardown(system_paths, begin, end),
        cmocka_unit_test_setup_teardown(asked, begin, end),
    };
    return test_run("sandbox_rules", tests);
}
