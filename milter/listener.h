/* The milter's listening socket and the thread that libmilter serves it with. One a process, as libmilter is. */
#ifndef PONTOON_MILTER_LISTENER_H
#define PONTOON_MILTER_LISTENER_H

#include "lib/config.h"
#include "lib/result.h"

/*
 * Binds and listens (milter.socket), so that the MTA can connect from now on. A unix socket that a dead process left is
 * removed, a living one's is not; group and mode are set from the configuration.
 */
enum result listener_open(const struct config *config, struct error *err);

/* Serves it in a thread of its own; ended(arg) is called from there when libmilter stops serving, for whatever reason. */
enum result listener_start(void (*ended)(void *arg), void *arg, struct error *err);

/*
 * The end: socket_file_remove(), so that nobody connects any more. The rest ends with the process: smfi_stop() would only
 * have us wait for libmilter's next turn, up to 5 s away.
 */

#endif
