/* The report for a terminal: see report.h. */
#include <string.h>

#include "ctl/replay/content.h"
#include "ctl/replay/report.h"
#include "ctl/show.h"

static void show_count(FILE *out, const char *what, uint64_t n)
{
    fprintf(out, "  %-12s %llu\n", what, (unsigned long long)n);
}

static void show_latency(struct show_table *t, const char *what, const struct latency *l)
{
    char p50[SHOW_AGE_SIZE], p90[SHOW_AGE_SIZE], p99[SHOW_AGE_SIZE], max[SHOW_AGE_SIZE], n[24];
    if (l->n == 0)
        return;
    snprintf(n, sizeof n, "%llu", (unsigned long long)l->n);
    const char *cells[] = {what,
                           n,
                           show_age(latency_percentile(l, 50), p50),
                           show_age(latency_percentile(l, 90), p90),
                           show_age(latency_percentile(l, 99), p99),
                           show_age(l->max, max)};
    show_table_add(t, cells);
}

static void show_latencies(const struct report_way *w, FILE *out)
{
    static const char *const head[] = {"latency", "n", "p50", "p90", "p99", "max"};
    struct show_table *t = show_table_new(6);
    show_table_add(t, head);
    show_latency(t, "accepted", &w->accept);
    show_latency(t, "arrived after that", &w->arrival);
    show_latency(t, "in all", &w->whole);
    for (size_t i = 0; i < w->nhops; i++) {
        char name[40];
        snprintf(name, sizeof name, "hop %zu (seconds)", i + 1);
        show_latency(t, name, &w->hops[i]);
    }
    show_table_print(&t, out, 2);
}

static void show_way(const struct report *r, const struct report_way *w, FILE *out)
{
    char size[SHOW_SIZE_SIZE], age[SHOW_AGE_SIZE];
    msec_t length = r->ended - r->begun;
    fprintf(out, "\n%s:\n", w->name);
    show_count(out, "sent", w->copies);
    show_count(out, "accepted", w->accepted);
    show_count(out, "refused", w->refused);
    if (w->unknown > 0)
        show_count(out, "unknown", w->unknown);
    show_count(out, "recipients", w->rcpts);
    if (w->refused_rcpts > 0)
        show_count(out, "  refused", w->refused_rcpts);
    if (r->watched) {
        show_count(out, "  arrived", w->arrived);
        show_count(out, "  missing", w->missing);
        show_count(out, "  doubled", w->doubled);
        show_count(out, "altered", w->altered);
    }
    if (length > 0)
        fprintf(out, "  %-12s %.1f messages/s, %s/s, in %s\n", "throughput",
                (double)w->accepted * 1000 / (double)length,
                show_size((uint64_t)((double)w->bytes * 1000 / (double)length), size), show_age(length, age));
    show_latencies(w, out);
}

static void show_count_row(struct show_table *t, const char *what, const struct comparison_count *c)
{
    char n[24], same[24], differ[24];
    snprintf(n, sizeof n, "%llu", (unsigned long long)c->n);
    snprintf(same, sizeof same, "%llu", (unsigned long long)c->same);
    snprintf(differ, sizeof differ, "%llu", (unsigned long long)(c->n - c->same));
    const char *cells[] = {what, n, same, differ};
    show_table_add(t, cells);
}

static void show_longer(struct show_table *t, const struct report *r, const char *how, const struct latency *l)
{
    char what[120];
    snprintf(what, sizeof what, "%.60s %s", r->ways[1].name, how);
    show_latency(t, what, l);
}

static void show_comparison(const struct report *r, FILE *out)
{
    static const char *const head[] = {"", "n", "same", "differ"}, *const times[] = {"",    "n",   "p50",
                                                                                     "p90", "p99", "max"};
    const struct comparison *c = &r->comparison;
    fprintf(out, "\ncompared: %llu messages that arrived by both ways\n", (unsigned long long)c->pairs);
    struct show_table *t = show_table_new(4);
    show_table_add(t, head);
    show_count_row(t, "bytes", &c->bytes);
    show_count_row(t, "DKIM results", &c->dkim);
    for (size_t i = 0; i < c->nfields; i++)
        show_count_row(t, c->fields[i].name, &c->fields[i]);
    show_table_print(&t, out, 2);
    t = show_table_new(6);
    show_table_add(t, times);
    show_longer(t, r, "took longer by", &c->later);
    show_longer(t, r, "took less by", &c->earlier);
    show_table_print(&t, out, 2);
    if (c->pairs > 0 && c->dkim.n == 0)
        fputs("  No filter said anything of DKIM (Authentication-Results).\n", out);
}

static void show_finding(const struct report_finding *f, FILE *out)
{
    fprintf(out, "  %s:", f->kind);
    const char *const parts[] = {f->way, f->origin, f->rcpt, f->what};
    static const char *const before[] = {" by ", " ", " <", ": "}, *const behind[] = {"", "", ">", ""};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i][0] == '\0')
            continue;
        fputs(before[i], out);
        show_text(out, parts[i]);
        fputs(behind[i], out);
    }
    fputc('\n', out);
}

static void show_notes(const struct report *r, FILE *out)
{
    for (unsigned bit = 0; bit < CONTENT_NOTES; bit++) {
        if (r->notes[bit] > 0)
            fprintf(out, "  %llu with %s\n", (unsigned long long)r->notes[bit], content_note_name(1u << bit));
    }
}

void report_show(const struct report *r, FILE *out)
{
    fprintf(out, "%llu messages were sent, %llu can't be sent\n", (unsigned long long)r->messages,
            (unsigned long long)r->unsendable);
    if (r->left_out > 0)
        fprintf(out, "  %llu of their recipients were left out, as they are at no domain that you named\n",
                (unsigned long long)r->left_out);
    show_notes(r, out);
    for (size_t i = 0; i < r->nways; i++)
        show_way(r, &r->ways[i], out);
    if (r->nways == 2)
        show_comparison(r, out);
    if (r->nfindings > 0)
        fprintf(out, "\n%zu findings (at most %d of a kind):\n", r->nfindings, REPORT_LIST_MAX);
    for (size_t i = 0; i < r->nfindings; i++)
        show_finding(&r->findings[i], out);
    if (!r->watched)
        fputs("\nNobody looked for what arrives (--sink, --maildir): this says only what was accepted.\n", out);
    fputs(report_is_good(r) ? "\nAll is well.\n" : "\nNot all is well.\n", out);
}
