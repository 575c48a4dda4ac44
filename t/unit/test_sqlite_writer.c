#include "t/unit/temp_dir.h"
#include "t/unit/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/mem.h"
#include "lib/sqlite_pool.h"
#include "lib/sqlite_writer.h"

static const char *const steps[] = {"CREATE TABLE t (v INTEGER PRIMARY KEY, data BLOB);"};
static const struct sqlite_schema schema = {"test", steps, 1};

static struct temp_dir dir;
static char path[200];
static struct sqlite_writer *writer;

static struct sqlite_writer *open_writer(msec_t busy_timeout)
{
    struct error err = {0};
    struct sqlite_writer *w = NULL;
    if (sqlite_writer_open(path, &schema, busy_timeout, &w, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    return w;
}

static int set_up(void **state)
{
    (void)state;
    temp_dir_make(&dir);
    strcpy(path, temp_path(&dir, "t.db"));
    writer = open_writer(5000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sqlite_writer_close(&writer);
    temp_dir_remove(&dir);
    return 0;
}

static int64_t query(const char *sql)
{
    struct error err = {0};
    struct sqlite_db *db = NULL;
    int64_t n = -1;
    assert_int_equal(sqlite_db_open(path, SQLITE_READ_ONLY, 1000, &db, &err), RESULT_OK);
    struct sqlite_stmt *st = stmt_begin(db, sql);
    while (stmt_row(st))
        n = stmt_get_int(st);
    assert_int_equal(stmt_end(st, &err), RESULT_OK);
    sqlite_db_close(&db);
    return n;
}

static int64_t rows(void)
{
    return query("SELECT count(*) FROM t");
}

/* Inserts one row, of `size` bytes, then does what `then` says. */
struct insert {
    struct sqlite_change change;
    int64_t v;
    size_t size;
    enum result then;
    bool refuses; /* before anything is written */
    int applied;
    enum result result; /* what done() got */
    struct error err;
    sem_t *gate; /* waits for it first */
};

static enum result apply_insert(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct insert *i = (struct insert *)c;
    i->applied++;
    if (i->refuses)
        return error_set(err, RESULT_PERM, "refused");
    if (i->gate != NULL && i->applied == 1)
        sem_wait(i->gate);
    void *data = mem_zero(1, i->size);
    struct sqlite_stmt *st = stmt_begin(db, "INSERT INTO t (v, data) VALUES (?, ?)");
    stmt_bind_int(st, i->v);
    stmt_bind_blob(st, data, i->size);
    enum result r = stmt_run(st, err);
    mem_free(&data);
    return r == RESULT_OK && i->then != RESULT_OK ? error_set(err, i->then, "on purpose") : r;
}

static void keep(struct sqlite_change *c)
{
    (void)c; /* the test's array owns it */
}

static void note_result(void *arg, enum result result, const struct error *err)
{
    struct insert *i = arg;
    i->result = result;
    i->err = *err;
}

static void submit(struct insert *i)
{
    i->change.apply = apply_insert;
    i->change.free = keep;
    i->result = RESULT_BUG;
    sqlite_writer_submit(writer, &i->change, note_result, i);
}

/* All but the first wait until the first, alone in its group, is let go: so they are one group. */
static void run_as_group(struct insert *list, size_t n)
{
    sem_t gate;
    struct error err = {0};
    sem_init(&gate, 0, 0);
    struct insert first = {.v = -1, .gate = &gate}, last = {.v = -2, .change.apply = apply_insert};
    submit(&first);
    for (size_t i = 0; i < n; i++)
        submit(&list[i]);
    sem_post(&gate);
    assert_int_equal(sqlite_writer_run(writer, &last.change, &err), RESULT_OK);
    sem_destroy(&gate);
}

static void group_shares_a_commit(void **state)
{
    (void)state;
    struct insert list[100];
    for (int i = 0; i < 100; i++)
        list[i] = (struct insert){.v = i};
    run_as_group(list, 100);
    assert_int_equal(rows(), 102);
    for (int i = 0; i < 100; i++)
        assert_int_equal(list[i].result, RESULT_OK);
    uint64_t commits = sqlite_writer_commits(writer);
    assert_in_range(commits, 1, 4); /* all together, or the first, the group and the last */
}

static void one_that_fails_leaves_its_neighbours(void **state)
{
    (void)state;
    struct insert list[5] = {
        {.v = 0}, {.v = 1, .then = RESULT_PERM}, {.v = 2}, {.v = 2}, {.v = 4, .then = RESULT_TEMP}};
    run_as_group(list, 5);
    static const enum result expect[] = {RESULT_OK, RESULT_PERM, RESULT_OK, RESULT_BUG /* the key exists */,
                                         RESULT_TEMP};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(list[i].result, expect[i]);
        assert_in_range(list[i].applied, 1, 2); /* plainly, until the first that failed; then each in a savepoint */
    }
    assert_string_equal(list[1].err.text, "on purpose");
    assert_int_equal(query("SELECT sum(v) FROM t WHERE v >= 0"), 2); /* 0 and 2 */
}

static void one_that_refuses_leaves_the_group_whole(void **state)
{
    (void)state;
    struct insert list[5] = {{.v = 0}, {.v = 1, .refuses = true}, {.v = 2}, {.v = 2}, {.v = 4}};
    uint64_t before = sqlite_writer_commits(writer);
    run_as_group(list, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(list[i].result, i == 1 ? RESULT_PERM : i == 3 ? RESULT_BUG : RESULT_OK);
        assert_int_equal(list[i].applied, 1);
    }
    assert_string_equal(list[1].err.text, "refused");
    assert_int_equal(query("SELECT sum(v) FROM t WHERE v >= 0"), 6);
    assert_in_range(sqlite_writer_commits(writer) - before, 1, 3);
}

static enum result apply_limit(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    (void)c;
    return sqlite_db_run(db, "PRAGMA max_page_count = 60", err);
}

/* SQLite gives up the whole transaction when the disk is full: the others are done again, one by one. */
static void full_disk_for_one_is_not_for_all(void **state)
{
    (void)state;
    struct error err = {0};
    struct sqlite_change limit = {.apply = apply_limit};
    assert_int_equal(sqlite_writer_run(writer, &limit, &err), RESULT_OK);
    struct insert list[4] = {{.v = 0}, {.v = 1}, {.v = 2, .size = 1 << 20}, {.v = 3}};
    run_as_group(list, 4);
    assert_int_equal(list[0].result, RESULT_OK);
    assert_int_equal(list[1].result, RESULT_OK);
    assert_int_equal(list[2].result, RESULT_TEMP);
    assert_non_null(strstr(list[2].err.text, "disk full"));
    assert_non_null(strstr(list[2].err.text, path));
    assert_int_equal(list[3].result, RESULT_OK);
    assert_int_equal(query("SELECT sum(v) FROM t WHERE v >= 0"), 4);
}

static void close_commits_what_is_queued(void **state)
{
    (void)state;
    struct insert list[500];
    for (int i = 0; i < 500; i++) {
        list[i] = (struct insert){.v = i, .change.lazy = i % 2 == 0};
        submit(&list[i]);
    }
    sqlite_writer_close(&writer);
    assert_int_equal(rows(), 500);
    for (int i = 0; i < 500; i++)
        assert_int_equal(list[i].result, RESULT_OK);
    writer = open_writer(5000);
}

static void lazy_rides_along_or_comes_alone(void **state)
{
    (void)state;
    struct error err = {0};
    struct insert lazy = {.v = 1, .change.lazy = true}, eager = {.v = 2, .change.apply = apply_insert};
    uint64_t before = sqlite_writer_commits(writer);
    submit(&lazy);
    assert_int_equal(sqlite_writer_run(writer, &eager.change, &err), RESULT_OK);
    assert_int_equal(rows(), 2);
    assert_int_equal(sqlite_writer_commits(writer), before + 1);
    lazy.v = 3;
    submit(&lazy);
    while (sqlite_writer_commits(writer) == before + 1)
        sched_yield();
    assert_int_equal(rows(), 3);
}

/* Another process that never lets go: an error in words after busy_timeout, and all is well when it does. */
static void lock_held_elsewhere(void **state)
{
    (void)state;
    struct error err = {0};
    struct sqlite_db *other = NULL;
    sqlite_writer_close(&writer);
    writer = open_writer(50);
    assert_int_equal(sqlite_db_open(path, SQLITE_WRITER, 1000, &other, &err), RESULT_OK);
    assert_int_equal(sqlite_db_run(other, "BEGIN IMMEDIATE", &err), RESULT_OK);
    struct insert i = {.v = 1, .change.apply = apply_insert};
    assert_int_equal(sqlite_writer_run(writer, &i.change, &err), RESULT_TEMP);
    assert_non_null(strstr(err.text, "locked by another process"));
    assert_int_equal(i.applied, 0);
    assert_int_equal(sqlite_db_run(other, "COMMIT", &err), RESULT_OK);
    sqlite_db_close(&other);
    assert_int_equal(sqlite_writer_run(writer, &i.change, &err), RESULT_OK);
}

static void *let_go(void *arg)
{
    struct sqlite_db *other = arg;
    nanosleep(&(struct timespec){0, 200000000}, NULL); /* four times what a change would wait */
    assert_int_equal(sqlite_db_run(other, "COMMIT", NULL), RESULT_OK);
    return NULL;
}

/* Another daemon makes the schema while we start: that is waited for, however short busy_timeout is. */
static void lock_held_while_opening(void **state)
{
    (void)state;
    struct error err = {0};
    struct sqlite_db *other = NULL;
    pthread_t thread;
    sqlite_writer_close(&writer);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0600)), 0);
    assert_int_equal(sqlite_db_open(path, SQLITE_WRITER, 1000, &other, &err), RESULT_OK);
    assert_int_equal(sqlite_db_run(other, "BEGIN IMMEDIATE", &err), RESULT_OK);
    assert_int_equal(pthread_create(&thread, NULL, let_go, other), 0);
    writer = open_writer(50);
    assert_int_equal(pthread_join(thread, NULL), 0);
    sqlite_db_close(&other);
    assert_int_equal(rows(), 0);
}

/* ---- two writers, one of them with many threads ---- */

static int stop;

static void *insert_all_the_time(void *arg)
{
    int64_t *v = arg;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        struct insert i = {.v = ++*v, .change.apply = apply_insert};
        assert_int_equal(sqlite_writer_run(writer, &i.change, NULL), RESULT_OK);
    }
    return NULL;
}

static void neither_writer_starves(void **state)
{
    (void)state;
    enum { THREADS = 8, CHANGES = 100 };
    pthread_t threads[THREADS];
    int64_t v[THREADS];
    struct error err = {0};
    struct sqlite_writer *other = open_writer(5000);
    stop = 0;
    for (int i = 0; i < THREADS; i++) {
        v[i] = (i + 1) * INT64_C(1000000);
        pthread_create(&threads[i], NULL, insert_all_the_time, &v[i]);
    }
    while (sqlite_writer_commits(writer) == 0)
        sched_yield();
    for (int i = 0; i < CHANGES; i++) {
        struct insert mine = {.v = i, .change.apply = apply_insert};
        if (sqlite_writer_run(other, &mine.change, &err) != RESULT_OK)
            fail_msg("%s", err.text);
    }
    uint64_t before = sqlite_writer_commits(writer);
    sqlite_writer_close(&other);
    while (sqlite_writer_commits(writer) == before)
        sched_yield();
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(query("SELECT count(*) FROM t WHERE v < 1000000"), CHANGES);
}

/* ---- after a crash: copies of the files while the database is open are what a crash leaves ---- */

static char said[600];

static void keep_line(enum log_level level, const char *text)
{
    (void)level;
    if (strstr(text, "not closed in order") != NULL)
        snprintf(said, sizeof said, "%s", text);
}

/* Copies `len` bytes, all if 0, of the file with this ending to the one that is named after the copy. */
static void copy_file(const char *ending, size_t len, const char *copy)
{
    char from[300], to[300];
    snprintf(from, sizeof from, "%s%s", path, ending);
    snprintf(to, sizeof to, "%s%s", copy, ending);
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_non_null(in);
    assert_non_null(out);
    for (int c; (len == 0 || (size_t)ftell(out) < len) && (c = fgetc(in)) != EOF;)
        fputc(c, out);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

static const char *open_copy(size_t wal_len, int64_t rows_left)
{
    struct sqlite_writer *mine = writer;
    struct error err = {0};
    char original[sizeof path], copy[300];
    snprintf(copy, sizeof copy, "%s.copy", path);
    copy_file("", 0, copy);
    copy_file("-wal", wal_len, copy);
    snprintf(original, sizeof original, "%s", path);
    snprintf(path, sizeof path, "%s.copy", original);
    said[0] = '\0';
    log_set_hook(keep_line);
    assert_int_equal(sqlite_writer_open(path, &schema, 1000, &writer, &err), RESULT_OK);
    log_set_hook(test_drop_line);
    assert_int_equal(rows(), rows_left);
    sqlite_writer_close(&writer);
    writer = mine;
    snprintf(path, sizeof path, "%s", original);
    return said;
}

static void says_what_a_crash_left(void **state)
{
    (void)state;
    struct error err = {0};
    struct insert a = {.v = 1, .size = 100}, b = {.v = 2, .size = 9000};
    struct stat st;
    char wal[300];
    snprintf(wal, sizeof wal, "%s-wal", path);
    a.change.apply = b.change.apply = apply_insert;
    assert_int_equal(sqlite_writer_run(writer, &a.change, &err), RESULT_OK);
    assert_int_equal(stat(wal, &st), 0);
    size_t one = (size_t)st.st_size;
    assert_int_equal(sqlite_writer_run(writer, &b.change, &err), RESULT_OK);
    assert_int_equal(stat(wal, &st), 0);

    const char *text = open_copy(0, 2);
    assert_non_null(strstr(text, "pages recovered"));
    assert_null(strstr(text, "cut off"));
    text = open_copy((size_t)st.st_size - 1000, 1); /* in its last page */
    assert_non_null(strstr(text, "the last write was cut off, what has arrived of it (4 pages) is dropped"));
    text = open_copy(one + 100, 1); /* in its first */
    assert_non_null(strstr(text, "(1 page) is dropped"));
}

static void an_orderly_end_says_nothing(void **state)
{
    (void)state;
    sqlite_writer_close(&writer);
    said[0] = '\0';
    log_set_hook(keep_line);
    writer = open_writer(1000);
    log_set_hook(test_drop_line);
    assert_string_equal(said, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(group_shares_a_commit),
        TEST(one_that_fails_leaves_its_neighbours),
        TEST(one_that_refuses_leaves_the_group_whole),
        TEST(full_disk_for_one_is_not_for_all),
        TEST(close_commits_what_is_queued),
        TEST(lazy_rides_along_or_comes_alone),
        TEST(lock_held_elsewhere),
        TEST(lock_held_while_opening),
        TEST(neither_writer_starves),
        TEST(says_what_a_crash_left),
        TEST(an_orderly_end_says_nothing),
    };
    return test_run("sqlite_writer", tests);
}
