/* Receipts: see receipts.h. */
#include "store/receipts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "store/capability.h"
#include "store/give_back.h"
#include "store/notifier.h"
#include "store/outcome.h"

/* A receipt whose settlement is being made durable. */
struct taking {
    struct context *ctx;
    struct http_request *req;
};

static void settled(void *arg, enum result result, const struct error *err)
{
    struct taking *t = arg;
    (void)FAILPOINT(receipt_answer);
    if (result == RESULT_OK) {
        http_reply(t->req, 204, NULL, 0, NULL, NULL, 0);
        give_back_kick(t->ctx->give_back);
        notifier_kick(t->ctx->notifier);
    } else {
        log_error("can't note a receipt: %s", err->text);
        http_reply_problem(t->req, 503, "the store can't note the receipt now", 30);
    }
    mem_free(&t);
}

static struct store_rcpt *find_rcpt(const struct store_entries *entries, const char *address)
{
    for (size_t i = 0; i < entries->n; i++) {
        for (size_t k = 0; k < entries->entries[i].nrcpts; k++) {
            char *a = address_normalize(entries->entries[i].rcpts[k].address);
            char *b = address_normalize(address);
            bool same = strcmp(a, b) == 0;
            mem_free(&a);
            mem_free(&b);
            if (same)
                return &entries->entries[i].rcpts[k];
        }
    }
    return NULL;
}

/*
 * "Deferred" says that the peer holds nothing. If it answers an earlier notification than the last one (it came late), that is
 * no news about now: the peer may have taken the message since.
 */
static void add_line(struct context *ctx, const struct store_entry *entry, const struct store_rcpt *rcpt,
                     const struct verdict_message *m, const struct verdict *v, const char *peer, struct outcome *out)
{
    struct outcome_news news = {
        .dsn = v->dsn, .text = v->text, .peer = peer, .comparison = outcome_comparison(entry, v)};
    news.event = outcome_event(entry, rcpt, v, &news.report);
    if (news.event == RCPT_EV_DEFERRED && m->serial != rcpt->serial) {
        log_info("%s: to=<%s>, %s says deferred, but not to the last notification (%" PRId64 ", not %" PRId64
                 "): asking again, pontoon=%s",
                 outcome_log_id(entry), rcpt->address, peer, m->serial, rcpt->serial, entry->id);
        return;
    }
    news.serial = news.event == RCPT_EV_DEFERRED ? m->serial : 0;
    outcome_add(out, ctx->config, entry, rcpt, &news);
}

/* All lines of the receipt, or none: an address that the message does not have refuses the whole. */
static bool collect(struct context *ctx, const struct store_entries *known, const struct verdict_message *m,
                    const char *peer, struct outcome *out, struct error *err)
{
    for (size_t i = 0; i < m->nrcpts; i++) {
        if (find_rcpt(known, m->rcpts[i].address) == NULL) {
            error_set(err, RESULT_PERM, "recipients[%zu].address: the message has no recipient <%s> at this domain", i,
                      m->rcpts[i].address);
            return false;
        }
    }
    for (size_t i = 0; i < m->nrcpts; i++)
        add_line(ctx, &known->entries[0], find_rcpt(known, m->rcpts[i].address), m, &m->rcpts[i].verdict, peer, out);
    return true;
}

static void apply(struct context *ctx, struct http_request *req, const struct store_entries *known,
                  const struct verdict_message *m)
{
    char ip[NETADDR_TEXT_SIZE];
    netaddr_ip(http_request_peer(req), ip);
    char *peer = mem_printf("%s[%s]", known->entries[0].rcpts[0].domain, ip);
    struct outcome out = {0};
    struct error err;
    if (!collect(ctx, known, m, peer, &out, &err)) {
        log_warning("%s: refused a receipt from %s: %s, pontoon=%s", known->entries[0].id, peer, err.text,
                    known->entries[0].id);
        http_reply_problem(req, 400, err.text, 0);
    } else {
        struct taking *t = mem_zero(1, sizeof *t);
        *t = (struct taking){.ctx = ctx, .req = req};
        outcome_settle(&out, ctx->store, loop_relay_done, loop_relay_new(ctx->loop, settled, t));
    }
    outcome_free(&out);
    mem_free(&peer);
}

void receipts_take(struct context *ctx, struct http_request *req, const char *id)
{
    char aud[DOMAIN_MAX + 1];
    if (!capability_check(ctx, req, id, aud))
        return;
    size_t len;
    const void *body = http_request_body(req, &len);
    struct verdicts *v = NULL;
    struct error err;
    if (receipt_parse(body, len, &v, &err) != RESULT_OK) {
        log_warning("%s: refused a receipt of %s: %s, pontoon=%s", id, aud, err.text, id);
        http_reply_problem(req, 400, err.text, 0);
        return;
    }
    struct store_entries *known = NULL;
    enum result r = FAILPOINT(receipt_taken) ? error_set(&err, RESULT_TEMP, "disk I/O error")
                                             : store_find_for(ctx->store, id, aud, &known, &err);
    if (r != RESULT_OK) {
        log_error("%s: look up for a receipt: %s", id, err.text);
        http_reply_problem(req, 503, "the store can't look up the message now", 30);
    } else if (known->n == 0 || known->entries[0].nrcpts == 0) {
        http_reply_problem(req, 404, "there is no such message for this domain", 0);
    } else {
        apply(ctx, req, known, &v->messages[0]);
    }
    store_entries_free(&known);
    verdicts_free(&v);
}
