/* News about recipients: see outcome.h. */
#include "store/outcome.h"

#include <stdio.h>
#include <string.h>

#include "lib/dsn.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/retry.h"

const char *outcome_log_id(const struct store_entry *entry)
{
    return entry->queue_id[0] ? entry->queue_id : entry->id;
}

/* Postfix's words for what log tools count; a state that is not final counts as deferred. */
static const struct status {
    const char *word, *dsn;
} statuses[RCPT_STATES] = {
    [RCPT_QUEUED] = {"deferred", "4.0.0"},    [RCPT_ACCEPTED] = {"deferred", "4.0.0"},
    [RCPT_RETURNING] = {"deferred", "4.0.0"}, [RCPT_BOUNCING] = {"bounced", "5.0.0"},
    [RCPT_DELIVERED] = {"sent", "2.0.0"},     [RCPT_RETURNED] = {"sent", "2.0.0"},
    [RCPT_BOUNCED] = {"bounced", "5.0.0"},    [RCPT_RECALLED] = {"bounced", "5.7.0"},
    [RCPT_REPORTING] = {"sent", "2.0.0"},
};

/*
 * A shadow is no delivery: it has Postfix's words for probes, so that log tools don't count it as mail.
 */
static struct status probe_status(enum rcpt_event event, enum rcpt_state next)
{
    if (event == RCPT_EV_DELIVERED)
        return (struct status){"deliverable", "2.0.0"};
    return (struct status){"undeliverable", event == RCPT_EV_REJECTED && next == RCPT_SHADOWED ? "5.0.0" : "4.0.0"};
}

enum rcpt_event outcome_event(const struct store_entry *entry, const struct store_rcpt *rcpt, const struct verdict *v,
                              enum store_report *report_r)
{
    static const enum rcpt_event events[] = {
        [VERDICT_DELIVERED] = RCPT_EV_DELIVERED, [VERDICT_ACCEPTED] = RCPT_EV_ACCEPTED,
        [VERDICT_DEFERRED] = RCPT_EV_DEFERRED,   [VERDICT_REJECTED] = RCPT_EV_REJECTED,
        [VERDICT_USE_SMTP] = RCPT_EV_USE_SMTP,
    };
    static const enum store_report reports[] = {[VERDICT_DSN_TAKEN] = STORE_REPORT_NONE,
                                                [VERDICT_DSN_RELAYED] = STORE_REPORT_RELAYED,
                                                [VERDICT_DSN_DELIVERED] = STORE_REPORT_DELIVERED};
    *report_r = v->kind == VERDICT_DELIVERED ? reports[v->success] : STORE_REPORT_NONE;
    bool ours = *report_r != STORE_REPORT_NONE && entry->envelope.sender[0] != '\0' &&
                dsn_wanted(rcpt->notify, DSN_DELIVERED) && !entry->shadow;
    return ours ? RCPT_EV_UNREPORTED : events[v->kind];
}

/* What to put before the peer's words so that a reader of the log knows what they mean for us. */
static const char *explanation(enum rcpt_state next)
{
    switch (next) {
    case RCPT_ACCEPTED: return "accepted, a receipt will follow: ";
    case RCPT_RETURNING: return "goes back to SMTP: ";
    case RCPT_RETURNED: return "returned to SMTP: ";
    case RCPT_SHADOWED: return "shadow, the mail itself went by SMTP: ";
    default: return "";
    }
}

static bool waits_for_dsn(enum rcpt_state state)
{
    return state == RCPT_BOUNCING || state == RCPT_REPORTING;
}

static void log_line(const struct store_entry *entry, const struct store_rcpt *rcpt, const struct outcome_news *news,
                     enum rcpt_state next)
{
    /* One final line per recipient: its end was logged when a DSN about it became due. */
    if (waits_for_dsn(rcpt->state) && (rcpt_state_final(next) || next == rcpt->state) &&
        news->event != RCPT_EV_DELIVERED)
        return;
    const struct status s = entry->shadow ? probe_status(news->event, next) : statuses[next];
    const char *dsn = news->dsn && news->dsn[0] && news->dsn[0] == s.dsn[0] ? news->dsn : s.dsn;
    double delay = (double)(clock_now() - entry->created) / 1000.0;
    log_info("%s: to=<%s>, relay=%s, delay=%.2f, dsn=%s, status=%s (%s%s), pontoon=%s", outcome_log_id(entry),
             rcpt->address, news->peer ? news->peer : "none", delay, dsn, s.word, explanation(next),
             news->text && news->text[0] ? news->text : rcpt_event_name(news->event), entry->id);
}

/* When time alone decides about a recipient that is notified: see outcome_overdue(). 0: never. */
static msec_t patience_ends(const struct config *config, const struct store_entry *entry, const struct store_rcpt *rcpt)
{
    msec_t taken = outcome_taken(rcpt);
    msec_t patience = config_time(config, taken != 0 ? "store.settle-after" : "store.fallback-after");
    return patience > 0 ? (taken != 0 ? taken : entry->created) + patience : 0;
}

/* By backoff; the same for all that have come as far in one message. */
static msec_t try_again(struct outcome *o, const struct config *config, const struct store_entry *entry,
                        unsigned attempts, msec_t retry_after)
{
    if (o->entry != entry || o->attempts != attempts || o->retry_after != retry_after) {
        o->entry = entry;
        o->attempts = attempts;
        o->retry_after = retry_after;
        o->again = clock_now() + retry_delay(attempts + 1, config_time(config, "store.retry-min"),
                                             config_time(config, "store.retry-max"), retry_after);
    }
    return o->again;
}

/* When the state that follows is due: at once for work of our own, else by backoff, but never past a deadline. */
static msec_t when_due(struct outcome *o, const struct config *config, const struct store_entry *entry,
                       const struct store_rcpt *rcpt, const struct outcome_news *news, enum rcpt_state next)
{
    msec_t now = clock_now();
    if (next != rcpt->state && waits_for_dsn(next)) /* store_settle() makes it sooner if nobody can join it */
        return now + config_time(config, "store.dsn-hold");
    if (rcpt_state_final(next) || (next != rcpt->state && next == RCPT_RETURNING))
        return now;
    msec_t when = try_again(o, config, entry, rcpt->attempts, news->retry_after);
    msec_t end = patience_ends(config, entry, rcpt);
    if (end > now && when > end)
        when = end;
    return when > entry->expires && entry->expires > now ? entry->expires : when;
}

void outcome_add(struct outcome *o, const struct config *config, const struct store_entry *entry,
                 const struct store_rcpt *rcpt, const struct outcome_news *news)
{
    enum rcpt_state next;
    bool changes = rcpt_state_next(rcpt->state, news->event, entry->shadow, &next);
    if (!changes)
        next = rcpt->state;
    else
        log_line(entry, rcpt, news, next);
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 16;
        o->list = mem_grow(o->list, o->cap, sizeof *o->list);
    }
    struct store_settlement *s = &o->list[o->n++];
    *s = (struct store_settlement){
        .rid = rcpt->rid,
        .event = news->event,
        .text = mem_strdup(news->text),
        .peer = mem_strdup(news->peer),
        .next = when_due(o, config, entry, rcpt, news, next),
        .serial = news->serial,
        .report = news->report,
        .unless_fetched = news->event == RCPT_EV_FALLBACK && !news->regardless,
        .comparison = news->comparison,
    };
    s->comparison.differences = mem_strdup(news->comparison.differences);
    snprintf(s->dsn, sizeof s->dsn, "%s", news->dsn ? news->dsn : "");
}

void outcome_settle(const struct outcome *o, struct store *store, store_done *done, void *arg)
{
    struct error err;
    if (FAILPOINT(settle))
        error_set(&err, RESULT_TEMP, "commit: disk I/O error"), done(arg, RESULT_TEMP, &err);
    else if (o->n == 0)
        done(arg, RESULT_OK, &(struct error){0});
    else if (store_settle(store, o->list, o->n, NULL, done, arg, &err) != RESULT_OK)
        done(arg, err.result, &err);
}

void outcome_free(struct outcome *o)
{
    for (size_t i = 0; i < o->n; i++) {
        /* Ours: outcome_add() copied them. */
        mem_release((void *)(uintptr_t)o->list[i].text);
        mem_release((void *)(uintptr_t)o->list[i].peer);
        mem_release((void *)(uintptr_t)o->list[i].comparison.differences);
    }
    mem_free(&o->list);
    *o = (struct outcome){0};
}

struct store_comparison outcome_comparison(const struct store_entry *entry, const struct verdict *v)
{
    if (!entry->shadow || !v->comparison.known)
        return (struct store_comparison){0};
    return (struct store_comparison){.smtp = v->comparison.arrived ? STORE_SMTP_ARRIVED : STORE_SMTP_NOT_SEEN,
                                     .delta = v->comparison.delta_ms,
                                     .differences = v->comparison.differences};
}

msec_t outcome_taken(const struct store_rcpt *rcpt)
{
    return rcpt->fetched != 0 ? rcpt->fetched : rcpt->fetching;
}

bool outcome_overdue(const struct config *config, const struct store_entry *entry, const struct store_rcpt *rcpt,
                     struct outcome_news *news_r)
{
    msec_t now = clock_now();
    msec_t end = patience_ends(config, entry, rcpt);
    *news_r = (struct outcome_news){.dsn = "4.4.7", .peer = rcpt->peer};
    if (end != 0 && now >= end) {
        /* Never fetched: once the capability is revoked the peer can't deliver it, whatever it promised. Fetched: it may
           have arrived, and only after asking for long is a possible repeat better than a possible loss. */
        news_r->event = RCPT_EV_FALLBACK;
        news_r->regardless = outcome_taken(rcpt) != 0;
        news_r->text = rcpt->text ? rcpt->text : "not notified in time";
        if (news_r->regardless)
            news_r->text = "fetched by the peer, which never said what became of it: a possible duplicate";
        (void)FAILPOINT(fallback_decided);
        return true;
    }
    if (now >= entry->expires) {
        news_r->event = RCPT_EV_EXPIRED;
        news_r->text = rcpt->text ? rcpt->text : "delivery time expired";
        (void)FAILPOINT(expiry_decided);
        return true;
    }
    return false;
}
