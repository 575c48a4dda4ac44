/*
 * Counts who is using the store or discovery (messages from their content on, look-ups), so that the daemon can stop
 * when nobody is. Any thread.
 */
#ifndef PONTOON_MILTER_GATE_H
#define PONTOON_MILTER_GATE_H

#include <stdbool.h>

/* False once the gate is closed: it must do without. */
bool gate_enter(void);
void gate_leave(void);

/* Lets nobody in any more; calls empty(arg) once, from any thread, when nobody is inside. */
void gate_close(void (*empty)(void *arg), void *arg);
unsigned gate_count(void);

#endif
