/*
 * Observing: what arrives by SMTP for our own domains is told to pontoon-bridge (lib/arrival.h), which compares it with the
 * shadows that were notified of it. Memory is bounded whatever the message's size; nothing waits for it and nothing depends
 * on it. milter.observe switches it.
 */
#ifndef PONTOON_MILTER_OBSERVE_H
#define PONTOON_MILTER_OBSERVE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/config.h"
#include "lib/loop.h"

/* Tells the bridge, now and every few seconds, that somebody looks on. After observe_configure(). */
void observe_start(struct loop *loop);
void observe_stop(void);
/* At start and on reload; messages that are being looked at go on. */
void observe_configure(const struct config *config);

struct observation; /* one message being looked at */

/* At MAIL. NULL if nothing is observed. */
struct observation *observe_begin(const char *path);
/* The others take NULL, too, and do nothing. */
void observe_rcpt(struct observation *o, const char *path);
void observe_header(struct observation *o, const char *name, const char *value);
void observe_body(struct observation *o, const void *data, size_t len);
/* The whole message has gone past: tells the bridge. Frees it and sets it NULL. */
void observe_end(struct observation **o);
void observe_drop(struct observation **o);

#endif
