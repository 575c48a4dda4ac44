/* One notification under way: see notify_request.h. */
#include "store/notify_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notification.h"
#include "lib/problem.h"
#include "lib/retry.h"

enum {
    BATCH_OVERHEAD = 1024, /* bytes of a payload that are not messages: iss, aud, times */
    LIFETIME = 3600,       /* seconds that a notification may be acted on */
    CONNECT_TIMEOUT = 15000,
};

struct notify_request {
    struct notify_request *next;
    struct context *ctx;
    char *urls;      /* a line each */
    const char *url; /* the line that is tried */
    char *body;      /* the JWS */
    struct work *batch;
    struct http_call *call;
    bool sent; /* a part of a request may have reached some peer */
    char iss[DOMAIN_MAX + 1], aud[DOMAIN_MAX + 1];
    notify_request_done *done;
    void *arg;
};

struct notify_request *notify_request_next(const struct notify_request *r)
{
    return r->next;
}

struct notify_request **notify_request_link(struct notify_request *r)
{
    return &r->next;
}

const struct work *notify_request_work(const struct notify_request *r)
{
    return r->batch;
}

struct work *notify_request_take_work(struct notify_request *r)
{
    struct work *w = r->batch;
    r->batch = NULL;
    return w;
}

/* ---- writing ---- */

/* Borrows the strings of the entry; only the recipients' array is made. */
static void fill_message(struct notification_message *m, const struct work *w, const struct token_secret *secret)
{
    const struct store_entry *e = w->entry;
    memset(m, 0, sizeof *m);
    snprintf(m->id, sizeof m->id, "%s", e->id);
    if (secret != NULL) {
        char token[TOKEN_MAX + 1];
        token_make(secret, e->id, work_rcpt(w, 0)->domain, token);
        snprintf(m->token, sizeof m->token, "%s", token);
    } else {
        memset(m->token, 'x', TOKEN_MAX);
    }
    m->size = e->size;
    if (e->shadow)
        m->age = clock_now() > e->created ? (clock_now() - e->created) / 1000 + 1 : 1;
    m->serial = secret != NULL ? work_rcpt(w, 0)->serial : NOTIFICATION_SERIAL_MAX;
    memcpy(m->digest, e->digest, DIGEST_SIZE);
    m->envelope = e->envelope;
    m->envelope.nrcpts = w->nrcpts;
    m->envelope.rcpts = mem_zero(w->nrcpts, sizeof *m->envelope.rcpts);
    for (size_t i = 0; i < w->nrcpts; i++) {
        const struct store_rcpt *r = work_rcpt(w, i);
        m->envelope.rcpts[i] = (struct envelope_rcpt){.address = r->address, .notify = r->notify, .orcpt = r->orcpt};
    }
}

size_t notify_batch_room(void)
{
    return notification_payload_max() - BATCH_OVERHEAD;
}

static size_t weight_of(const struct work *w)
{
    struct notification_message m;
    fill_message(&m, w, NULL);
    size_t weight = notification_message_weight(&m);
    mem_free(&m.envelope.rcpts);
    return weight;
}

size_t notify_batch_fits(const struct work *w, size_t room, size_t *weight_r)
{
    struct work part = *w;
    if (part.nrcpts > NOTIFICATION_RCPTS_MAX)
        part.nrcpts = NOTIFICATION_RCPTS_MAX;
    while (part.nrcpts > 0 && (*weight_r = weight_of(&part)) > room)
        part.nrcpts /= 2;
    return part.nrcpts;
}

static char *signed_batch(const struct notify_request *r)
{
    struct notification n = {0};
    const char *typ = r->batch->entry->shadow ? NOTIFICATION_SHADOW_TYP : NOTIFICATION_TYP;
    snprintf(n.iss, sizeof n.iss, "%s", r->iss);
    snprintf(n.aud, sizeof n.aud, "%s", r->aud);
    n.iat = clock_now() / 1000;
    n.exp = n.iat + LIFETIME;
    for (const struct work *w = r->batch; w != NULL; w = w->next)
        n.nmessages++;
    n.messages = mem_zero(n.nmessages, sizeof *n.messages);
    size_t i = 0;
    for (const struct work *w = r->batch; w != NULL; w = w->next)
        fill_message(&n.messages[i++], w, r->ctx->secret);
    char *payload = notification_write(&n);
    char *jws = jws_sign(r->ctx->key, typ, payload, strlen(payload));
    for (i = 0; i < n.nmessages; i++)
        mem_free(&n.messages[i].envelope.rcpts);
    mem_free(&n.messages);
    mem_free(&payload);
    return jws;
}

/* ---- posting ---- */

static void post(struct notify_request *r);

static void request_free(struct notify_request *r)
{
    mem_free(&r->urls);
    while (r->batch != NULL) {
        struct work *w = r->batch;
        r->batch = w->next;
        work_free(&w);
    }
    mem_free(&r->body);
    mem_free(&r);
}

void notify_request_cancel(struct notify_request **r)
{
    struct notify_request *dead = *r;
    *r = dead->next;
    if (dead->call != NULL)
        http_call_cancel(dead->call);
    request_free(dead);
}

static void finish(struct notify_request *r, struct notify_answer *answer)
{
    answer->sent = r->sent;
    answer->news.peer = answer->peer;
    r->done(r->arg, r, answer);
    request_free(r);
}

static void refused(struct notify_request *r, const struct http_response *res)
{
    char text[ERROR_TEXT_MAX];
    problem_text(res, text, sizeof text);
    struct notify_answer answer = {.peer = res->peer,
                                   .answered = true,
                                   .failed = true,
                                   .news = {.event = RCPT_EV_UNREACHABLE, .dsn = "4.4.0", .text = text}};
    switch (res->status) {
    case 400:
    case 413:
        answer.unreadable = true;
        answer.failed = false;
        answer.news.event = RCPT_EV_FALLBACK;
        break;
    case 403: /* it doesn't want mail from us this way */ answer.news.event = RCPT_EV_FALLBACK; break;
    case 429:
    case 503: answer.news.retry_after = res->retry_after ? retry_after_parse(res->retry_after, clock_now()) : 0; break;
    default: break;
    }
    answer.failed = answer.failed && res->status != 429; /* that says: we are too fast */
    log_warning("notification for %s refused by %s: %s", r->aud, res->peer, text);
    finish(r, &answer);
}

/*
 * The first peer may have taken what it did not answer, and may say "deferred" of it by a receipt that is held up. So whatever follows is
 * another notification, with another serial, which that receipt does not answer.
 */
static bool sign_again(struct notify_request *r)
{
    struct error err;
    size_t n = 0, k = 0;
    int64_t serial;
    for (const struct work *w = r->batch; w != NULL; w = w->next)
        n += w->nrcpts;
    int64_t *rids = mem_zero(n, sizeof *rids);
    for (const struct work *w = r->batch; w != NULL; w = w->next) {
        for (size_t i = 0; i < w->nrcpts; i++)
            rids[k++] = work_rcpt(w, i)->rid;
    }
    msec_t lease = config_time(r->ctx->config, "store.lease");
    enum result result = store_claim_again(r->ctx->store, rids, n, lease, &serial, &err);
    mem_free(&rids);
    if (result != RESULT_OK) {
        log_warning("notification for %s: can't be sent to the next URL: %s", r->aud, err.text);
        return false;
    }
    for (const struct work *w = r->batch; w != NULL; w = w->next) {
        for (size_t i = 0; i < w->nrcpts; i++)
            work_rcpt(w, i)->serial = serial;
    }
    mem_free(&r->body);
    r->body = signed_batch(r);
    return true;
}

static bool try_next_url(struct notify_request *r, const char *peer, const char *why)
{
    const char *next = strchr(r->url, '\n');
    if (next == NULL || (r->sent && !sign_again(r)))
        return false;
    log_info("notification for %s: %s: %s, trying the next URL", r->aud, peer, why);
    r->url = next + 1;
    post(r);
    return true;
}

static void answered(void *arg, enum result result, const struct http_response *res, const struct error *err)
{
    struct notify_request *r = arg;
    const struct error lost = {.result = RESULT_TEMP, .text = "connection lost"};
    r->call = NULL;
    if (FAILPOINT(notify_answer)) {
        result = RESULT_TEMP;
        err = &lost;
    }
    r->sent = r->sent || res->sent;
    if (result != RESULT_OK) {
        if (try_next_url(r, res->peer, err->text))
            return;
        log_warning("notification for %s: %s: %s", r->aud, res->peer, err->text);
        finish(r, &(struct notify_answer){.peer = res->peer,
                                          .failed = true,
                                          .news = {.event = RCPT_EV_UNREACHABLE, .dsn = "4.4.1", .text = err->text}});
    } else if (res->status >= 500 && res->status != 503 && try_next_url(r, res->peer, "server error")) {
        return;
    } else if (res->status != 200) {
        refused(r, res);
    } else {
        struct verdicts *v = NULL;
        struct error bad;
        if (verdicts_parse(res->body, res->len, &v, &bad) == RESULT_OK) {
            finish(r, &(struct notify_answer){.verdicts = v, .peer = res->peer});
        } else {
            log_warning("notification for %s: %s answered nonsense: %s", r->aud, res->peer, bad.text);
            finish(r,
                   &(struct notify_answer){.peer = res->peer,
                                           .failed = true,
                                           .news = {.event = RCPT_EV_UNREACHABLE, .dsn = "4.5.0", .text = bad.text}});
        }
        verdicts_free(&v);
    }
}

static void post(struct notify_request *r)
{
    const char *base = FAILPOINT(notify_post) ? "https://failpoint.invalid\n" : r->url;
    char *url = mem_printf("%.*s/notifications", (int)strcspn(base, "\n"), base);
    r->call = http_client_start(r->ctx->http, &(struct http_call_options){
                                                  .method = "POST",
                                                  .url = url,
                                                  .content_type = NOTIFICATION_CONTENT_TYPE,
                                                  .body = r->body,
                                                  .body_len = strlen(r->body),
                                                  .max_body = VERDICTS_SIZE_MAX,
                                                  .connect_timeout = CONNECT_TIMEOUT,
                                                  .timeout = config_time(r->ctx->config, "store.notify-timeout"),
                                                  .done = answered,
                                                  .arg = r,
                                              });
    mem_free(&url);
}

struct notify_request *notify_request_new(struct context *ctx, const char *urls, const char *iss, const char *aud,
                                          struct work *batch, notify_request_done *done, void *arg)
{
    struct notify_request *r = mem_zero(1, sizeof *r);
    *r = (struct notify_request){.ctx = ctx, .urls = mem_strdup(urls), .batch = batch, .done = done, .arg = arg};
    r->url = r->urls;
    snprintf(r->iss, sizeof r->iss, "%s", iss);
    snprintf(r->aud, sizeof r->aud, "%s", aud);
    (void)FAILPOINT(notify_sign);
    r->body = signed_batch(r);
    char *first = mem_printf("%.*s", (int)strcspn(urls, "\n"), urls);
    for (const struct work *w = batch; w != NULL; w = w->next)
        store_add_event(ctx->store, w->entry->id, NULL, "notifying", first);
    mem_free(&first);
    post(r);
    return r;
}

/* ---- reading ---- */

static const struct verdict *find_verdict(const struct verdicts *v, const char *id, const char *address)
{
    for (size_t i = 0; i < v->nmessages; i++) {
        if (strcmp(v->messages[i].id, id) != 0)
            continue;
        for (size_t k = 0; k < v->messages[i].nrcpts; k++) {
            if (strcmp(v->messages[i].rcpts[k].address, address) == 0)
                return &v->messages[i].rcpts[k].verdict;
        }
    }
    return NULL;
}

bool notify_answer_expects_fetch(const struct notify_answer *a, const struct work *w)
{
    if (a->verdicts == NULL)
        return !a->answered && a->sent;
    for (size_t i = 0; i < w->nrcpts; i++) {
        const struct verdict *v = find_verdict(a->verdicts, w->entry->id, work_rcpt(w, i)->address);
        if (v == NULL || v->kind == VERDICT_ACCEPTED)
            return true;
    }
    return false;
}

void notify_answer_apply(const struct notify_answer *a, const struct work *list, const struct config *config,
                         struct outcome *out)
{
    for (const struct work *w = list; w != NULL; w = w->next) {
        for (size_t i = 0; i < w->nrcpts; i++) {
            const struct store_rcpt *rcpt = work_rcpt(w, i);
            const struct verdict *v = find_verdict(a->verdicts, w->entry->id, rcpt->address);
            struct outcome_news news = {.event = RCPT_EV_UNREACHABLE,
                                        .dsn = "4.5.0",
                                        .text = "the answer has no verdict for it",
                                        .peer = a->peer};
            if (v != NULL) {
                news.event = outcome_event(w->entry, rcpt, v, &news.report);
                news.dsn = v->dsn;
                news.text = v->text;
                news.serial = rcpt_event_clears_doubt(news.event) ? rcpt->serial : 0;
                news.comparison = outcome_comparison(w->entry, v);
            }
            outcome_add(out, config, w->entry, rcpt, &news);
        }
    }
}
