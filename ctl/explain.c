/*
 * `pontoon explain`: which way a message would take, and why. Asks the same gates and rules as the daemons, looks the
 * recipient's domain up now, and changes nothing.
 */
#include "ctl/explain.h"

#include <string.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/site.h"
#include "lib/address.h"
#include "lib/config_value.h"
#include "lib/mem.h"
#include "lib/queue_bounds.h"
#include "lib/rules_hours.h"
#include "lib/stops.h"

/* What was asked, and what is needed to answer. */
struct question {
    struct explain e;
    struct site site;
    struct eligibility *eligibility;
    const char *login;
    struct netaddr client;
    bool has_client;
    struct rules_headers *headers;
    enum explain_part part; /* that is being asked */
};

/* ---- the command line ---- */

static int parse_size(struct explain *e, const char *text)
{
    const struct config_entry entry = {
        .section = "", .name = "size", .type = CONFIG_SIZE, .fallback = "", .max = INT64_MAX};
    struct config_value v = {0};
    struct error err;
    if (text == NULL)
        return EX_OK;
    if (config_value_set(&v, &entry, text, &err) != RESULT_OK)
        return ctl_error(EX_USAGE, "--size: %s", err.text);
    e->size_known = true;
    e->size = (uint64_t)v.number;
    config_value_free(&v);
    return EX_OK;
}

/* "2026-11-25 14:05" or "Wed 14:05", local time. */
static int parse_time(struct explain *e, const char *text)
{
    struct tm tm = {.tm_isdst = -1};
    e->minute = rules_minute(clock_now());
    if (text == NULL)
        return EX_OK;
    const char *end = strptime(text, "%Y-%m-%d %H:%M", &tm);
    if (end != NULL && *end == '\0') {
        e->minute = rules_minute((msec_t)mktime(&tm) * 1000);
        return EX_OK;
    }
    end = strptime(text, "%a %H:%M", &tm);
    if (end == NULL || *end != '\0')
        return ctl_error(EX_USAGE, "--time: \"%s\" is neither \"2026-11-25 14:05\" nor \"Wed 14:05\"", text);
    e->minute = (unsigned)((tm.tm_wday + 6) % 7 * MINUTES_OF_DAY + 60 * tm.tm_hour + tm.tm_min);
    return EX_OK;
}

static int parse_client(struct question *q, const char *text)
{
    if (text == NULL || strcmp(text, "local") == 0)
        return EX_OK;
    q->has_client = netaddr_parse(text, 0, &q->client);
    return q->has_client ? EX_OK : ctl_error(EX_USAGE, "--client: \"%s\" is no address", text);
}

static int parse_addresses(struct explain *e, const struct ctl *ctl)
{
    struct error err;
    e->sender = address_from_path(ctl->args[0], &err);
    if (e->sender == NULL)
        return ctl_error(EX_USAGE, "sender: %s", err.text);
    e->recipient = address_from_path(ctl->args[1], &err);
    if (e->recipient == NULL)
        return ctl_error(EX_USAGE, "recipient: %s", err.text);
    if (!domain_normalize(address_domain(e->recipient), e->look_up.domain))
        return ctl_error(EX_USAGE, "recipient: \"%s\" has no domain that could be looked up", e->recipient);
    return EX_OK;
}

static int parse(struct question *q, const struct ctl *ctl)
{
    q->login = ctl->user;
    int code = parse_addresses(&q->e, ctl);
    if (code == EX_OK)
        code = parse_size(&q->e, ctl->size);
    if (code == EX_OK)
        code = parse_time(&q->e, ctl->time);
    if (code == EX_OK)
        code = parse_client(q, ctl->client);
    return code;
}

static int take_headers(struct question *q, const struct ctl *ctl)
{
    const struct rules *rules = eligibility_rules(q->eligibility);
    q->headers = rules_headers_new(rules);
    q->e.headers_known = ctl->nheaders > 0;
    for (size_t i = 0; i < ctl->nheaders; i++) {
        size_t len = strcspn(ctl->headers[i], ":");
        if (len == 0 || ctl->headers[i][len] == '\0')
            return ctl_error(EX_USAGE, "--header: \"%s\" is not \"NAME: VALUE\"", ctl->headers[i]);
        char *name = mem_strndup(ctl->headers[i], len);
        rules_headers_add(rules, q->headers, name, ctl->headers[i] + len + 1);
        mem_free(&name);
    }
    return EX_OK;
}

/* ---- asking ---- */

static struct explain_step *add_step(struct explain *e, enum explain_part part, const char *name, const char *why)
{
    e->steps = mem_grow(e->steps, e->n + 1, sizeof *e->steps);
    e->steps[e->n] = (struct explain_step){.part = part, .name = mem_strdup(name), .why = mem_strdup(why)};
    return &e->steps[e->n++];
}

static void note_gate(void *arg, const char *gate, const char *why_not)
{
    struct question *q = arg;
    bool transport = q->part == EXPLAIN_RCPT && strcmp(gate, "transport") == 0;
    const char *why = transport && why_not == NULL ? "not asked: only the MTA knows (milter.transports)" : why_not;
    add_step(&q->e, q->part, gate, why)->outcome = why_not == NULL ? RULES_YES : RULES_NO;
}

static void note_rule(void *arg, const struct rules_try *t)
{
    struct question *q = arg;
    char *why = t->condition != NULL ? mem_printf("%s: %s", t->condition, t->why) : mem_strdup(t->why);
    struct explain_step *s = add_step(&q->e, EXPLAIN_RULES, t->rule, why);
    s->outcome = t->outcome;
    s->action = t->action;
    mem_free(&why);
}

static const char *ask_gates(struct question *q)
{
    const struct explain *e = &q->e;
    const struct eligibility_trace trace = {note_gate, q};
    const struct eligibility_message m = {.sender = e->sender,
                                          .smtputf8 = true,
                                          .params_known = true,
                                          .can_divert = true,
                                          .authenticated = q->login != NULL,
                                          .client = q->has_client ? &q->client : NULL,
                                          .size = e->size};
    const struct eligibility_rcpt r = {.address = e->recipient, .smtputf8 = true, .params_known = true};
    q->part = EXPLAIN_MESSAGE;
    const char *why = eligibility_of_message(q->eligibility, &m, &trace);
    q->part = EXPLAIN_RCPT;
    const char *rcpt_why = eligibility_of_rcpt(q->eligibility, &r, &trace);
    return why != NULL ? why : rcpt_why;
}

static void ask_rules(struct question *q)
{
    struct explain *e = &q->e;
    const struct rules_trace trace = {note_rule, q};
    const struct rules_facts facts = {.sender = e->sender,
                                      .recipient = e->recipient,
                                      .login = q->login,
                                      .client = q->has_client ? &q->client : NULL,
                                      .minute = e->minute,
                                      .size_known = e->size_known,
                                      .headers_known = e->headers_known,
                                      .size = e->size,
                                      .headers = q->headers};
    e->decision = rules_judge(eligibility_rules(q->eligibility), &facts, &trace);
}

/* Drains, breakers and how much waits are in the store, if this machine has one. */
static const char *why_stopped(const struct question *q)
{
    char from[DOMAIN_MAX + 1];
    if (q->site.store == NULL)
        return NULL;
    if (!domain_normalize(address_domain(q->e.sender), from))
        from[0] = '\0';
    struct stops *stops = stops_new(q->site.store);
    const char *words = stops_words(stops_find(stops, from, q->e.look_up.domain));
    stops_free(&stops);
    if (words != NULL)
        return words;
    struct queue_limits limits = queue_limits(q->site.config);
    struct queue_bounds *queue = queue_bounds_new(q->site.store, false);
    words = queue_bounds_full(queue, &limits, q->e.look_up.domain);
    queue_bounds_free(&queue);
    return words;
}

static const char *ask_policy(struct question *q)
{
    const struct eligibility_trace trace = {note_gate, q};
    q->part = EXPLAIN_POLICY;
    q->e.look_up.policy.stopped = why_stopped(q);
    return eligibility_of_policy(&q->e.look_up.policy, q->e.size, &trace);
}

/* What may come of it, gates and policy taken into account. */
static unsigned conclude(const struct explain *e)
{
    unsigned possible = 0;
    for (enum rules_action a = RULES_DIVERT; a <= RULES_SHADOW; a++) {
        if (rules_may(&e->decision, a))
            possible |= 1U << eligibility_action(a, &e->look_up.policy);
    }
    return e->reason != NULL ? 1U << RULES_SMTP : possible;
}

static int answer(struct question *q)
{
    struct error err;
    if (look_up_run(&q->e.look_up, q->site.config, &err) != RESULT_OK)
        return ctl_result_error(&err);
    const char *gates = ask_gates(q);
    ask_rules(q);
    const char *policy = ask_policy(q);
    q->e.reason = gates != NULL ? gates : policy;
    /* The daemons ask the rules before the policy: what a rule leaves to SMTP needs no other reason. */
    if (gates == NULL && q->e.decision.possible == 1U << RULES_SMTP)
        q->e.reason = NULL;
    q->e.possible = conclude(&q->e);
    return EX_OK;
}

static void free_all(struct question *q)
{
    for (size_t i = 0; i < q->e.n; i++) {
        mem_free(&q->e.steps[i].name);
        mem_free(&q->e.steps[i].why);
    }
    mem_free(&q->e.steps);
    mem_free(&q->e.sender);
    mem_free(&q->e.recipient);
    look_up_free(&q->e.look_up);
    rules_headers_free(&q->headers);
    eligibility_free(&q->eligibility);
    site_close(&q->site);
}

int ctl_explain(const struct ctl *ctl)
{
    struct question q = {0};
    struct error err;
    int code = parse(&q, ctl);
    if (code == EX_OK)
        code = site_open(ctl->config_files[0], &q.site);
    if (code == EX_OK && eligibility_new(q.site.config, &q.eligibility, &err) != RESULT_OK)
        code = ctl_error(EX_CONFIG, "%s", err.text);
    if (code == EX_OK)
        code = take_headers(&q, ctl);
    if (code == EX_OK)
        code = answer(&q);
    if (code == EX_OK)
        (ctl->options & CTL_JSON ? explain_show_json : explain_show_text)(&q.e);
    free_all(&q);
    return code;
}
