/*
 * The sender store: every durable change of the sender's side goes through here.
 *
 * What it keeps: messages (envelope, trace header, digest), bodies (one copy for any number of
 * messages and recipients), a state per recipient (lib/rcpt_state.h), the events that `pontoon trace`
 * shows, and the cache of other domains' policies. No SQL outside store_sqlite*.c.
 *
 * Several processes use one store at once (milter, store daemon, ctl); the interface is written for
 * several machines: due work is claimed in batches under a lease, a dead node's leases run out, and
 * nothing relies on one process seeing every change.
 *
 * Threads: every function may be called from any thread. Changes are committed in groups by one
 * writer thread per open store: what is waiting when a commit begins shares its flush. A function
 * with a `done` callback returns at once and calls it (from the writer thread) once the change is
 * durable or has failed; with done == NULL it waits and returns the result itself. Reads never wait
 * for writers.
 *
 * Memory: what a function hands out through `_r` belongs to the caller, with the free function named.
 */
#ifndef PONTOON_STORE_H
#define PONTOON_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/digest.h"
#include "lib/envelope.h"
#include "lib/notification.h"
#include "lib/rcpt_state.h"
#include "lib/result.h"
#include "lib/spool.h"

struct store;

enum store_mode { STORE_READ_WRITE, STORE_READ_ONLY };

/*
 * Opens (creating it if STORE_READ_WRITE) the store that the configuration names (store.directory).
 * `node` names this process's leases ("milter", "store@HOST"); a read-only opener claims nothing.
 * RESULT_TEMP: locked or disk trouble; RESULT_PERM: a schema from the future, a damaged file, rights.
 */
enum result store_open(const struct config *config, enum store_mode mode, const char *node, struct store **store_r,
                       struct error *err);
/* Returns when all changes that were begun are done, well or badly, and their `done' was called. */
void store_flush(struct store *store);
void store_close(struct store **store); /* finishes what was begun */

/* The directory for spools: files there become bodies by rename. */
const char *store_incoming_dir(const struct store *store);

typedef void store_done(void *arg, enum result result, const struct error *err);

/* ---- taking a message (milter) ---- */

struct store_message {
    const char *id;                  /* message_id_new() */
    const char *queue_id;            /* the MTA's, or "" */
    const char *message_id;          /* the Message-ID header, or "" */
    const char *client;              /* "name [address]" of the submitting client, or "" */
    const char *login;               /* authenticated user, or "" */
    const struct envelope *envelope; /* with the diverted recipients, and those that `returning` names */
    /*
     * NULL, or for each recipient NULL or a few words: it is not diverted but goes back to SMTP at once (state "returning"), for
     * this reason. Its address and the sender's need no domain that could be notified.
     */
    const char *const *returning;
    const char *trace; /* our header, CRLF, first in what is fetched */
    size_t trace_len;
    uint64_t size;         /* trace_len + body */
    const uint8_t *digest; /* SHA-256 of trace + body */
    msec_t hold;           /* not notified before this long from now, or store_release() */
    bool unique_bytes;     /* no other message has these bytes: a resubmission is known by them, without a Message-ID */
    msec_t resubmission_window; /* how long ago the same message may have come (0: don't look) */
    msec_t expire_after;
    size_t
        by_smtp; /* further recipients that the MTA got in the same transaction and sends to itself: for `pontoon recall` */
    bool
        shadow; /* a copy of mail that goes by SMTP: notified, fetched and compared, never delivered, returned or bounced */
};

struct store_put_result {
    /*
     * NULL, or the id of an earlier message with the same sender, client, login, body (digest) and a
     * Message-ID, which already holds *some* of these recipients: a client whose MTA lost our
     * answer came again. Those recipients are not stored a second time. A shadow holds nothing but shadows: who
     * hands in mail to be delivered is never told that a shadow has it. To mem_free().
     */
    char *resubmission_of;
    size_t stored; /* recipients stored now; 0: the whole message was a resubmission, nothing was written */
    bool
        drained; /* with RESULT_PERM: nothing is wrong, but this mail is not to be diverted any more (lib/store_stops.h);
                    or, if everything is drained, not even to be given back */
};

/*
 * Durable when it returns: message, recipients and body. Takes the spool's file if it needs it
 * (spool_release_file()); the caller frees the spool in any case. One message can be put twice with one spool, under two
 * ids: once for the recipients that are diverted, then as a shadow of the others (RESULT_TEMP if the body that
 * the first left is gone meanwhile).
 */
enum result store_put(struct store *store, const struct store_message *m, struct spool *body,
                      struct store_put_result *put_r, struct error *err);
/* The MTA was told: notify now. Only a hint; it need not be durable. Wakes the store daemon (store_wakeup). */
void store_release(struct store *store, const char *id);
/* The MTA could not be told: takes the message back if nothing was notified yet. RESULT_PERM: too late. */
enum result store_withdraw(struct store *store, const char *id, struct error *err);

/*
 * A datagram socket DIR/wakeup, made by the store daemon: store_release() sends the id to it, so that
 * the daemon need not poll. Returns the socket (non-blocking, to close()) or -1 with err set.
 */
int store_wakeup_socket(struct store *store, struct error *err);

/* ---- due work (store daemon) ---- */

enum store_work { STORE_NOTIFY, STORE_RETURN, STORE_BOUNCE, STORE_REPORT };

/* What is left to us of NOTIFY=SUCCESS once the receiving MTA has taken a recipient: the Action of the DSN to make. */
enum store_report { STORE_REPORT_NONE, STORE_REPORT_RELAYED, STORE_REPORT_DELIVERED };

/* What the receiving site saw of the SMTP copy of a shadow: see doc/protocol.md, "Shadows". */
enum store_smtp_copy { STORE_SMTP_UNKNOWN, STORE_SMTP_ARRIVED, STORE_SMTP_NOT_SEEN };
struct store_comparison {
    enum store_smtp_copy smtp;
    msec_t delta;            /* ARRIVED: how much later than the fetched copy; negative: earlier */
    const char *differences; /* a line each, without the last '\n'; NULL: none */
};

/* For traces: "the same by SMTP", "differs by SMTP", "not seen by SMTP"; then "+0.120 s; header Subject changed", to
   mem_free(), or NULL. */
const char *store_comparison_what(const struct store_comparison *c);
char *store_comparison_text(const struct store_comparison *c);

struct store_rcpt {
    int64_t rid;
    char *address;
    char *notify; /* or NULL */
    char *orcpt;  /* or NULL */
    enum rcpt_state state;
    int64_t serial;    /* of the latest claim for a notification: grows with each; 0: never claimed */
    unsigned attempts; /* tries of this kind of work (notifications, queued or accepted; returns; DSNs) */
    msec_t next;       /* when due */
    msec_t since;      /* when it came into this state */
    bool offered;      /* it was claimed for a notification, which may have reached the peer, and the peer never
                               said since that it holds nothing (rcpt_event_clears_doubt()) */
    msec_t fetching;   /* when a fetch for this recipient's domain began that has not ended, 0 none */
    msec_t fetched;    /* when the whole message was served for it, 0 never */
    char dsn[ERROR_DSN_MAX];
    char *text; /* last reply or error, or NULL */
    char *peer; /* who said it ("bridge.b.test[127.0.0.3]:8443"), or NULL */
    /* The event that ended notifying (RCPT_EVENTS: none did), with its words: unlike dsn and text they stay. */
    enum rcpt_event cause;
    char *cause_text;
    struct store_comparison comparison; /* of a shadow; its strings are ours */
    enum store_report report;
    char *domain; /* normalized recipient domain: aud */
};

/* One message with those of its recipients that the query asked for. */
struct store_entry {
    char *id;
    char *queue_id, *message_id, *client, *login; /* "" when unknown */
    struct envelope envelope;                     /* without recipients */
    char *iss;                                    /* normalized domain of the sender; "" for the null sender */
    uint64_t size;
    uint8_t digest[DIGEST_SIZE];
    msec_t created, expires;
    uint64_t by_smtp; /* as store_message.by_smtp */
    bool shadow;
    struct store_rcpt *rcpts;
    size_t nrcpts;
};

struct store_entries {
    struct store_entry *entries;
    size_t n;
};
void store_entries_free(struct store_entries **entries);

/*
 * Claims up to `max` recipients whose work of this kind is due, oldest first, under a lease of
 * `lease` ms for this node; grouped by message, notifications and returns by domain as well. For DSNs, which are one
 * for a message, all of its recipients with this work come together, due or not, and `max` bounds the messages
 * (1000 recipients of each at one time). Expired messages come with the others:
 * the caller looks at `expires`. *next_r: when the next such work is due (-1: none known), so that a
 * caller knows how long to sleep.
 */
enum result store_claim(struct store *store, enum store_work work, size_t max, msec_t lease,
                        struct store_entries **entries_r, msec_t *next_r, struct error *err);
/*
 * As above for these messages, whether their hold is over or not (after store_release()): what was tried before, or is leased,
 * is left out. May be empty.
 */
enum result store_claim_messages(struct store *store, const char *const *ids, size_t n, msec_t lease,
                                 struct store_entries **entries_r, struct error *err);
/*
 * One more notification under the same claim: a serial of its own for what this node still holds of these recipients, and the lease anew.
 * RESULT_PERM: nothing of it is ours any more.
 */
enum result store_claim_again(struct store *store, const int64_t *rids, size_t n, msec_t lease, int64_t *serial_r,
                              struct error *err);
/*
 * Claims up to `max` messages accepted before `created`, oldest first, that have an undecided recipient and whose sender
 * was not told of the delay; with the recipients that are queued or accepted. No shadows, nothing that has
 * expired. *next_r: when the oldest one accepted later was accepted, -1 none.
 */
enum result store_claim_warnings(struct store *store, msec_t created, size_t max, msec_t lease,
                                 struct store_entries **entries_r, msec_t *next_r, struct error *err);
/* The warning is in the local MTA, or none is wanted (again == 0): never again; or it failed: again then. */
enum result store_settle_warning(struct store *store, const char *id, msec_t again, store_done *done, void *arg,
                                 struct error *err);
/* This node starts anew: its old leases are void. */
enum result store_release_leases(struct store *store, struct error *err);

/*
 * For the store daemon, before anything is claimed. If the store was last in use longer ago than a restart takes (by
 * store_alive(); another bound after an orderly end), it was down, or has been restored from a backup, or the clock was set: then it
 * may not know what the peers have fetched since, nor could it hear. Every recipient that is queued or accepted counts as one whose
 * fetch has just begun (or ended), so that the peer is asked, at once, before anything goes by SMTP; and nothing expires for the time
 * that passed. This is done for some hundred messages at a time, so that others can write meanwhile; if it is cut short, the next start goes on
 * with it. In any case serials (store_rcpt.serial) go on at random, far from those used before.
 */
enum { STORE_ALIVE_EVERY = 30 * 1000, STORE_PAUSE_CRASHED = 90 * 1000, STORE_PAUSE_STOPPED = 15 * 60 * 1000 };
struct store_pause {
    msec_t since;     /* when it was last in use, 0 never */
    uint64_t doubted; /* recipients to ask about */
};
enum result store_resume(struct store *store, struct store_pause *pause_r, struct error *err);
/* It is in use: to be called every STORE_ALIVE_EVERY ms, and at an orderly end. */
enum result store_alive(struct store *store, bool orderly_end, struct error *err);

/*
 * The wall clock was set by `by` ms, `ago` ms ago at most: what waits keeps its age, its waits and its leases. What was written since
 * with the new time is left alone. *moved_r: messages.
 */
enum result store_clock_set(struct store *store, msec_t by, msec_t ago, uint64_t *moved_r, struct error *err);

struct store_settlement {
    int64_t rid;
    enum rcpt_event event;
    char dsn[ERROR_DSN_MAX];
    const char *text; /* copied; NULL for none */
    const char *peer; /* copied; NULL for none */
    msec_t next;      /* when the state that follows is due (absolute); 0: now */
    int64_t serial;   /* of the notification that this answers: without effect if the recipient was claimed for another
                            one since, which may have told the peer more; 0: whatever happened since */
    bool unless_fetched; /* changes nothing if the peer is fetching or has fetched: for RECALL and FALLBACK */
    struct store_comparison comparison; /* copied; for shadows */
    enum store_report report;           /* with RCPT_EV_UNREPORTED */
};

/*
 * Applies events in one transaction, gives up their leases, writes trace events, makes DSNs due at once that waited for
 * recipients of the same message of which none is left to be tried for the first time, and deletes the body of
 * every message whose recipients are all final. `changed_r` (may be NULL; n bools; only with done ==
 * NULL) says which events changed a state: false for late and repeated news.
 */
enum result store_settle(struct store *store, const struct store_settlement *s, size_t n, bool *changed_r,
                         store_done *done, void *arg, struct error *err);
/* Puts leased work back without an event, due at `next`. */
enum result store_postpone(struct store *store, const int64_t *rids, size_t n, msec_t next, store_done *done, void *arg,
                           struct error *err);

/* ---- serving (store daemon) ---- */

enum store_access {
    STORE_ACCESS_OK,
    STORE_ACCESS_UNKNOWN, /* 404: no such id for this domain */
    STORE_ACCESS_GONE,    /* 410: recalled, expired, returned or done */
};

struct store_body; /* an open message: trace + body as one run of bytes; needs no open transaction */

/* Opens what `aud` may fetch. *body_r only with STORE_ACCESS_OK. */
enum result store_body_open(struct store *store, const char *id, const char *aud, enum store_access *access_r,
                            struct store_body **body_r, struct error *err);
/* Opens for our own use (return, DSN): any state. RESULT_PERM: settled. RESULT_TEMP: its file is gone, or can't be read now. */
enum result store_body_open_local(struct store *store, const char *id, struct store_body **body_r, struct error *err);
uint64_t store_body_size(const struct store_body *b);
const uint8_t *store_body_digest(const struct store_body *b);
uint64_t store_body_trace_len(const struct store_body *b);
/* Reads up to len bytes at offset; 0 at the end, -1 with err set on a disk error. */
long store_body_read(struct store_body *b, uint64_t offset, void *buf, size_t len, struct error *err);
void store_body_close(struct store_body **b);
/*
 * A fetch by `aud` begins: noted before its first byte, in the same order as everything that takes the capability away
 * (recall, return), so that either the fetch is refused (`done` gets RESULT_PERM) or the other one sees it. `only`: no other
 * one of this message by `aud` is under way. Then one that is noted as begun was cut off by a crash, or its end could not be noted: what the
 * peer has of it is unknown, may be for other recipients than this one, and is from now on doubted as if it had been whole.
 */
enum result store_fetch_begin(struct store *store, const char *id, const char *aud, bool only, store_done *done,
                              void *arg, struct error *err);
/*
 * It ended; `whole`: its last byte was given out. Otherwise only the last of several at one time says so: it clears
 * `fetching`. (A fetch that a crash cut off stays noted.)
 */
enum result store_fetch_end(struct store *store, const char *id, const char *aud, bool whole, const char *peer,
                            store_done *done, void *arg, struct error *err);

/* The recipients of one message at one domain, for a receipt. Empty result: unknown id or domain. */
enum result store_find_for(struct store *store, const char *id, const char *aud, struct store_entries **entries_r,
                           struct error *err);

/* ---- looking (ctl) ---- */

/* By pontoon id, queue id or Message-ID (with or without <>): all matches, newest first, all recipients. */
enum result store_find(struct store *store, const char *what, size_t max, struct store_entries **entries_r,
                       struct error *err);
/* Messages with a recipient that is not final, oldest first; `after`: id to continue behind, or NULL. */
enum result store_list(struct store *store, const char *after, size_t max, struct store_entries **entries_r,
                       struct error *err);

struct store_event {
    msec_t when;
    char *what; /* "stored", "fetched", what store_add_event() was given, a state reached, or an event that kept it */
    char *address; /* recipient, or NULL */
    char *text;    /* details, or NULL */
};
enum result store_events(struct store *store, const char *id, struct store_event **events_r, size_t *n_r,
                         struct error *err);
void store_events_free(struct store_event **events, size_t n);
/* Adds a line to the trace of a message. Not awaited: lost with a crash before the next commit. */
void store_add_event(struct store *store, const char *id, const char *address, const char *what, const char *text);

struct store_stats {
    uint64_t rcpts[RCPT_STATES];
    uint64_t messages;                                   /* with a recipient that is not final */
    uint64_t shadow_rcpts[RCPT_STATES], shadow_messages; /* the same of shadows, which are not in the figures above */
    uint64_t bodies, body_bytes;                         /* of all */
    msec_t oldest;                                       /* creation of the oldest of `messages`, 0 none */
};
enum result store_stats(struct store *store, struct store_stats *stats_r, struct error *err);

/* Whether the database holds together: RESULT_PERM says that it is damaged, RESULT_TEMP that `wait` was too short. Bodies in files are left
   out: their digest is looked at whenever they are read. */
enum result store_verify(struct store *store, msec_t wait, struct error *err);

/* One recipient of what is remembered. The strings are the callee's to read until it returns. */
struct store_history_row {
    const char *domain, *id;
    bool shadow;
    enum rcpt_state state;
    unsigned attempts;
    enum rcpt_event cause; /* as in struct store_rcpt, like the following */
    char dsn[ERROR_DSN_MAX];
    const char *text, *cause_text;
    msec_t created, since, fetched;
    bool reported; /* a success DSN was ours to make: `since` is when that was done */
    struct store_comparison comparison;
};
typedef void store_history_fn(void *arg, const struct store_history_row *row);
/*
 * Calls fn for every recipient of every message that came at `since` or later, in no order; of one domain only, if that is not
 * NULL (normalized). Memory does not grow with their number.
 */
enum result store_history(struct store *store, const char *domain, msec_t since, store_history_fn *fn, void *arg,
                          struct error *err);

/* ---- upkeep ---- */

/*
 * Forgets final messages older than `history` ms, removes body files that no row knows (left by a crash;
 * older than an hour), at most `max` of each. *more_r: call again soon.
 */
enum result store_purge(struct store *store, msec_t history, size_t max, bool *more_r, struct error *err);

/* ---- the policy cache (lib/policy_cache.h says what the fields mean) ---- */
struct policy_cache_entry;
enum result store_policy_load(struct store *store, const char *domain, struct policy_cache_entry **entry_r,
                              struct error *err);
enum result store_policy_save(struct store *store, const struct policy_cache_entry *entry, store_done *done, void *arg,
                              struct error *err);

#endif
