/* Threads beside the main one: see thread.h. */
#include "lib/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread_r, void *(*run)(void *arg), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* a new thread has its maker's mask from its first instruction on */
    int e = pthread_create(thread_r, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return e;
}
