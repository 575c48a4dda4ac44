#include "t/unit/temp_dir.h"

#include <errno.h>
#include <sys/syscall.h>

#include "lib/mem.h"
#include "lib/secret_file.h"
#include "lib/token.h"

static int warnings;
static int fail_fsync; /* at which call from now: 1 the next; 0 none */

/* Instead of libc's. */
int fsync(int fd)
{
    if (fail_fsync > 0 && --fail_fsync == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

static void count_warnings(enum log_level level, const char *text)
{
    (void)text;
    warnings += level == LOG_LEVEL_WARNING;
}

static void created_whole_and_private(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    struct stat st;
    char *data;
    size_t len;
    temp_dir_make(&t);
    mode_t old = umask(0);
    assert_int_equal(secret_file_create(temp_path(&t, "s"), "a\0b", 3, &err), RESULT_OK);
    umask(old);
    assert_int_equal(stat(t.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(secret_file_read(t.path, &data, &len, &err), RESULT_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "a\0b", 4);
    mem_free(&data);
    assert_int_equal(temp_dir_count(&t), 1);
    temp_dir_remove(&t);
}

static void never_replaces(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    char *data;
    size_t len;
    temp_dir_make(&t);
    temp_write(&t, "s", "old", 0600);
    assert_int_equal(secret_file_create(t.path, "new", 3, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "File exists"));
    assert_int_equal(secret_file_read(t.path, &data, &len, &err), RESULT_OK);
    assert_string_equal(data, "old");
    mem_free(&data);
    assert_int_equal(temp_dir_count(&t), 1); /* no temporary file stays */
    temp_dir_remove(&t);
}

static void rights_are_checked(void **state)
{
    (void)state;
    static const struct {
        unsigned mode;
        enum result result;
        int warnings;
    } cases[] = {
        {0600, RESULT_OK, 0},   {0400, RESULT_OK, 0},   {0640, RESULT_PERM, 0}, {0660, RESULT_PERM, 0},
        {0644, RESULT_PERM, 0}, {0602, RESULT_PERM, 0}, {0604, RESULT_PERM, 0},
    };
    struct temp_dir t;
    struct error err;
    temp_dir_make(&t);
    log_set_hook(count_warnings);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *data;
        size_t len;
        warnings = 0;
        temp_write(&t, "s", "x", cases[i].mode);
        assert_int_equal(secret_file_read(t.path, &data, &len, &err), cases[i].result);
        assert_int_equal(warnings, cases[i].warnings);
        if (cases[i].result == RESULT_OK)
            mem_free(&data);
        else
            assert_non_null(strstr(err.text, "chmod 600"));
        unlink(t.path);
    }
    log_set_hook(test_drop_line);
    temp_dir_remove(&t);
}

static void refuses_what_is_no_file_of_ours(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    char *data;
    size_t len;
    temp_dir_make(&t);
    assert_int_equal(secret_file_read(temp_path(&t, "none"), &data, &len, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(secret_file_create(temp_path(&t, "none/s"), "x", 1, &err), RESULT_PERM);
    assert_int_equal(secret_file_read(t.dir, &data, &len, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(mkfifo(temp_path(&t, "fifo"), 0600), 0);
    assert_int_equal(secret_file_read(t.path, &data, &len, &err), RESULT_PERM);
    temp_write(&t, "big", "", 0600);
    assert_int_equal(truncate(t.path, SECRET_FILE_MAX + 1), 0);
    assert_int_equal(secret_file_read(t.path, &data, &len, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "larger than"));
    temp_dir_remove(&t);
}

/* First the file's fsync, then its directory's: without both there is no secret. */
static void not_there_unless_durable(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    struct token_secret *secret = NULL;
    temp_dir_make(&t);
    temp_path(&t, "s");
    for (int n = 1; n <= 2; n++) {
        fail_fsync = n;
        assert_int_equal(secret_file_create(t.path, "new", 3, &err), RESULT_TEMP);
        assert_non_null(strstr(err.text, n == 1 ? "write" : "sync the directory of"));
        assert_int_equal(temp_dir_count(&t), 0);
        fail_fsync = n;
        assert_int_equal(token_secret_load(t.path, &secret, &err), RESULT_TEMP);
        assert_int_equal(temp_dir_count(&t), 0);
    }
    assert_int_equal(token_secret_load(t.path, &secret, &err), RESULT_OK);
    token_secret_free(&secret);
    temp_dir_remove(&t);
}

static void made_by_another_is_as_good(void **state)
{
    (void)state;
    struct temp_dir t;
    struct error err;
    char *data;
    size_t len;
    temp_dir_make(&t);
    temp_write(&t, "s", "old", 0600);
    assert_int_equal(secret_file_ensure(t.path, "new", 3, &err), RESULT_OK);
    assert_int_equal(secret_file_read(t.path, &data, &len, &err), RESULT_OK);
    assert_string_equal(data, "old");
    mem_free(&data);
    fail_fsync = 2; /* its maker may have died before this */
    assert_int_equal(secret_file_ensure(t.path, "new", 3, &err), RESULT_TEMP);
    assert_int_equal(temp_dir_count(&t), 1); /* not ours to remove */
    assert_int_equal(secret_file_ensure(temp_path(&t, "none/s"), "x", 1, &err), RESULT_PERM);
    temp_dir_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_whole_and_private), cmocka_unit_test(never_replaces),
        cmocka_unit_test(rights_are_checked),        cmocka_unit_test(refuses_what_is_no_file_of_ours),
        cmocka_unit_test(not_there_unless_durable),  cmocka_unit_test(made_by_another_is_as_good),
    };
    return test_run("secret_file", tests);
}
