/*
 * What a running daemon can say about itself, which no database has: its limits, its pacer. Whoever connects to the socket
 * DIR/figures (of its data directory, whose group it takes) gets one JSON object, and the connection is closed. The daemon
 * reads nothing from it. Used by `pontoon status`.
 */
#ifndef PONTOON_FIGURES_H
#define PONTOON_FIGURES_H

#include <jansson.h>

#include "lib/loop.h"

struct figures;

typedef json_t *figures_fn(void *arg); /* a new object */

/* Without them a daemon does its work all the same: on failure NULL is returned, and a warning was logged. */
struct figures *figures_serve(struct loop *loop, const char *dir, figures_fn *fn, void *arg);
void figures_free(struct figures **f); /* *f may be NULL; removes the socket */

/* What the daemon of this directory says; NULL: none runs, or it does not answer within `wait`. To json_decref(). */
json_t *figures_ask(const char *dir, msec_t wait);

#endif
