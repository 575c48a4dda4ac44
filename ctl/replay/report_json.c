/* The report as JSON, and as a page that draws that JSON: see report.h. */
#include <stdlib.h>
#include <string.h>

#include "ctl/replay/content.h"
#include "ctl/replay/report.h"
#include "ctl/show.h"
#include "lib/json.h"
#include "lib/mem.h"

static json_t *json_count(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* Percentiles in ms, and the histogram as pairs of upper end and number. */
static json_t *json_latency(const struct latency *l)
{
    json_t *histogram = json_array();
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        if (l->buckets[b] != 0)
            json_array_append_new(histogram,
                                  json_pack("[I,I]", (json_int_t)latency_bucket_end(b), (json_int_t)l->buckets[b]));
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}", "n", (json_int_t)l->n, "p50", (json_int_t)latency_percentile(l, 50),
                     "p90", (json_int_t)latency_percentile(l, 90), "p99", (json_int_t)latency_percentile(l, 99), "max",
                     (json_int_t)l->max, "histogram", histogram);
}

static json_t *json_way(const struct report *r, const struct report_way *w)
{
    json_t *j = json_object(), *hops = json_array();
    msec_t length = r->ended - r->begun;
    json_object_set_new(j, "name", json_string_lossy(w->name));
    json_object_set_new(j, "sent", json_count(w->copies));
    json_object_set_new(j, "accepted", json_count(w->accepted));
    json_object_set_new(j, "refused", json_count(w->refused));
    json_object_set_new(j, "unknown", json_count(w->unknown));
    json_object_set_new(j, "recipients", json_count(w->rcpts));
    json_object_set_new(j, "recipients_refused", json_count(w->refused_rcpts));
    json_object_set_new(j, "bytes", json_count(w->bytes));
    json_object_set_new(j, "arrived", r->watched ? json_count(w->arrived) : json_null());
    json_object_set_new(j, "missing", r->watched ? json_count(w->missing) : json_null());
    json_object_set_new(j, "doubled", r->watched ? json_count(w->doubled) : json_null());
    json_object_set_new(j, "altered", r->watched ? json_count(w->altered) : json_null());
    json_object_set_new(j, "messages_per_second",
                        json_real(length > 0 ? (double)w->accepted * 1000 / (double)length : 0));
    json_object_set_new(j, "accept_ms", json_latency(&w->accept));
    json_object_set_new(j, "arrival_ms", json_latency(&w->arrival));
    json_object_set_new(j, "whole_ms", json_latency(&w->whole));
    for (size_t i = 0; i < w->nhops; i++)
        json_array_append_new(hops, json_latency(&w->hops[i]));
    json_object_set_new(j, "hops_ms", hops);
    return j;
}

static json_t *json_findings(const struct report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->nfindings; i++) {
        const struct report_finding *f = &r->findings[i];
        json_t *j = json_object();
        json_object_set_new(j, "kind", json_string(f->kind));
        json_object_set_new(j, "copy", f->copy != 0 ? json_count(f->copy) : json_null());
        json_object_set_new(j, "way", show_json_text(f->way));
        json_object_set_new(j, "origin", show_json_text(f->origin));
        json_object_set_new(j, "recipient", show_json_text(f->rcpt));
        json_object_set_new(j, "what", show_json_text(f->what));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *json_timeline(const struct report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->nbuckets; i++)
        json_array_append_new(list, json_pack("[I,I,I]", (json_int_t)(r->timeline[i].from - r->begun),
                                              (json_int_t)r->timeline[i].sent, (json_int_t)r->timeline[i].arrived));
    return list;
}

static json_t *json_same(const char *name, const struct comparison_count *c)
{
    return json_pack("{s:o,s:I,s:I}", "name", json_string_lossy(name), "n", (json_int_t)c->n, "same",
                     (json_int_t)c->same);
}

static json_t *json_comparison(const struct comparison *c)
{
    json_t *list = json_array();
    json_array_append_new(list, json_same("bytes", &c->bytes));
    json_array_append_new(list, json_same("DKIM results", &c->dkim));
    for (size_t i = 0; i < c->nfields; i++)
        json_array_append_new(list, json_same(c->fields[i].name, &c->fields[i]));
    return json_pack("{s:o,s:o,s:o}", "same", list, "later_ms", json_latency(&c->later), "earlier_ms",
                     json_latency(&c->earlier));
}

json_t *report_json(const struct report *r)
{
    json_t *j = json_object(), *ways = json_array(), *notes = json_object();
    json_object_set_new(j, "good", json_boolean(report_is_good(r)));
    json_object_set_new(j, "watched", json_boolean(r->watched));
    json_object_set_new(j, "messages", json_count(r->messages));
    json_object_set_new(j, "unsendable", json_count(r->unsendable));
    json_object_set_new(j, "recipients_left_out", json_count(r->left_out));
    json_object_set_new(j, "strays", json_count(r->strays));
    json_object_set_new(j, "files_skipped", json_count(r->skipped));
    for (unsigned bit = 0; bit < CONTENT_NOTES; bit++) {
        if (r->notes[bit] > 0)
            json_object_set_new(notes, content_note_name(1u << bit), json_count(r->notes[bit]));
    }
    json_object_set_new(j, "notes", notes);
    json_object_set_new(j, "begun", show_json_when(r->begun));
    json_object_set_new(j, "ended", show_json_when(r->ended));
    for (size_t i = 0; i < r->nways; i++)
        json_array_append_new(ways, json_way(r, &r->ways[i]));
    json_object_set_new(j, "ways", ways);
    if (r->nways == 2) {
        json_object_set_new(j, "compared", json_count(r->comparison.pairs));
        json_object_set_new(j, "different", json_count(r->comparison.different));
        json_object_set_new(j, "comparison", json_comparison(&r->comparison));
    }
    json_object_set_new(j, "findings", json_findings(r));
    json_object_set_new(j, "timeline_ms", json_count((uint64_t)r->bucket));
    json_object_set_new(j, "timeline", json_timeline(r));
    return j;
}

/* ---- the page ---- */

#include "ctl/replay/report_page.inc" /* page[] */

static const char place[] = "/*REPORT*/null"; /* where the JSON goes */

void report_html(const struct report *r, FILE *out)
{
    json_t *j = report_json(r);
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    const char *at = strstr(page, place);
    fwrite(page, 1, (size_t)(at - page), out);
    /* In a script no "</script>" or "<!--" may stand, whatever a message's name was. */
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '<')
            fputs("\\u003c", out);
        else
            fputc(*p, out);
    }
    fputs(at + sizeof place - 1, out);
    free(text);
    json_decref(j);
}
