/* What goes back through our own MTA: see give_back.h. */
#include "store/give_back.h"

#include <stdio.h>
#include <string.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/retry.h"
#include "lib/smtp_client.h"
#include "store/local_mta.h"
#include "store/outcome.h"
#include "store/sender_dsn.h"
#include "store/witness.h"
#include "store/work.h"

enum {
    CLAIM_MAX = 100,    /* recipients in one claim */
    UNDER_WAY_MAX = 50, /* messages at one time */
    SLEEP_MAX = 60000,
    ERROR_SLEEP = 2000,
    CONNECT_TIMEOUT = 30000,
    RENOTE_MIN = 200, /* ms between tries to note something */
    RENOTE_MAX = 5000,
    IDLE_TIMEOUT = 5000,
};

static const char NOT_WANTED[] = "no notification is wanted";

/* The kinds of work differ in what is sent, and in the events that their ends make. */
static const struct kind {
    const char *what; /* of a DSN, for the log; NULL: not a DSN */
    enum store_work work;
    enum dsn_action action;
    enum rcpt_event done, later, failed; /* all the same: not news about recipients but about the message */
} returns = {NULL, STORE_RETURN, DSN_FAILED, RCPT_EV_RETURN_DONE, RCPT_EV_RETURN_LATER, RCPT_EV_RETURN_FAILED},
  /* A DSN that our own MTA refuses for good can only be logged. */
    bounces = {"sender non-delivery notification",
               STORE_BOUNCE,
               DSN_FAILED,
               RCPT_EV_BOUNCE_DONE,
               RCPT_EV_BOUNCE_LATER,
               RCPT_EV_BOUNCE_DONE},
  reports = {"sender delivery status notification",
             STORE_REPORT,
             DSN_DELIVERED,
             RCPT_EV_REPORT_DONE,
             RCPT_EV_REPORT_LATER,
             RCPT_EV_REPORT_DONE},
  warnings = {"sender delay notification", STORE_NOTIFY, DSN_DELAYED, RCPT_EVENTS, RCPT_EVENTS, RCPT_EVENTS};

struct task {
    struct task *next;
    struct give_back *owner;
    const struct kind *kind;
    struct work *work;
    struct local_mta_delivery *delivery;
    bool ascii;       /* the MTA takes no SMTPUTF8 */
    bool bare;        /* a DSN without the message, which can't be read */
    uint64_t witness; /* its number there while the final dot is unanswered or unnoted, else 0 */

    /* It is over, and is being noted: again and again, if the store can't be written, as the MTA has the message. */
    struct outcome news;         /* of its recipients; */
    msec_t again;                /* of a warning: when to try again, 0 never */
    struct note *note;           /* under way */
    struct loop_timer *renoting; /* NULL until a note has failed */
    unsigned failures;
};

/* One that outlives its task has none. */
struct note {
    struct task *task;
};

struct give_back {
    struct context *ctx;
    struct smtp_pool *pool;
    struct loop_timer *timer;
    struct task *tasks;
    unsigned count;
    bool draining;
};

static void task_free(struct task *t)
{
    struct task **p = &t->owner->tasks;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    t->owner->count--;
    if (t->delivery != NULL)
        local_mta_cancel(&t->delivery);
    witness_forget(t->owner->ctx->witness, t->witness);
    if (t->note != NULL)
        t->note->task = NULL;
    loop_timer_free(&t->renoting);
    outcome_free(&t->news);
    work_free(&t->work);
    mem_free(&t);
}

static void note(void *arg);

static void noted(void *arg, enum result result, const struct error *err)
{
    struct note *n = arg;
    struct task *t = n->task;
    mem_free(&n);
    if (t == NULL)
        return;
    struct give_back *g = t->owner;
    const struct store_entry *e = t->work->entry;
    t->note = NULL;
    if (result != RESULT_OK) {
        if (t->failures++ == 0)
            log_error("%s: can't note what went back to the MTA: %s; trying until it can be noted, pontoon=%s",
                      outcome_log_id(e), err->text, e->id);
        if (t->renoting == NULL)
            t->renoting = loop_timer_new(g->ctx->loop, note, t);
        loop_timer_set(t->renoting, retry_delay(t->failures, RENOTE_MIN, RENOTE_MAX, 0));
        return;
    }
    if (t->failures > 0)
        log_info("%s: what went back to the MTA is noted, after %u failures, pontoon=%s", outcome_log_id(e),
                 t->failures, e->id);
    task_free(t);
    give_back_kick(g);
}

static void note(void *arg)
{
    struct task *t = arg;
    struct context *ctx = t->owner->ctx;
    struct error err;
    struct note *n = mem_zero(1, sizeof *n);
    n->task = t;
    t->note = n;
    struct loop_relay *relay = loop_relay_new(ctx->loop, noted, n);
    if (t->kind != &warnings)
        outcome_settle(&t->news, ctx->store, loop_relay_done, relay);
    else if (store_settle_warning(ctx->store, t->work->entry->id, t->again, loop_relay_done, relay, &err) != RESULT_OK)
        loop_relay_done(relay, err.result, &err);
}

/*
 * What can't be read may come back (a disk, a backup), so it waits as long as an undecided message would. Whoever reads our DSN then
 * knows more than we do.
 */
static bool is_lost(const struct task *t, const struct local_mta_answer *a)
{
    return a->unreadable && t->kind == &returns && clock_now() >= t->work->entry->expires;
}

/* The news for one recipient of a task; answers are by recipient for returns, one for all for DSNs. */
static void add_news(struct task *t, const struct local_mta_answer *answers, size_t n, const char *relay)
{
    for (size_t i = 0; i < t->work->nrcpts; i++) {
        const struct local_mta_answer *a = &answers[i < n ? i : n - 1];
        struct outcome_news news = {.dsn = a->dsn, .text = a->text, .peer = relay};
        news.event =
            a->result == RESULT_OK ? t->kind->done : (a->result == RESULT_PERM ? t->kind->failed : t->kind->later);
        if (is_lost(t, a)) {
            news.event = t->kind->failed;
            news.dsn = "5.3.0";
        }
        outcome_add(&t->news, t->owner->ctx->config, t->work->entry, work_rcpt(t->work, i), &news);
    }
}

/* A warning concerns the message as a whole. */
static void add_warning(struct task *t, const struct local_mta_answer *answer)
{
    struct context *ctx = t->owner->ctx;
    bool later = answer->result != RESULT_OK && answer->result != RESULT_PERM;
    if (!later && strcmp(answer->text, NOT_WANTED) != 0)
        store_add_event(ctx->store, t->work->entry->id, NULL, "delay-warning", answer->text);
    t->again = later ? clock_now() + config_time(ctx->config, "store.retry-max") : 0;
}

static void settle_task(struct task *t, const struct local_mta_answer *answers, size_t n, const char *relay)
{
    if (t->kind == &warnings)
        add_warning(t, answers);
    else
        add_news(t, answers, n, relay);
    note(t);
}

/* ---- handing over ---- */

static void before_dot(void *arg, int fd, const bool *accepted)
{
    struct task *t = arg;
    const struct work *w = t->work;
    int64_t *rids = mem_zero(w->nrcpts, sizeof *rids);
    size_t n = 0;
    for (size_t i = 0; i < w->nrcpts; i++) {
        if (t->kind != &returns || accepted[i]) /* a DSN is for all of them */
            rids[n++] = work_rcpt(w, i)->rid;
    }
    t->witness = store_witness_watch(t->owner->ctx->witness, fd, w->entry->id, t->kind->done, rids, n);
    mem_free(&rids);
}

static void on_dot(void *arg)
{
    const struct task *t = arg;
    witness_dot(t->owner->ctx->witness, t->witness);
}

static void on_answer(void *arg, const struct smtp_reply *reply)
{
    const struct task *t = arg;
    witness_answer(t->owner->ctx->witness, t->witness, reply, 1);
}

static const struct local_mta_watch watch = {.before_dot = before_dot, .on_dot = on_dot, .on_answer = on_answer};

static void begin(struct task *t);

static bool needs_ascii(const struct task *t, const struct local_mta_answer *answer)
{
    return t->kind->what != NULL && !t->ascii && answer->result == RESULT_PERM && strcmp(answer->dsn, "5.6.7") == 0;
}

static bool any_unknown(const struct local_mta_answer *answers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (answers[i].unknown)
            return true;
    }
    return false;
}

static void sent(void *arg, const struct local_mta_answer *answers, size_t n, const char *relay)
{
    struct task *t = arg;
    const struct store_entry *e = t->work->entry;
    t->delivery = NULL;
    if (t->kind == &returns)
        (void)FAILPOINT(return_answered);
    if (t->kind != &returns)
        (void)FAILPOINT(dsn_answered);
    if (any_unknown(answers, n))
        log_warning(
            "%s: our MTA did not answer the final dot: it may have taken the %s, which may arrive twice, pontoon=%s",
            outcome_log_id(e), t->kind->what != NULL ? t->kind->what : "message", e->id);
    if (needs_ascii(t, answers)) {
        t->ascii = true;
        begin(t);
        return;
    }
    if (t->kind->what != NULL && answers[0].unreadable && !t->bare) {
        t->bare = true;
        begin(t);
        return;
    }
    if (t->kind->what != NULL)
        log_info("%s: %s to <%s>: %s (%s), pontoon=%s", outcome_log_id(e), t->kind->what, e->envelope.sender,
                 answers[0].result == RESULT_OK ? "sent" : result_name(answers[0].result), answers[0].text, e->id);
    settle_task(t, answers, n, relay);
}

/* Nothing could be handed over, or nothing needs to be. */
static void end_early(struct task *t, enum result result, const char *dsn, const char *text)
{
    struct local_mta_answer a = {.result = result, .unreadable = result == RESULT_TEMP};
    snprintf(a.dsn, sizeof a.dsn, "%s", dsn);
    snprintf(a.text, sizeof a.text, "%s", text);
    settle_task(t, &a, 1, NULL);
}

static void fill_return(struct local_mta_message *m, const struct work *w, struct store_body *body)
{
    memset(m, 0, sizeof *m);
    envelope_init(&m->envelope);
    envelope_copy_sender(&m->envelope, &w->entry->envelope);
    m->envelope.size = w->entry->size;
    for (size_t i = 0; i < w->nrcpts; i++) {
        const struct store_rcpt *r = work_rcpt(w, i);
        envelope_add_rcpt(&m->envelope, r->address, r->notify, r->orcpt);
    }
    m->body = body;
}

/* What is to be handed over. *body_r stays NULL for a DSN that goes without the message. */
static enum result open_message(struct task *t, struct store_body **body_r, struct error *err)
{
    const struct store_entry *e = t->work->entry;
    if (t->bare)
        return RESULT_OK;
    enum result r = t->kind == &returns && FAILPOINT(return_begin)
                        ? error_set(err, RESULT_TEMP, "disk I/O error")
                        : store_body_open_local(t->owner->ctx->store, e->id, body_r, err);
    if (r == RESULT_OK)
        return r;
    log_error("%s: can't open the stored message: %s, pontoon=%s", outcome_log_id(e), err->text, e->id);
    if (r != RESULT_TEMP || t->kind->what == NULL)
        return r;
    t->bare = true;
    return RESULT_OK;
}

static void begin(struct task *t)
{
    struct give_back *g = t->owner;
    const struct work *w = t->work;
    struct store_body *body = NULL;
    struct error err;
    if (open_message(t, &body, &err) != RESULT_OK) {
        end_early(t, RESULT_TEMP, "4.3.0", err.text);
        return;
    }
    struct local_mta_message m;
    witness_forget(g->ctx->witness, t->witness); /* of a DSN that goes again, in another form */
    t->witness = 0;
    if (t->kind == &returns) {
        fill_return(&m, w, body);
    } else if (!sender_dsn_write(g->ctx->config, w->entry, t->kind->action, t->ascii, body, &m)) {
        end_early(t, RESULT_OK, "2.0.0", NOT_WANTED);
        return;
    }
    if (t->kind != &returns)
        (void)FAILPOINT(dsn_written);
    t->delivery = local_mta_send(g->pool, &m, &watch, sent, t);
}

static bool shares_rcpt(const struct work *a, const struct work *b)
{
    for (size_t i = 0; i < a->nrcpts; i++) {
        for (size_t k = 0; k < b->nrcpts; k++) {
            if (work_rcpt(a, i)->rid == work_rcpt(b, k)->rid)
                return true;
        }
    }
    return false;
}

/* Whether it is in hand: its lease may run out while it can't be noted, and it must not go out twice. */
static bool in_hand(const struct give_back *g, const struct kind *kind, const struct work *w)
{
    for (const struct task *t = g->tasks; t != NULL; t = t->next) {
        if (t->kind == kind && strcmp(t->work->entry->id, w->entry->id) == 0 && shares_rcpt(t->work, w))
            return true;
    }
    return false;
}

static void begin_kind(struct give_back *g, const struct kind *kind, struct work *w)
{
    if (in_hand(g, kind, w)) { /* other recipients of the message come again after the lease */
        work_free(&w);
        return;
    }
    struct task *t = mem_zero(1, sizeof *t);
    *t = (struct task){.next = g->tasks, .owner = g, .kind = kind, .work = w};
    g->tasks = t;
    g->count++;
    begin(t);
}

static void begin_return(void *arg, struct work *w)
{
    begin_kind(arg, &returns, w);
}

static void begin_bounce(void *arg, struct work *w)
{
    begin_kind(arg, &bounces, w);
}

static void begin_report(void *arg, struct work *w)
{
    begin_kind(arg, &reports, w);
}

static void begin_warning(void *arg, struct work *w)
{
    begin_kind(arg, &warnings, w);
}

/* Returns how long to sleep before looking for this kind again. */
static msec_t claim(struct give_back *g, enum store_work work, work_each *fn)
{
    struct store_entries *entries = NULL;
    msec_t next = -1;
    struct error err;
    msec_t lease = config_time(g->ctx->config, "store.lease");
    if (g->count >= UNDER_WAY_MAX)
        return SLEEP_MAX; /* an end will kick us */
    if (store_claim(g->ctx->store, work, CLAIM_MAX, lease, &entries, &next, &err) != RESULT_OK) {
        log_error("can't look for mail to give back: %s", err.text);
        return ERROR_SLEEP;
    }
    work_split(&entries, fn, g);
    msec_t now = clock_now();
    return next < 0 ? SLEEP_MAX : (next > now ? next - now : 10);
}

static msec_t claim_warnings(struct give_back *g)
{
    struct store_entries *entries = NULL;
    msec_t oldest = -1;
    struct error err;
    msec_t after = config_time(g->ctx->config, "store.delay-warning");
    msec_t lease = config_time(g->ctx->config, "store.lease");
    if (after == 0 || g->count >= UNDER_WAY_MAX)
        return SLEEP_MAX;
    if (store_claim_warnings(g->ctx->store, clock_now() - after, UNDER_WAY_MAX, lease, &entries, &oldest, &err) !=
        RESULT_OK) {
        log_error("can't look for delayed mail: %s", err.text);
        return ERROR_SLEEP;
    }
    work_split(&entries, begin_warning, g);
    msec_t due = oldest + after + 1, now = clock_now();
    return oldest < 0 ? SLEEP_MAX : (due > now ? due - now : 10);
}

static msec_t earlier(msec_t a, msec_t b)
{
    return a < b ? a : b;
}

static void look(void *arg)
{
    struct give_back *g = arg;
    if (g->draining)
        return;
    if (!wall_clock_look(&g->ctx->clock, g->ctx->store)) {
        loop_timer_set(g->timer, ERROR_SLEEP);
        return;
    }
    msec_t wait = claim(g, STORE_RETURN, begin_return);
    wait = earlier(wait, claim(g, STORE_BOUNCE, begin_bounce));
    wait = earlier(wait, claim(g, STORE_REPORT, begin_report));
    wait = earlier(wait, claim_warnings(g));
    loop_timer_set(g->timer, earlier(wait, SLEEP_MAX));
}

void give_back_kick(struct give_back *g)
{
    if (g != NULL && !g->draining)
        loop_timer_set(g->timer, 0);
}

enum result give_back_new(struct context *ctx, struct give_back **g_r, struct error *err)
{
    const char *mta = config_string(ctx->config, "store.mta");
    struct smtp_pool_options o = {
        .helo = config_hostname(ctx->config),
        .max_connections = (unsigned)config_number(ctx->config, "store.mta-connections"),
        .max_waiting = UNDER_WAY_MAX + CLAIM_MAX,
        .connect_timeout = CONNECT_TIMEOUT,
        .command_timeout = config_time(ctx->config, "store.mta-timeout"),
        .data_timeout = config_time(ctx->config, "store.mta-timeout"),
        .final_timeout = 2 * config_time(ctx->config, "store.mta-timeout"),
        .idle_timeout = IDLE_TIMEOUT,
    };
    enum result r = netaddr_endpoint(mta, &o.server, err);
    if (r != RESULT_OK)
        return error_prefix(err, "store.mta (%s)", config_where(ctx->config, "store.mta")), r;
    char ip[NETADDR_TEXT_SIZE];
    netaddr_ip(&o.server, ip);
    o.server_name = ip;
    struct give_back *g = mem_zero(1, sizeof *g);
    g->ctx = ctx;
    g->pool = smtp_pool_new(ctx->loop, &o);
    g->timer = loop_timer_new(ctx->loop, look, g);
    loop_timer_set(g->timer, 0);
    *g_r = g;
    return RESULT_OK;
}

void give_back_drain(struct give_back *g)
{
    g->draining = true;
    loop_timer_cancel(g->timer);
}

unsigned give_back_count(const struct give_back *g)
{
    return g->count;
}

void give_back_free(struct give_back **g)
{
    if (*g == NULL)
        return;
    while ((*g)->tasks != NULL)
        task_free((*g)->tasks);
    smtp_pool_free(&(*g)->pool);
    loop_timer_free(&(*g)->timer);
    mem_free(g);
}
