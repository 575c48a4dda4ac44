/* Which way a recipient's mail takes: see rules.h. */
#include "lib/rules.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "lib/address.h"
#include "lib/digest.h"
#include "lib/mem.h"
#include "lib/rules_private.h"
#include "lib/utf8.h"

enum { ALL = 1U << RULES_DIVERT | 1U << RULES_SMTP | 1U << RULES_SHADOW };

const char *rules_action_name(enum rules_action action)
{
    static const char *const names[] = {[RULES_DIVERT] = "divert", [RULES_SMTP] = "smtp", [RULES_SHADOW] = "shadow"};
    return names[action];
}

unsigned rules_minute(msec_t when)
{
    time_t seconds = (time_t)(when / 1000);
    struct tm tm;
    localtime_r(&seconds, &tm);
    unsigned day = (unsigned)(tm.tm_wday + 6) % 7; /* theirs begins on Sunday */
    return day * MINUTES_OF_DAY + (unsigned)(60 * tm.tm_hour + tm.tm_min);
}

/*
 * A hash, so that it needs no memory and all machines agree, and of the address alone: were the rule's name or the
 * percentage in it, a new name or a larger share would choose other people. SHA-256, as it is there: nothing depends
 * on its strength.
 */
unsigned rules_share(const char *seed, const char *address)
{
    uint8_t hash[DIGEST_SIZE];
    uint64_t n = 0;
    char *folded = address_normalize(address);
    ascii_lower(folded);
    struct digest *d = digest_new();
    digest_add(d, seed, strlen(seed) + 1);
    digest_add(d, folded, strlen(folded));
    digest_finish(&d, hash);
    mem_free(&folded);
    for (int i = 0; i < 8; i++)
        n = n << 8 | hash[i];
    return (unsigned)(n % 10000);
}

/* ---- conditions: each says whether it holds, as it does when it is not given, and why, for people ---- */

static enum rules_outcome outcome(enum rules_outcome o, struct error *why, const char *text)
{
    error_set(why, RESULT_OK, "%s", text);
    return o;
}

static enum rules_outcome outcome_of(enum match m, const char *which, struct error *why)
{
    if (m == MATCH_FAILED)
        return RULES_FAILED; /* `why` is set */
    if (m == MATCH_YES)
        return RULES_YES;
    if (which == NULL)
        return outcome(RULES_NO, why, "not among them");
    error_set(why, RESULT_OK, "excepted by %s", which);
    return RULES_NO;
}

static enum rules_outcome try_address(const struct patterns *p, const char *address, struct error *why)
{
    const char *which;
    if (p == NULL)
        return RULES_YES;
    enum match m = patterns_match_address(p, address, &which, why);
    return outcome_of(m, which, why);
}

static enum rules_outcome try_recipients(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    return try_address(r->recipients, f->recipient, why);
}

static enum rules_outcome try_senders(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    return try_address(r->senders, f->sender, why);
}

static enum rules_outcome try_users(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    const char *which;
    if (r->users == NULL)
        return RULES_YES;
    if (f->login == NULL)
        return outcome(RULES_NO, why, "the client did not log in");
    enum match m = patterns_match_login(r->users, f->login, &which, why);
    return outcome_of(m, which, why);
}

static enum rules_outcome try_clients(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    const char *which;
    if (r->clients != NULL && f->client_unknown)
        return outcome(RULES_NO, why, "the client is not known");
    if (r->clients == NULL)
        return RULES_YES;
    enum match m = patterns_match_client(r->clients, f->client, &which, why);
    return outcome_of(m, which, why);
}

static enum rules_outcome try_min_size(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    if (r->min_size == 0)
        return RULES_YES;
    if (!f->size_known)
        return outcome(RULES_OPEN, why, "the size is not known yet");
    error_set(why, RESULT_OK, "the message has %" PRIu64 " bytes, it must have %" PRIu64, f->size, r->min_size);
    return f->size >= r->min_size ? RULES_YES : RULES_NO;
}

static enum rules_outcome try_max_size(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    if (r->max_size == UINT64_MAX)
        return RULES_YES;
    if (!f->size_known)
        return outcome(RULES_OPEN, why, "the size is not known yet");
    error_set(why, RESULT_OK, "the message has %" PRIu64 " bytes, it may have %" PRIu64, f->size, r->max_size);
    return f->size <= r->max_size ? RULES_YES : RULES_NO;
}

static enum rules_outcome try_headers(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    if (!r->by_header || rules_headers_have(r, f->headers))
        return RULES_YES;
    return f->headers_known ? outcome(RULES_NO, why, "none of them is there")
                            : outcome(RULES_OPEN, why, "the headers are not known yet");
}

static enum rules_outcome try_hours(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    char now[RULES_MINUTE_SIZE];
    if (r->hours == NULL || rules_hours_have(r->hours, f->minute))
        return RULES_YES;
    error_set(why, RESULT_OK, "it is %s", rules_minute_text(f->minute, now));
    return RULES_NO;
}

static enum rules_outcome try_percent(const struct rule *r, const struct rules_facts *f, struct error *why)
{
    unsigned share = rules_share(r->seed, f->recipient);
    if (r->percent == 10000 || share < r->percent)
        return RULES_YES;
    error_set(why, RESULT_OK, "this address stands at %u.%02u, and the rule takes those below %u.%02u", share / 100,
              share % 100, r->percent / 100, r->percent % 100);
    return RULES_NO;
}

static const struct condition {
    const char *name; /* of the parameter */
    enum rules_outcome (*try)(const struct rule *r, const struct rules_facts *f, struct error *why);
} conditions[] = {
    {"hours", try_hours},     {"min-size", try_min_size}, {"max-size", try_max_size},
    {"headers", try_headers}, {"percent", try_percent},   {"users", try_users},
    {"clients", try_clients}, {"senders", try_senders},   {"recipients", try_recipients},
};

/*
 * All must hold. One that does not settles it, whatever the others say; then one that nobody can tell; then one that
 * is open.
 */
static enum rules_outcome try_rule(const struct rule *r, const struct rules_facts *f, struct rules_try *t,
                                   struct error *why)
{
    enum { CONDITIONS = sizeof conditions / sizeof *conditions };
    enum rules_outcome so_far = RULES_YES;
    *t = (struct rules_try){.rule = r->name, .action = r->action};
    error_set(why, RESULT_OK, "all that it asks for holds");
    for (int i = 0; i < CONDITIONS; i++) {
        struct error detail = {.text = ""};
        enum rules_outcome o = conditions[i].try(r, f, &detail);
        if (o == RULES_YES || (o == RULES_OPEN && so_far != RULES_YES) || (o == RULES_FAILED && so_far == RULES_FAILED))
            continue;
        so_far = o;
        *why = detail;
        t->condition = conditions[i].name;
        if (o == RULES_NO)
            break;
    }
    t->outcome = so_far;
    t->why = why->text;
    return so_far;
}

static void tell(const struct rules_trace *trace, const struct rules_try *t)
{
    if (trace != NULL)
        trace->tried(trace->arg, t);
}

/* `action` may be the end of it. */
static void conclude(struct rules_decision *d, const char *rule, enum rules_action action)
{
    bool open = d->possible != 0;
    d->possible |= 1U << action;
    if (rules_decided(d))
        d->action = action;
    d->rule = open ? NULL : rule;
}

struct rules_decision rules_judge(const struct rules *rules, const struct rules_facts *f,
                                  const struct rules_trace *trace)
{
    struct rules_decision d = {0};
    struct rules_try t;
    struct error why;
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *r = &rules->list[i];
        enum rules_outcome o = try_rule(r, f, &t, &why);
        tell(trace, &t);
        d.failed = o == RULES_FAILED && d.possible == 0;
        if (o == RULES_OPEN)
            d.possible |= 1U << r->action;
        if (o == RULES_YES || o == RULES_FAILED) {
            conclude(&d, r->name, o == RULES_YES ? r->action : RULES_SMTP);
            return d;
        }
        if (d.possible == ALL && trace == NULL)
            return d;
    }
    tell(trace, &(struct rules_try){
                    .rule = "default", .action = rules->fallback, .outcome = RULES_YES, .why = "no rule decided"});
    conclude(&d, "default", rules->fallback);
    return d;
}
