#include "t/unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "lib/loop.h"
#include "lib/mem.h"

static struct loop *loop;
static int calls;

static void stop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

static void timers(void **state)
{
    (void)state;
    loop = loop_new();
    struct loop_timer *t = loop_timer_new(loop, stop, NULL);
    assert_false(loop_timer_pending(t));
    loop_timer_set(t, 3600000);
    assert_true(loop_timer_pending(t));
    loop_timer_set(t, 20); /* replaces the hour */
    msec_t start = clock_mono();
    loop_run(loop);
    assert_in_range(clock_mono() - start, 10, 5000);
    assert_false(loop_timer_pending(t));
    loop_timer_set(t, 0);
    loop_timer_cancel(t);
    assert_false(loop_timer_pending(t));
    loop_timer_free(&t);
    assert_null(t);
    loop_timer_free(&t);
    loop_free(&loop);
}

enum { THREADS = 4, POSTS = 1000 };
static int seen[THREADS];

struct note {
    int thread, n;
};

static void in_order(void *arg)
{
    struct note *note = arg;
    assert_int_equal(seen[note->thread], note->n);
    seen[note->thread]++;
    mem_free(&note);
    if (++calls == THREADS * POSTS)
        loop_stop(loop);
}

static void *poster(void *arg)
{
    for (int i = 0; i < POSTS; i++) {
        struct note *note = mem_alloc(sizeof *note);
        *note = (struct note){.thread = *(int *)arg, .n = i};
        loop_post(loop, in_order, note);
    }
    return NULL;
}

static void posts_from_threads_keep_their_order(void **state)
{
    (void)state;
    loop = loop_new();
    pthread_t threads[THREADS];
    int ids[THREADS];
    calls = 0;
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        pthread_create(&threads[i], NULL, poster, &ids[i]);
    }
    loop_run(loop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(calls, THREADS * POSTS);
    loop_free(&loop);
}

static void done(void *arg, enum result result, const struct error *err)
{
    assert_ptr_equal(arg, &calls);
    assert_int_equal(result, RESULT_TEMP);
    assert_string_equal(err->text, "disk full");
    loop_stop(loop);
}

static void *finish(void *relay)
{
    struct error err;
    loop_relay_done(relay, error_set(&err, RESULT_TEMP, "disk full"), &err);
    return NULL;
}

static void relays_bring_results_home(void **state)
{
    (void)state;
    loop = loop_new();
    pthread_t thread;
    pthread_create(&thread, NULL, finish, loop_relay_new(loop, done, &calls));
    loop_run(loop);
    pthread_join(thread, NULL);
    /* One that comes too late is dropped, and not leaked. */
    loop_relay_done(loop_relay_new(loop, done, NULL), RESULT_OK, NULL);
    loop_free(&loop);
}

static void signals_and_early_stop(void **state)
{
    (void)state;
    loop = loop_new();
    loop_signal(loop, SIGUSR1, stop, NULL);
    kill(getpid(), SIGUSR1);
    loop_run(loop);
    loop_stop(loop); /* before it runs: counts */
    loop_run(loop);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers),
        cmocka_unit_test(posts_from_threads_keep_their_order),
        cmocka_unit_test(relays_bring_results_home),
        cmocka_unit_test(signals_and_early_stop),
    };
    return test_run("loop", tests);
}
