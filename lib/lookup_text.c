/* Text files of tables: see lookup_text.h. */
#include "lib/lookup_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/mem.h"

static const char white[] = " \t\r\n\f\v";

enum result lookup_text_read(const char *path, struct lookup_text *t, struct error *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return error_set(err, RESULT_TEMP, "%s: %s", path, strerror(errno));
    struct buf text = BUF_INIT(LOOKUP_TEXT_MAX);
    char piece[16384];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_add(&text, piece, n))
        ;
    enum result r = RESULT_OK;
    if (ferror(f))
        r = error_set(err, RESULT_TEMP, "%s: %s", path, strerror(errno));
    else if (text.overflow)
        r = error_set(err, RESULT_TEMP, "%s: larger than %d bytes", path, (int)LOOKUP_TEXT_MAX);
    else if (strlen(buf_str(&text)) != text.len)
        r = error_set(err, RESULT_TEMP, "%s: a NUL byte in the file", path);
    fclose(f);
    *t = (struct lookup_text){.next_line = 1};
    if (r == RESULT_OK)
        t->data = t->next = buf_take(&text);
    buf_free(&text);
    return r;
}

void lookup_text_free(struct lookup_text *t)
{
    mem_free(&t->data);
}

/* Takes one line off the file, its end made a NUL. */
static char *take_line(struct lookup_text *t)
{
    char *line = t->next;
    size_t len = strcspn(line, "\n");
    t->next = line + len + (line[len] == '\n');
    t->next_line++;
    line[len] = '\0';
    return line;
}

static bool counts(const char *line)
{
    line += strspn(line, white);
    return *line != '\0' && *line != '#';
}

/* Comments and empty lines don't end a line that goes on behind them. */
static bool may_continue(const char *line)
{
    return *line == '#' || strchr(white, *line) != NULL;
}

char *lookup_text_next(struct lookup_text *t)
{
    char *line = NULL;
    size_t len = 0;
    while (*t->next != '\0' && (line == NULL || may_continue(t->next))) {
        unsigned number = t->next_line;
        char *piece = take_line(t);
        if (!counts(piece))
            continue;
        if (line == NULL) {
            t->line = number;
            line = piece;
            len = strlen(piece);
        } else { /* it lies behind the line, with at least the old line end between: never copied onto itself */
            size_t n = strlen(piece);
            memmove(line + len, piece, n + 1);
            len += n;
        }
    }
    if (line == NULL)
        return NULL;
    line += strspn(line, white);
    for (len = strlen(line); len > 0 && strchr(white, line[len - 1]) != NULL; len--)
        line[len - 1] = '\0';
    return line;
}

char *lookup_text_split(char *p)
{
    size_t n = strcspn(p, white);
    char *rest = p + n;
    if (*rest != '\0')
        *rest++ = '\0';
    return rest + strspn(rest, white);
}
