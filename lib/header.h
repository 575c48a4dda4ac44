/*
 * RFC 5322 headers: the trace header we prepend, dates, and finding a header in a message. Pure.
 */
#ifndef PONTOON_HEADER_H
#define PONTOON_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/clock.h"

enum { HEADER_DATE_SIZE = 40 };

/* RFC 5322 section 3.3, "Tue, 24 Nov 2026 03:12:00 +0000", local time zone. */
void header_date(msec_t when, char out[HEADER_DATE_SIZE]);

struct header_trace {
    const char *helo;      /* what the client called itself, or NULL */
    const char *name;      /* its verified name, or NULL */
    const char *address;   /* "192.0.2.1", "2001:db8::1" or "" when local */
    const char *login;     /* authenticated user, or NULL; not shown, only makes "ESMTPA" */
    const char *by;        /* our host name */
    const char *with;      /* RFC 5321 protocol: "ESMTP", "SSMP" */
    const char *id;        /* MTA queue id and/or our id */
    const char *recipient; /* `for` clause: only when the message has one recipient, else NULL */
    msec_t when;
};

/*
 * Appends a folded "Received: …" header with CRLF line ends. The comment "(pontoon)" after our
 * name marks it as ours (header_is_own_trace). Values from peers are made harmless: anything outside
 * printable ASCII becomes '?', parentheses and backslashes in comments are replaced.
 */
void header_trace_add(struct buf *out, const struct header_trace *t);

/* True for a Received: value that header_trace_add() made on host `by` (NULL: on any host). */
bool header_is_own_trace(const char *received_value, const char *by);

/*
 * The id clause of a Received: value, if it is a queue id (letters, digits, "-", "_", "."): how a message shows which queue file of
 * the MTA before it was. False: none, or it has no room.
 */
bool header_received_id(const char *received_value, char *out, size_t out_size);

/*
 * Finds the first header `name` in a message's start (CRLF or LF lines); copies its unfolded, trimmed
 * value, cut to out_size. False if there is none before the first empty line or the end.
 */
bool header_find(const char *message, size_t len, const char *name, char *out, size_t out_size);

#endif
