/*
 * What became of a message, on its way into the queue's database: tried until it is durable, as a full disk or somebody's lock must
 * not make the bridge forget what its MTA has taken. Until then it is known in memory only.
 */
#ifndef PONTOON_BRIDGE_NOTING_H
#define PONTOON_BRIDGE_NOTING_H

#include "bridge/context.h"

struct noting;
typedef void noting_done(void *arg);

/* Borrows the job (each try writes it as it then stands) until `done` (never before this returns; frees the noting) or noting_cancel(). */
struct noting *noting_begin(struct context *ctx, const struct job *job, noting_done *done, void *arg);
/* Without callback: at exit. A warning says what is not noted. */
void noting_cancel(struct noting **n);

#endif
