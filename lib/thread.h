/* Threads beside the main one. */
#ifndef PONTOON_THREAD_H
#define PONTOON_THREAD_H

#include <pthread.h>

/* pthread_create() of a thread that no signal goes to: they are the main thread's. Returns 0, or the error's number. */
int thread_start(pthread_t *thread_r, void *(*run)(void *arg), void *arg);

#endif
