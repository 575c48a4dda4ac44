#include "t/unit/temp_dir.h"
#include "t/unit/test.h"

#include <signal.h>
#include <sys/resource.h>

#include "lib/spool.h"

static void digest_is_right(struct spool *s, const void *data, size_t len)
{
    uint8_t d[DIGEST_SIZE];
    digest_of(data, len, d);
    assert_memory_equal(spool_digest(s), d, DIGEST_SIZE);
    assert_int_equal(spool_size(s), len);
}

static void small_stays_in_memory(void **state)
{
    (void)state;
    struct temp_dir t;
    temp_dir_make(&t);
    struct spool *s = spool_new(t.dir, 10, 100);
    assert_int_equal(spool_add(s, "01234", 5, NULL), RESULT_OK);
    assert_int_equal(spool_add(s, "56789", 5, NULL), RESULT_OK); /* exactly as much as fits */
    assert_int_equal(spool_finish(s, NULL), RESULT_OK);
    assert_null(spool_path(s));
    assert_memory_equal(spool_memory(s), "0123456789", 10);
    digest_is_right(s, "0123456789", 10);
    assert_int_equal(temp_dir_count(&t), 0);
    spool_free(&s);
    assert_null(s);
    spool_free(&s);
    temp_dir_remove(&t);
}

static void empty(void **state)
{
    (void)state;
    struct spool *s = spool_new("/nonexistent", 0, 0);
    assert_int_equal(spool_add(s, "", 0, NULL), RESULT_OK);
    assert_int_equal(spool_finish(s, NULL), RESULT_OK);
    assert_non_null(spool_memory(s));
    digest_is_right(s, "", 0);
    spool_free(&s);
}

/* Every way to cut 200,000 bytes into equal pieces around the interesting sizes. */
static void large_goes_to_a_file(void **state)
{
    (void)state;
    enum { SIZE = 200000 };
    static const size_t pieces[] = {1000, 4096, 65535, 65536, 65537, 131072, SIZE};
    struct temp_dir t;
    temp_dir_make(&t);
    char *data = malloc(SIZE), *back = malloc(SIZE + 1);
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 251);
    for (size_t p = 0; p < sizeof pieces / sizeof pieces[0]; p++) {
        umask(p % 2 ? 077 : 0);
        struct spool *s = spool_new(t.dir, 5000, SIZE);
        for (size_t at = 0; at < SIZE; at += pieces[p])
            assert_int_equal(spool_add(s, data + at, at + pieces[p] > SIZE ? SIZE - at : pieces[p], NULL), RESULT_OK);
        assert_int_equal(spool_finish(s, NULL), RESULT_OK);
        assert_null(spool_memory(s));
        digest_is_right(s, data, SIZE);
        struct stat st;
        assert_int_equal(stat(spool_path(s), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0660);
        FILE *f = fopen(spool_path(s), "r");
        assert_int_equal(fread(back, 1, SIZE + 1, f), SIZE);
        fclose(f);
        assert_memory_equal(back, data, SIZE);
        spool_free(&s);
        assert_int_equal(temp_dir_count(&t), 0);
    }
    umask(022);
    free(data);
    free(back);
    temp_dir_remove(&t);
}

static void released_file_stays(void **state)
{
    (void)state;
    struct temp_dir t;
    temp_dir_make(&t);
    struct spool *s = spool_new(t.dir, 0, 100);
    assert_int_equal(spool_add(s, "x", 1, NULL), RESULT_OK);
    assert_int_equal(spool_finish(s, NULL), RESULT_OK);
    spool_release_file(s);
    spool_free(&s);
    assert_int_equal(temp_dir_count(&t), 1);
    temp_dir_remove(&t);
}

static void bound_is_permanent_and_sticks(void **state)
{
    (void)state;
    struct error err = {0};
    struct spool *s = spool_new("/nonexistent", 100, 10);
    assert_int_equal(spool_add(s, "0123456789", 10, &err), RESULT_OK);
    assert_int_equal(spool_add(s, "0", 1, &err), RESULT_PERM);
    assert_string_equal(err.dsn, "5.3.4");
    err = (struct error){0};
    assert_int_equal(spool_add(s, "", 0, &err), RESULT_PERM);
    assert_int_equal(spool_finish(s, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "larger than 10"));
    spool_free(&s);
}

static void no_directory_is_temporary(void **state)
{
    (void)state;
    struct error err = {0};
    struct spool *s = spool_new("/nonexistent", 4, 100);
    assert_int_equal(spool_add(s, "01234", 5, &err), RESULT_TEMP);
    assert_non_null(strstr(err.text, "/nonexistent"));
    assert_int_equal(spool_finish(s, &err), RESULT_TEMP);
    spool_free(&s);
}

/* The disk is full after N bytes, for several N: RESULT_TEMP, in add or in finish, and no file is left. */
static void full_disk_at_any_byte(void **state)
{
    (void)state;
    struct temp_dir t;
    struct rlimit old, limit;
    char piece[1000];
    memset(piece, 'x', sizeof piece);
    temp_dir_make(&t);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    for (rlim_t n = 0; n < 200000; n += 9973) {
        struct error err = {0};
        limit = old;
        limit.rlim_cur = n;
        struct spool *s = spool_new(t.dir, 500, 1 << 20);
        setrlimit(RLIMIT_FSIZE, &limit);
        enum result r = RESULT_OK;
        for (int i = 0; i < 200 && r == RESULT_OK; i++)
            r = spool_add(s, piece, sizeof piece, &err);
        enum result finish = spool_finish(s, &err);
        setrlimit(RLIMIT_FSIZE, &old);
        assert_int_equal(finish, RESULT_TEMP);
        assert_non_null(strstr(err.text, t.dir));
        spool_free(&s);
        assert_int_equal(temp_dir_count(&t), 0);
    }
    temp_dir_remove(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_stays_in_memory),         cmocka_unit_test(empty),
        cmocka_unit_test(large_goes_to_a_file),          cmocka_unit_test(released_file_stays),
        cmocka_unit_test(bound_is_permanent_and_sticks), cmocka_unit_test(no_directory_is_temporary),
        cmocka_unit_test(full_disk_at_any_byte),
    };
    return test_run("spool", tests);
}
