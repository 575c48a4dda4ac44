/* Showing the sums of `pontoon report`: see report_show.h. */
#include "ctl/report_show.h"

#include <inttypes.h>
#include <string.h>

#include "ctl/show.h"
#include "lib/mem.h"

static const unsigned percents[] = {50, 90, 99};
enum { PERCENTS = sizeof percents / sizeof *percents, SHOWN_GROUPS = 5 };

/* ---- for people ---- */

static void print_groups(FILE *out, const char *title, const struct report_groups *g)
{
    uint64_t rest = g->others;
    if (g->n == 0)
        return;
    fprintf(out, "    %s\n", title);
    for (size_t i = 0; i < g->n; i++) {
        const struct report_group *one = &g->list[i];
        if (i >= SHOWN_GROUPS) {
            rest += one->n;
            continue;
        }
        fprintf(out, "      %" PRIu64 " x  ", one->n);
        show_text(out, one->text);
        fprintf(out, "  (%s", one->examples[0]);
        for (int k = 1; k < REPORT_EXAMPLES && one->examples[k][0] != '\0'; k++)
            fprintf(out, ", %s", one->examples[k]);
        fprintf(out, ")\n");
    }
    if (rest > 0)
        fprintf(out, "      %" PRIu64 " x  others\n", rest);
}

static void add_times(struct show_table *t, const char *name, const struct latency *l)
{
    char cells[PERCENTS + 1][SHOW_AGE_SIZE], n[32];
    if (l == NULL)
        return;
    snprintf(n, sizeof n, "%" PRIu64, l->n);
    for (int i = 0; i < PERCENTS; i++)
        show_age(latency_percentile(l, percents[i]), cells[i]);
    show_age(l->max, cells[PERCENTS]);
    show_table_add(t, (const char *[]){name, n, cells[0], cells[1], cells[2], cells[3]});
}

static void print_times(FILE *out, const struct report_domain *d)
{
    if (d->shadows.ssmp == NULL && d->diverted.ssmp == NULL)
        return;
    struct show_table *t = show_table_new(6);
    show_table_add(t, (const char *[]){"time", "n", "p50", "p90", "p99", "max"});
    add_times(t, "diverted", d->diverted.ssmp);
    add_times(t, "shadows, by SSMP", d->shadows.ssmp);
    add_times(t, "the same, by SMTP", d->shadows.smtp);
    show_table_print(&t, out, 2);
}

static void print_shadows(FILE *out, const struct report_shadows *s)
{
    fprintf(out,
            "  shadows   %" PRIu64 ": would have been delivered %" PRIu64 ", refused %" PRIu64 ", left to SMTP %" PRIu64
            "; not reached %" PRIu64 ", under way %" PRIu64,
            s->n, s->delivered, s->refused, s->use_smtp, s->unreached, s->under_way);
    if (s->recalled > 0)
        fprintf(out, ", recalled %" PRIu64, s->recalled);
    fprintf(out,
            "\n            by SMTP: the same %" PRIu64 ", different %" PRIu64 ", not seen %" PRIu64
            ", not compared %" PRIu64 "\n",
            s->same, s->differing, s->unseen, s->delivered - s->same - s->differing - s->unseen);
    print_groups(out, "refused", &s->refusals);
    print_groups(out, "not reached", &s->failures);
    print_groups(out, "different", &s->differences);
}

static void print_diverted(FILE *out, const struct report_diverted *d)
{
    fprintf(out,
            "  diverted  %" PRIu64 ": delivered %" PRIu64 ", returned to SMTP %" PRIu64 ", bounced %" PRIu64
            "; under way %" PRIu64 " (deferred %" PRIu64 ")",
            d->n, d->delivered, d->returned, d->bounced, d->under_way, d->deferred);
    if (d->recalled > 0)
        fprintf(out, ", recalled %" PRIu64, d->recalled);
    fputc('\n', out);
    print_groups(out, "returned to SMTP", &d->returns);
    print_groups(out, "bounced", &d->bounces);
}

void report_print(FILE *out, const struct report_domain *d)
{
    char verdict[REPORT_VERDICT_SIZE];
    fprintf(out, "%s\n", d->domain[0] != '\0' ? d->domain : "all other domains (use --domain for one)");
    if (d->diverted.n > 0)
        print_diverted(out, &d->diverted);
    if (d->shadows.n > 0)
        print_shadows(out, &d->shadows);
    print_times(out, d);
    report_verdict(d, verdict);
    fputs("  ", out);
    show_text(out, verdict);
    fputc('\n', out);
}

/* ---- for programs ---- */

static void put(json_t *o, const char *name, uint64_t n)
{
    json_object_set_new(o, name, json_integer((json_int_t)n));
}

static json_t *groups_json(const struct report_groups *g)
{
    json_t *a = json_array();
    for (size_t i = 0; i < g->n; i++) {
        json_t *o = json_object(), *ids = json_array();
        for (int k = 0; k < REPORT_EXAMPLES && g->list[i].examples[k][0] != '\0'; k++)
            json_array_append_new(ids, json_string(g->list[i].examples[k]));
        json_object_set_new(o, "text", show_json_text(g->list[i].text));
        json_object_set_new(o, "status", show_json_text(g->list[i].dsn));
        put(o, "n", g->list[i].n);
        json_object_set_new(o, "ids", ids);
        json_array_append_new(a, o);
    }
    if (g->others > 0) {
        json_t *o = json_object();
        json_object_set_new(o, "text", json_null());
        json_object_set_new(o, "status", json_null());
        put(o, "n", g->others);
        json_object_set_new(o, "ids", json_array());
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *latency_json(const struct latency *l)
{
    if (l == NULL)
        return json_null();
    json_t *o = json_object();
    put(o, "n", l->n);
    for (int i = 0; i < PERCENTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%u", percents[i]);
        put(o, name, (uint64_t)latency_percentile(l, percents[i]));
    }
    put(o, "max", (uint64_t)l->max);
    return o;
}

static json_t *shadows_json(const struct report_shadows *s)
{
    json_t *o = json_object();
    put(o, "recipients", s->n);
    put(o, "delivered", s->delivered);
    put(o, "refused", s->refused);
    put(o, "use_smtp", s->use_smtp);
    put(o, "unreached", s->unreached);
    put(o, "recalled", s->recalled);
    put(o, "under_way", s->under_way);
    put(o, "same", s->same);
    put(o, "different", s->differing);
    put(o, "unseen", s->unseen);
    json_object_set_new(o, "refusals", groups_json(&s->refusals));
    json_object_set_new(o, "failures", groups_json(&s->failures));
    json_object_set_new(o, "differences", groups_json(&s->differences));
    json_object_set_new(o, "ssmp_ms", latency_json(s->ssmp));
    json_object_set_new(o, "smtp_ms", latency_json(s->smtp));
    return o;
}

static json_t *diverted_json(const struct report_diverted *d)
{
    json_t *o = json_object();
    put(o, "recipients", d->n);
    put(o, "delivered", d->delivered);
    put(o, "returned", d->returned);
    put(o, "returned_use_smtp", d->returned_use_smtp);
    put(o, "bounced", d->bounced);
    put(o, "recalled", d->recalled);
    put(o, "under_way", d->under_way);
    put(o, "deferred", d->deferred);
    json_object_set_new(o, "returns", groups_json(&d->returns));
    json_object_set_new(o, "bounces", groups_json(&d->bounces));
    json_object_set_new(o, "ssmp_ms", latency_json(d->ssmp));
    return o;
}

json_t *report_json(const struct report_domain *d)
{
    char verdict[REPORT_VERDICT_SIZE];
    json_t *o = json_object();
    bool ready = report_verdict(d, verdict);
    json_object_set_new(o, "domain", show_json_text(d->domain));
    json_object_set_new(o, "ready", json_boolean(ready));
    json_object_set_new(o, "verdict", show_json_text(verdict));
    json_object_set_new(o, "diverted", diverted_json(&d->diverted));
    json_object_set_new(o, "shadows", shadows_json(&d->shadows));
    return o;
}
