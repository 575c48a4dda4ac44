/* Whether somebody takes connections at an endpoint of the configuration. */
#ifndef PONTOON_CTL_PROBE_H
#define PONTOON_CTL_PROBE_H

#include <stdbool.h>

#include "lib/clock.h"
#include "lib/result.h"

/* A connection, non-blocking, to close(); -1: err says why not. */
int probe_connect(const char *endpoint, msec_t wait, struct error *err);
/* Connects (a wildcard address: on this machine) and hangs up, waiting `wait` at most. False: err says why not. */
bool probe_endpoint(const char *endpoint, msec_t wait, struct error *err);

#endif
