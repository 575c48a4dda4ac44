/*
 * `pontoon drain`: leaving. Stops the diversion of mail to and from a domain, or of all mail, in the store itself; says what is
 * still there, what it waits for and until when; ends with success only when nothing is left. --wait looks until then; the
 * drain stays in force in any case, until --cancel.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/probe.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/mem.h"
#include "lib/store_stops.h"

enum {
    LOOK_EVERY = 500, /* ms */
    PROBE_WAIT = 1000
};

struct drain {
    const struct ctl *ctl;
    const struct config *config;
    struct store *store;
    struct jobs *jobs;           /* NULL: no bridge here, or only a domain is drained */
    char domain[DOMAIN_MAX + 1]; /* "" everything */
    bool same_line;              /* a terminal: one line, written again and again */
};

/* What there is at one moment. */
struct left {
    struct store_waits *waits;
    struct jobs_stats jobs;
};

static uint64_t count(const struct left *l)
{
    return l->waits->rcpts + l->jobs.pending + l->jobs.untold;
}

static enum result look(const struct drain *d, struct left *l, struct error *err)
{
    *l = (struct left){0};
    enum result r = store_waits_read(d->store, d->domain, &l->waits, err);
    if (r == RESULT_OK && d->jobs != NULL)
        r = jobs_stats(d->jobs, &l->jobs, err);
    if (r != RESULT_OK)
        store_waits_free(&l->waits);
    return r;
}

/* ---- in words ---- */

/* Until when it is undecided at the latest, 0: no end. */
static msec_t until(const struct drain *d, const struct store_waiting *w)
{
    msec_t settle = config_time(d->config, "store.settle-after");
    if (w->wait != STORE_WAIT_TAKEN)
        return 0;
    return settle > 0 && w->taken + settle < w->expires ? w->taken + settle : w->expires;
}

static const char *waits_for(enum store_wait wait)
{
    static const char *const words[STORE_WAITS] = {
        [STORE_WAIT_UNTAKEN] = "about to go back to SMTP",
        [STORE_WAIT_TAKEN] = "fetched by the other site, which is asked what became of it",
        [STORE_WAIT_RETURN] = "going back to SMTP through our own MTA",
        [STORE_WAIT_DSN] = "waiting for our own MTA to take a delivery status notification",
    };
    return words[wait];
}

static void print_waiting(const struct drain *d, const struct store_waiting *w)
{
    char next[SHOW_AGE_SIZE], when[SHOW_WHEN_SIZE];
    msec_t end = until(d, w);
    printf("  %" PRIu64 " to %s: %s, next try %s", w->rcpts, w->domain, waits_for(w->wait),
           show_next(w->next, clock_now(), next));
    if (end != 0)
        printf(", by SMTP at the latest %s", show_when(end, when));
    if (w->text != NULL && *w->text != '\0') {
        fputs("; last: ", stdout);
        show_text(stdout, w->text);
    }
    putchar('\n');
}

static void print_left(const struct drain *d, const struct left *l)
{
    printf("%" PRIu64 " recipient%s left\n", l->waits->rcpts, l->waits->rcpts == 1 ? "" : "s");
    for (size_t i = 0; i < l->waits->n; i++)
        print_waiting(d, &l->waits->list[i]);
    if (l->jobs.pending + l->jobs.untold > 0)
        printf("  bridge: %" PRIu64 " promised to others and not delivered yet, %" PRIu64 " settled and not told yet\n",
               l->jobs.pending, l->jobs.untold);
}

static json_t *left_json(const struct drain *d, const struct left *l)
{
    static const char *const words[STORE_WAITS] = {[STORE_WAIT_UNTAKEN] = "untaken",
                                                   [STORE_WAIT_TAKEN] = "taken",
                                                   [STORE_WAIT_RETURN] = "return",
                                                   [STORE_WAIT_DSN] = "dsn"};
    json_t *groups = json_array();
    for (size_t i = 0; i < l->waits->n; i++) {
        const struct store_waiting *w = &l->waits->list[i];
        json_t *g = json_object();
        json_object_set_new(g, "domain", json_string(w->domain));
        json_object_set_new(g, "waits_for", json_string(words[w->wait]));
        json_object_set_new(g, "recipients", json_integer((json_int_t)w->rcpts));
        json_object_set_new(g, "next", show_json_when(w->next));
        json_object_set_new(g, "until", show_json_when(until(d, w)));
        json_object_set_new(g, "last", show_json_text(w->text));
        json_array_append_new(groups, g);
    }
    json_t *o = json_object();
    json_object_set_new(o, "time", show_json_when(clock_now()));
    json_object_set_new(o, "domain", d->domain[0] ? json_string(d->domain) : json_null());
    json_object_set_new(o, "recipients", json_integer((json_int_t)l->waits->rcpts));
    json_object_set_new(o, "groups", groups);
    json_object_set_new(o, "bridge_pending", json_integer((json_int_t)l->jobs.pending));
    json_object_set_new(o, "bridge_untold", json_integer((json_int_t)l->jobs.untold));
    json_object_set_new(o, "empty", json_boolean(count(l) == 0));
    return o;
}

/* What changes all the time would make every look a new line. */
static uint64_t fingerprint(const struct left *l)
{
    uint64_t sum = l->jobs.pending * 31 + l->jobs.untold * 7 + l->waits->rcpts;
    for (size_t i = 0; i < l->waits->n; i++)
        sum = sum * 31 + l->waits->list[i].rcpts * 8 + (uint64_t)l->waits->list[i].wait;
    return sum;
}

static void report(struct drain *d, const struct left *l, bool first, uint64_t *last)
{
    uint64_t now = fingerprint(l);
    if (d->ctl->options & CTL_JSON) {
        if (first || now != *last)
            show_json_line(stdout, left_json(d, l));
    } else if (d->same_line && !first) {
        printf("\r\033[K%" PRIu64 " recipients left", count(l));
    } else if ((first || now != *last) && count(l) > 0) {
        print_left(d, l);
    }
    fflush(stdout);
    *last = now;
}

/* ---- the work ---- */

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = LOOK_EVERY * 1000000L}, NULL);
}

/* Nothing moves without the store's daemon: say so rather than have somebody wait in vain. */
static void check_daemon(const struct drain *d)
{
    size_t n;
    struct error err;
    const char *const *endpoints = config_list(d->config, "store.listen", &n);
    if (n > 0 && !probe_endpoint(endpoints[0], PROBE_WAIT, &err))
        ctl_error(0, "pontoon-store does not answer at %s (%s): start it, nothing is drained without it", endpoints[0],
                  err.text);
}

static int watch(struct drain *d)
{
    bool wait = d->ctl->options & CTL_WAIT, first = true;
    uint64_t last = 0;
    for (;; first = false) {
        struct left l;
        struct error err;
        if (look(d, &l, &err) != RESULT_OK)
            return ctl_result_error(&err);
        bool empty = count(&l) == 0;
        if (first && !empty)
            check_daemon(d);
        report(d, &l, first, &last);
        store_waits_free(&l.waits);
        if (empty || !wait) {
            if (d->same_line && !first)
                putchar('\n');
            return empty ? EX_OK : EX_TEMPFAIL;
        }
        nap();
    }
}

/* As long as an MTA routes mail to it, that mail waits in the MTA's queue. */
static void check_lmtp(const struct drain *d)
{
    struct error err;
    if (d->domain[0] == '\0' && probe_endpoint(config_string(d->config, "lmtp.listen"), PROBE_WAIT, &err))
        ctl_error(
            0,
            "pontoon-lmtp is running: it takes no mail any more (451). Take the route to it out of the MTA, then stop it");
}

static int begin(struct drain *d)
{
    bool news;
    struct error err;
    if (store_drain(d->store, d->domain, true, &news, &err) != RESULT_OK)
        return ctl_result_error(&err);
    if (!(d->ctl->options & CTL_JSON))
        printf("%s%s%s: no mail %sis diverted any more; what is stored is finished or goes back to SMTP\n",
               news ? "draining " : "draining already: ", d->domain[0] ? "" : "everything", d->domain,
               d->domain[0] ? "to or from it " : "");
    check_lmtp(d);
    int code = watch(d);
    if (code == EX_OK && !(d->ctl->options & CTL_JSON))
        puts("empty: nothing waits any more. `pontoon drain --cancel' diverts again.");
    return code;
}

static int cancel(const struct drain *d)
{
    bool news;
    struct error err;
    if (store_drain(d->store, d->domain, false, &news, &err) != RESULT_OK)
        return ctl_result_error(&err);
    if (d->ctl->options & CTL_JSON)
        show_json_line(stdout, json_pack("{s:o, s:b}", "domain", d->domain[0] ? json_string(d->domain) : json_null(),
                                         "cancelled", news));
    else
        printf("%s%s\n", d->domain[0] ? d->domain : "everything",
               news ? ": the drain is lifted, mail is diverted again" : ": was not being drained");
    return EX_OK;
}

int ctl_drain(const struct ctl *ctl)
{
    struct site site;
    struct drain d = {.ctl = ctl};
    struct error err;
    if (ctl->domain != NULL && !domain_normalize(ctl->domain, d.domain))
        return ctl_error(EX_USAGE, "\"%s\" is no domain name", ctl->domain);
    int code = site_open(ctl->config_files[0], &site);
    if (code != EX_OK)
        return code;
    d.config = site.config;
    d.jobs = d.domain[0] ? NULL : site.jobs;
    d.same_line = isatty(STDOUT_FILENO) && (ctl->options & (CTL_JSON | CTL_WAIT)) == CTL_WAIT;
    if (site.store == NULL)
        code = ctl_error(EX_UNAVAILABLE, "store.directory %s does not exist: there is nothing to drain",
                         config_string(site.config, "store.directory"));
    else if (store_open(site.config, STORE_READ_WRITE, "ctl", &d.store, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    else
        code = ctl->options & CTL_CANCEL ? cancel(&d) : begin(&d);
    store_close(&d.store);
    site_close(&site);
    return code;
}
