/* Tables, against real ones of postmap(1). */
#include "t/unit/test.h"

#include <cdb.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <utime.h>

#include "lib/lookup.h"
#include "lib/mem.h"
#include "t/unit/postmap.h"

static struct temp_dir dir;

static int make_dir(void **state)
{
    (void)state;
    temp_dir_make(&dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    temp_dir_remove(&dir);
    return 0;
}

static struct lookup *opened(const char *type, const char *name)
{
    struct lookup *l;
    struct error err = {.text = ""};
    if (lookup_open(table_name(&dir, type, name), &l, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return l;
}

static void expect(struct lookup *l, const char *key, enum lookup_answer answer)
{
    struct error err = {.text = ""};
    enum lookup_answer a = lookup_find(l, key, &err);
    if (a != answer)
        fail_msg("%s in %s: %d, not %d %s", key, lookup_name(l), a, answer, err.text);
}

static void made_by_postmap(const char *type)
{
    if (!postmap(&dir, type, "t", "Bob@B.test yes\nvip@b.test\tNO\nold@b.test DUNNO\n.sub.test anything at all\n"))
        skip();
    struct lookup *l = opened(type, "t");
    assert_true(lookup_takes_parts(l));
    expect(l, "bob@b.test", LOOKUP_FOUND);
    expect(l, "vip@b.test", LOOKUP_EXCEPT);
    expect(l, "old@b.test", LOOKUP_EXCEPT);
    expect(l, ".sub.test", LOOKUP_FOUND);
    expect(l, "carol@b.test", LOOKUP_NONE);
    expect(l, "", LOOKUP_NONE);
    char *giant = mem_alloc(5000);
    memset(giant, 'a', 4999);
    giant[4999] = '\0';
    expect(l, giant, LOOKUP_NONE);
    mem_free(&giant);

    /* Edited while it is open; twice, as one change may look like none. */
    assert_true(postmap(&dir, type, "t", "carol@b.test yes\n"));
    expect(l, "carol@b.test", LOOKUP_FOUND);
    expect(l, "bob@b.test", LOOKUP_NONE);
    assert_true(postmap(&dir, type, "t", "david@b.test yes\n"));
    expect(l, "david@b.test", LOOKUP_FOUND);
    expect(l, "carol@b.test", LOOKUP_NONE);

    /* Gone, and there again. */
    char path[500];
    snprintf(path, sizeof path, "%s.%s", temp_path(&dir, "t"), type);
    assert_int_equal(unlink(path), 0);
    expect(l, "david@b.test", LOOKUP_FAILED);
    assert_true(postmap(&dir, type, "t", "david@b.test yes\n"));
    expect(l, "david@b.test", LOOKUP_FOUND);

    /* Rubbish in its place. */
    snprintf(path, sizeof path, "t.%s", type);
    char rubbish[5000];
    memset(rubbish, 'x', sizeof rubbish - 1);
    rubbish[sizeof rubbish - 1] = '\0';
    temp_write(&dir, "new", rubbish, 0644);
    char from[500];
    snprintf(from, sizeof from, "%s", dir.path);
    assert_int_equal(rename(from, temp_path(&dir, path)), 0);
    expect(l, "david@b.test", LOOKUP_FAILED);
    lookup_close(&l);
    assert_null(l);
}

static void cdb(void **state)
{
    (void)state;
    made_by_postmap("cdb");
}

/* Some builds of postmap store a NUL behind keys and values. */
static void cdb_with_nul(void **state)
{
    (void)state;
    struct cdb_make make;
    int fd = open(temp_path(&dir, "t.cdb"), O_RDWR | O_CREAT, 0644);
    assert_int_equal(cdb_make_start(&make, fd), 0);
    assert_int_equal(cdb_make_add(&make, "bob@b.test", 11, "no", 3), 0);
    assert_int_equal(cdb_make_add(&make, "carol@b.test", 13, "yes", 4), 0);
    assert_int_equal(cdb_make_finish(&make), 0);
    close(fd);
    struct lookup *l = opened("cdb", "t");
    expect(l, "bob@b.test", LOOKUP_EXCEPT);
    expect(l, "carol@b.test", LOOKUP_FOUND);
    expect(l, "carol@b.tes", LOOKUP_NONE);
    lookup_close(&l);
}

static void lmdb(void **state)
{
    (void)state;
    made_by_postmap("lmdb");
}

static void texthash(void **state)
{
    (void)state;
    temp_write(&dir, "t",
               "# comment\n\n"
               "Bob@B.test   yes\n"
               "vip@b.test\n"
               "# in between\n"
               "   no\n"
               "alone@b.test\n"
               "\"b o b\"@b.test x\n"
               "\"two words\" yes\n"
               "twice@b.test yes\n"
               "twice@b.test no\n"
               "last@b.test dunno",
               0644);
    struct lookup *l = opened("texthash", "t");
    expect(l, "bob@b.test", LOOKUP_FOUND);
    expect(l, "vip@b.test", LOOKUP_EXCEPT);
    expect(l, "alone@b.test", LOOKUP_FOUND);
    expect(l, "two words", LOOKUP_FOUND);
    expect(l, "twice@b.test", LOOKUP_FOUND);
    expect(l, "last@b.test", LOOKUP_EXCEPT);
    expect(l, "no", LOOKUP_NONE);
    expect(l, "#", LOOKUP_NONE);
    temp_write(&dir, "t", "x yes\n", 0644);
    expect(l, "x", LOOKUP_FOUND);
    temp_write(&dir, "t", "y yes\n", 0644); /* as long, and perhaps within one tick of the clock */
    usleep(150000);
    expect(l, "y", LOOKUP_FOUND);
    temp_write(&dir, "t", "", 0644);
    usleep(150000);
    expect(l, "y", LOOKUP_NONE);
    lookup_close(&l);
}

static void regexp(void **state)
{
    (void)state;
    temp_write(&dir, "t",
               "/^vip-/ no\n"
               "!/@b\\.test$/ DUNNO\n"
               "if /^test/\n"
               "/^testy@/i  yes\n"
               "if !/[0-9]/\n"
               "/./ yes\n"
               "endif\n"
               "endif\n"
               "m|^bob@|   yes\n"
               "/^(carol|dave)@/ OK\n",
               0644);
    struct error err;
    struct lookup *l = NULL;
    assert_int_equal(lookup_open(table_name(&dir, "regexp", "t"), &l, &err), RESULT_TEMP);
    char expected[600];
    snprintf(expected, sizeof expected, "%s:9: a pattern must stand between slashes", temp_path(&dir, "t"));
    assert_int_equal(strncmp(err.text, expected, strlen(expected)), 0);
    temp_write(&dir, "t",
               "/^vip-/ no\n"
               "!/@b\\.test$/ DUNNO\n"
               "if /^test/\n"
               "/^testy@/i  yes\n"
               "if !/[0-9]/\n"
               "/./ yes\n"
               "endif\n"
               "endif\n"
               "|^bob@|   yes\n"
               "/^(carol|dave)@/ OK\n",
               0644);
    l = opened("regexp", "t");
    assert_false(lookup_takes_parts(l));
    expect(l, "vip-1@b.test", LOOKUP_EXCEPT);
    expect(l, "bob@c.test", LOOKUP_EXCEPT);
    expect(l, "test1@b.test", LOOKUP_NONE);
    expect(l, "testx@b.test", LOOKUP_FOUND);
    expect(l, "testy@b.test", LOOKUP_FOUND);
    expect(l, "bob@b.test", LOOKUP_FOUND);
    expect(l, "BOB@b.test", LOOKUP_FOUND);
    expect(l, "dave@b.test", LOOKUP_FOUND);
    expect(l, "erin@b.test", LOOKUP_NONE);

    static const char *const bad[] = {"/(/ x\n", "/a/z x\n", "/a x\n", "if /a/\n", "endif\n", "/a/\n", "abc x\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        temp_write(&dir, "t", bad[i], 0644);
        usleep(120000);
        expect(l, "bob@b.test", LOOKUP_FAILED);
    }
    temp_write(&dir, "t", "/bob/ yes\n", 0644);
    expect(l, "bob@b.test", LOOKUP_FOUND);
    lookup_close(&l);
}

static void names(void **state)
{
    (void)state;
    struct lookup *l;
    struct error err;
    assert_true(lookup_is_table("cdb:/etc/x"));
    assert_true(lookup_is_table("mysql:/etc/x"));
    assert_false(lookup_is_table("b.test"));
    assert_false(lookup_is_table(":/x"));
    assert_false(lookup_is_table("cdb:x"));
    assert_false(lookup_is_table("2001:db8::/32"));
    assert_int_equal(lookup_open("hash:/etc/x", &l, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "use cdb, lmdb, texthash or regexp"));
    assert_null(l);
    assert_int_equal(lookup_open("cdb:/nonexistent/x", &l, &err), RESULT_TEMP);
    assert_string_equal(err.text, "/nonexistent/x.cdb: No such file or directory");
}

static void one_table_many_names(void **state)
{
    (void)state;
    temp_write(&dir, "t", "a yes\n", 0644);
    struct lookup *one = opened("texthash", "t");
    struct lookup *two = opened("texthash", "t");
    assert_ptr_equal(one, two);
    lookup_close(&one);
    expect(two, "a", LOOKUP_FOUND);
    lookup_close(&two);
}

static unsigned warnings;

static void count(enum log_level level, const char *text)
{
    (void)text;
    warnings += level == LOG_LEVEL_WARNING;
}

static void failures_are_logged_once(void **state)
{
    (void)state;
    temp_write(&dir, "t", "a yes\n", 0644);
    struct lookup *l = opened("texthash", "t");
    unlink(dir.path);
    log_set_hook(count);
    for (int i = 0; i < 100; i++)
        expect(l, "a", LOOKUP_FAILED);
    log_set_hook(test_drop_line);
    assert_int_equal(warnings, 1);
    lookup_close(&l);
}

/* ---- threads, while postmap edits ---- */

static atomic_bool stop;

static void *ask_always(void *arg)
{
    struct lookup *l = arg;
    struct error err;
    unsigned long failed = 0;
    while (!stop)
        failed += lookup_find(l, "always@b.test", &err) != LOOKUP_FOUND;
    return (void *)failed;
}

static void asked_while_edited(const char *type)
{
    pthread_t threads[3];
    void *failed;
    if (!postmap(&dir, type, "t", "always@b.test yes\n"))
        skip();
    struct lookup *l = opened(type, "t");
    stop = false;
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, ask_always, l);
    for (int i = 0; i < 20; i++)
        assert_true(postmap(&dir, type, "t", i % 2 ? "always@b.test yes\n" : "always@b.test yes\nother@b.test yes\n"));
    stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    lookup_close(&l);
}

static void threads_cdb(void **state)
{
    (void)state;
    asked_while_edited("cdb");
}

static void threads_lmdb(void **state)
{
    (void)state;
    asked_while_edited("lmdb");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cdb),
        TEST(lmdb),
        TEST(texthash),
        TEST(regexp),
        TEST(names),
        TEST(threads_cdb),
        TEST(threads_lmdb),
        TEST(one_table_many_names),
        TEST(failures_are_logged_once),
        TEST(cdb_with_nul),
    };
    return test_run("lookup", tests);
}
