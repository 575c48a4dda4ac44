/*
 * regexp tables, regexp_table(5): lines of /PATTERN/FLAGS RESULT, !/PATTERN/FLAGS RESULT, and if [!]/PATTERN/FLAGS ...
 * endif; POSIX extended expressions, case ignored unless the flag i says otherwise; the first that matches counts. See
 * lookup_type.h. A table with an error in it is not used at all.
 */
#include <ctype.h>
#include <regex.h>
#include <string.h>

#include "lib/lookup_text.h"
#include "lib/lookup_type.h"
#include "lib/mem.h"

enum { PATTERNS_MAX = 10000, PATTERN_LENGTH_MAX = 1000, DEPTH_MAX = 50 };

enum kind { KIND_MATCH, KIND_IF, KIND_ENDIF };

struct expression {
    enum kind kind;
    bool compiled, negated;
    regex_t regex;
    const char *result; /* in the text */
    size_t end;         /* of an if: its endif */
};

struct regexp {
    struct lookup_text text;
    struct expression *list;
    size_t n;
    size_t open[DEPTH_MAX]; /* ifs whose endif is still to come */
    size_t depth;
};

static void regexp_close(void *source)
{
    struct regexp *t = source;
    for (size_t i = 0; i < t->n; i++) {
        if (t->list[i].compiled)
            regfree(&t->list[i].regex);
    }
    mem_free(&t->list);
    lookup_text_free(&t->text);
    mem_free(&t);
}

/* Behind the pattern that begins at `p`, which is ended by a NUL; NULL: it has no end. */
static char *end_pattern(char *p, char delimiter)
{
    for (; *p != '\0' && *p != delimiter; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
    }
    if (*p == '\0')
        return NULL;
    *p = '\0';
    return p + 1;
}

static enum result compile(struct expression *e, const char *pattern, int flags, struct error *err)
{
    char why[200];
    int rc = regcomp(&e->regex, pattern, flags | REG_NOSUB);
    e->compiled = rc == 0;
    if (rc == 0)
        return RESULT_OK;
    regerror(rc, &e->regex, why, sizeof why);
    return error_set(err, RESULT_TEMP, "pattern /%s/: %s", pattern, why);
}

/* "[!]/PATTERN/FLAGS"; *rest_r is what follows. */
static enum result parse_pattern(struct expression *e, char *p, char **rest_r, struct error *err)
{
    int flags = REG_EXTENDED | REG_ICASE;
    for (; *p == '!'; p += 1 + strspn(p + 1, " \t"))
        e->negated = !e->negated;
    char delimiter = *p;
    if (delimiter == '\0' || isalnum((unsigned char)delimiter) || delimiter == '\\')
        return error_set(err, RESULT_TEMP, "a pattern must stand between slashes: /PATTERN/ RESULT");
    char *pattern = p + 1;
    p = end_pattern(pattern, delimiter);
    if (p == NULL)
        return error_set(err, RESULT_TEMP, "the pattern has no end \"%c\"", delimiter);
    if (strlen(pattern) > PATTERN_LENGTH_MAX)
        return error_set(err, RESULT_TEMP, "a pattern of more than %d bytes", (int)PATTERN_LENGTH_MAX);
    for (; *p != '\0' && !isspace((unsigned char)*p); p++) {
        if (*p == 'i')
            flags ^= REG_ICASE;
        else if (*p == 'm')
            flags ^= REG_NEWLINE;
        else if (*p == 'x')
            flags ^= REG_EXTENDED;
        else
            return error_set(err, RESULT_TEMP, "unknown flag \"%c\" behind the pattern", *p);
    }
    *rest_r = p + strspn(p, " \t");
    return compile(e, pattern, flags, err);
}

static struct expression *add(struct regexp *t, enum kind kind)
{
    t->list = mem_grow(t->list, t->n + 1, sizeof *t->list);
    t->list[t->n] = (struct expression){.kind = kind};
    return &t->list[t->n++];
}

/* The word itself, not a pattern that begins with it. */
static bool is_word(const char *line, const char *word)
{
    size_t n = strlen(word);
    return strncmp(line, word, n) == 0 && !isalnum((unsigned char)line[n]);
}

static enum result parse_if(struct regexp *t, char *line, struct error *err)
{
    char *rest;
    if (t->depth == DEPTH_MAX)
        return error_set(err, RESULT_TEMP, "more than %d ifs, one in the other", (int)DEPTH_MAX);
    t->open[t->depth++] = t->n;
    return parse_pattern(add(t, KIND_IF), line + 2 + strspn(line + 2, " \t"), &rest, err);
}

static enum result parse_endif(struct regexp *t, struct error *err)
{
    if (t->depth == 0)
        return error_set(err, RESULT_TEMP, "endif without if");
    t->list[t->open[--t->depth]].end = t->n;
    add(t, KIND_ENDIF);
    return RESULT_OK;
}

static enum result parse_match(struct regexp *t, char *line, struct error *err)
{
    char *rest = line;
    struct expression *e = add(t, KIND_MATCH);
    enum result r = parse_pattern(e, line, &rest, err);
    e->result = rest;
    if (r == RESULT_OK && rest[0] == '\0')
        return error_set(err, RESULT_TEMP, "a result is missing behind the pattern, such as OK");
    return r;
}

static enum result parse_line(struct regexp *t, char *line, struct error *err)
{
    if (t->n == PATTERNS_MAX)
        return error_set(err, RESULT_TEMP, "more than %d patterns", (int)PATTERNS_MAX);
    if (is_word(line, "if"))
        return parse_if(t, line, err);
    if (is_word(line, "endif"))
        return parse_endif(t, err);
    return parse_match(t, line, err);
}

static enum result regexp_open(const char *path, void **source_r, struct error *err)
{
    struct regexp *t = mem_zero(1, sizeof *t);
    enum result r = lookup_text_read(path, &t->text, err);
    for (char *line; r == RESULT_OK && (line = lookup_text_next(&t->text)) != NULL;) {
        r = parse_line(t, line, err);
        if (r != RESULT_OK)
            error_prefix(err, "%s:%u", path, t->text.line);
    }
    if (r == RESULT_OK && t->depth > 0)
        r = error_set(err, RESULT_TEMP, "%s: an if without endif", path);
    if (r == RESULT_OK)
        *source_r = t;
    else
        regexp_close(t);
    return r;
}

static enum result regexp_find(void *source, const char *key, struct buf *value, bool *found_r, struct error *err)
{
    const struct regexp *t = source;
    for (size_t i = 0; i < t->n; i++) {
        const struct expression *e = &t->list[i];
        if (e->kind == KIND_ENDIF)
            continue;
        int rc = regexec(&e->regex, key, 0, NULL, 0);
        if (rc != 0 && rc != REG_NOMATCH)
            return error_set(err, RESULT_TEMP, "a pattern needs too much memory");
        bool matches = (rc == 0) != e->negated;
        if (!matches && e->kind == KIND_IF)
            i = e->end;
        if (matches && e->kind == KIND_MATCH) {
            *found_r = true;
            buf_add_str(value, e->result);
            return RESULT_OK;
        }
    }
    return RESULT_OK;
}

const struct lookup_type lookup_type_regexp = {
    .name = "regexp",
    .suffix = "",
    .open = regexp_open,
    .close = regexp_close,
    .find = regexp_find,
};
