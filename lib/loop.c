/* The event loop: see loop.h. */
#include "lib/loop.h"

#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>

#include "lib/log.h"
#include "lib/mem.h"

struct post {
    struct post *next;
    loop_fn *fn;
    void *arg;
};

struct signal_watch {
    struct signal_watch *next;
    struct event *event;
    loop_fn *fn;
    void *arg;
};

struct loop {
    struct event_base *base;
    struct event *wakeup; /* made active whenever posts come into an empty list */
    bool stopped;
    struct signal_watch *signals;

    pthread_mutex_t lock; /* for the posts */
    struct post *first, **last;
};

struct loop_timer {
    struct event *event;
    loop_fn *fn;
    void *arg;
};

struct loop_relay {
    struct loop *loop;
    loop_done *fn;
    void *arg;
    enum result result;
    struct error err;
};

static void run_relay(void *arg)
{
    struct loop_relay *relay = arg;
    relay->fn(relay->arg, relay->result, &relay->err);
    mem_free(&relay);
}

static struct post *take_posts(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct post *all = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    return all;
}

static void run_posts(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct post *next;
    for (struct post *p = take_posts(arg); p != NULL; p = next) {
        next = p->next;
        p->fn(p->arg);
        mem_free(&p);
    }
}

void loop_run_posted(struct loop *loop)
{
    run_posts(-1, 0, loop);
}

static void log_libevent(int severity, const char *text)
{
    if (severity >= EVENT_LOG_WARN)
        log_warning("libevent: %s", text);
    else
        log_debug("libevent: %s", text);
}

struct loop *loop_new(void)
{
    if (evthread_use_pthreads() != 0)
        log_fatal("libevent was built without threads");
    event_set_log_callback(log_libevent);
    signal(SIGPIPE, SIG_IGN); /* a peer that hangs up is an error of write(), not of ours */
    struct loop *loop = mem_zero(1, sizeof *loop);
    pthread_mutex_init(&loop->lock, NULL);
    loop->last = &loop->first;
    loop->base = event_base_new();
    if (loop->base == NULL)
        log_fatal("can't make an event loop (out of file descriptors?)");
    loop->wakeup = event_new(loop->base, -1, 0, run_posts, loop);
    if (loop->wakeup == NULL)
        log_fatal("out of memory (event)");
    return loop;
}

void loop_free(struct loop **loop_p)
{
    struct loop *loop = *loop_p;
    if (loop == NULL)
        return;
    struct post *next;
    for (struct post *p = take_posts(loop); p != NULL; p = next) {
        next = p->next;
        if (p->fn == run_relay)
            mem_free(&p->arg);
        mem_free(&p);
    }
    for (struct signal_watch *w = loop->signals; w != NULL; w = loop->signals) {
        loop->signals = w->next;
        event_free(w->event);
        mem_free(&w);
    }
    event_free(loop->wakeup);
    event_base_loop(loop->base,
                    EVLOOP_NONBLOCK); /* bufferevents that were freed go when their last callbacks have run */
    event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
    mem_free(loop_p);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

void loop_run(struct loop *loop)
{
    while (!loop->stopped) {
        if (event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
            log_fatal("the event loop failed");
    }
    loop->stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
    event_base_loopbreak(loop->base);
}

void loop_post(struct loop *loop, loop_fn *fn, void *arg)
{
    struct post *p = mem_zero(1, sizeof *p);
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&loop->lock);
    bool first = loop->first == NULL;
    *loop->last = p;
    loop->last = &p->next;
    pthread_mutex_unlock(&loop->lock);
    if (first)
        event_active(loop->wakeup, 0, 0);
}

static void run_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    const struct loop_timer *t = arg;
    t->fn(t->arg); /* may free the timer */
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_timer *t = mem_zero(1, sizeof *t);
    t->fn = fn;
    t->arg = arg;
    t->event = evtimer_new(loop->base, run_timer, t);
    if (t->event == NULL)
        log_fatal("out of memory (timer)");
    return t;
}

void loop_timer_set(struct loop_timer *t, msec_t delay)
{
    if (delay < 0)
        delay = 0;
    struct timeval tv = {.tv_sec = delay / 1000, .tv_usec = delay % 1000 * 1000};
    if (evtimer_add(t->event, &tv) != 0)
        log_fatal("can't set a timer");
}

void loop_timer_cancel(struct loop_timer *t)
{
    evtimer_del(t->event);
}

bool loop_timer_pending(const struct loop_timer *t)
{
    return evtimer_pending(t->event, NULL) != 0;
}

void loop_timer_free(struct loop_timer **t)
{
    if (*t == NULL)
        return;
    event_free((*t)->event);
    mem_free(t);
}

static void run_signal(evutil_socket_t signo, short what, void *arg)
{
    (void)signo, (void)what;
    const struct signal_watch *w = arg;
    w->fn(w->arg);
}

void loop_signal(struct loop *loop, int signo, loop_fn *fn, void *arg)
{
    struct signal_watch *w = mem_zero(1, sizeof *w);
    *w = (struct signal_watch){.next = loop->signals, .fn = fn, .arg = arg};
    w->event = evsignal_new(loop->base, signo, run_signal, w);
    if (w->event == NULL || evsignal_add(w->event, NULL) != 0)
        log_fatal("can't watch signal %d", signo);
    loop->signals = w;
}

struct loop_relay *loop_relay_new(struct loop *loop, loop_done *fn, void *arg)
{
    struct loop_relay *relay = mem_zero(1, sizeof *relay);
    *relay = (struct loop_relay){.loop = loop, .fn = fn, .arg = arg};
    return relay;
}

void loop_relay_done(void *arg, enum result result, const struct error *err)
{
    struct loop_relay *relay = arg;
    relay->result = result;
    if (err != NULL)
        relay->err = *err;
    loop_post(relay->loop, run_relay, relay);
}
