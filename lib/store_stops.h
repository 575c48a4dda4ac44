/*
 * The part of the store (lib/store.h) that says what is not diverted at present: drains, which an admin orders, and
 * breakers, which open by themselves when a peer's bridge fails for long. Both are durable, and seen by every process and
 * node that uses the store: the milter through lib/stops.h, without a look-up for each message.
 *
 * Memory: what is handed out through `_r` belongs to the caller, with the free function named.
 */
#ifndef PONTOON_STORE_STOPS_H
#define PONTOON_STORE_STOPS_H

#include "lib/address.h"
#include "lib/store.h"

/* ---- all of them, for whoever decides about new mail ---- */

enum store_stop_kind {
    STORE_STOP_NONE,
    STORE_STOP_DRAIN,   /* mail to and from the domain; "" everything */
    STORE_STOP_BREAKER, /* mail to the domain */
};

struct store_stop {
    char domain[DOMAIN_MAX + 1]; /* normalized */
    enum store_stop_kind kind;
    msec_t since;
};
struct store_stops {
    struct store_stop *list; /* by domain */
    size_t n;
};
enum result store_stops_read(struct store *store, struct store_stops **stops_r, struct error *err);
void store_stops_free(struct store_stops **stops);

/* ---- how much waits ---- */

struct store_load {
    uint64_t messages, bytes; /* undecided messages without shadows; bytes of all bodies */
    struct store_load_domain {
        char domain[DOMAIN_MAX + 1]; /* normalized */
        uint64_t rcpts;              /* queued or accepted, no shadows */
    } * list;                        /* those with `least` or more, by domain */
    size_t n;
};
/* least == 0: no domain is listed. */
enum result store_load_read(struct store *store, uint64_t least, struct store_load **load_r, struct error *err);
void store_load_free(struct store_load **load);

/* ---- drains ---- */

/*
 * Begins or ends the drain of a domain (normalized), or of everything (""). From the same commit on store_put() refuses what
 * it concerns (of everything: also what is only to be given back), and all undecided recipients that it concerns are due. *changed_r (may be NULL): false if it was so before.
 */
enum result store_drain(struct store *store, const char *domain, bool on, bool *changed_r, struct error *err);
/* Makes what concerns a domain, or everything (""), due now: work that is not in anybody's hands. */
enum result store_hasten(struct store *store, const char *domain, struct error *err);

/* What a drain waits for. */
enum store_wait {
    STORE_WAIT_UNTAKEN, /* to be returned: the next look of the store daemon does it */
    STORE_WAIT_TAKEN,   /* the peer has fetched it, or is fetching it: it is asked */
    STORE_WAIT_RETURN,  /* our own MTA does not take it back yet */
    STORE_WAIT_DSN,     /* our own MTA does not take the DSN yet */
    STORE_WAITS
};
struct store_waiting { /* recipients of one domain that wait for one thing */
    char domain[DOMAIN_MAX + 1];
    enum store_wait wait;
    uint64_t rcpts;
    msec_t next;    /* when the first of them is tried again */
    msec_t taken;   /* TAKEN: when the last of them was fetched */
    msec_t expires; /* of the last */
    char *text;     /* what was last said of one of them, or NULL */
};
struct store_waits {
    struct store_waiting *list; /* the largest groups first, some dozen */
    size_t n;
    uint64_t rcpts; /* in all */
};
/* What is undecided to and from a domain, or at all (""); shadows too. */
enum result store_waits_read(struct store *store, const char *domain, struct store_waits **waits_r, struct error *err);
void store_waits_free(struct store_waits **waits);

/* ---- peers and their breakers ---- */

enum store_breaker { STORE_BREAKER_CLOSED, STORE_BREAKER_OPEN, STORE_BREAKER_TRIAL };

struct store_peer { /* one whose last requests failed */
    char domain[DOMAIN_MAX + 1];
    enum store_breaker breaker;
    unsigned failures; /* in a row */
    msec_t failing;    /* when the first of them was */
    msec_t changed;    /* when the breaker came into its state */
    unsigned probes;   /* since it opened */
    msec_t next_probe; /* OPEN: when to ask how it is */
    char *error;       /* the last failure */
};
struct store_peers {
    struct store_peer *list; /* by domain */
    size_t n;
};
enum result store_peers_read(struct store *store, struct store_peers **peers_r, struct error *err);
void store_peers_free(struct store_peers **peers);

/* When a breaker opens: so many failures in a row, over so long at least. 0 failures: never. */
struct store_breaker_rule {
    unsigned failures;
    msec_t time;
};
/*
 * A whole request to the domain's bridge failed. *breaker_r: the state that follows, *changed_r whether it is a new one. A
 * breaker on trial opens again at once. When it opens, what is queued for the domain is due.
 * `next_probe`: should it open now.
 */
enum result store_peer_failed(struct store *store, const char *domain, const struct store_breaker_rule *rule,
                              const char *text, msec_t next_probe, enum store_breaker *breaker_r, bool *changed_r,
                              struct error *err);
/* It answered a request: all is forgotten. *changed_r: its breaker was not closed. */
enum result store_peer_answered(struct store *store, const char *domain, bool *changed_r, struct error *err);
/* Claims the due probes of open breakers until `until`, when they are due again: so one node asks at one time. */
enum result store_peer_claim_probes(struct store *store, msec_t until, struct store_peers **peers_r, struct error *err);
/* What a probe found: `ready` puts an open breaker on trial; else the next is due at `next_probe`. */
enum result store_peer_probed(struct store *store, const char *domain, bool ready, const char *text, msec_t next_probe,
                              bool *changed_r, struct error *err);

/*
 * The URLs that the domain's bridge was last notified at, a line each; for asking when its policy can't be had any more.
 * Noted before a notification goes out; not awaited.
 */
void store_peer_note_inbound(struct store *store, const char *domain, const char *urls);
enum result store_peer_inbound(struct store *store, const char *domain, char **urls_r, struct error *err); /* or NULL */

#endif
