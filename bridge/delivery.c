/* One message's way through the bridge: see delivery.h. */
#include "bridge/delivery.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bridge/fetch.h"
#include "bridge/noting.h"
#include "bridge/peer_name.h"
#include "bridge/slots.h"
#include "bridge/smtp_copies.h"
#include "bridge/witness.h"
#include "lib/dsn.h"
#include "lib/failpoint.h"
#include "lib/header.h"
#include "lib/hops.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/smtp_data.h"

enum { TRACE_MAX = 4096, BACKLOG_MAX = 262144 };
#define AGE_MAX INT64_C(31536000) /* s: older is no older */

struct promise {
    struct promise *next;
    struct delivery *delivery;
    delivery_done *done;
    void *arg;
};

struct delivery {
    struct context *ctx;
    struct job *job;
    bool promised;
    bool taken_up; /* promised before a restart */
    delivery_done *ended;
    void *arg;
    struct slot *slot;        /* the right to open a transaction */
    struct envelope envelope; /* the recipients to try */
    size_t *map;              /* index in the envelope -> index in the job */
    bool *accepted;           /* by index in the envelope: RCPT was accepted */
    struct smtp_peer peer;
    struct smtp_transaction *t;
    struct fetch *fetch;
    struct buf trace;                      /* our header */
    struct buf whole;                      /* the content, when it is verified before DATA */
    struct hops hops;                      /* Received: fields of the content */
    struct smtp_data scan;                 /* what the content's line ends are like */
    bool streams;                          /* else: verified while it streams */
    bool go;                               /* DATA was answered by 354 */
    bool held_back;                        /* the fetch waits for room */
    struct fingerprint_maker *fingerprint; /* of a shadow, while it is fetched */
    struct smtp_copies *copies;            /* a verified shadow waits for them */
    char relay[NETADDR_TEXT_SIZE + 256];
    uint64_t witness;         /* its number there while the final dot is unanswered or unnoted, else 0 */
    struct promise *promises; /* waiting for a flush */
    struct noting *noting;    /* all is decided, and not durable yet */
};

const struct job *delivery_job(const struct delivery *d)
{
    return d->job;
}

void delivery_renotified(struct delivery *d, int64_t serial)
{
    d->job->m.serial = serial;
}

bool delivery_promised(const struct delivery *d)
{
    return d->promised;
}

static void event(struct delivery *d, const char *address, const char *what, const char *text)
{
    const struct job_name name = job_name(d->job);
    jobs_add_event(d->ctx->jobs, &name, address, what, text);
}

/* ---- the end ---- */

static void delivery_free(struct delivery *d)
{
    if (d->t != NULL)
        smtp_abort(&d->t);
    if (d->fetch != NULL)
        fetch_cancel(&d->fetch);
    fingerprint_maker_free(&d->fingerprint);
    smtp_copies_free(&d->copies);
    peer_names_cancel(d->ctx->peer_names, d);
    slots_leave(&d->slot);
    witness_forget(d->ctx->witness, d->witness);
    if (d->noting != NULL)
        noting_cancel(&d->noting);
    while (d->promises != NULL) {
        struct promise *p = d->promises;
        d->promises = p->next;
        p->delivery = NULL; /* its flush frees it */
    }
    envelope_free(&d->envelope);
    buf_free(&d->trace);
    buf_free(&d->whole);
    mem_free(&d->map);
    mem_free(&d->accepted);
    job_free(&d->job);
    mem_free(&d);
}

static void end(void *arg)
{
    struct delivery *d = arg;
    (void)FAILPOINT(delivery_noted);
    d->noting = NULL;
    while (d->promises != NULL) {
        struct promise *p = d->promises;
        d->promises = p->next;
        p->delivery = NULL;
        if (p->done != NULL)
            p->done(p->arg, RESULT_OK, d->job);
        p->done = NULL;
    }
    d->ended(d->arg, RESULT_OK, d->job);
    delivery_free(d);
}

static void nothing_to_note(void *arg, enum result result, const struct error *err)
{
    (void)result, (void)err;
    end(arg);
}

static void log_rcpt(const struct delivery *d, const struct job_rcpt *r)
{
    static const char *const words[JOB_STATES] = {
        [JOB_PENDING] = "deferred", [JOB_DELIVERED] = "sent", [JOB_FAILED] = "bounced", [JOB_DEFERRED] = "deferred"};
    /* Postfix's words for probes: log tools don't count them as mail. */
    static const char *const probe_words[JOB_STATES] = {[JOB_PENDING] = "undeliverable",
                                                        [JOB_DELIVERED] = "deliverable",
                                                        [JOB_FAILED] = "undeliverable",
                                                        [JOB_DEFERRED] = "undeliverable"};
    const struct job *j = d->job;
    log_info("%s: to=<%s>, relay=%s, delay=%.2f, dsn=%s, status=%s (%s), pontoon=%s",
             j->queue_id[0] ? j->queue_id : j->m.id, r->address, r->relay ? r->relay : "none",
             (double)(clock_now() - j->received) / 1000.0, r->dsn, (j->shadow ? probe_words : words)[r->state],
             r->text ? r->text : "", j->m.id);
}

/*
 * Everything is decided. Only what must survive is written: "delivered" and "failed" always, "deferred" if a promise
 * stands; an unpromised "deferred" is the sender's to repeat.
 */
static void settle(struct delivery *d)
{
    bool durable = d->promised;
    slots_leave(&d->slot);
    for (size_t i = 0; i < d->envelope.nrcpts; i++) {
        struct job_rcpt *r = &d->job->rcpts[d->map[i]];
        r->told = !d->promised;
        r->since = clock_now();
        durable = durable || r->state != JOB_DEFERRED;
        log_rcpt(d, r);
        event(d, r->address, job_outcome_name(d->job->shadow, r->state), r->text);
    }
    d->job->next = clock_now();
    if (durable)
        d->noting = noting_begin(d->ctx, d->job, end, d);
    else
        loop_relay_done(loop_relay_new(d->ctx->loop, nothing_to_note, d), RESULT_OK, &(struct error){0});
}

static void decide(struct delivery *d, size_t i, enum job_state state, const char *dsn, const char *text)
{
    struct job_rcpt *r = &d->job->rcpts[d->map[i]];
    r->state = state;
    snprintf(r->dsn, sizeof r->dsn, "%s", dsn);
    mem_free(&r->text);
    mem_free(&r->relay);
    r->text = mem_strdup(text);
    r->relay = d->relay[0] ? mem_strdup(d->relay) : NULL;
}

static void decide_by_reply(struct delivery *d, size_t i, const struct smtp_reply *reply)
{
    static const enum job_state states[] = {[RESULT_OK] = JOB_DELIVERED,
                                            [RESULT_TEMP] = JOB_DEFERRED,
                                            [RESULT_PERM] = JOB_FAILED,
                                            [RESULT_BUG] = JOB_DEFERRED};
    char text[REPLY_TEXT_MAX];
    smtp_reply_text(reply, text, sizeof text);
    decide(d, i, states[smtp_reply_result(reply)], smtp_reply_dsn(reply), text);
}

/* For all that are not decided yet; then it is over. */
static void end_with(struct delivery *d, enum job_state state, const char *dsn, const char *text)
{
    if (d->t != NULL)
        smtp_abort(&d->t);
    for (size_t i = 0; i < d->envelope.nrcpts; i++) {
        if (d->job->rcpts[d->map[i]].state == JOB_PENDING)
            decide(d, i, state, dsn, text);
    }
    settle(d);
}

/* ---- a shadow's end: COMPARING ---- */

#define NOT_DELIVERED "fetched and verified, not delivered"

static void end_shadow(void *arg)
{
    struct delivery *d = arg;
    for (size_t i = 0; i < d->envelope.nrcpts; i++) {
        if (!d->accepted[i])
            continue;
        decide(d, i, JOB_DELIVERED, "2.1.5", NOT_DELIVERED);
        if (d->copies == NULL)
            continue;
        struct job_rcpt *r = &d->job->rcpts[d->map[i]];
        r->comparison = smtp_copies_of(d->copies, i);
        r->comparison.differences = mem_strdup(r->comparison.differences);
        if (r->comparison.smtp == STORE_SMTP_UNKNOWN)
            continue;
        char *text = store_comparison_text(&r->comparison);
        event(d, r->address, store_comparison_what(&r->comparison), text);
        mem_free(&text);
    }
    smtp_copies_free(&d->copies);
    settle(d);
}

/* ms since the sender had the message: what it said, and what passed here since. -1: unknown. */
static msec_t shadow_age(const struct delivery *d)
{
    msec_t said = d->job->m.age;
    return said == 0 ? -1 : (said < AGE_MAX ? said * 1000 : AGE_MAX * 1000) + clock_now() - d->job->received;
}

/*
 * It would have been delivered. If a milter of ours looks on, the message itself comes past it by SMTP; a promise of before a
 * restart may have been kept waiting while nobody looked, so nothing is claimed about its copy.
 */
static void shadow_verified(struct delivery *d)
{
    struct context *ctx = d->ctx;
    struct fingerprint *f = fingerprint_finish(&d->fingerprint);
    slots_leave(&d->slot);
    event(d, NULL, "verified", NULL);
    if (!arrivals_observing(ctx->arrivals) || f->message_id[0] == '\0' || d->taken_up) {
        fingerprint_free(&f);
        end_shadow(d);
        return;
    }
    d->copies = smtp_copies_new(ctx->loop, ctx->arrivals, &d->envelope, d->accepted, f, shadow_age(d),
                                config_time(ctx->config, "bridge.shadow-wait"), end_shadow, d);
}

/* ---- HANDING: DATA ---- */

static bool speaks_lmtp(const struct delivery *d)
{
    return strcmp(config_string(d->ctx->config, "bridge.mta-protocol"), "lmtp") == 0;
}

/* The one place where content begins to go to the MTA: never for a shadow. */
static void begin_data(struct delivery *d)
{
    if (d->job->shadow)
        log_panic("%s: a shadow was about to be delivered", d->job->m.id);
    (void)FAILPOINT(data_begin);
    smtp_data(d->t);
}

/* The final dot: from here to the durable note, the witness must know. */
static void end_data(struct delivery *d)
{
    (void)FAILPOINT(dot_before);
    size_t *handed = mem_zero(d->envelope.nrcpts, sizeof *handed);
    size_t n = 0;
    for (size_t i = 0; i < d->envelope.nrcpts; i++) {
        if (d->accepted[i])
            handed[n++] = d->map[i];
    }
    d->witness = bridge_witness_watch(d->ctx->witness, smtp_fd(d->t), d->job, handed, n, speaks_lmtp(d), d->promised);
    mem_free(&handed);
    smtp_end(d->t);
}

static void on_dot(void *arg)
{
    struct delivery *d = arg;
    witness_dot(d->ctx->witness, d->witness);
    (void)FAILPOINT(dot_sent);
}

static void on_answer(void *arg, const struct smtp_reply *reply)
{
    struct delivery *d = arg;
    witness_answer(d->ctx->witness, d->witness, reply, 1);
}

static void write_whole(struct delivery *d)
{
    smtp_write(d->t, buf_str(&d->trace), d->trace.len);
    smtp_write(d->t, buf_str(&d->whole), d->whole.len); /* scanned before */
    buf_free(&d->whole);
    end_data(d);
}

static void on_go(void *arg)
{
    struct delivery *d = arg;
    d->go = true;
    if (!d->streams) {
        write_whole(d);
        return;
    }
    smtp_write(d->t, buf_str(&d->trace), d->trace.len);
    if (d->held_back && d->fetch != NULL)
        fetch_resume(d->fetch);
}

static void on_room(void *arg)
{
    struct delivery *d = arg;
    if (d->held_back && d->fetch != NULL) {
        d->held_back = false;
        fetch_resume(d->fetch);
    }
}

static void warn_of_repeat(const struct delivery *d)
{
    log_warning(
        "%s: the MTA did not answer the final dot: it may have taken the message, which may arrive twice, pontoon=%s",
        d->job->m.id, d->job->m.id);
}

static void on_final(void *arg, const struct smtp_reply *replies, size_t n)
{
    struct delivery *d = arg;
    d->t = NULL;
    (void)FAILPOINT(mta_answered);
    if (replies[n - 1].missing) /* by LMTP, of the last ones */
        warn_of_repeat(d);
    for (size_t i = 0, k = 0; i < d->envelope.nrcpts; i++) {
        if (!d->accepted[i])
            continue;
        decide_by_reply(d, i, &replies[k]);
        if (smtp_reply_result(&replies[k]) == RESULT_OK)
            smtp_reply_queue_id(&replies[k], d->job->queue_id, sizeof d->job->queue_id);
        if (k + 1 < n)
            k++;
    }
    settle(d);
}

static void on_failed(void *arg, enum result result, const struct smtp_reply *reply, bool after_dot,
                      const struct error *err)
{
    struct delivery *d = arg;
    char text[REPLY_TEXT_MAX];
    d->t = NULL;
    if (d->fetch != NULL)
        fetch_cancel(&d->fetch);
    if (after_dot)
        warn_of_repeat(d);
    if (reply != NULL) {
        smtp_reply_text(reply, text, sizeof text);
        end_with(d, smtp_reply_result(reply) == RESULT_PERM ? JOB_FAILED : JOB_DEFERRED, smtp_reply_dsn(reply), text);
    } else {
        bool failed = result == RESULT_PERM;
        const char *dsn = err->dsn[0] == (failed ? '5' : '4') ? err->dsn : (failed ? "5.0.0" : "4.4.1");
        end_with(d, failed ? JOB_FAILED : JOB_DEFERRED, dsn, err->text);
    }
}

/* ---- FETCHING ---- */

static void on_begin(void *arg)
{
    struct delivery *d = arg;
    if (d->streams)
        begin_data(d);
}

/* A bare LF could end DATA early in an MTA that takes it for a line end (SMTP smuggling). */
static bool content_is_clean(const struct delivery *d)
{
    return !d->scan.bare_lf;
}

/* It is scanned where it is stuffed. After a bare LF the MTA sees no more of it, and on_fetched() ends it. */
static void stream(struct delivery *d, const char *data, size_t len)
{
    if (len > 0)
        d->scan.last = (unsigned char)data[len - 1];
    if (content_is_clean(d))
        d->scan.bare_lf = !smtp_write(d->t, data, len);
}

static bool on_data(void *arg, const void *data, size_t len)
{
    struct delivery *d = arg;
    if (d->job->shadow) {
        hops_scan(&d->hops, data, len);
        smtp_data_scan(&d->scan, data, len);
        fingerprint_add_bytes(d->fingerprint, data, len);
        return true;
    }
    if (d->streams && (!d->go || smtp_backlog(d->t) > BACKLOG_MAX)) {
        d->held_back = true;
        return false;
    }
    hops_scan(&d->hops, data, len);
    if (d->streams) {
        stream(d, data, len);
    } else {
        smtp_data_scan(&d->scan, data, len);
        buf_add(&d->whole, data, len);
    }
    return true;
}

/* Most MTAs refuse such mail themselves, at the final dot; not all do, and LMTP servers don't. */
static bool runs_in_a_circle(const struct delivery *d)
{
    return d->hops.received > (unsigned)config_number(d->ctx->config, "hop-limit");
}

static void on_fetched(void *arg, enum fetch_end end, const struct error *err)
{
    struct delivery *d = arg;
    d->fetch = NULL;
    if (end == FETCH_WRONG) {
        log_warning("%s: nothing delivered: %s serves something else than it signed: %s, pontoon=%s", d->job->m.id,
                    d->job->iss, err->text, d->job->m.id);
        end_with(d, JOB_FAILED, "5.6.0", err->text);
    } else if (end != FETCH_WHOLE) {
        end_with(d, JOB_DEFERRED, end == FETCH_GONE ? "4.3.0" : "4.4.2", err->text);
    } else if (!content_is_clean(d) || d->scan.last != '\n') {
        end_with(d, JOB_FAILED, "5.6.0",
                 "the content has a bare line feed or does not end a line: it can't go through SMTP unchanged");
    } else if (runs_in_a_circle(d)) {
        end_with(d, JOB_FAILED, "5.4.6", "too many hops: the message runs in a circle");
    } else {
        event(d, NULL, "fetched", NULL);
        (void)FAILPOINT(fetch_end);
        if (d->job->shadow)
            shadow_verified(d);
        else if (d->streams)
            end_data(d);
        else
            begin_data(d);
    }
}

static const struct fetch_callbacks fetch_callbacks = {.on_begin = on_begin, .on_data = on_data, .on_done = on_fetched};

/* ---- ASKING ---- */

/* RFC 3461 section 5.2: a server without DSN did not get NOTIFY=SUCCESS, and will not report. */
static enum verdict_dsn success_dsn(const struct delivery *d, size_t i)
{
    if (smtp_offers_dsn(d->t) || !dsn_wanted(d->envelope.rcpts[i].notify, DSN_DELIVERED))
        return VERDICT_DSN_TAKEN;
    return speaks_lmtp(d) ? VERDICT_DSN_DELIVERED : VERDICT_DSN_RELAYED;
}

static void on_envelope(void *arg, const struct smtp_reply *mail, const struct smtp_reply *rcpts, size_t n)
{
    (void)mail;
    struct delivery *d = arg;
    size_t good = 0;
    snprintf(d->relay, sizeof d->relay, "%s", smtp_relay(d->t));
    for (size_t i = 0; i < n; i++) {
        d->accepted[i] = smtp_reply_result(&rcpts[i]) == RESULT_OK;
        if (d->accepted[i]) {
            d->job->rcpts[d->map[i]].success = success_dsn(d, i);
            good++;
        }
        if (!d->accepted[i])
            decide_by_reply(d, i, &rcpts[i]);
    }
    event(d, NULL, "asked", d->relay);
    (void)FAILPOINT(mta_asked);
    if (good == 0) { /* refused mail never crosses the wire */
        smtp_abort(&d->t);
        settle(d);
        return;
    }
    if (d->job->shadow) { /* the MTA has said what it would do: it is let go */
        smtp_abort(&d->t);
        d->fingerprint = fingerprint_maker_new();
    }
    d->fetch = fetch_start(d->ctx, d->job->iss, &d->job->m, &fetch_callbacks, d);
}

static const struct smtp_callbacks smtp_callbacks = {.on_envelope = on_envelope,
                                                     .on_go = on_go,
                                                     .on_room = on_room,
                                                     .on_dot = on_dot,
                                                     .on_answer = on_answer,
                                                     .on_final = on_final,
                                                     .on_failed = on_failed};

/* ---- WAITING ---- */

static void fill_trace(struct delivery *d)
{
    const char *name = d->peer.name[0] && d->peer.name[0] != '[' ? d->peer.name : NULL;
    buf_init(&d->trace, TRACE_MAX);
    header_trace_add(&d->trace, &(struct header_trace){
                                    .helo = d->job->iss,
                                    .name = name,
                                    .address = d->job->peer,
                                    .by = config_hostname(d->ctx->config),
                                    .with = "SSMP",
                                    .id = d->job->m.id,
                                    .recipient = d->envelope.nrcpts == 1 ? d->envelope.rcpts[0].address : NULL,
                                    .when = d->job->received,
                                });
}

static void got_name(void *arg, const char *name)
{
    struct delivery *d = arg;
    const struct config *config = d->ctx->config;
    bool xclient = strcmp(config_string(config, "bridge.xclient"), "no") != 0;
    snprintf(d->peer.name, sizeof d->peer.name, "%s", name);
    snprintf(d->peer.address, sizeof d->peer.address, "%s", xclient ? d->job->peer : "");
    snprintf(d->peer.helo, sizeof d->peer.helo, "%s", name[0] != '[' ? name : d->job->iss);
    fill_trace(d);
    d->envelope.size = d->job->m.size + d->trace.len;
    d->streams = !d->job->shadow && d->job->m.size > (uint64_t)config_number(config, "bridge.verify-whole-max");
    if (!d->streams && !d->job->shadow)
        buf_init(&d->whole, (size_t)d->job->m.size);
    smtp_data_init(&d->scan);
    hops_init(&d->hops);
    (void)FAILPOINT(mta_ask);
    d->t = smtp_begin(d->ctx->mta, &d->envelope, &d->peer, &smtp_callbacks, d);
}

static void got_slot(void *arg)
{
    struct delivery *d = arg;
    peer_names_get(d->ctx->peer_names, d->job->peer, got_name, d);
}

static void fill_envelope(struct delivery *d)
{
    struct job *j = d->job;
    envelope_init(&d->envelope);
    envelope_copy_sender(&d->envelope, &j->m.envelope);
    d->map = mem_zero(j->nrcpts, sizeof *d->map);
    d->accepted = mem_zero(j->nrcpts, sizeof *d->accepted);
    for (size_t i = 0; i < j->nrcpts; i++) {
        if (j->rcpts[i].state != JOB_PENDING)
            continue;
        d->map[d->envelope.nrcpts] = i;
        envelope_add_rcpt(&d->envelope, j->rcpts[i].address, j->rcpts[i].notify, j->rcpts[i].orcpt);
    }
}

struct delivery *delivery_begin(struct context *ctx, struct job *job, bool promised, delivery_done *ended, void *arg)
{
    struct delivery *d = mem_zero(1, sizeof *d);
    *d = (struct delivery){
        .ctx = ctx, .job = job, .promised = promised, .taken_up = promised, .ended = ended, .arg = arg};
    fill_envelope(d);
    d->slot = slots_enter(ctx->slots, job->iss, got_slot, d);
    return d;
}

void delivery_cancel(struct delivery **d)
{
    delivery_free(*d);
    *d = NULL;
}

/* ---- promises ---- */

static void promise_durable(void *arg, enum result result, const struct error *err)
{
    struct promise *p = arg;
    struct delivery *d = p->delivery;
    (void)FAILPOINT(promise_durable);
    if (result != RESULT_OK)
        log_error("can't promise a message: %s", err->text);
    if (d != NULL) {
        struct promise **at = &d->promises;
        while (*at != p)
            at = &(*at)->next;
        *at = p->next;
        if (result != RESULT_OK)
            d->promised = false; /* nothing is in the queue: the sender must ask again */
        p->done(p->arg, result, d->job);
    }
    mem_free(&p);
}

void delivery_promise(struct delivery *d, delivery_done *done, void *arg)
{
    struct promise *p = mem_zero(1, sizeof *p);
    *p = (struct promise){.next = d->promises, .delivery = d, .done = done, .arg = arg};
    d->promises = p;
    struct loop_relay *relay = loop_relay_new(d->ctx->loop, promise_durable, p);
    struct error err;
    if (d->promised) {
        loop_relay_done(relay, RESULT_OK, &(struct error){0});
        return;
    }
    if (d->noting != NULL) {
        error_set(&err, RESULT_TEMP, "the queue can't be written now");
        loop_relay_done(relay, err.result, &err);
        return;
    }
    d->promised = true;
    if (jobs_note(d->ctx->jobs, d->job, loop_relay_done, relay, &err) != RESULT_OK)
        loop_relay_done(relay, err.result, &err);
}
