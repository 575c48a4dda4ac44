/* Counts who is inside: see gate.h. */
#include "milter/gate.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned inside;
static bool closed;
static void (*on_empty)(void *arg);
static void *on_empty_arg;

bool gate_enter(void)
{
    pthread_mutex_lock(&lock);
    bool open = !closed;
    inside += open;
    pthread_mutex_unlock(&lock);
    return open;
}

static void leave_locked(void)
{
    if (inside > 0 || !closed || on_empty == NULL)
        return;
    on_empty(on_empty_arg);
    on_empty = NULL;
}

void gate_leave(void)
{
    pthread_mutex_lock(&lock);
    assert(inside > 0);
    inside--;
    leave_locked();
    pthread_mutex_unlock(&lock);
}

void gate_close(void (*empty)(void *arg), void *arg)
{
    pthread_mutex_lock(&lock);
    closed = true;
    on_empty = empty;
    on_empty_arg = arg;
    leave_locked();
    pthread_mutex_unlock(&lock);
}

unsigned gate_count(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = inside;
    pthread_mutex_unlock(&lock);
    return n;
}
