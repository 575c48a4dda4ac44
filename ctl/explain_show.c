/* The answer of `pontoon explain`, as text and as JSON: see explain.h. */
#include <stdio.h>
#include <string.h>

#include "ctl/explain.h"
#include "ctl/show.h"
#include "lib/rules_hours.h"

static const char *outcome_word(const struct explain_step *s)
{
    static const char *const of_gate[] = {[RULES_NO] = "closed", [RULES_YES] = "open"};
    static const char *const of_rule[] = {
        [RULES_NO] = "no", [RULES_YES] = "decides", [RULES_OPEN] = "perhaps", [RULES_FAILED] = "can't be told"};
    return s->part == EXPLAIN_RULES ? of_rule[s->outcome] : of_gate[s->outcome];
}

static bool is_decided(const struct explain *e)
{
    return (e->possible & (e->possible - 1)) == 0;
}

static enum rules_action the_way(const struct explain *e)
{
    enum rules_action a = RULES_DIVERT;
    while ((e->possible & 1U << a) == 0)
        a++;
    return a;
}

/* ---- text ---- */

static void print_part(const struct explain *e, enum explain_part part, const char *title)
{
    struct show_table *t = show_table_new(3);
    printf("%s\n", title);
    for (size_t i = 0; i < e->n; i++) {
        const struct explain_step *s = &e->steps[i];
        char word[64];
        if (s->part != part)
            continue;
        snprintf(word, sizeof word, "%s%s%s", outcome_word(s),
                 part == EXPLAIN_RULES && s->outcome == RULES_YES ? ": " : "",
                 part == EXPLAIN_RULES && s->outcome == RULES_YES ? rules_action_name(s->action) : "");
        show_table_add(t, (const char *const[]){s->name, word, s->why});
    }
    show_table_print(&t, stdout, 2);
}

static void print_policy(const struct look_up *l)
{
    char size[SHOW_SIZE_SIZE];
    if (l->result != RESULT_OK) {
        printf("  %s: ", l->domain);
        show_text(stdout, l->err.text);
        putchar('\n');
        return;
    }
    printf("  record id=%s, policy mode %s, ", l->found.txt_id, policy_mode_name(l->policy.mode));
    if (l->policy.max_size == UINT64_MAX)
        puts("no max_size");
    else
        printf("max_size %s\n", show_size(l->policy.max_size, size));
}

static const char *consequence(enum rules_action way)
{
    static const char *const words[] = {
        [RULES_DIVERT] = "it is stored here, and the recipient's site is notified",
        [RULES_SMTP] = "the MTA delivers as ever",
        [RULES_SHADOW] = "the MTA delivers as ever, and a copy is notified for comparison",
    };
    return words[way];
}

static void print_end(const struct explain *e)
{
    if (!is_decided(e)) {
        printf("=> open:");
        for (enum rules_action a = RULES_DIVERT; a <= RULES_SHADOW; a++) {
            if (e->possible & 1U << a)
                printf(" %s", rules_action_name(a));
        }
        puts(", as size and headers will say (--size, --header)");
        return;
    }
    enum rules_action way = the_way(e);
    printf("=> %s", rules_action_name(way));
    if (e->reason != NULL)
        printf(" (%s)", e->reason);
    else if (e->decision.rule != NULL)
        printf(" (rule %s)", e->decision.rule);
    if (way == RULES_SHADOW && e->look_up.policy.mode == POLICY_TESTING && rules_may(&e->decision, RULES_DIVERT))
        printf(" (the policy is in mode testing)");
    printf(": %s\n", consequence(way));
}

void explain_show_text(const struct explain *e)
{
    char minute[RULES_MINUTE_SIZE], size[SHOW_SIZE_SIZE];
    printf("from <");
    show_text(stdout, e->sender);
    printf("> to <");
    show_text(stdout, e->recipient);
    printf(">, %s, %s\n", rules_minute_text(e->minute, minute),
           e->size_known ? show_size(e->size, size) : "size not known");
    print_part(e, EXPLAIN_MESSAGE, "message");
    print_part(e, EXPLAIN_RCPT, "recipient");
    print_part(e, EXPLAIN_RULES, "rules");
    puts("discovery");
    print_policy(&e->look_up);
    print_part(e, EXPLAIN_POLICY, "policy");
    print_end(e);
}

/* ---- JSON ---- */

static json_t *step_json(const struct explain_step *s)
{
    static const char *const parts[] = {[EXPLAIN_MESSAGE] = "message",
                                        [EXPLAIN_RCPT] = "recipient",
                                        [EXPLAIN_RULES] = "rule",
                                        [EXPLAIN_POLICY] = "policy"};
    json_t *o = json_object();
    json_object_set_new(o, "part", json_string(parts[s->part]));
    json_object_set_new(o, "name", json_string(s->name));
    json_object_set_new(o, "outcome", json_string(outcome_word(s)));
    json_object_set_new(o, "action",
                        s->part == EXPLAIN_RULES ? json_string(rules_action_name(s->action)) : json_null());
    json_object_set_new(o, "why", show_json_text(s->why));
    return o;
}

void explain_show_json(const struct explain *e)
{
    const struct look_up *l = &e->look_up;
    json_t *o = json_object();
    json_t *steps = json_array();
    json_t *possible = json_array();
    for (size_t i = 0; i < e->n; i++)
        json_array_append_new(steps, step_json(&e->steps[i]));
    for (enum rules_action a = RULES_DIVERT; a <= RULES_SHADOW; a++) {
        if (e->possible & 1U << a)
            json_array_append_new(possible, json_string(rules_action_name(a)));
    }
    json_object_set_new(o, "sender", show_json_text(e->sender));
    json_object_set_new(o, "recipient", show_json_text(e->recipient));
    json_object_set_new(o, "domain", json_string(l->domain));
    json_object_set_new(o, "way", is_decided(e) ? json_string(rules_action_name(the_way(e))) : json_null());
    json_object_set_new(o, "possible", possible);
    json_object_set_new(o, "rule", show_json_text(e->decision.rule));
    json_object_set_new(o, "reason", show_json_text(e->reason));
    json_object_set_new(o, "steps", steps);
    json_object_set_new(o, "record_id", show_json_text(l->found.txt_id));
    json_object_set_new(o, "error", show_json_text(l->result == RESULT_OK ? NULL : l->err.text));
    json_t *document = l->found.policy != NULL ? json_loads(l->found.policy, 0, NULL) : NULL;
    json_object_set_new(o, "policy", document != NULL ? document : json_null());
    show_json_document(stdout, o);
}
