/* One value of the configuration: see config_value.h. */
#include "lib/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/netaddr.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {{"", 1}, {"K", 1LL << 10}, {"M", 1LL << 20}, {"G", 1LL << 30}, {NULL, 0}};
static const struct unit time_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

/* Digits and a unit; zero needs none. False: malformed, or too large for 64 bits. */
static bool parse_number(const char *text, const struct unit *units, int64_t *number_r)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0)
        return false;
    if (n == 0 && *end == '\0') {
        *number_r = 0;
        return true;
    }
    for (; units->name != NULL; units++) {
        if (strcasecmp(end, units->name) == 0)
            return !__builtin_mul_overflow(n, units->factor, number_r);
    }
    return false;
}

static enum result set_ranged(struct config_value *v, const struct config_entry *e, const char *text,
                              const struct unit *units, const char *form, struct error *err)
{
    int64_t n;
    if (!parse_number(text, units, &n))
        return error_set(err, RESULT_PERM, "\"%s\" is no %s", text, form);
    if (n < e->min || n > e->max) {
        const char *suffix = e->type == CONFIG_TIME ? " ms" : "";
        return error_set(err, RESULT_PERM, "\"%s\" is out of range (%lld%s to %lld%s)", text, (long long)e->min, suffix,
                         (long long)e->max, suffix);
    }
    v->number = n;
    return RESULT_OK;
}

static enum result set_count(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    return set_ranged(v, e, text, no_units, "whole number", err);
}

static enum result set_size(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    return set_ranged(v, e, text, size_units, "size (bytes, or with K, M, G: 64K)", err);
}

static enum result set_time(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    return set_ranged(v, e, text, time_units, "time (a number with ms, s, m, h or d: 30s)", err);
}

static enum result set_bool(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    (void)e;
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return error_set(err, RESULT_PERM, "\"%s\" is neither yes nor no", text);
    v->number = text[0] == 'y';
    return RESULT_OK;
}

static enum result set_mode(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    size_t len = strlen(text);
    if (len < 3 || len > 4 || strspn(text, "01234567") != len || strtol(text, NULL, 8) > e->max)
        return error_set(err, RESULT_PERM, "\"%s\" is no file mode in octal (0660)", text);
    v->number = strtol(text, NULL, 8);
    return RESULT_OK;
}

/* "12.5", "100", "0.01%". */
static enum result set_percent(struct config_value *v, const struct config_entry *e, const char *text,
                               struct error *err)
{
    char *end;
    long whole = isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : -1;
    long hundredths = 0;
    if (whole >= 0 && whole <= 100 && *end == '.' && isdigit((unsigned char)end[1])) {
        hundredths = 10L * (*++end - '0');
        if (isdigit((unsigned char)*++end))
            hundredths += *end++ - '0';
    }
    if (whole < 0 || whole > 100 || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) ||
        100 * whole + hundredths > e->max)
        return error_set(err, RESULT_PERM, "\"%s\" is no percentage (0 to 100, with at most two decimals: 12.5)", text);
    v->number = 100 * whole + hundredths;
    return RESULT_OK;
}

static enum result set_choice(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    (void)v;
    size_t len = strlen(text);
    for (const char *p = e->choices; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");
        if (n == len && memcmp(p, text, n) == 0)
            return RESULT_OK;
        p += n;
    }
    return error_set(err, RESULT_PERM, "\"%s\" is none of: %s", text, e->choices);
}

/* What has an empty default may be set to "" again. */
static bool may_be_empty(const struct config_entry *e, const char *text)
{
    return text[0] == '\0' && e->fallback[0] == '\0';
}

static enum result set_path(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    (void)v;
    if (text[0] != '/' && !may_be_empty(e, text))
        return error_set(err, RESULT_PERM, "\"%s\" is no absolute path", text);
    return RESULT_OK;
}

static enum result set_endpoint(struct config_value *v, const struct config_entry *e, const char *text,
                                struct error *err)
{
    (void)v;
    struct netaddr a;
    return may_be_empty(e, text) ? RESULT_OK : netaddr_endpoint(text, &a, err);
}

/* It may go into a header as it is. */
static enum result set_address(struct config_value *v, const struct config_entry *e, const char *text,
                               struct error *err)
{
    (void)v;
    bool utf8;
    if (may_be_empty(e, text) || (address_valid(text, &utf8) && !utf8))
        return RESULT_OK;
    return error_set(err, RESULT_PERM, "\"%s\" is no mail address of the form user@domain, in ASCII", text);
}

static enum result set_string(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    (void)v;
    (void)e;
    (void)text;
    (void)err;
    return RESULT_OK;
}

static enum result check_text(const char *text, struct error *err)
{
    if (strlen(text) > CONFIG_VALUE_MAX)
        return error_set(err, RESULT_PERM, "the value is longer than %d bytes", (int)CONFIG_VALUE_MAX);
    for (const char *p = text; *p; p++) {
        if (iscntrl((unsigned char)*p))
            return error_set(err, RESULT_PERM, "\"%s\" has a control character", text);
    }
    return RESULT_OK;
}

enum result config_value_set(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    static enum result (*const setters[])(struct config_value *, const struct config_entry *, const char *,
                                          struct error *) = {
        [CONFIG_STRING] = set_string,   [CONFIG_BOOL] = set_bool,         [CONFIG_COUNT] = set_count,
        [CONFIG_SIZE] = set_size,       [CONFIG_TIME] = set_time,         [CONFIG_CHOICE] = set_choice,
        [CONFIG_PATH] = set_path,       [CONFIG_ENDPOINT] = set_endpoint, [CONFIG_MODE] = set_mode,
        [CONFIG_PERCENT] = set_percent, [CONFIG_ADDRESS] = set_address,
    };
    enum result r = check_text(text, err);
    if (r == RESULT_OK)
        r = setters[e->type](v, e, text, err);
    if (r == RESULT_OK) {
        mem_free(&v->text);
        v->text = mem_strdup(text);
    }
    return r == RESULT_OK ? r : RESULT_PERM;
}

static bool is_our_domains(const struct config_entry *e)
{
    return e->section[0] == '\0' && strcmp(e->name, "domains") == 0;
}

enum result config_value_add(struct config_value *v, const struct config_entry *e, const char *text, struct error *err)
{
    char domain[DOMAIN_MAX + 1];
    enum result r = check_text(text, err);
    if (r != RESULT_OK)
        return r;
    if (text[0] == '\0')
        return error_set(err, RESULT_PERM, "an empty list member");
    if (v->n == CONFIG_LIST_MAX)
        return error_set(err, RESULT_PERM, "more than %d list members", (int)CONFIG_LIST_MAX);
    if (is_our_domains(e)) {
        if (!domain_normalize(text, domain))
            return error_set(err, RESULT_PERM, "\"%s\" is no mail domain", text);
        text = domain;
    }
    v->list = mem_grow(v->list, v->n + 1, sizeof *v->list);
    v->list[v->n++] = mem_strdup(text);
    return RESULT_OK;
}

enum result config_value_default(struct config_value *v, const struct config_entry *e, struct error *err)
{
    if (e->type != CONFIG_LIST)
        return config_value_set(v, e, e->fallback, err);
    enum result r = RESULT_OK;
    for (const char *p = e->fallback; *p && r == RESULT_OK; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ",");
        char *member = mem_strndup(p, n);
        r = config_value_add(v, e, member, err);
        mem_free(&member);
        p += n;
    }
    return r;
}

void config_value_free(struct config_value *v)
{
    mem_free(&v->text);
    for (size_t i = 0; i < v->n; i++)
        mem_free(&v->list[i]);
    mem_free(&v->list);
    v->n = 0;
}
