/*
 * The event loop of a daemon (libevent), with what every daemon needs of it: timers, signals, work posted
 * from other threads, and an orderly end. One thread runs a loop; everything but loop_post() belongs
 * to that thread.
 */
#ifndef PONTOON_LOOP_H
#define PONTOON_LOOP_H

#include <event2/event.h>

#include <stdbool.h>

#include "lib/clock.h"
#include "lib/result.h"

struct loop;
struct loop_timer;
typedef void loop_fn(void *arg);

struct loop *loop_new(void); /* also: SIGPIPE is ignored from here on, libevent's warnings go to our log */
void loop_free(struct loop **loop);
struct event_base *loop_base(struct loop *loop);

void loop_run(struct loop *loop); /* until loop_stop() */
void loop_stop(struct loop *loop);

/* Any thread: runs fn(arg) on the loop's thread soon. Order is kept. What has not run by loop_free() is dropped. */
void loop_post(struct loop *loop, loop_fn *fn, void *arg);

/* On the loop's thread, after loop_run(): what was posted until now, so that those who are told at the end can free what they hold. */
void loop_run_posted(struct loop *loop);

/* A timer that the owner frees; it fires once for each loop_timer_set(). */
struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_set(struct loop_timer *t, msec_t delay); /* replaces what was set */
void loop_timer_cancel(struct loop_timer *t);
bool loop_timer_pending(const struct loop_timer *t);
void loop_timer_free(struct loop_timer **t);

void loop_signal(struct loop *loop, int signo, loop_fn *fn, void *arg);

/*
 * For completions that come from another thread (store_done in lib/store.h): pass loop_relay_done with a relay as
 * its argument; fn then runs on the loop's thread, once, and the relay is freed.
 */
typedef void loop_done(void *arg, enum result result, const struct error *err);
struct loop_relay;
struct loop_relay *loop_relay_new(struct loop *loop, loop_done *fn, void *arg);
void loop_relay_done(void *relay, enum result result, const struct error *err);

#endif
