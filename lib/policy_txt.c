/*
 * The TXT record that announces a policy: see policy.h. Its grammar is that of RFC 8461 section 3.1:
 *   record = "v=SSMP1" 1*(delim field) [delim];  delim = *WSP ";" *WSP;  field = "id=" ID / extension
 */
#include <stdbool.h>
#include <string.h>

#include "lib/policy.h"

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { FIELD_NAME_MAX = 32 };

struct span {
    const char *at;
    const char *end;
};

/* Takes the longest run of bytes from `set`, which has no NUL in it. */
static struct span take(struct span *s, const char *set)
{
    struct span run = {s->at, s->at};
    while (run.end < s->end && *run.end != '\0' && strchr(set, *run.end) != NULL)
        run.end++;
    s->at = run.end;
    return run;
}

static size_t span_len(struct span s)
{
    return (size_t)(s.end - s.at);
}

static bool span_is(struct span s, const char *word)
{
    return span_len(s) == strlen(word) && memcmp(s.at, word, span_len(s)) == 0;
}

static bool take_char(struct span *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_delimiter(struct span *s)
{
    take(s, " \t");
    bool there = take_char(s, ';');
    take(s, " \t");
    return there;
}

/* Visible ASCII but '=' and ';'. */
static bool is_value_char(char c)
{
    return c > ' ' && c <= '~' && c != '=' && c != ';';
}

static struct span take_value(struct span *s)
{
    struct span run = {s->at, s->at};
    while (run.end < s->end && is_value_char(*run.end))
        run.end++;
    s->at = run.end;
    return run;
}

static enum result take_id(struct span value, char id_r[POLICY_TXT_ID_MAX + 1], struct error *err)
{
    struct span rest = value;
    if (id_r[0] != '\0')
        return error_set(err, RESULT_PERM, "TXT record: more than one id");
    take(&rest, ALNUM "-_.");
    if (rest.at != rest.end || span_len(value) > POLICY_TXT_ID_MAX)
        return error_set(err, RESULT_PERM, "TXT record: id is not 1 to %d letters, digits, '-', '_' or '.'",
                         POLICY_TXT_ID_MAX);
    memcpy(id_r, value.at, span_len(value));
    id_r[span_len(value)] = '\0';
    return RESULT_OK;
}

static enum result take_field(struct span *s, char id_r[POLICY_TXT_ID_MAX + 1], struct error *err)
{
    struct span name = take(s, ALNUM "_-.");
    bool named = span_len(name) >= 1 && span_len(name) <= FIELD_NAME_MAX && take_char(s, '=');
    struct span value = take_value(s);
    if (!named || span_len(value) == 0)
        return error_set(err, RESULT_PERM, "TXT record: a field is not NAME=VALUE");
    return span_is(name, "id") ? take_id(value, id_r, err) : RESULT_OK;
}

static enum result take_version(struct span *s, struct error *err)
{
    static const char v[] = "v=SSMP";
    size_t len = sizeof v - 1;
    if (span_len(*s) < len || memcmp(s->at, v, len) != 0)
        return error_set(err, RESULT_TEMP, "TXT record: not a sender-store record (no v=SSMP1 first)");
    s->at += len;
    struct span version = take_value(s);
    if (!span_is(version, "1"))
        return error_set(err, RESULT_PERM, "TXT record: unknown version (not SSMP1)");
    return RESULT_OK;
}

enum result policy_txt_parse(const char *txt, size_t len, char id_r[POLICY_TXT_ID_MAX + 1], struct error *err)
{
    struct span s = {txt, txt + len};
    id_r[0] = '\0';
    enum result result = take_version(&s, err);
    while (result == RESULT_OK && s.at < s.end) {
        if (!take_delimiter(&s))
            result = error_set(err, RESULT_PERM, "TXT record: fields are not separated by ';'");
        else if (s.at < s.end)
            result = take_field(&s, id_r, err);
    }
    if (result == RESULT_OK && id_r[0] == '\0')
        result = error_set(err, RESULT_PERM, "TXT record: no id");
    if (result != RESULT_OK)
        id_r[0] = '\0';
    return result;
}
