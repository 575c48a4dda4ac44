/* Summing up what became of recipients: see report_sum.h. */
#include "ctl/report_sum.h"

#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

enum { FEW = 100 };

/* ---- groups ---- */

/* What stands in <> goes: "550 5.1.1 <bob@b.test>: unknown" and carol's are one reason. */
static void copy_reason(char out[REPORT_TEXT_MAX + 1], const char *text)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0' && n < REPORT_TEXT_MAX; p++) {
        out[n++] = *p;
        const char *end = *p == '<' ? strchr(p, '>') : NULL;
        if (end != NULL && n + 4 <= REPORT_TEXT_MAX) {
            memcpy(out + n, "...", 3);
            n += 3;
            p = end - 1;
        }
    }
    out[n] = '\0';
}

static void group_add(struct report_groups *g, const char *text, const char *dsn, const char *id)
{
    char reason[REPORT_TEXT_MAX + 1];
    size_t i = 0;
    copy_reason(reason, text != NULL && text[0] != '\0' ? text : "no reason was given");
    while (i < g->n && (strcmp(g->list[i].text, reason) != 0 || strcmp(g->list[i].dsn, dsn) != 0))
        i++;
    if (i == REPORT_GROUPS_MAX) {
        g->others++;
        return;
    }
    if (i == g->n) {
        if (g->list == NULL)
            g->list = mem_zero(REPORT_GROUPS_MAX, sizeof *g->list);
        memcpy(g->list[i].text, reason, sizeof reason);
        snprintf(g->list[i].dsn, sizeof g->list[i].dsn, "%s", dsn);
        g->n++;
    }
    if (g->list[i].n < REPORT_EXAMPLES)
        snprintf(g->list[i].examples[g->list[i].n], sizeof g->list[i].examples[0], "%s", id);
    g->list[i].n++;
}

static int by_number(const void *a, const void *b)
{
    const struct report_group *x = a, *y = b;
    if (x->n != y->n)
        return x->n > y->n ? -1 : 1;
    return strcmp(x->text, y->text);
}

static void groups_sort(struct report_groups *g)
{
    if (g->n > 0)
        qsort(g->list, g->n, sizeof *g->list, by_number);
}

static void time_add(struct latency **l, msec_t ms)
{
    if (*l == NULL)
        *l = mem_zero(1, sizeof **l);
    latency_add(*l, ms);
}

/* ---- shadows ---- */

static bool is_addition(const char *line)
{
    return strstr(line, " added in what came by SMTP") != NULL;
}

static void add_differences(struct report_shadows *s, const struct store_history_row *row)
{
    bool altered = false;
    char *copy = mem_strdup(row->comparison.differences), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        group_add(&s->differences, line, "", row->id);
        altered = altered || !is_addition(line);
    }
    mem_free(&copy);
    s->differing++;
    s->altered += altered;
}

static void add_verified(struct report_shadows *s, const struct store_history_row *row)
{
    msec_t own = (row->fetched != 0 ? row->fetched : row->since) - row->created;
    s->delivered++;
    time_add(&s->ssmp, own);
    if (row->comparison.smtp == STORE_SMTP_NOT_SEEN)
        s->unseen++;
    if (row->comparison.smtp != STORE_SMTP_ARRIVED)
        return;
    time_add(&s->smtp, own + row->comparison.delta);
    if (row->comparison.differences != NULL)
        add_differences(s, row);
    else
        s->same++;
}

static bool is_address_code(const char *dsn)
{
    return strncmp(dsn, "5.1.", 4) == 0;
}

static void add_shadow(struct report_shadows *s, const struct store_history_row *row)
{
    s->n++;
    if (row->state == RCPT_RECALLED) {
        s->recalled++;
        return;
    }
    if (row->state != RCPT_SHADOWED) {
        s->under_way++;
        return;
    }
    switch (row->cause) {
    case RCPT_EV_DELIVERED:
    case RCPT_EV_UNREPORTED: add_verified(s, row); break;
    case RCPT_EV_REJECTED:
        s->refused++;
        s->refused_addresses += is_address_code(row->dsn);
        group_add(&s->refusals, row->cause_text, row->dsn, row->id);
        break;
    case RCPT_EV_USE_SMTP: s->use_smtp++; break;
    default: /* fallback, expired */ s->unreached++; group_add(&s->failures, row->cause_text, row->dsn, row->id);
    }
}

/* ---- diverted mail ---- */

static void add_diverted(struct report_diverted *d, const struct store_history_row *row)
{
    d->n++;
    switch (row->state) {
    case RCPT_DELIVERED:
    case RCPT_REPORTING:
        d->delivered++;
        if (!row->reported) /* then `since` is when we had reported it */
            time_add(&d->ssmp, row->since - row->created);
        break;
    case RCPT_RETURNED:
    case RCPT_RETURNING:
        d->returned++;
        d->returned_use_smtp += row->cause == RCPT_EV_USE_SMTP;
        group_add(&d->returns, row->cause_text, "", row->id);
        break;
    case RCPT_BOUNCED:
    case RCPT_BOUNCING:
        d->bounced++;
        d->bounced_addresses += is_address_code(row->dsn);
        group_add(&d->bounces, row->cause_text, row->state == RCPT_BOUNCING ? row->dsn : "", row->id);
        break;
    case RCPT_RECALLED: d->recalled++; break;
    default: d->under_way++; d->deferred += row->attempts > 0;
    }
}

/* ---- all ---- */

static int by_domain(const void *a, const void *b)
{
    return strcmp(((const struct report_domain *)a)->domain, ((const struct report_domain *)b)->domain);
}

static struct report_domain *find(struct report *r, const char *domain)
{
    struct report_domain key;
    snprintf(key.domain, sizeof key.domain, "%s", domain);
    struct report_domain **found = tfind(&key, &r->tree, by_domain);
    if (found != NULL)
        return *found;
    if (r->n == REPORT_DOMAINS_MAX) {
        if (r->rest == NULL)
            r->rest = mem_zero(1, sizeof *r->rest);
        return r->rest;
    }
    struct report_domain *d = mem_zero(1, sizeof *d);
    snprintf(d->domain, sizeof d->domain, "%s", domain);
    if (r->domains == NULL)
        r->domains = mem_zero(REPORT_DOMAINS_MAX + 1, sizeof(struct report_domain *)); /* and the rest */
    r->domains[r->n++] = d;
    if (tsearch(d, &r->tree, by_domain) == NULL)
        abort(); /* out of memory */
    return d;
}

void report_add(void *arg, const struct store_history_row *row)
{
    struct report_domain *d = find(arg, row->domain);
    if (row->shadow)
        add_shadow(&d->shadows, row);
    else
        add_diverted(&d->diverted, row);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct report_domain *const *)a)->domain, (*(struct report_domain *const *)b)->domain);
}

void report_finish(struct report *r)
{
    if (r->n > 0)
        qsort(r->domains, r->n, sizeof(struct report_domain *), by_name);
    if (r->rest != NULL)
        r->domains[r->n++] = r->rest;
    r->rest = NULL;
    for (size_t i = 0; i < r->n; i++) {
        groups_sort(&r->domains[i]->shadows.refusals);
        groups_sort(&r->domains[i]->shadows.failures);
        groups_sort(&r->domains[i]->shadows.differences);
        groups_sort(&r->domains[i]->diverted.returns);
        groups_sort(&r->domains[i]->diverted.bounces);
    }
}

static void domain_free(struct report_domain *d)
{
    mem_free(&d->shadows.refusals.list);
    mem_free(&d->shadows.failures.list);
    mem_free(&d->shadows.differences.list);
    mem_free(&d->diverted.returns.list);
    mem_free(&d->diverted.bounces.list);
    mem_free(&d->shadows.ssmp);
    mem_free(&d->shadows.smtp);
    mem_free(&d->diverted.ssmp);
    mem_free(&d);
}

static void keep(void *node)
{
    (void)node; /* the list has it, too */
}

void report_clear(struct report *r)
{
    tdestroy(r->tree, keep);
    for (size_t i = 0; i < r->n; i++)
        domain_free(r->domains[i]);
    if (r->rest != NULL)
        domain_free(r->rest);
    mem_free(&r->domains);
    *r = (struct report){0};
}

/* ---- the verdict ---- */

static void against(struct buf *out, uint64_t n, uint64_t of, const char *what, const struct report_groups *groups)
{
    if (n == 0)
        return;
    buf_printf(out, "%s%" PRIu64 " of %" PRIu64 " %s", out->len > 0 ? "; " : "", n, of, what);
    if (groups != NULL && groups->n > 0)
        buf_printf(out, ", mostly: %.100s", groups->list[0].text);
}

static void against_shadows(struct buf *out, const struct report_shadows *s)
{
    uint64_t asked = s->n - s->under_way - s->recalled;
    against(out, s->unreached, asked, "shadows could not be asked about", &s->failures);
    against(out, s->refused - s->refused_addresses, asked, "would have been refused, and not for their address",
            &s->refusals);
    against(out, s->altered, s->same + s->differing, "differ from what came by SMTP", &s->differences);
}

static void against_diverted(struct buf *out, const struct report_diverted *d)
{
    uint64_t settled = d->n - d->under_way - d->recalled;
    against(out, d->returned - d->returned_use_smtp, settled, "went back to SMTP", &d->returns);
    against(out, d->bounced - d->bounced_addresses, settled, "bounced, and not for their address", &d->bounces);
    against(out, d->deferred, d->n, "are deferred now", NULL);
}

bool report_verdict(const struct report_domain *d, char out[REPORT_VERDICT_SIZE])
{
    const struct report_shadows *s = &d->shadows;
    struct buf why = BUF_INIT(REPORT_VERDICT_SIZE - 40);
    uint64_t seen = s->delivered + s->refused + s->use_smtp + d->diverted.delivered + d->diverted.bounced +
                    d->diverted.returned_use_smtp;
    against_shadows(&why, s);
    against_diverted(&why, &d->diverted);
    bool ready = why.len == 0 && seen > 0;
    if (why.len > 0)
        snprintf(out, REPORT_VERDICT_SIZE, "not ready: %s", buf_str(&why));
    else if (seen == 0)
        snprintf(out, REPORT_VERDICT_SIZE, "not ready: nothing has come to its end yet");
    else if (seen < FEW)
        snprintf(out, REPORT_VERDICT_SIZE, "ready, as far as %" PRIu64 " recipient%s can tell", seen,
                 seen == 1 ? "" : "s");
    else
        snprintf(out, REPORT_VERDICT_SIZE, "ready");
    buf_free(&why);
    return ready;
}
