/* Strict JSON on top of jansson: see json.h. */
#include "lib/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

/*
 * jansson recurses once a level; so that a stranger can't choose how deep, levels are counted before it
 * parses. Malformed text may be miscounted, but only behind the place where jansson stops.
 */
static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > JSON_DEPTH_MAX)
            return true;
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
    }
    return false;
}

json_t *json_parse(const char *text, size_t len, size_t max, const char *what, struct error *err)
{
    if (len > max) {
        error_set(err, RESULT_PERM, "%s: longer than %zu bytes", what, max);
        return NULL;
    }
    if (too_deep(text, len)) {
        error_set(err, RESULT_PERM, "%s: JSON nested more than %d deep", what, JSON_DEPTH_MAX);
        return NULL;
    }
    json_error_t e;
    json_t *j = json_loadb(len ? text : "", len, JSON_REJECT_DUPLICATES, &e);
    if (j == NULL)
        error_set(err, RESULT_PERM, "%s: not strict JSON: line %d, column %d: %s", what, e.line, e.column, e.text);
    return j;
}

enum result json_refuse(struct error *err, const char *path, const char *name, const char *why)
{
    return error_set(err, RESULT_PERM, "%s%s%s: %s", path, path[0] != '\0' ? "." : "", name, why);
}

static enum result want(const json_t *object, const char *path, const char *name, const json_t **j_r, struct error *err)
{
    *j_r = NULL;
    if (!json_is_object(object))
        return error_set(err, RESULT_PERM, "%s: not an object", path[0] != '\0' ? path : "the document");
    *j_r = json_object_get(object, name);
    return RESULT_OK;
}

static enum result need(const json_t *object, const char *path, const char *name, const json_t **j_r, struct error *err)
{
    enum result result = want(object, path, name, j_r, err);
    if (result == RESULT_OK && *j_r == NULL)
        return json_refuse(err, path, name, "missing");
    return result;
}

static enum result as_string(const json_t *j, const char *path, const char *name, size_t max, const char **s_r,
                             struct error *err)
{
    if (!json_is_string(j))
        return json_refuse(err, path, name, "not a string");
    const char *s = json_string_value(j);
    size_t len = json_string_length(j);
    if (memchr(s, '\0', len) != NULL)
        return json_refuse(err, path, name, "holds a NUL");
    if (len > max) {
        char why[60];
        snprintf(why, sizeof why, "longer than %zu bytes", max);
        return json_refuse(err, path, name, why);
    }
    *s_r = s;
    return RESULT_OK;
}

enum result json_need_string(const json_t *object, const char *path, const char *name, size_t max, const char **s_r,
                             struct error *err)
{
    const json_t *j;
    enum result result = need(object, path, name, &j, err);
    return result == RESULT_OK ? as_string(j, path, name, max, s_r, err) : result;
}

enum result json_want_string(const json_t *object, const char *path, const char *name, size_t max, const char **s_r,
                             struct error *err)
{
    const json_t *j;
    *s_r = NULL;
    enum result result = want(object, path, name, &j, err);
    return result == RESULT_OK && j != NULL ? as_string(j, path, name, max, s_r, err) : result;
}

enum result json_need_int(const json_t *object, const char *path, const char *name, int64_t min, int64_t max,
                          int64_t *n_r, struct error *err)
{
    const json_t *j;
    enum result result = need(object, path, name, &j, err);
    if (result != RESULT_OK)
        return result;
    /* 1.0 and 1e3 are not whole numbers to us: RFC 8259 lets readers differ about them. */
    int64_t n = json_is_integer(j) ? json_integer_value(j) : 0;
    if (!json_is_integer(j) || n < min || n > max) {
        char why[100];
        if (max == INT64_MAX)
            snprintf(why, sizeof why, "not a whole number of at least %" PRId64, min);
        else
            snprintf(why, sizeof why, "not a whole number from %" PRId64 " to %" PRId64, min, max);
        return json_refuse(err, path, name, why);
    }
    *n_r = n;
    return RESULT_OK;
}

enum result json_want_int(const json_t *object, const char *path, const char *name, int64_t min, int64_t max,
                          int64_t fallback, int64_t *n_r, struct error *err)
{
    const json_t *j;
    enum result result = want(object, path, name, &j, err);
    *n_r = fallback;
    return result != RESULT_OK || j == NULL ? result : json_need_int(object, path, name, min, max, n_r, err);
}

enum result json_want_bool(const json_t *object, const char *path, const char *name, bool fallback, bool *b_r,
                           struct error *err)
{
    const json_t *j;
    *b_r = fallback;
    enum result result = want(object, path, name, &j, err);
    if (result != RESULT_OK || j == NULL)
        return result;
    if (!json_is_boolean(j))
        return json_refuse(err, path, name, "neither true nor false");
    *b_r = json_is_true(j);
    return RESULT_OK;
}

static enum result as_array(const json_t *j, const char *path, const char *name, size_t min, size_t max,
                            const json_t **a_r, struct error *err)
{
    if (!json_is_array(j))
        return json_refuse(err, path, name, "not an array");
    size_t n = json_array_size(j);
    if (n < min)
        return json_refuse(err, path, name, "empty");
    if (n > max) {
        char why[60];
        snprintf(why, sizeof why, "more than %zu members", max);
        return json_refuse(err, path, name, why);
    }
    *a_r = j;
    return RESULT_OK;
}

enum result json_need_array(const json_t *object, const char *path, const char *name, size_t max_count,
                            const json_t **a_r, struct error *err)
{
    const json_t *j;
    enum result result = need(object, path, name, &j, err);
    return result == RESULT_OK ? as_array(j, path, name, 1, max_count, a_r, err) : result;
}

enum result json_want_array(const json_t *object, const char *path, const char *name, size_t max_count,
                            const json_t **a_r, struct error *err)
{
    const json_t *j;
    *a_r = NULL;
    enum result result = want(object, path, name, &j, err);
    return result == RESULT_OK && j != NULL ? as_array(j, path, name, 0, max_count, a_r, err) : result;
}

bool json_set_add(json_t *set, const char *key)
{
    if (json_object_get(set, key) != NULL)
        return false;
    if (json_object_set_new(set, key, json_true()) < 0)
        log_panic("json_set_add: key is not UTF-8");
    return true;
}

json_t *json_string_lossy(const char *s)
{
    char *clean = mem_strdup(s);
    for (char *p = clean; *p != '\0';) {
        size_t len = utf8_char_len(p);
        if (len == 0)
            *p = '?';
        p += len > 0 ? len : 1;
    }
    json_t *j = json_string(clean);
    mem_free(&clean);
    return j;
}

char *json_text(const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT);
    if (text == NULL)
        log_fatal("out of memory (writing JSON)");
    return text;
}
