/* Many threads, several processes, kill -9, a full disk: what was acknowledged is there, and nothing else is harmed. */
#include "t/unit/store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct site site;

static int set_up(void **state)
{
    (void)state;
    site_make(&site, "inline-max = 1K");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    site_remove(&site);
    return 0;
}

/* ---- threads ---- */

enum { THREADS = 8, PUTS = 40 };

static void *put_many(void *arg)
{
    char **ids = arg;
    char body[100];
    for (int i = 0; i < PUTS; i++) {
        snprintf(body, sizeof body, "body %d", i); /* the same ones in all threads */
        struct letter l = {.body = body};
        ids[i] = put(site.store, &l);
    }
    return NULL;
}

static void threads_share_commits(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    char *ids[THREADS][PUTS];
    uint64_t before = sqlite_writer_commits(site.store->writer);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, put_many, ids[i]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    uint64_t commits = sqlite_writer_commits(site.store->writer) - before;
    assert_in_range(commits, 1, THREADS * PUTS * 3 / 4); /* typically a fifth */
    struct store_stats is = stats_of(site.store);
    assert_int_equal(is.messages, THREADS * PUTS);
    assert_int_equal(is.bodies, PUTS);
    for (int i = 0; i < THREADS; i++) {
        for (int k = 0; k < PUTS; k++) {
            assert_int_equal(rcpt_of(site.store, ids[i][k], 0).state, RCPT_QUEUED);
            mem_free(&ids[i][k]);
        }
    }
}

/* Two threads settle the same recipients by asynchronous calls while a third reads. */
struct counter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, failed;
};

static void count_done(void *arg, enum result result, const struct error *err)
{
    (void)err;
    struct counter *c = arg;
    pthread_mutex_lock(&c->lock);
    c->done++;
    c->failed += result != RESULT_OK;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void asynchronous_settling(void **state)
{
    (void)state;
    struct counter c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    char *ids[50];
    for (int i = 0; i < 50; i++) {
        struct letter l = {0};
        ids[i] = put(site.store, &l);
        char text[20] = "250 ok";
        struct store_settlement s = {.rid = rid_of(site.store, ids[i], 0), .event = RCPT_EV_DELIVERED, .text = text};
        assert_int_equal(store_settle(site.store, &s, 1, NULL, count_done, &c, NULL), RESULT_OK);
        memset(text, 'x', sizeof text - 1); /* it was copied */
        assert_int_equal(store_fetch_end(site.store, ids[i], "b.test", true, "p", count_done, &c, NULL), RESULT_OK);
    }
    pthread_mutex_lock(&c.lock);
    while (c.done < 100)
        pthread_cond_wait(&c.changed, &c.lock);
    pthread_mutex_unlock(&c.lock);
    assert_int_equal(c.failed, 0);
    for (int i = 0; i < 50; i++) {
        struct store_entries *list = find(site.store, ids[i]);
        assert_int_equal(list->entries[0].rcpts[0].state, RCPT_DELIVERED);
        assert_string_equal(list->entries[0].rcpts[0].text, "250 ok");
        store_entries_free(&list);
        mem_free(&ids[i]);
    }
    assert_int_equal(stats_of(site.store).bodies, 0);
}

/* ---- processes ---- */

/* A child that puts messages, small and large, and writes each id to `fd` once it is acknowledged. */
static pid_t start_putting(int fd, int n)
{
    store_close(&site.store); /* a fork must not share it */
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct error err = {0};
    struct store *store = NULL;
    char body[5000];
    if (store_open(site.config, STORE_READ_WRITE, "milter", &store, &err) != RESULT_OK)
        _exit(1);
    for (int i = 0; i < n; i++) {
        memset(body, 'a' + i % 26, sizeof body);
        snprintf(body, sizeof body, "%d of %d", i, (int)getpid());
        struct letter l = {.body = body, .body_len = i % 2 ? 100 : 5000, .memory = i % 3 ? 0 : 1};
        char *id = try_put(store, &l, &err);
        if (id == NULL || write(fd, id, MESSAGE_ID_LEN) != MESSAGE_ID_LEN)
            _exit(2);
        mem_free(&id);
    }
    store_close(&store);
    _exit(0);
}

static void check_whole(const char *id)
{
    struct error err = {0};
    struct store_body *b = NULL;
    static char all[6000];
    uint8_t digest[DIGEST_SIZE];
    size_t at = 0;
    long n;
    if (store_body_open_local(site.store, id, &b, &err) != RESULT_OK)
        fail_msg("%s", err.text);
    while ((n = store_body_read(b, at, all + at, sizeof all - at, &err)) > 0)
        at += (size_t)n;
    assert_int_equal(at, store_body_size(b));
    digest_of(all, at, digest);
    assert_memory_equal(digest, store_body_digest(b), DIGEST_SIZE);
    store_body_close(&b);
}

/* Reads ids until the writers are gone; every one of them must be there, whole. */
static int check_acknowledged(int fd)
{
    char id[MESSAGE_ID_LEN + 1] = "";
    int n = 0;
    site.store = site_open(&site, STORE_READ_WRITE, "node1");
    while (read(fd, id, MESSAGE_ID_LEN) == MESSAGE_ID_LEN) {
        check_whole(id);
        n++;
    }
    return n;
}

static void two_processes_at_once(void **state)
{
    (void)state;
    int fds[2], status = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t a = start_putting(fds[1], 60), b = start_putting(fds[1], 60);
    close(fds[1]);
    assert_int_equal(check_acknowledged(fds[0]), 120); /* reading beside them all the time */
    close(fds[0]);
    assert_int_equal(waitpid(a, &status, 0), a);
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(b, &status, 0), b);
    assert_int_equal(status, 0);
    assert_int_equal(stats_of(site.store).messages, 120);
}

static msec_t tomorrow(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (msec_t)(ts.tv_sec + 86400 + 60) * 1000;
}

/* Killed after k acknowledged messages, for several k. */
static void kill_in_the_middle(void **state)
{
    (void)state;
    uint64_t sure = 0;
    for (int k = 0; k < 12; k++) {
        int fds[2], status = 0;
        char id[MESSAGE_ID_LEN];
        assert_int_equal(pipe(fds), 0);
        pid_t pid = start_putting(fds[1], 1000);
        close(fds[1]);
        int in[2];
        assert_int_equal(pipe(in), 0);
        for (int i = 0; i < k * 3; i++) {
            assert_int_equal(read(fds[0], id, sizeof id), sizeof id);
            assert_int_equal(write(in[1], id, sizeof id), sizeof id);
        }
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        sure += (uint64_t)check_acknowledged(fds[0]); /* those after the ones we have read */
        store_close(&site.store);
        close(in[1]);
        sure += (uint64_t)check_acknowledged(in[0]);
        close(in[0]);
        close(fds[0]);
        /* One each may have been committed without its acknowledgement having left. */
        assert_in_range(stats_of(site.store).messages, sure, sure + (uint64_t)k + 1);
    }
    clock_set_source(tomorrow);
    bool more = true;
    struct error err = {0};
    while (more)
        assert_int_equal(store_purge(site.store, 1000000000, 100, &more, &err), RESULT_OK);
    assert_int_equal(files_below(&site, "incoming"), 0);
    struct store_stats is = stats_of(site.store);
    struct store_entries *list = NULL;
    assert_int_equal(store_list(site.store, NULL, 10000, &list, &err), RESULT_OK);
    assert_int_equal(list->n, is.messages);
    for (size_t i = 0; i < list->n; i++)
        check_whole(list->entries[i].id);
    store_entries_free(&list);
}

/* ---- full disk ---- */

static void limit_file_size(rlim_t n)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = n;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* The database can't grow: RESULT_TEMP with words, nothing half stored; with room again all goes on. */
static void full_disk_is_temporary(void **state)
{
    (void)state;
    struct error err = {0};
    char body[900];
    uint64_t stored = 0;
    int failures = 0;
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 150; i++) {
        memset(body, 'a' + i % 26, sizeof body);
        snprintf(body, 20, "%d", i);
        struct letter l = {.body = body, .body_len = sizeof body};
        if (i == 20)
            limit_file_size(200000); /* of the WAL, first of all */
        char *id = try_put(site.store, &l, &err);
        if (id == NULL) {
            failures++;
            if (err.result != RESULT_TEMP)
                fail_msg("%s", err.text);
            assert_non_null(strstr(err.text, "store.db"));
        }
        stored += id != NULL;
        mem_free(&id);
    }
    assert_true(failures > 0);
    assert_int_equal(stats_of(site.store).messages, stored);
    limit_file_size(RLIM_INFINITY);
    struct letter l = {0};
    char *id = put(site.store, &l);
    mem_free(&id);
    assert_int_equal(stats_of(site.store).messages, stored + 1);
    assert_int_equal(stats_of(site.store).bodies, stored + 1);
    store_close(&site.store);
    site.store = site_open(&site, STORE_READ_WRITE, "node1");
    assert_int_equal(stats_of(site.store).messages, stored + 1);
}

/* A large body that can't be written: no file stays. */
static void full_disk_for_a_file(void **state)
{
    (void)state;
    struct error err = {0};
    char *body = mem_zero(1, 300001);
    memset(body, 'x', 300000);
    signal(SIGXFSZ, SIG_IGN);
    struct letter l = {.body = body}; /* in memory, so store_put() writes the file */
    limit_file_size(250000);
    assert_null(try_put(site.store, &l, &err));
    assert_int_equal(err.result, RESULT_TEMP);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(files_below(&site, "bodies"), 0);
    assert_int_equal(files_below(&site, "incoming"), 0);
    char *id = put(site.store, &l);
    mem_free(&id);
    mem_free(&body);
}

/* ---- a damaged file ---- */

static void verify(void **state)
{
    (void)state;
    enum { LETTERS = 60, PAGE = 4096 };
    struct error err;
    char body[400], path[200], page[PAGE];
    for (int i = 0; i < LETTERS; i++) {
        snprintf(body, sizeof body, "%0380d", i);
        struct letter l = {.body = body};
        char *id = put(site.store, &l);
        mem_free(&id);
    }
    assert_int_equal(store_verify(site.store, 60000, &err), RESULT_OK);
    store_close(&site.store); /* and what is in the log goes into the file */
    snprintf(path, sizeof path, "%s/store/store.db", site.dir);
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    int hit = 0;
    for (long i = 0; fseek(f, i * PAGE, SEEK_SET) == 0 && fread(page, sizeof page, 1, f) == 1; i++) {
        if (memmem(page, sizeof page, body, 300) == NULL)
            continue; /* no page of bodies */
        memset(page, 0xa5, sizeof page);
        assert_int_equal(fseek(f, i * PAGE, SEEK_SET), 0);
        hit += fwrite(page, sizeof page, 1, f) == 1;
    }
    assert_true(hit > 0);
    assert_int_equal(fclose(f), 0);
    site.store = site_open(&site, STORE_READ_ONLY, "look");
    assert_int_equal(store_verify(site.store, 60000, &err), RESULT_PERM);
    assert_non_null(strstr(err.text, "damaged"));
    assert_non_null(strstr(err.text, "store.db"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(threads_share_commits),
        TEST(asynchronous_settling),
        TEST(two_processes_at_once),
        TEST(kill_in_the_middle),
        TEST(full_disk_is_temporary),
        TEST(full_disk_for_a_file),
        TEST(verify),
    };
    return test_run("store_crash", tests);
}
