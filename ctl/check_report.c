/* The findings of `pontoon check`, and how they are shown: see check_report.h. */
#include "ctl/check_report.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "ctl/show.h"
#include "lib/mem.h"

enum { TEXT_MAX = 2000 }; /* of a finding or of advice: peers' words are in it */

struct finding {
    const char *check;
    enum check_level level;
    char *found;
    char *advice; /* or NULL */
};

struct check_report {
    const char *check;
    struct finding *findings;
    size_t n, cap;
};

struct check_report *check_report_new(void)
{
    return mem_zero(1, sizeof(struct check_report));
}

void check_report_free(struct check_report **r)
{
    for (size_t i = 0; i < (*r)->n; i++) {
        mem_free(&(*r)->findings[i].found);
        mem_free(&(*r)->findings[i].advice);
    }
    mem_free(&(*r)->findings);
    mem_free(r);
}

void check_report_begin(struct check_report *r, const char *name)
{
    r->check = name;
}

static char *text_of(const char *fmt, va_list ap)
{
    char text[TEXT_MAX];
    vsnprintf(text, sizeof text, fmt, ap);
    return mem_strdup(text);
}

void check_found(struct check_report *r, enum check_level level, const char *fmt, ...)
{
    va_list ap;
    if (r->n == r->cap) {
        r->cap = 2 * r->cap + 32;
        r->findings = mem_grow(r->findings, r->cap, sizeof *r->findings);
    }
    va_start(ap, fmt);
    r->findings[r->n++] = (struct finding){.check = r->check, .level = level, .found = text_of(fmt, ap)};
    va_end(ap);
}

void check_advise(struct check_report *r, const char *fmt, ...)
{
    va_list ap;
    assert(r->n > 0 && r->findings[r->n - 1].advice == NULL);
    va_start(ap, fmt);
    r->findings[r->n - 1].advice = text_of(fmt, ap);
    va_end(ap);
}

unsigned check_report_count(const struct check_report *r, enum check_level level)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->findings[i].level == level;
    return n;
}

const char *check_level_name(enum check_level level)
{
    static const char *const names[CHECK_LEVELS] = {
        [CHECK_OK] = "ok", [CHECK_NOTE] = "note", [CHECK_WARNING] = "warning", [CHECK_PROBLEM] = "problem"};
    return names[level];
}

/* ---- for people ---- */

static void print_finding(const struct finding *f, int width, FILE *out)
{
    fprintf(out, "%-7s  %-*s  ", check_level_name(f->level), width, f->check);
    show_text(out, f->found);
    if (f->advice != NULL) {
        fprintf(out, "\n%-7s  %-*s  -> ", "", width, "");
        show_text(out, f->advice);
    }
    putc('\n', out);
}

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

void check_report_print(const struct check_report *r, FILE *out)
{
    size_t width = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t w = strlen(r->findings[i].check);
        width = w > width ? w : width;
    }
    for (size_t i = 0; i < r->n; i++)
        print_finding(&r->findings[i], (int)width, out);
    unsigned problems = check_report_count(r, CHECK_PROBLEM), warnings = check_report_count(r, CHECK_WARNING);
    unsigned notes = check_report_count(r, CHECK_NOTE);
    fprintf(out, "\n%u problem%s, %u warning%s, %u note%s; %u ok\n", problems, plural(problems), warnings,
            plural(warnings), notes, plural(notes), check_report_count(r, CHECK_OK));
}

/* ---- for programs ---- */

json_t *check_report_json(const struct check_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const struct finding *f = &r->findings[i];
        json_t *o = json_object();
        json_object_set_new(o, "check", json_string(f->check));
        json_object_set_new(o, "level", json_string(check_level_name(f->level)));
        json_object_set_new(o, "found", show_json_text(f->found));
        json_object_set_new(o, "advice", show_json_text(f->advice));
        json_array_append_new(list, o);
    }
    return list;
}
