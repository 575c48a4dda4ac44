/*
 * What the checks of `pontoon check` found. A finding says what is, and, unless all is well, what to do about it.
 */
#ifndef PONTOON_CTL_CHECK_REPORT_H
#define PONTOON_CTL_CHECK_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum check_level {
    CHECK_OK,
    CHECK_NOTE,    /* worth knowing; or could not be looked at */
    CHECK_WARNING, /* works, but not as well as it should, or not for long */
    CHECK_PROBLEM, /* mail is refused, delayed or goes by SMTP, or a secret is open */
};
enum { CHECK_LEVELS = CHECK_PROBLEM + 1 };

struct check_report;

struct check_report *check_report_new(void);
void check_report_free(struct check_report **r);

/* Findings from here on belong to this check; `name` is not copied. */
void check_report_begin(struct check_report *r, const char *name);
/* A finding: what is, without the last full stop. */
void check_found(struct check_report *r, enum check_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* What to do about the last finding. */
void check_advise(struct check_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

unsigned check_report_count(const struct check_report *r, enum check_level level);
const char *check_level_name(enum check_level level);
void check_report_print(const struct check_report *r, FILE *out);
/* A list of {"check", "level", "found", "advice"}: a new reference. */
json_t *check_report_json(const struct check_report *r);

#endif
