/*
 * Limits on what one peer may take: a rate (a token bucket) and a count of what it holds at one time, by key: an address, or
 * a domain. What is refused is counted for `pontoon status` and said in the log, with the peer's name, but never more
 * than some lines a minute: the rest is counted in one line.
 *
 * The table of each limit is bounded: who was not seen for longest is forgotten first, and begins anew with a full
 * bucket. Who holds something is never forgotten. One thread: the loop's.
 */
#ifndef PONTOON_LIMITS_H
#define PONTOON_LIMITS_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/loop.h"
#include "lib/netaddr.h"

struct limits; /* all limits of a daemon */
struct limit;

struct limits *limits_new(struct loop *loop); /* NULL: nothing is said of what was counted (unit tests) */
void limits_free(struct limits **l);
/* Lives as long as `all`. `name`: the parameter's, a literal. */
struct limit *limits_add(struct limits *all, const char *name);
/* An array, one object a limit that is in use: name, refused (since the start), holding, keys, top (peers that
   were refused most often: peer, refused). */
json_t *limits_json(const struct limits *all);

/* The key of an address: itself; of an IPv6 address its /64, which is what one host may choose from. */
enum { LIMIT_KEY_SIZE = 260 };
void limit_key_of(const struct netaddr *a, char key_r[LIMIT_KEY_SIZE]);

/* `rate` a second (0: no limit), `burst` at once after a rest. May be changed at any time. */
void limit_set_rate(struct limit *l, int64_t rate, int64_t burst);
/* Whether there is something left. No: *wait_r (may be NULL) is when there will be again, in whole seconds, 1 at least. */
bool limit_allows(struct limit *l, const char *key, unsigned *wait_r);
/* Takes `cost`, whether it is there or not: what is missing has to come in again before anything is allowed. */
void limit_charge(struct limit *l, const char *key, int64_t cost);
/* Gives `credit` beyond the rate: up to the burst, or up to `credit` itself if that is more. */
void limit_credit(struct limit *l, const char *key, int64_t credit);
/* limit_allows(), and if so limit_charge() of 1. */
bool limit_take(struct limit *l, const char *key, unsigned *wait_r);

/* What a key holds at one time. */
void limit_hold(struct limit *l, const char *key);
void limit_release(struct limit *l, const char *key);
unsigned limit_held(const struct limit *l, const char *key);

/* Something was refused to `key`: counts it; the line is logged (a warning), or counted with its like. */
void limit_refused(struct limit *l, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* For unit tests: what the timer does every minute. */
void limits_say(struct limits *all);

#endif
