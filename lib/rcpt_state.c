/* What can become of a recipient: see rcpt_state.h. */
#include "lib/rcpt_state.h"

#include <assert.h>
#include <stddef.h>

/* Every pair that is not listed changes nothing. */
struct transition {
    bool listed;
    enum rcpt_state next;
};

/* clang-format off */
static const struct transition transitions[RCPT_STATES][RCPT_EVENTS] = {
    [RCPT_QUEUED] = {
        [RCPT_EV_DELIVERED] = {true, RCPT_DELIVERED},
        [RCPT_EV_ACCEPTED] = {true, RCPT_ACCEPTED},
        [RCPT_EV_DEFERRED] = {true, RCPT_QUEUED},
        [RCPT_EV_REJECTED] = {true, RCPT_BOUNCING},
        [RCPT_EV_USE_SMTP] = {true, RCPT_RETURNING},
        [RCPT_EV_UNREACHABLE] = {true, RCPT_QUEUED},
        [RCPT_EV_FALLBACK] = {true, RCPT_RETURNING},
        [RCPT_EV_EXPIRED] = {true, RCPT_BOUNCING},
        [RCPT_EV_RECALL] = {true, RCPT_RECALLED},
        [RCPT_EV_UNREPORTED] = {true, RCPT_REPORTING},
    },
    [RCPT_ACCEPTED] = {
        [RCPT_EV_DELIVERED] = {true, RCPT_DELIVERED},
        [RCPT_EV_ACCEPTED] = {true, RCPT_ACCEPTED},
        [RCPT_EV_DEFERRED] = {true, RCPT_QUEUED},
        [RCPT_EV_REJECTED] = {true, RCPT_BOUNCING},
        [RCPT_EV_USE_SMTP] = {true, RCPT_RETURNING},
        [RCPT_EV_UNREACHABLE] = {true, RCPT_ACCEPTED},
        [RCPT_EV_FALLBACK] = {true, RCPT_RETURNING},
        [RCPT_EV_EXPIRED] = {true, RCPT_BOUNCING},
        [RCPT_EV_RECALL] = {true, RCPT_RECALLED},
        [RCPT_EV_UNREPORTED] = {true, RCPT_REPORTING},
    },
    [RCPT_RETURNING] = {
        [RCPT_EV_DELIVERED] = {true, RCPT_DELIVERED}, /* a late receipt beats the return */
        [RCPT_EV_RETURN_DONE] = {true, RCPT_RETURNED},
        [RCPT_EV_RETURN_LATER] = {true, RCPT_RETURNING},
        [RCPT_EV_RETURN_FAILED] = {true, RCPT_BOUNCING},
        [RCPT_EV_UNREPORTED] = {true, RCPT_REPORTING},
    },
    [RCPT_BOUNCING] = {
        [RCPT_EV_DELIVERED] = {true, RCPT_DELIVERED},
        [RCPT_EV_BOUNCE_DONE] = {true, RCPT_BOUNCED},
        [RCPT_EV_BOUNCE_LATER] = {true, RCPT_BOUNCING},
        [RCPT_EV_UNREPORTED] = {true, RCPT_REPORTING},
    },
    [RCPT_REPORTING] = {
        [RCPT_EV_REPORT_DONE] = {true, RCPT_DELIVERED},
        [RCPT_EV_REPORT_LATER] = {true, RCPT_REPORTING},
    },
};

/* Of shadows. The mail itself went by SMTP, so whatever would have led to a return or a DSN ends it instead. */
static const struct transition shadow_transitions[RCPT_STATES][RCPT_EVENTS] = {
    [RCPT_QUEUED] = {
        [RCPT_EV_DELIVERED] = {true, RCPT_SHADOWED},
        [RCPT_EV_ACCEPTED] = {true, RCPT_ACCEPTED},
        [RCPT_EV_DEFERRED] = {true, RCPT_QUEUED},
        [RCPT_EV_REJECTED] = {true, RCPT_SHADOWED},
        [RCPT_EV_USE_SMTP] = {true, RCPT_SHADOWED},
        [RCPT_EV_UNREACHABLE] = {true, RCPT_QUEUED},
        [RCPT_EV_FALLBACK] = {true, RCPT_SHADOWED},
        [RCPT_EV_EXPIRED] = {true, RCPT_SHADOWED},
        [RCPT_EV_RECALL] = {true, RCPT_RECALLED},
        [RCPT_EV_UNREPORTED] = {true, RCPT_SHADOWED},
    },
    [RCPT_ACCEPTED] = {
        [RCPT_EV_DELIVERED] = {true, RCPT_SHADOWED},
        [RCPT_EV_ACCEPTED] = {true, RCPT_ACCEPTED},
        [RCPT_EV_DEFERRED] = {true, RCPT_QUEUED},
        [RCPT_EV_REJECTED] = {true, RCPT_SHADOWED},
        [RCPT_EV_USE_SMTP] = {true, RCPT_SHADOWED},
        [RCPT_EV_UNREACHABLE] = {true, RCPT_ACCEPTED},
        [RCPT_EV_FALLBACK] = {true, RCPT_SHADOWED},
        [RCPT_EV_EXPIRED] = {true, RCPT_SHADOWED},
        [RCPT_EV_RECALL] = {true, RCPT_RECALLED},
        [RCPT_EV_UNREPORTED] = {true, RCPT_SHADOWED},
    },
};
/* clang-format on */

static const char *const state_names[RCPT_STATES] = {
    [RCPT_QUEUED] = "queued",       [RCPT_ACCEPTED] = "accepted",   [RCPT_RETURNING] = "returning",
    [RCPT_BOUNCING] = "bouncing",   [RCPT_DELIVERED] = "delivered", [RCPT_RETURNED] = "returned",
    [RCPT_BOUNCED] = "bounced",     [RCPT_RECALLED] = "recalled",   [RCPT_SHADOWED] = "shadowed",
    [RCPT_REPORTING] = "reporting",
};

static const char *const event_names[RCPT_EVENTS] = {
    [RCPT_EV_DELIVERED] = "delivered",         [RCPT_EV_ACCEPTED] = "accepted",
    [RCPT_EV_DEFERRED] = "deferred",           [RCPT_EV_REJECTED] = "rejected",
    [RCPT_EV_USE_SMTP] = "use-smtp",           [RCPT_EV_UNREACHABLE] = "unreachable",
    [RCPT_EV_FALLBACK] = "fallback",           [RCPT_EV_EXPIRED] = "expired",
    [RCPT_EV_RETURN_DONE] = "return-done",     [RCPT_EV_RETURN_LATER] = "return-later",
    [RCPT_EV_RETURN_FAILED] = "return-failed", [RCPT_EV_BOUNCE_DONE] = "bounce-done",
    [RCPT_EV_BOUNCE_LATER] = "bounce-later",   [RCPT_EV_RECALL] = "recall",
    [RCPT_EV_UNREPORTED] = "unreported",       [RCPT_EV_REPORT_DONE] = "report-done",
    [RCPT_EV_REPORT_LATER] = "report-later",
};

bool rcpt_state_next(enum rcpt_state state, enum rcpt_event event, bool shadow, enum rcpt_state *next_r)
{
    assert((unsigned)state < RCPT_STATES && (unsigned)event < RCPT_EVENTS);
    const struct transition *t = shadow ? &shadow_transitions[state][event] : &transitions[state][event];
    if (t->listed)
        *next_r = t->next;
    return t->listed;
}

bool rcpt_event_clears_doubt(enum rcpt_event event)
{
    return event == RCPT_EV_DEFERRED || event == RCPT_EV_USE_SMTP || event == RCPT_EV_REJECTED;
}

bool rcpt_state_final(enum rcpt_state state)
{
    return state >= RCPT_DELIVERED && state != RCPT_REPORTING;
}

bool rcpt_state_fetchable(enum rcpt_state state)
{
    return state == RCPT_QUEUED || state == RCPT_ACCEPTED;
}

bool rcpt_state_taken_back(enum rcpt_state state)
{
    return state == RCPT_RETURNING || state == RCPT_BOUNCING || state == RCPT_RETURNED || state == RCPT_BOUNCED ||
           state == RCPT_RECALLED;
}

const char *rcpt_state_name(enum rcpt_state state)
{
    assert((unsigned)state < RCPT_STATES);
    return state_names[state];
}

const char *rcpt_event_name(enum rcpt_event event)
{
    assert((unsigned)event < RCPT_EVENTS);
    return event_names[event];
}
