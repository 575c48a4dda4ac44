/* What two ways made of the same message: see comparison.h. */
#include "ctl/replay/comparison.h"

#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/mem.h"

#define RESULTS "Authentication-Results"
enum { DKIM_MAX = 4000, LINES_MAX = 65536 };

static size_t line_length(const char *p)
{
    return strcspn(p, "\n");
}

static const char *next_line(const char *p)
{
    p += line_length(p);
    return *p == '\n' ? p + 1 : p;
}

static bool is_named(const char *line, const char *name, size_t len)
{
    return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* How often the line stands among `lines`. */
static unsigned count_line(const char *lines, const char *line, size_t len)
{
    unsigned n = 0;
    for (const char *p = lines; *p != '\0'; p = next_line(p))
        n += line_length(p) == len && memcmp(p, line, len) == 0;
    return n;
}

/* The first line that stands more often in `lines` than in `others`, or NULL. */
static const char *first_extra(const char *lines, const char *others)
{
    for (const char *p = lines; *p != '\0'; p = next_line(p)) {
        if (count_line(lines, p, line_length(p)) > count_line(others, p, line_length(p)))
            return p;
    }
    return NULL;
}

static bool same_lines(const char *a, const char *b)
{
    return first_extra(a, b) == NULL && first_extra(b, a) == NULL;
}

/* The lines of one field. To mem_free(). */
static char *lines_of(const char *fields, const char *name, size_t len)
{
    struct buf out = BUF_INIT(LINES_MAX);
    for (const char *p = fields; *p != '\0'; p = next_line(p)) {
        if (is_named(p, name, len))
            buf_printf(&out, "%.*s\n", (int)line_length(p), p);
    }
    return buf_take(&out);
}

/* What is said about DKIM, a line for each result: "dkim=pass header.d=a.test" (RFC 8601). To mem_free(). */
static char *dkim_of(const char *fields)
{
    struct buf out = BUF_INIT(DKIM_MAX);
    for (const char *p = fields; *p != '\0'; p = next_line(p)) {
        const char *end = p + line_length(p);
        if (!is_named(p, RESULTS, strlen(RESULTS)))
            continue;
        for (const char *part = p; part < end;) {
            const char *semicolon = memchr(part, ';', (size_t)(end - part)),
                       *stop = semicolon != NULL ? semicolon : end;
            part += strspn(part, " ");
            if (strncasecmp(part, "dkim=", 5) == 0)
                buf_printf(&out, "%.*s\n", (int)(stop - part), part);
            part = stop + 1;
        }
    }
    return buf_take(&out);
}

/* ---- counts ---- */

static bool count(struct comparison_count *c, const char *first, const char *second)
{
    if (*first == '\0' && *second == '\0')
        return true;
    bool same = same_lines(first, second);
    c->n++;
    c->same += same;
    return same;
}

static void note_names(struct comparison *c, const char *fields)
{
    for (const char *p = fields; *p != '\0'; p = next_line(p)) {
        size_t len = strcspn(p, ":\n"), i = 0;
        while (i < c->nfields && !is_named(p, c->fields[i].name, strlen(c->fields[i].name)))
            i++;
        if (i < c->nfields || c->nfields == COMPARISON_FIELDS_MAX || len >= COMPARISON_NAME_MAX)
            continue;
        memcpy(c->fields[c->nfields].name, p, len);
        c->fields[c->nfields++].name[len] = '\0';
    }
}

static bool compare_fields(struct comparison *c, const char *first, const char *second)
{
    bool same = true;
    note_names(c, first);
    note_names(c, second);
    for (size_t i = 0; i < c->nfields; i++) {
        const char *name = c->fields[i].name;
        char *a = lines_of(first, name, strlen(name)), *b = lines_of(second, name, strlen(name));
        same = count(&c->fields[i], a, b) && same;
        mem_free(&a);
        mem_free(&b);
    }
    return same;
}

static bool compare_dkim(struct comparison *c, const char *first, const char *second)
{
    char *a = dkim_of(first), *b = dkim_of(second);
    bool same = count(&c->dkim, a, b);
    mem_free(&a);
    mem_free(&b);
    return same;
}

static char *say(const struct comparison_side *has, const struct comparison_side *lacks, const char *line)
{
    return mem_printf("by %s, not by %s: %.*s", has->way, lacks->way, (int)line_length(line), line);
}

char *comparison_add(struct comparison *c, const struct comparison_side *first, const struct comparison_side *second)
{
    bool bytes = digest_equal(first->digest, second->digest);
    msec_t longer = second->took - first->took;
    c->pairs++;
    c->bytes.n++;
    c->bytes.same += bytes;
    latency_add(longer >= 0 ? &c->later : &c->earlier, longer >= 0 ? longer : -longer);
    bool dkim = compare_dkim(c, first->fields, second->fields);
    bool fields = compare_fields(c, first->fields, second->fields);
    if (bytes && dkim && fields)
        return NULL;
    c->different++;
    const char *extra = first_extra(first->fields, second->fields);
    if (extra != NULL)
        return say(first, second, extra);
    extra = first_extra(second->fields, first->fields);
    return extra != NULL ? say(second, first, extra) : mem_strdup("the bytes that arrived differ");
}
