/* The notifier: see notifier.h. */
#include "store/notifier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/stops.h"
#include "store/destination.h"
#include "store/give_back.h"
#include "store/outcome.h"

enum {
    CLAIM_MAX = 500,    /* recipients in one claim */
    IN_HAND_MAX = 4000, /* recipients claimed at one time: bounds memory, whatever waits */
    WAKEUPS_MAX = 200,  /* datagrams taken in one turn */
    SLEEP_MAX = 60000,  /* ms: other nodes' changes are seen after this at the latest */
    PUT_BACK = 10000,   /* ms that what the pacer has no place for stays in the store */
    ERROR_SLEEP = 2000, /* ms after the store failed */
};

struct notifier {
    struct context *ctx;
    struct destinations *destinations;
    struct loop_timer *timer;
    struct event *wakeup;
    int socket;
    bool draining;
};

void notifier_kick(struct notifier *n)
{
    if (n != NULL && !n->draining)
        loop_timer_set(n->timer, 0);
}

/* Recipients were settled, or put back: some of them may now be due elsewhere, or the next moment when one is due is another. */
static void look_again(void *arg)
{
    struct notifier *n = arg;
    notifier_kick(n);
    give_back_kick(n->ctx->give_back);
}

static void settled(void *arg, enum result result, const struct error *err)
{
    if (result != RESULT_OK)
        log_error("can't note a change in the store: %s", err->text);
    look_again(arg);
}

/* Whether it goes back to SMTP though there is time left: drained, or the peer's breaker is open. What the peer has is asked for. */
static bool stopped(const struct notifier *n, const struct store_entry *e, const struct store_rcpt *rcpt,
                    struct outcome_news *news_r)
{
    const char *why = stops_words(stops_find(n->ctx->stops, e->iss, rcpt->domain));
    if (why == NULL || (outcome_taken(rcpt) != 0 && !e->shadow))
        return false;
    *news_r = (struct outcome_news){
        .event = RCPT_EV_FALLBACK, .dsn = "4.4.0", .text = why, .peer = rcpt->peer, .regardless = e->shadow};
    return true;
}

/* Whether time alone has decided about this recipient; else it moves to the front, among those to notify. */
static void sort_rcpt(struct notifier *n, struct work *w, size_t i, struct outcome *overdue)
{
    struct store_entry *e = w->entry;
    struct store_rcpt *rcpt = &e->rcpts[i];
    struct outcome_news news;
    if (destinations_has(n->destinations, rcpt))
        return;
    if (stopped(n, e, rcpt, &news) || outcome_overdue(n->ctx->config, e, rcpt, &news)) {
        outcome_add(overdue, n->ctx->config, e, rcpt, &news);
        return;
    }
    struct store_rcpt swap = e->rcpts[w->nrcpts];
    e->rcpts[w->nrcpts++] = *rcpt;
    *rcpt = swap;
}

static void put_back(struct notifier *n, struct work **w, msec_t wait)
{
    work_put_back(w, n->ctx->store, wait, loop_relay_done, loop_relay_new(n->ctx->loop, settled, n));
}

static void sort_out(void *arg, struct work *w)
{
    struct notifier *n = arg;
    struct outcome overdue = {0};
    w->nrcpts = 0;
    for (size_t i = 0; i < w->entry->nrcpts; i++)
        sort_rcpt(n, w, i, &overdue);
    if (overdue.n > 0)
        outcome_settle(&overdue, n->ctx->store, loop_relay_done, loop_relay_new(n->ctx->loop, settled, n));
    outcome_free(&overdue);
    w->next = NULL;
    const char *aud = w->nrcpts > 0 ? work_rcpt(w, 0)->domain : "";
    msec_t busy = destinations_busy(n->destinations, aud);
    if (w->nrcpts > 0 && busy > 0)
        put_back(n, &w, busy);
    /* A site that fetches slowly must not fill our hands: the others' messages would wait behind its. */
    else if (w->nrcpts > 0 && destinations_are_full(n->destinations, w->entry, aud))
        put_back(n, &w, PUT_BACK);
    else if (w->nrcpts > 0)
        destinations_add(n->destinations, w);
    else
        work_free(&w);
}

static bool may_claim(const struct notifier *n)
{
    return !n->draining && destinations_count(n->destinations) < IN_HAND_MAX;
}

static void claim_due(void *arg)
{
    struct notifier *n = arg;
    if (!may_claim(n))
        return; /* settling will kick us */
    if (!wall_clock_look(&n->ctx->clock, n->ctx->store)) {
        loop_timer_set(n->timer, ERROR_SLEEP);
        return;
    }
    struct store_entries *entries = NULL;
    msec_t next = -1;
    struct error err;
    msec_t lease = config_time(n->ctx->config, "store.lease");
    if (store_claim(n->ctx->store, STORE_NOTIFY, CLAIM_MAX, lease, &entries, &next, &err) != RESULT_OK) {
        log_error("can't look for due notifications: %s", err.text);
        loop_timer_set(n->timer, ERROR_SLEEP);
        return;
    }
    bool some = entries != NULL && entries->n > 0;
    work_split(&entries, sort_out, n);
    msec_t wait = SLEEP_MAX;
    if (next >= 0) {
        msec_t now = clock_now();
        wait = next > now ? next - now : (some ? 0 : 100);
    }
    loop_timer_set(n->timer, wait < SLEEP_MAX ? wait : SLEEP_MAX);
}

/* The milter has told its MTA: these messages may go now; what came by LMTP may have recipients that go back at once. */
static void woken(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct notifier *n = arg;
    char ids[WAKEUPS_MAX][MESSAGE_ID_LEN + 1];
    const char *list[WAKEUPS_MAX];
    size_t count = 0;
    while (count < WAKEUPS_MAX) {
        ssize_t got = recv(fd, ids[count], MESSAGE_ID_LEN, 0);
        if (got < 0)
            break;
        ids[count][got] = '\0';
        if (got == 0 || !message_id_valid(ids[count]))
            continue;
        list[count] = ids[count];
        count++;
    }
    if (count == 0 || !may_claim(n) || !wall_clock_look(&n->ctx->clock, n->ctx->store))
        return; /* their hold ends by itself */
    struct store_entries *entries = NULL;
    struct error err;
    if (store_claim_messages(n->ctx->store, list, count, config_time(n->ctx->config, "store.lease"), &entries, &err) !=
        RESULT_OK)
        log_error("can't claim new messages: %s", err.text);
    work_split(&entries, sort_out, n);
    give_back_kick(n->ctx->give_back);
}

enum result notifier_new(struct context *ctx, struct notifier **n_r, struct error *err)
{
    enum result r = store_release_leases(ctx->store, err);
    if (r != RESULT_OK)
        return r;
    int fd = store_wakeup_socket(ctx->store, err);
    if (fd < 0)
        return err->result;
    struct notifier *n = mem_zero(1, sizeof *n);
    n->ctx = ctx;
    n->socket = fd;
    n->timer = loop_timer_new(ctx->loop, claim_due, n);
    n->destinations = destinations_new(ctx, look_again, n);
    n->wakeup = event_new(loop_base(ctx->loop), fd, EV_READ | EV_PERSIST, woken, n);
    event_add(n->wakeup, NULL);
    loop_timer_set(n->timer, 0);
    *n_r = n;
    return RESULT_OK;
}

void notifier_drain(struct notifier *n)
{
    n->draining = true;
    loop_timer_cancel(n->timer);
    event_del(n->wakeup);
}

unsigned notifier_count(const struct notifier *n)
{
    return destinations_count(n->destinations);
}

void notifier_free(struct notifier **n)
{
    if (*n == NULL)
        return;
    event_free((*n)->wakeup);
    close((*n)->socket);
    loop_timer_free(&(*n)->timer);
    destinations_free(&(*n)->destinations);
    mem_free(n);
}
