/* What `pontoon explain` found out: made by explain.c, shown by explain_show.c. */
#ifndef PONTOON_CTL_EXPLAIN_H
#define PONTOON_CTL_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/look_up.h"
#include "lib/eligibility.h"
#include "lib/rules.h"

enum explain_part { EXPLAIN_MESSAGE, EXPLAIN_RCPT, EXPLAIN_RULES, EXPLAIN_POLICY };

/* A gate, or a rule that was tried. */
struct explain_step {
    enum explain_part part;
    char *name;
    enum rules_outcome outcome; /* of a gate: YES open, NO closed */
    enum rules_action action;   /* of a rule */
    char *why;                  /* or NULL */
};

struct explain {
    char *sender, *recipient;
    unsigned minute;
    bool size_known, headers_known;
    uint64_t size;
    struct explain_step *steps;
    size_t n;
    struct look_up look_up;
    struct rules_decision decision; /* of the rules */
    const char *reason;             /* why by SMTP, whatever the rules say; or NULL */
    unsigned possible;              /* bits 1 << action: what may come of it in the end */
};

void explain_show_text(const struct explain *e);
void explain_show_json(const struct explain *e);

#endif
