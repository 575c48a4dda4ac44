/* A replay under way: see run.h. One loop does all but what the sinks' threads do. */
#include "ctl/replay/run.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/replay/arrivals.h"
#include "ctl/replay/content.h"
#include "ctl/replay/maildir.h"
#include "ctl/replay/progress.h"
#include "ctl/replay/token.h"
#include "lib/address.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum {
    TICK = 100,            /* ms: the journal is committed, the progress shown */
    BYTES_MAX = 256 << 20, /* of messages under way */
    READ_AT_ONCE = 200,    /* messages that are looked at before the loop has a turn */
};

struct run {
    const struct options *o;
    struct ledger *ledger;
    struct loop *loop;
    struct loop_timer *tick, *pump, *last_look;
    struct input *input;
    struct sender *sender;
    struct arrivals *arrivals;
    struct maildirs *maildirs;
    struct sink *sinks[OPTIONS_SINKS_MAX];
    struct pace pace;
    struct progress *progress;
    char name[TOKEN_RUN_LEN + 1];
    struct ledger_position from; /* a resumed run passes by what was before */
    uint64_t round, copy, messages;
    struct progress_facts facts;
    msec_t start;
    bool held; /* `next` was read and isn't due yet, or there is no room */
    msec_t held_due;
    struct input_message next;
    size_t left_out; /* of its recipients */
    bool done_reading, interrupted, settled;
    struct run_end *end;
    enum result result;
    struct error *err;
};

/* ---- ends ---- */

static void stop(struct run *r, enum result result)
{
    r->result = result;
    loop_stop(r->loop);
}

static bool watched(const struct run *r)
{
    return r->o->nsinks > 0 || r->o->nmaildirs > 0;
}

/* All is sent and answered: is all there, or is there nothing more to wait for? */
static void look_for_end(struct run *r)
{
    if (!r->done_reading || sender_busy(r->sender) > 0 || r->settled)
        return;
    bool waiting = false;
    if (watched(r) && ledger_is_waiting(r->ledger, &waiting, r->err) != RESULT_OK) {
        stop(r, r->err->result);
        return;
    }
    r->facts.waiting = true;
    msec_t idle = clock_mono() - arrivals_last(r->arrivals);
    if (waiting && idle < r->o->wait)
        return;
    r->settled = true;
    loop_timer_set(r->last_look, watched(r) ? r->o->linger : 0);
}

static void on_last_look(void *arg)
{
    struct run *r = arg;
    if (r->maildirs != NULL)
        maildirs_look(r->maildirs);
    stop(r, RESULT_OK);
}

static void on_arrival(void *arg)
{
    struct run *r = arg;
    r->facts.arrived = arrivals_reached(r->arrivals);
    if (r->sender != NULL)
        look_for_end(r);
}

static void on_signal(void *arg)
{
    struct run *r = arg;
    if (r->interrupted) { /* the second time: at once */
        stop(r, RESULT_OK);
        return;
    }
    r->interrupted = true;
    r->end->interrupted = !r->done_reading;
    r->done_reading = true;
    fprintf(stderr, "\npontoon-replay: ending: what is under way is finished; once more to end at once\n");
    look_for_end(r);
}

/* ---- answers ---- */

static void on_refused(void *arg, uint64_t copy, const char *address, const char *reply)
{
    struct run *r = arg;
    ledger_refused_rcpt(r->ledger, copy, address, reply);
}

static void pump(void *arg);

static void on_answered(void *arg, uint64_t copy, enum ledger_state state, size_t accepted, msec_t took,
                        const char *reply)
{
    struct run *r = arg;
    msec_t now = clock_now();
    ledger_answered(r->ledger, copy, state, now, reply);
    if (state == LEDGER_ACCEPTED) {
        r->facts.accepted++;
        progress_latency(r->progress, took);
        if (watched(r))
            r->facts.expected += accepted;
    } else {
        r->facts.refused++;
    }
    pump(r);
    look_for_end(r);
}

/* ---- the next message ---- */

/* By the seed and the place in the input: the same each time. */
static bool is_sampled(const struct run *r, uint64_t number)
{
    uint8_t d[DIGEST_SIZE];
    uint64_t words[2] = {r->o->seed, number};
    if (r->o->sample >= 100)
        return true;
    digest_of(words, sizeof words, d);
    return ((unsigned)d[0] << 8 | d[1]) % 100 < r->o->sample;
}

/* Whether a resumed run has dealt with it before. */
static bool is_behind(const struct run *r, uint64_t number)
{
    const struct ledger_position *p = &r->from;
    if (r->round != p->round)
        return r->round < p->round || (r->round == p->last_unsendable_round && number <= p->last_unsendable);
    return number <= p->number || (r->round == p->last_unsendable_round && number <= p->last_unsendable);
}

static bool next_round(struct run *r)
{
    const char *example;
    r->end->skipped = input_skipped(r->input, &example);
    if (example != NULL)
        snprintf(r->end->example, sizeof r->end->example, "%s", example);
    uint64_t read = r->next.number;
    input_free(&r->input);
    if (r->round >= r->o->repeat || read == 0)
        return false;
    r->round++;
    r->input = input_new(&r->o->input, r->o->sources, r->o->nsources);
    r->next = (struct input_message){0};
    return true;
}

/* The next message that is to be sent, in r->next. False: there is none (any more, or for now: the loop has a turn). */
static bool read_next(struct run *r)
{
    for (int i = 0; i < READ_AT_ONCE; i++) {
        struct input_message m;
        if (r->o->limit > 0 && r->messages >= r->o->limit)
            break;
        if (!input_next(r->input, &m)) {
            if (!next_round(r))
                break;
            continue;
        }
        r->next = m;
        if (is_behind(r, m.number) || !is_sampled(r, m.number))
            continue;
        r->messages++;
        if (m.reason == NULL)
            return true;
        ledger_unsendable(r->ledger, m.number, r->round, m.origin, m.reason);
        r->facts.unsendable++;
    }
    r->done_reading = r->input == NULL || (r->o->limit > 0 && r->messages >= r->o->limit);
    if (!r->done_reading)
        loop_timer_set(r->pump, 0);
    return false;
}

/* ---- its copies ---- */

static bool fill_envelope(struct run *r, struct envelope *e)
{
    struct error err;
    const struct input_message *m = &r->next;
    bool utf8 = false;
    envelope_init(e);
    if (mapping_envelope(r->o->mapping, m->bytes, m->len, m->from_sender, m->number, e, &r->left_out, &err) !=
        RESULT_OK) {
        ledger_unsendable(r->ledger, m->number, r->round, m->origin, err.text);
        r->facts.unsendable++;
        envelope_free(e);
        return false;
    }
    e->body = (m->notes & CONTENT_EIGHT_BIT) != 0 ? BODY_8BITMIME : BODY_UNSPECIFIED;
    e->size = m->len + TOKEN_FIELD_MAX;
    for (size_t i = 0; i < e->nrcpts; i++)
        utf8 = utf8 || !utf8_is_ascii(e->rcpts[i].address);
    e->smtputf8 = utf8 || !utf8_is_ascii(e->sender);
    return true;
}

static void copy_envelope(struct envelope *to, const struct envelope *from)
{
    envelope_init(to);
    envelope_copy_sender(to, from);
    for (size_t i = 0; i < from->nrcpts; i++)
        envelope_add_rcpt(to, from->rcpts[i].address, NULL, NULL);
}

static void send_copy(struct run *r, size_t way, const struct envelope *envelope, const uint8_t *digest,
                      struct cargo *cargo)
{
    char field[TOKEN_FIELD_MAX];
    struct envelope e;
    const struct ledger_copy c = {
        .id = ++r->copy,
        .number = r->next.number,
        .round = r->round,
        .way = r->o->ways[way].name,
        .origin = r->next.origin,
        .size = r->next.len,
        .notes = r->next.notes,
        .digest = digest,
        .envelope = envelope,
        .left_out = r->left_out,
        .begun = clock_now(),
    };
    ledger_begun(r->ledger, &c);
    r->facts.begun++;
    token_field(r->name, c.id, field);
    copy_envelope(&e, envelope);
    sender_send(r->sender, way, c.id, &e, field, cargo);
}

static void send_message(struct run *r)
{
    struct envelope e;
    uint8_t digest[DIGEST_SIZE];
    const struct token_watch watch = {r->o->watch, r->o->nwatch};
    if (!fill_envelope(r, &e))
        return;
    token_digest(r->next.bytes, r->next.len, &watch, digest);
    struct cargo *cargo = cargo_new(r->next.bytes, r->next.len);
    for (size_t i = 0; i < r->o->nways; i++)
        send_copy(r, i, &e, digest, cargo);
    cargo_free(&cargo);
    envelope_free(&e);
}

static bool has_room(const struct run *r)
{
    size_t busy = sender_busy(r->sender), bytes = sender_busy_bytes(r->sender);
    return busy == 0 || (busy + r->o->nways <= r->o->concurrency * r->o->nways && bytes + r->next.len <= BYTES_MAX);
}

/* When the message came first, for --compress; 0: it doesn't say. */
static msec_t own_time(const struct run *r)
{
    if (r->o->pace.compress <= 0 || r->next.from_time != 0)
        return r->next.from_time;
    return token_time(r->next.bytes, r->next.len);
}

/* Sends what is due, as far as there is room. */
static void pump(void *arg)
{
    struct run *r = arg;
    while (!r->done_reading) {
        msec_t now = clock_mono();
        if (r->o->duration > 0 && now - r->start >= r->o->duration) {
            r->done_reading = true;
            break;
        }
        if (!r->held) {
            if (!read_next(r))
                break;
            r->held = true;
            r->held_due = pace_next(&r->pace, own_time(r));
        }
        if (r->held_due > now) {
            loop_timer_set(r->pump, r->held_due - now);
            break;
        }
        if (!has_room(r)) /* an answer calls us again */
            break;
        r->held = false;
        send_message(r);
    }
    look_for_end(r);
}

/* How much is done, 0..1, by whatever ends the run first; negative: not known. */
static double share_done(const struct run *r)
{
    if (r->done_reading || r->input == NULL)
        return 1;
    double share = input_share(r->input);
    if (share >= 0)
        share = ((double)(r->round - 1) + share) / (double)r->o->repeat;
    if (r->o->limit > 0)
        share = fmax(share, (double)r->messages / (double)r->o->limit);
    if (r->o->duration > 0)
        share = fmax(share, (double)(clock_mono() - r->start) / (double)r->o->duration);
    return fmin(share, 1);
}

static void on_tick(void *arg)
{
    struct run *r = arg;
    if (ledger_commit(r->ledger, r->err) != RESULT_OK) {
        stop(r, r->err->result);
        return;
    }
    r->facts.share = share_done(r);
    progress_show(r->progress, &r->facts, false);
    look_for_end(r);
    loop_timer_set(r->tick, TICK);
}

/* ---- beginning ---- */

static void make_name(struct run *r)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    uint8_t bytes[DIGEST_SIZE];
    if (r->o->seeded)
        digest_of(&r->o->seed, sizeof r->o->seed, bytes);
    else
        random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < TOKEN_RUN_LEN; i++)
        r->name[i] = letters[bytes[i] % 36];
    r->name[TOKEN_RUN_LEN] = '\0';
}

/* The journal knows this run, or becomes its. */
static enum result open_run(struct run *r)
{
    char *name = ledger_get(r->ledger, "run"), *text = ledger_get(r->ledger, "options");
    enum result result = RESULT_OK;
    if (name == NULL && r->o->resume) {
        result = error_set(r->err, RESULT_PERM, "there is no run in the journal to resume");
    } else if (name != NULL && !r->o->resume) {
        result = error_set(r->err, RESULT_PERM, "the journal has a run already: --resume goes on with it");
    } else if (name != NULL && (text == NULL || strcmp(text, r->o->text) != 0)) {
        result = error_set(r->err, RESULT_PERM, "the run in the journal had other sources or options; it had:\n%.300s",
                           text != NULL ? text : "");
    } else if (name != NULL) {
        snprintf(r->name, sizeof r->name, "%s", name);
        result = ledger_resume(r->ledger, &r->from, r->err);
    } else {
        make_name(r);
        ledger_set(r->ledger, "run", r->name);
        ledger_set(r->ledger, "options", r->o->text);
        result = ledger_commit(r->ledger, r->err);
    }
    mem_free(&name);
    mem_free(&text);
    r->copy = r->from.copy;
    r->messages = r->from.messages;
    return result;
}

static enum result open_watchers(struct run *r, const char *folder)
{
    const struct arrivals_options a = {.run = r->name, .watch = {r->o->watch, r->o->nwatch}, .folder = folder};
    r->arrivals = arrivals_new(r->loop, r->ledger, &a, on_arrival, r);
    for (size_t i = 0; i < r->o->nsinks; i++) {
        char address[NETADDR_TEXT_SIZE];
        if (sink_open(r->loop, &r->o->sinks[i], r->arrivals, &r->sinks[i], r->err) != RESULT_OK)
            return r->err->result;
        sink_address(r->sinks[i], address);
        if (!r->o->quiet)
            fprintf(stderr, "sink: listening on %s (%s)\n", address,
                    r->o->sinks[i].protocol == SMTPD_LMTP ? "LMTP" : "SMTP");
    }
    r->maildirs = maildirs_new(r->loop, r->arrivals,
                               r->o->sinks[0].max_size != 0 ? r->o->sinks[0].max_size
                                                            : 2 * (uint64_t)r->o->input.max_size + 65536,
                               r->o->resume);
    for (size_t i = 0; i < r->o->nmaildirs; i++) {
        if (maildirs_add(r->maildirs, r->o->maildirs[i], r->err) != RESULT_OK)
            return r->err->result;
    }
    return RESULT_OK;
}

static void start_sending(struct run *r)
{
    static const struct sender_events events = {on_refused, on_answered};
    const struct sender_options so = {
        .ways = r->o->ways,
        .nways = r->o->nways,
        .concurrency = r->o->concurrency,
        .retries = r->o->retries,
        .timeout = r->o->timeout,
        .helo = r->o->helo != NULL ? r->o->helo : "localhost.localdomain",
    };
    r->sender = sender_new(r->loop, &so, &events, r);
    r->round = r->from.round > 0 ? r->from.round : 1;
    if (r->from.last_unsendable_round > r->round)
        r->round = r->from.last_unsendable_round;
    r->input = input_new(&r->o->input, r->o->sources, r->o->nsources);
    r->start = clock_mono();
    pace_init(&r->pace, &r->o->pace, r->start);
    r->tick = loop_timer_new(r->loop, on_tick, r);
    r->pump = loop_timer_new(r->loop, pump, r);
    r->last_look = loop_timer_new(r->loop, on_last_look, r);
    loop_timer_set(r->tick, TICK);
    loop_timer_set(r->pump, 0);
    loop_signal(r->loop, SIGINT, on_signal, r);
    loop_signal(r->loop, SIGTERM, on_signal, r);
    loop_run(r->loop);
    sender_free(&r->sender);
}

/* The sinks' clients may still need the loop, which must find nothing else to do then. */
static void close_all(struct run *r)
{
    loop_timer_free(&r->tick);
    loop_timer_free(&r->pump);
    loop_timer_free(&r->last_look);
    for (size_t i = 0; i < r->o->nsinks; i++)
        sink_close(&r->sinks[i]);
    maildirs_free(&r->maildirs);
    arrivals_free(&r->arrivals);
    input_free(&r->input);
    loop_free(&r->loop);
}

enum result run(const struct options *o, struct ledger *ledger, const char *folder, struct run_end *end_r,
                struct error *err)
{
    struct run r = {.o = o, .ledger = ledger, .end = end_r, .err = err};
    *end_r = (struct run_end){0};
    r.loop = loop_new();
    r.result = open_run(&r);
    if (r.result == RESULT_OK)
        r.result = open_watchers(&r, folder);
    if (r.result == RESULT_OK) {
        r.progress = progress_new(o->quiet);
        start_sending(&r);
        progress_show(r.progress, &r.facts, true);
        progress_free(&r.progress);
    }
    close_all(&r);
    if (r.result == RESULT_OK)
        r.result = ledger_commit(ledger, err);
    return r.result;
}
