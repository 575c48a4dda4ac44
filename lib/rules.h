/*
 * The rules of the configuration (sections "rule"): which way a recipient's mail takes. Pure decisions from facts
 * that others collected, but for the tables that patterns may name (lib/patterns.h).
 *
 * Three-valued: while a message comes in, its size and headers aren't known, so a rule may be open. A decision says
 * what may still come of it; with everything known there is one answer. A table that can't be read makes it SMTP.
 */
#ifndef PONTOON_RULES_H
#define PONTOON_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/netaddr.h"
#include "lib/result.h"

enum rules_action { RULES_DIVERT, RULES_SMTP, RULES_SHADOW };
const char *rules_action_name(enum rules_action action);

struct rules; /* immutable: any thread */

/* RESULT_PERM, with the place in the file, for what the table of parameters can't check; RESULT_TEMP for a table. */
enum result rules_new(const struct config *config, struct rules **r_r, struct error *err);
void rules_free(struct rules **r);

/* Which headers that rules ask for a message has. */
struct rules_headers;
struct rules_headers *rules_headers_new(const struct rules *r);
void rules_headers_free(struct rules_headers **h);
/* `value` as it stands in the message: folded, with white space around. */
void rules_headers_add(const struct rules *r, struct rules_headers *h, const char *name, const char *value);

/* The minute of the week, local time: 0 is Monday 00:00. */
unsigned rules_minute(msec_t when);

struct rules_facts {
    const char *sender;           /* without brackets */
    const char *recipient;        /* without brackets, with a domain */
    const char *login;            /* or NULL */
    const struct netaddr *client; /* NULL: no network client */
    bool client_unknown;          /* nobody has told who it was: no condition on it holds */
    unsigned minute;              /* rules_minute(), once for a message */
    bool size_known, headers_known;
    uint64_t size;                       /* bytes of the message as the MTA has it */
    const struct rules_headers *headers; /* so far; NULL: none */
};

struct rules_decision {
    unsigned possible;        /* bits 1 << action: what may come of it; one bit: decided */
    enum rules_action action; /* if decided */
    const char *rule;         /* that decided, "default"; NULL while that is open. Lives as long as the rules */
    bool failed;              /* a table can't be read (that was logged), so the action is SMTP */
};

enum rules_outcome { RULES_NO, RULES_YES, RULES_OPEN, RULES_FAILED };

/* Told of each rule that was tried, in order; "default" at the end. */
struct rules_try {
    const char *rule;
    enum rules_action action;
    enum rules_outcome outcome;
    const char *condition; /* that decided (NO, OPEN, FAILED); NULL with YES */
    const char *why;       /* a few words */
};
struct rules_trace {
    void (*tried)(void *arg, const struct rules_try *t);
    void *arg;
};

/* `trace` may be NULL. */
struct rules_decision rules_judge(const struct rules *r, const struct rules_facts *f, const struct rules_trace *trace);
static inline bool rules_decided(const struct rules_decision *d)
{
    return (d->possible & (d->possible - 1)) == 0;
}
static inline bool rules_may(const struct rules_decision *d, enum rules_action action)
{
    return (d->possible & 1U << action) != 0;
}

/* Where an address stands between 0 and 9999: a rule of p percent takes those below p * 100. */
unsigned rules_share(const char *seed, const char *address);

#endif
