/*
 * Counts the messages between MAIL and their end, so that the daemon can stop between messages and never
 * under one. Any thread.
 */
#ifndef PONTOON_MILTER_GATE_H
#define PONTOON_MILTER_GATE_H

#include <stdbool.h>

/* False once the gate is closed: the message must do without us. */
bool gate_enter(void);
void gate_leave(void);

/* Lets nobody in any more; calls empty(arg) once, from any thread, when nobody is inside. */
void gate_close(void (*empty)(void *arg), void *arg);
unsigned gate_count(void);

#endif
