/* A configuration file's text, made ready for libConfuse: see config_text.h. */
#include "lib/config_text.h"

#include <string.h>

struct scan {
    const char *p;
    struct buf *out;
    unsigned line;
    unsigned depth;     /* of open braces */
    unsigned open_line; /* of the outermost one */
    struct error *err;
};

static const char delimiters[] = " \t\r\n{}()=,#\"'";

/* Keeps only the newlines of what it skips. */
static void skip_to(struct scan *s, const char *end)
{
    for (; s->p < end; s->p++) {
        if (*s->p == '\n') {
            s->line++;
            buf_add_char(s->out, '\n');
        }
    }
}

static enum result scan_comment(struct scan *s)
{
    const char *end = strstr(s->p + 2, "*/");
    if (end == NULL)
        return error_set(s->err, RESULT_PERM, "a comment is begun, but not closed");
    skip_to(s, end + 2);
    buf_add_char(s->out, ' ');
    return RESULT_OK;
}

static enum result scan_quoted(struct scan *s)
{
    const char *p = s->p + 1;
    while (*p != *s->p) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        if (*p == '\0' || *p == '\n')
            return error_set(s->err, RESULT_PERM, "a quoted string is begun, but not closed");
        p++;
    }
    p++;
    buf_add(s->out, s->p, (size_t)(p - s->p));
    s->p = p;
    return RESULT_OK;
}

static void scan_word(struct scan *s)
{
    size_t len = strcspn(s->p, delimiters);
    buf_add_char(s->out, '\'');
    for (const char *end = s->p + len; s->p < end; s->p++) {
        if (*s->p == '\\')
            buf_add_char(s->out, '\\');
        buf_add_char(s->out, *s->p);
    }
    buf_add_char(s->out, '\'');
}

static enum result scan_delimiter(struct scan *s)
{
    if (*s->p == '{' && s->depth++ == 0)
        s->open_line = s->line;
    if (*s->p == '}') {
        if (s->depth == 0)
            return error_set(s->err, RESULT_PERM, "'}' without '{'");
        s->depth--;
    }
    if (*s->p == '\n')
        s->line++;
    buf_add_char(s->out, *s->p++);
    return RESULT_OK;
}

static enum result scan_token(struct scan *s)
{
    unsigned char c = (unsigned char)*s->p;
    if (c == '#' || strncmp(s->p, "//", 2) == 0) {
        s->p += strcspn(s->p, "\n");
        return RESULT_OK;
    }
    if (strncmp(s->p, "/*", 2) == 0)
        return scan_comment(s);
    if (c == '"' || c == '\'')
        return scan_quoted(s);
    if (strncmp(s->p, "+=", 2) == 0) {
        buf_add_str(s->out, "+=");
        s->p += 2;
        return RESULT_OK;
    }
    if (strchr(delimiters, c) != NULL)
        return scan_delimiter(s);
    if (c < 0x20 || c == 0x7f)
        return error_set(s->err, RESULT_PERM, "a control character (0x%02x)", c);
    scan_word(s);
    return RESULT_OK;
}

enum result config_text_prepare(const char *text, struct buf *out, unsigned *line_r, struct error *err)
{
    struct scan s = {.p = text, .out = out, .line = 1, .err = err};
    enum result r = RESULT_OK;
    while (*s.p != '\0' && r == RESULT_OK)
        r = scan_token(&s);
    *line_r = s.line;
    if (r == RESULT_OK && s.depth > 0) {
        *line_r = s.open_line;
        return error_set(err, RESULT_PERM, "'{' is never closed");
    }
    if (r == RESULT_OK && out->overflow)
        return error_set(err, RESULT_PERM, "the file is too large");
    return r;
}
