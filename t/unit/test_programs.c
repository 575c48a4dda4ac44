/* ctl/program.c and access.c: other programs are bounded in time and output; rights of another user, folder by folder. */
#include "t/unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "ctl/access.h"
#include "ctl/program.h"
#include "lib/mem.h"
#include "t/unit/temp_dir.h"

enum { WAIT = 20000 };

#define SH(script) ((const char *const[]){"/bin/sh", "-c", (script), NULL})

static void what_it_says(void **state)
{
    (void)state;
    struct program p;
    struct error err;
    assert_int_equal(program_run(SH("echo out; echo err >&2; exit 3"), WAIT, &p, &err), RESULT_OK);
    assert_int_equal(p.code, 3);
    assert_string_equal(p.output, "out\n");
    assert_string_equal(p.errors, "err\n");
    program_free(&p);
    assert_int_equal(program_run(SH("kill -9 $$"), WAIT, &p, &err), RESULT_OK);
    assert_int_equal(p.code, 127 + 9);
    program_free(&p);
}

static void bounds(void **state)
{
    (void)state;
    struct program p;
    struct error err;
    assert_int_equal(program_run(SH("exec sleep 60"), 50, &p, &err), RESULT_TEMP);
    assert_non_null(strstr(err.text, "takes longer"));
    assert_int_equal(program_run(SH("exec yes"), WAIT, &p, &err), RESULT_TEMP);
    assert_non_null(strstr(err.text, "says more than"));
    assert_int_equal(program_run((const char *const[]){"/nonexistent/program", NULL}, WAIT, &p, &err), RESULT_PERM);
    assert_int_equal(program_run((const char *const[]){"no-program-has-this-name", NULL}, WAIT, &p, &err), RESULT_PERM);
}

static void rights(void **state)
{
    (void)state;
    struct temp_dir dir;
    struct error err;
    struct stat st;
    struct access_user me = {.known = true, .uid = getuid()}, other = {.known = true, .uid = getuid() + 1};
    snprintf(other.name, sizeof other.name, "other");
    temp_dir_make(&dir);
    assert_int_equal(chmod(dir.dir, 0755), 0);
    char *file = mem_strdup(temp_write(&dir, "file", "", 0640));
    assert_int_equal(access_as(&me, file, R_OK, &err), RESULT_OK);
    assert_int_equal(access_as(&other, file, R_OK, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "user other may not read"));
    assert_int_equal(access_as(&other, temp_path(&dir, "gone"), R_OK, &err), RESULT_PERM);
    assert_int_equal(stat(file, &st), 0);
    other.groups[other.ngroups++] = st.st_gid;
    assert_int_equal(access_as(&other, file, R_OK, &err), RESULT_OK);
    assert_int_equal(access_as(&other, file, W_OK, &err), RESULT_PERM);
    assert_int_equal(chmod(dir.dir, 0700), 0);
    assert_int_equal(access_as(&other, file, R_OK, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "may not pass through"));
    mem_free(&file);
    temp_dir_remove(&dir);
}

static void users(void **state)
{
    (void)state;
    struct access_user u;
    assert_true(access_user_named("root", &u));
    assert_int_equal(u.uid, 0);
    assert_true(u.known && u.ngroups > 0);
    assert_false(access_user_named("no-such-user-here", &u));
    assert_false(u.known);
    assert_false(access_user_named("root:no-such-group-here", &u));
    assert_true(access_user_numbered(0, &u));
    assert_string_equal(u.name, "root");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_says), cmocka_unit_test(bounds),
                                       cmocka_unit_test(rights), cmocka_unit_test(users)};
    return test_run("programs", tests);
}
