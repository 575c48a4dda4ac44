/*
 * News about recipients, turned into settlements of the store and into log lines: the one place that decides
 * when something is tried again, and that writes Postfix's "to=<…>, relay=…, status=…" lines.
 */
#ifndef PONTOON_STORE_OUTCOME_H
#define PONTOON_STORE_OUTCOME_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/config.h"
#include "lib/store.h"

/* Settlements being collected; start with {0}. */
struct outcome {
    struct store_settlement *list;
    size_t n, cap;
    /* When those of one message that fare alike are tried again: together, or each would be notified and fetched by itself. */
    const struct store_entry *entry;
    unsigned attempts;
    msec_t retry_after, again;
};

struct outcome_news {
    enum rcpt_event event;
    const char *dsn;          /* or "" */
    const char *text;         /* reply or error; or NULL */
    const char *peer;         /* who said it; or NULL */
    msec_t retry_after;       /* the peer's wish, 0 none */
    int64_t serial;           /* of the notification that this answers, if that matters: see struct store_settlement */
    enum store_report report; /* with UNREPORTED */
    bool regardless;          /* FALLBACK though the peer has fetched: it never said what became of it */
    struct store_comparison comparison; /* of a shadow */
};

/*
 * The event that a verdict or receipt means. With "delivered" whoever made it may say in `report` that the success DSN is left to
 * us: then it is UNREPORTED, if the sender asked for one.
 */
enum rcpt_event outcome_event(const struct store_entry *entry, const struct store_rcpt *rcpt, const struct verdict *v,
                              enum store_report *report_r);
/* Adds one recipient's news: computes when to look again, logs the recipient's line. Copies what it needs. */
void outcome_add(struct outcome *o, const struct config *config, const struct store_entry *entry,
                 const struct store_rcpt *rcpt, const struct outcome_news *news);
/*
 * Settles what was collected (async with `done`, see store_settle(); an empty list calls `done` too). The list
 * stays the caller's to free.
 */
void outcome_settle(const struct outcome *o, struct store *store, store_done *done, void *arg);
void outcome_free(struct outcome *o);

/*
 * What time alone decides about a claimed recipient: expired, or to go back to SMTP because nothing came of it for
 * too long. False: it should still be notified.
 */
bool outcome_overdue(const struct config *config, const struct store_entry *entry, const struct store_rcpt *rcpt,
                     struct outcome_news *news_r);

/* Since when the peer has the message, or is fetching it: 0 if it can't have it. */
msec_t outcome_taken(const struct store_rcpt *rcpt);

/* What a verdict or a line of a receipt says about the SMTP copy; for shadows only. Borrows its strings. */
struct store_comparison outcome_comparison(const struct store_entry *entry, const struct verdict *v);

/* The id that log lines about a message begin with: the MTA's queue id, else ours. */
const char *outcome_log_id(const struct store_entry *entry);

#endif
