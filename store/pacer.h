/*
 * The pacer: every notified site fetches at once, so the store's load is its own notification pace, and this decides it. Pure
 * arithmetic on moments that the caller gives: store/pacing.c runs it.
 *
 * Bounds. A message that is notified to a site holds a ticket until the site has fetched it whole, has answered that it won't,
 * or `timeout` has passed: then the site gives its share back. Tickets and their bytes are bounded, per site and in
 * all. (One message larger than the bound on bytes may go when nothing else is out.) An idle store makes nobody wait.
 *
 * Adaptation. The bound in all is a window that follows the store's own latency in serving, looked at every 100 ms. If most
 * fetches of that time took longer than `latency`, the window becomes 3/4 of what was out (at least 1 message); else it
 * grows by 1/16, by 1 message at least, up to the bound: about 8 s from 1 message to 500. Bytes are scaled alike.
 *
 * Fairness. Sites that wait stand in a ring and get turns by deficit round robin: a turn is worth 512 KiB, a message costs its
 * size (16 MiB at most) and 64 KiB, and a debt is paid by the next turns. Who can't go on for his own bound leaves the ring
 * until a ticket of his comes back, and holds up nobody. A newcomer never passes those who wait.
 */
#ifndef PONTOON_STORE_PACER_H
#define PONTOON_STORE_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"

struct pacer;
struct pacer_queue; /* what waits for one site; a site may have several */

struct pacer_settings {
    unsigned messages, messages_per_site; /* notified and not fetched */
    uint64_t bytes, bytes_per_site;       /* the same */
    msec_t latency;                       /* aimed at */
    msec_t timeout;                       /* of a ticket */
};

/* The queue's turn: pacer_take() what waits. May call pacer_leave(). */
typedef void pacer_turn(void *arg);

struct pacer *pacer_new(const struct pacer_settings *settings);
void pacer_free(struct pacer **p); /* all queues have left */
void pacer_configure(struct pacer *p, const struct pacer_settings *settings);

struct pacer_queue *pacer_join(struct pacer *p, const char *site, pacer_turn *fn, void *arg);
void pacer_leave(struct pacer_queue **q); /* tickets stay out; *q may be NULL */
/*
 * Whether this message may be notified now. No: the queue waits for its turn, from which it is called once. A message that is
 * out already may be notified again, and counts once.
 */
bool pacer_take(struct pacer_queue *q, const char *id, uint64_t size, msec_t now);
/* The ticket comes back, if it is out: fetched, or not to be fetched. */
void pacer_back(struct pacer *p, const char *site, const char *id);
bool pacer_is_out(const struct pacer *p, const char *site, const char *id);
/* How long the store took to begin serving one fetch. */
void pacer_latency(struct pacer *p, msec_t took, msec_t now);
/* Ends tickets whose time is over, adapts, and gives turns. Returns when to call again at the latest, -1: nothing is out. */
msec_t pacer_run(struct pacer *p, msec_t now);

struct pacer_figures {
    unsigned out, window, waiting; /* messages; sites that wait */
    uint64_t bytes;
    msec_t latency;     /* of the latest fetches, about */
    unsigned most_out;  /* since the start */
    uint64_t timed_out; /* tickets, since the start */
};
struct pacer_figures pacer_figures(const struct pacer *p);

#endif
