/*
 * The state machine of the sender's side: what can become of one recipient of a stored message.
 * A pure table; lib/store.h applies it inside its transactions, doc/protocol.md shows it, and
 * t/unit/test_rcpt_state.c walks through all of it.
 */
#ifndef PONTOON_RCPT_STATE_H
#define PONTOON_RCPT_STATE_H

#include <stdbool.h>

enum rcpt_state {
    RCPT_QUEUED,    /* the peer has promised nothing: notify when due */
    RCPT_ACCEPTED,  /* the peer promised a receipt: ask again when due */
    RCPT_RETURNING, /* capability revoked; to be handed back to the local MTA when due */
    RCPT_BOUNCING,  /* failed for good; a DSN to the sender is due */
    RCPT_DELIVERED, /* final: the receiving MTA took it */
    RCPT_RETURNED,  /* final: the local MTA took it back */
    RCPT_BOUNCED,   /* final: failed, and the sender was told (or must not be: NOTIFY, null sender) */
    RCPT_RECALLED,  /* final: withdrawn before it was fetched */
    RCPT_SHADOWED,  /* final, of a shadow: what would have become of it is known, and nothing more happens */
    RCPT_REPORTING, /* the receiving MTA took it and won't report that; a success DSN to the sender is due */
    RCPT_STATES
};

enum rcpt_event {
    RCPT_EV_DELIVERED,     /* verdict or receipt */
    RCPT_EV_ACCEPTED,      /* verdict */
    RCPT_EV_DEFERRED,      /* verdict or receipt: the MTA or the bridge said "later" */
    RCPT_EV_REJECTED,      /* verdict or receipt: the MTA refused it for good */
    RCPT_EV_USE_SMTP,      /* verdict: not migrated */
    RCPT_EV_UNREACHABLE,   /* no answer, or an error of the whole request */
    RCPT_EV_FALLBACK,      /* we give up sender-store for it: fallback-after, policy gone, breaker, drain */
    RCPT_EV_EXPIRED,       /* expire-after */
    RCPT_EV_RETURN_DONE,   /* the local MTA answered 250 */
    RCPT_EV_RETURN_LATER,  /* the local MTA answered 4xx or not at all */
    RCPT_EV_RETURN_FAILED, /* the local MTA answered 5xx */
    RCPT_EV_BOUNCE_DONE,   /* the DSN is in the local MTA, or none is wanted */
    RCPT_EV_BOUNCE_LATER,
    RCPT_EV_RECALL,
    RCPT_EV_UNREPORTED,  /* delivered, and the success DSN that was asked for is ours to make */
    RCPT_EV_REPORT_DONE, /* it is in the local MTA */
    RCPT_EV_REPORT_LATER,
    RCPT_EVENTS
};

/*
 * The state after `event` in `state`. False: the event changes nothing there (late or repeated news). A shadow, a copy of
 * mail that went by SMTP, has a table of its own: in it nothing leads to a state from which mail or a DSN is made.
 */
bool rcpt_state_next(enum rcpt_state state, enum rcpt_event event, bool shadow, enum rcpt_state *next_r);

/*
 * Whether the event is the peer's word that it holds nothing: what it fetched or may have been offered then no longer stands in
 * the way of a return.
 */
bool rcpt_event_clears_doubt(enum rcpt_event event);

bool rcpt_state_final(enum rcpt_state state);
/* Whether a fetch for a recipient in this state may be served. */
bool rcpt_state_fetchable(enum rcpt_state state);
/* Whether it goes another way than this one now, or nowhere: the peer must not deliver it any more. */
bool rcpt_state_taken_back(enum rcpt_state state);

const char *rcpt_state_name(enum rcpt_state state); /* "queued", … as shown by pontoon queue */
const char *rcpt_event_name(enum rcpt_event event);

#endif
