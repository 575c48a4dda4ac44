/* Rules from the configuration: see rules.h. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"
#include "lib/rules_private.h"
#include "lib/utf8.h"

enum { HEADERS_MAX = 10000 }; /* conditions of all rules */

static enum rules_action parse_action(const char *word)
{
    enum rules_action a = RULES_DIVERT;
    while (strcmp(rules_action_name(a), word) != 0)
        a++; /* the table of parameters knows the same words */
    return a;
}

static bool is_given(const struct config *c, const char *key)
{
    return strcmp(config_where(c, key), "default") != 0;
}

static enum result misplaced(const struct config *c, const char *key, struct error *err)
{
    return error_prefix(err, "%s: rule \"%s\": %s", config_where(c, key), config_title(c), strchr(key, '.') + 1);
}

static enum result read_patterns(const struct config *c, const char *key, enum patterns_kind kind,
                                 struct patterns **p_r, struct error *err)
{
    return is_given(c, key) ? patterns_from_config(c, key, kind, p_r, err) : RESULT_OK;
}

static enum result read_people(struct rule *rule, const struct config *c, struct error *err)
{
    enum result r = read_patterns(c, "rule.recipients", PATTERNS_ADDRESS, &rule->recipients, err);
    if (r == RESULT_OK)
        r = read_patterns(c, "rule.senders", PATTERNS_ADDRESS, &rule->senders, err);
    if (r == RESULT_OK)
        r = read_patterns(c, "rule.users", PATTERNS_LOGIN, &rule->users, err);
    if (r == RESULT_OK)
        r = read_patterns(c, "rule.clients", PATTERNS_CLIENT, &rule->clients, err);
    return r;
}

static enum result read_sizes(struct rule *rule, const struct config *c, struct error *err)
{
    int64_t max = config_number(c, "rule.max-size");
    rule->min_size = (uint64_t)config_number(c, "rule.min-size");
    rule->max_size = max > 0 ? (uint64_t)max : UINT64_MAX;
    if (rule->min_size <= rule->max_size)
        return RESULT_OK;
    error_set(err, RESULT_PERM, "less than min-size: no message could match");
    return misplaced(c, "rule.max-size", err);
}

static enum result read_hours(struct rule *rule, const struct config *c, struct error *err)
{
    size_t n;
    if (!is_given(c, "rule.hours"))
        return RESULT_OK;
    const char *const *words = config_list(c, "rule.hours", &n);
    enum result r = rules_hours_new(words, n, &rule->hours, err);
    return r == RESULT_OK ? r : misplaced(c, "rule.hours", err);
}

/* RFC 5322 section 2.2: printable characters without the colon. */
static bool name_valid(const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~')
            return false;
    }
    return len > 0;
}

static enum result add_header(struct rules *rules, const char *word, struct error *err)
{
    size_t len = strcspn(word, ":");
    const char *value = word + len + (word[len] == ':');
    if (!name_valid(word, len))
        return error_set(err, RESULT_PERM, "\"%s\" is no header: \"NAME: VALUE\", or \"NAME\"", word);
    if (rules->nheaders == HEADERS_MAX)
        return error_set(err, RESULT_PERM, "all rules together have more than %d headers", (int)HEADERS_MAX);
    rules->headers = mem_grow(rules->headers, rules->nheaders + 1, sizeof *rules->headers);
    struct header_condition *h = &rules->headers[rules->nheaders++];
    *h = (struct header_condition){.name = mem_strndup(word, len)};
    value += strspn(value, " \t");
    if (word[len] == ':') {
        h->value = mem_strdup(value);
        ascii_lower(h->value);
    }
    return RESULT_OK;
}

static enum result read_headers(struct rules *rules, struct rule *rule, const struct config *c, struct error *err)
{
    size_t n;
    const char *const *words = config_list(c, "rule.headers", &n);
    rule->by_header = is_given(c, "rule.headers");
    rule->first_header = rules->nheaders;
    for (size_t i = 0; i < n; i++) {
        if (add_header(rules, words[i], err) != RESULT_OK)
            return misplaced(c, "rule.headers", err);
    }
    rule->nheaders = n;
    return RESULT_OK;
}

static enum result read_rule(struct rules *rules, struct rule *rule, const struct config *c, struct error *err)
{
    rule->name = mem_strdup(config_title(c));
    rule->percent = (unsigned)config_number(c, "rule.percent");
    rule->seed = mem_strdup(config_string(c, "rule.seed"));
    rule->action = parse_action(config_string(c, "rule.action"));
    if (strcasecmp(rule->name, "default") == 0)
        return error_set(err, RESULT_PERM, "%s: a rule can't be called \"%s\": that is what decides without any",
                         config_title_where(c), rule->name);
    enum result r = read_people(rule, c, err);
    if (r == RESULT_OK)
        r = read_sizes(rule, c, err);
    if (r == RESULT_OK)
        r = read_hours(rule, c, err);
    if (r == RESULT_OK)
        r = read_headers(rules, rule, c, err);
    return r;
}

enum result rules_new(const struct config *config, struct rules **r_r, struct error *err)
{
    struct rules *rules = mem_zero(1, sizeof *rules);
    size_t n = config_count(config, "rule");
    enum result r = RESULT_OK;
    rules->fallback = parse_action(config_string(config, "rules-default"));
    rules->list = mem_zero(n, sizeof *rules->list);
    for (size_t i = 0; i < n && r == RESULT_OK; i++) {
        rules->n++;
        r = read_rule(rules, &rules->list[i], config_nth(config, "rule", i), err);
    }
    if (r != RESULT_OK)
        rules_free(&rules);
    *r_r = rules;
    return r;
}

void rules_free(struct rules **rules)
{
    struct rules *r = *rules;
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];
        patterns_free(&rule->recipients);
        patterns_free(&rule->senders);
        patterns_free(&rule->users);
        patterns_free(&rule->clients);
        rules_hours_free(&rule->hours);
        mem_free(&rule->name);
        mem_free(&rule->seed);
    }
    for (size_t i = 0; i < r->nheaders; i++) {
        mem_free(&r->headers[i].name);
        mem_free(&r->headers[i].value);
    }
    mem_free(&r->list);
    mem_free(&r->headers);
    mem_free(rules);
}
