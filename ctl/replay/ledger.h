/*
 * The journal of a replay: an SQLite file that knows of each copy what was sent, what the server said, and what arrived of it. An
 * interrupted replay goes on from it, and the report is made from it; so memory stays small however many messages there are.
 *
 * Writes go into one transaction until ledger_commit(). The first failure sticks and is told by it; one thread.
 */
#ifndef PONTOON_REPLAY_LEDGER_H
#define PONTOON_REPLAY_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/envelope.h"
#include "lib/result.h"
#include "lib/sqlite_db.h"

struct ledger;

enum result ledger_open(const char *path, struct ledger **l_r, struct error *err); /* makes it if it is missing */
void ledger_close(struct ledger **l);                                              /* commits what it can */
enum result ledger_commit(struct ledger *l, struct error *err);

/* Facts about the run: its name, its options. ledger_get(): to mem_free(), NULL: not there. */
void ledger_set(struct ledger *l, const char *name, const char *value);
char *ledger_get(struct ledger *l, const char *name);

/* A copy is one message by one way; without --compare a message has one copy. */
struct ledger_copy {
    uint64_t id;     /* 1 is the first */
    uint64_t number; /* of the message in the input */
    uint64_t round;  /* of --repeat, from 1 */
    const char *way;
    const char *origin;
    uint64_t size;
    unsigned notes; /* enum content_note */
    const uint8_t *digest;
    const struct envelope *envelope;
    size_t left_out; /* recipients that it is not sent to, as their domains were not named */
    msec_t begun;
};
void ledger_begun(struct ledger *l, const struct ledger_copy *c);

enum ledger_state { LEDGER_BEGUN, LEDGER_ACCEPTED, LEDGER_REFUSED, LEDGER_UNKNOWN };
void ledger_refused_rcpt(struct ledger *l, uint64_t copy, const char *address, const char *reply);
void ledger_answered(struct ledger *l, uint64_t copy, enum ledger_state state, msec_t when, const char *reply);
void ledger_unsendable(struct ledger *l, uint64_t number, uint64_t round, const char *origin, const char *reason);

/* RESULT_OK with *known_r false: nothing was sent under this number. */
enum result ledger_expected(struct ledger *l, uint64_t copy, bool *known_r, uint8_t digest_r[DIGEST_SIZE],
                            struct error *err);

struct ledger_arrival {
    uint64_t copy;
    msec_t when;
    uint64_t size;
    const uint8_t *digest;
    bool equal;               /* to the copy's digest */
    const char *const *rcpts; /* as the receiver saw them; none: all of the copy's */
    size_t nrcpts;
    const msec_t *hops;
    size_t nhops;
    const char *watched; /* "Name: value\n" */
    const char *file;    /* where an altered one was kept, or "" */
};
/* *new_r: how many recipients got it for the first time. */
void ledger_arrived(struct ledger *l, const struct ledger_arrival *a, unsigned *new_r);
/* Whether `address` (NULL: any of the copy's recipients) has not got it yet. */
enum result ledger_lacks(struct ledger *l, uint64_t copy, const char *address, bool *lacks_r, struct error *err);
/* Something arrived that is none of this run's, or lost its token. */
void ledger_stray(struct ledger *l, msec_t when, const char *what);

/* Where to go on: the last copy, its message and round; zeros for a new journal. What was under way then becomes LEDGER_UNKNOWN. */
struct ledger_position {
    uint64_t copy, number, round;
    uint64_t messages; /* so far, with those that can't be sent */
    uint64_t last_unsendable, last_unsendable_round;
};
enum result ledger_resume(struct ledger *l, struct ledger_position *p_r, struct error *err);
/* Whether something was accepted, or may be, that has not reached a recipient. */
enum result ledger_is_waiting(struct ledger *l, bool *waiting_r, struct error *err);

/* For the report, which asks in its own words. */
struct sqlite_db *ledger_db(struct ledger *l);

#endif
