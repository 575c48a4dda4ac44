/* The sample file and the man page's parameter lists, from the table: see config.h. */
#include <ctype.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/config.h"

enum { WIDTH = 110 };

/* Sentences as comment lines. */
static void print_wrapped(FILE *out, const char *prefix, const char *text)
{
    while (*text) {
        size_t room = WIDTH - strlen(prefix);
        size_t n = strlen(text);
        if (n > room) {
            for (n = room; n > 0 && text[n] != ' '; n--)
                ;
            if (n == 0)
                n = strcspn(text, " ");
        }
        fprintf(out, "%s%.*s\n", prefix, (int)n, text);
        text += n;
        text += strspn(text, " ");
    }
}

static const char *type_words(enum config_type type)
{
    static const char *const words[] = {
        [CONFIG_STRING] = "text",          [CONFIG_LIST] = "list",       [CONFIG_BOOL] = "yes or no",
        [CONFIG_COUNT] = "number",         [CONFIG_SIZE] = "size",       [CONFIG_TIME] = "time",
        [CONFIG_CHOICE] = "choice",        [CONFIG_PATH] = "path",       [CONFIG_ENDPOINT] = "endpoint",
        [CONFIG_ADDRESS] = "mail address", [CONFIG_MODE] = "octal mode", [CONFIG_PERCENT] = "percentage",
    };
    return words[type];
}

static void format_time(int64_t ms, char *out, size_t size)
{
    static const struct {
        int64_t factor;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].factor != 0)
        i++;
    if (ms == 0)
        i = 3;
    snprintf(out, size, "%lld%s", (long long)(ms / units[i].factor), units[i].unit);
}

static void format_size(int64_t bytes, char *out, size_t size)
{
    static const char *const units[] = {"", "K", "M", "G"};
    size_t i = 0;
    while (i < 3 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    snprintf(out, size, "%lld%s", (long long)bytes, units[i]);
}

static void format_bound(const struct config_entry *e, int64_t bound, char *out, size_t size)
{
    if (e->type == CONFIG_TIME)
        format_time(bound, out, size);
    else if (e->type == CONFIG_SIZE)
        format_size(bound, out, size);
    else
        snprintf(out, size, "%lld", (long long)bound);
}

/* "time, 1s to 1h", "one of a, b, c". */
static void describe_type(const struct config_entry *e, struct buf *out)
{
    buf_clear(out);
    if (e->type == CONFIG_CHOICE) {
        buf_add_str(out, "one of ");
        for (const char *p = e->choices; *p; p++)
            buf_add_str(out, *p == ' ' ? ", " : (char[]){*p, '\0'});
        return;
    }
    buf_add_str(out, type_words(e->type));
    if (e->type == CONFIG_COUNT || e->type == CONFIG_SIZE || e->type == CONFIG_TIME) {
        char min[40], max[40];
        format_bound(e, e->min, min, sizeof min);
        format_bound(e, e->max, max, sizeof max);
        buf_printf(out, ", %s to %s", min, max);
    }
}

/* Words that the file's grammar takes without quotes. */
static bool is_bare(const char *text)
{
    return text[0] != '\0' && text[strcspn(text, " \t{}()=,#\"'")] == '\0' && strstr(text, "//") != text;
}

static void add_word(struct buf *out, const char *text, size_t len)
{
    char word[200];
    snprintf(word, sizeof word, "%.*s", (int)len, text);
    buf_printf(out, is_bare(word) ? "%s" : "\"%s\"", word);
}

/* A value as the file has it. */
static void format_value(const struct config_entry *e, const char *text, struct buf *out)
{
    buf_clear(out);
    if (e->type != CONFIG_LIST) {
        add_word(out, text, strlen(text));
        return;
    }
    buf_add_char(out, '{');
    for (const char *p = text; *p; p += strspn(p, ", ")) {
        size_t n = strcspn(p, ",");
        if (p != text)
            buf_add_str(out, ", ");
        add_word(out, p, n);
        p += n;
    }
    buf_add_char(out, '}');
}

static void sample_entry(FILE *out, const struct config_entry *e)
{
    struct buf b = BUF_INIT(4000);
    const char *indent = e->section[0] != '\0' ? "    " : "";
    char prefix[20];
    snprintf(prefix, sizeof prefix, "%s# ", indent);
    fputc('\n', out);
    print_wrapped(out, prefix, e->help);
    describe_type(e, &b);
    fprintf(out, "%s# (%s%s)\n", indent, buf_str(&b), e->example != NULL ? "; example" : "");
    format_value(e, e->example != NULL ? e->example : e->fallback, &b);
    fprintf(out, "%s#%s = %s\n", indent, e->name, buf_str(&b));
    buf_free(&b);
}

void config_print_sample(FILE *out)
{
    fputs(
        "# pontoon.conf - configuration of pontoon-milter, pontoon-store, pontoon-bridge and pontoon.\n"
        "#\n"
        "# Every parameter is shown commented out with its default, or with an example where the default is empty.\n"
        "# Test a change with `pontoon config'; SIGHUP makes a running daemon read the file again.\n"
        "# Lists: {a, b}; text with spaces or {}()=,# in \"quotes\"; sizes: 64K, 10M, 2G; times: 500ms, 30s, 5m, 2h, 5d.\n"
        "# include(\"FILE\") reads another file, relative to this one. A parameter may be set only once.\n",
        out);
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        fputc('\n', out);
        print_wrapped(out, "# ", s->help);
        if (s->title != NULL)
            fprintf(out, "#%s \"%s\" {\n", s->name, s->title);
        else if (s->name[0] != '\0')
            fprintf(out, "%s {\n", s->name);
        for (const struct config_entry *e = config_table; e->name != NULL; e++) {
            if (strcmp(e->section, s->name) == 0)
                sample_entry(out, e);
        }
        if (s->name[0] != '\0')
            fputs(s->title != NULL ? "#}\n" : "}\n", out);
    }
}

/* ---- mdoc ---- */

/* Text for mdoc: backslashes and leading dots or quotes are made harmless, each sentence begins a line. */
static void mdoc_text(FILE *out, const char *text)
{
    bool start = true;
    for (const char *p = text; *p; p++) {
        if (start && (*p == '.' || *p == '\''))
            fputs("\\&", out);
        start = false;
        if (*p == '\\')
            fputs("\\e", out);
        else if (*p == '-')
            fputs("\\-", out);
        else if (*p == ' ' && p != text && p[-1] == '.' && isupper((unsigned char)p[1])) {
            fputc('\n', out);
            start = true;
        } else {
            fputc(*p, out);
        }
    }
    fputc('\n', out);
}

static void mdoc_entry(FILE *out, const struct config_entry *e)
{
    struct buf b = BUF_INIT(4000);
    fprintf(out, ".It Cm %s\n", e->name);
    mdoc_text(out, e->help);
    describe_type(e, &b);
    buf_printf(&b, "; default: %s", e->fallback[0] != '\0' ? e->fallback : "empty");
    if (e->example != NULL)
        buf_printf(&b, "; example: %s", e->example);
    buf_add_char(&b, ')');
    fputs(".br\n(", out);
    mdoc_text(out, buf_str(&b));
    buf_free(&b);
}

void config_print_mdoc(FILE *out)
{
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        if (s->name[0] == '\0')
            fputs(".Ss Top level\n", out);
        else if (s->title != NULL)
            fprintf(out, ".Ss Sections %s Qq NAME\n", s->name);
        else
            fprintf(out, ".Ss Section %s\n", s->name);
        mdoc_text(out, s->help);
        fputs(".Bl -tag -width Ds\n", out);
        for (const struct config_entry *e = config_table; e->name != NULL; e++) {
            if (strcmp(e->section, s->name) == 0)
                mdoc_entry(out, e);
        }
        fputs(".El\n", out);
    }
}
