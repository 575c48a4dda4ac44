/* Columns for people: see show.h. */
#include "ctl/show.h"

#include <assert.h>
#include <string.h>

#include "lib/mem.h"

struct show_table {
    size_t columns;
    char **cells; /* row by row */
    size_t ncells, cap;
};

struct show_table *show_table_new(size_t columns)
{
    assert(columns > 0 && columns <= SHOW_COLUMNS_MAX);
    struct show_table *t = mem_zero(1, sizeof *t);
    t->columns = columns;
    return t;
}

void show_table_add(struct show_table *t, const char *const *cells)
{
    if (t->ncells + t->columns > t->cap) {
        t->cap = 2 * t->cap + 16 * t->columns;
        t->cells = mem_grow(t->cells, t->cap, sizeof *t->cells);
    }
    for (size_t i = 0; i < t->columns; i++)
        t->cells[t->ncells++] = mem_strdup(cells[i] != NULL ? cells[i] : "");
}

/* Columns on the screen: code points, which is right for all but combining and wide characters. */
static size_t text_width(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void measure(const struct show_table *t, size_t *widths)
{
    for (size_t i = 0; i < t->ncells; i++) {
        size_t w = text_width(t->cells[i]);
        if (w > widths[i % t->columns])
            widths[i % t->columns] = w;
    }
}

/* Nothing is padded behind a row's last cell that says something. */
static void print_row(char *const *row, size_t columns, const size_t *widths, FILE *out, unsigned indent)
{
    while (columns > 0 && row[columns - 1][0] == '\0')
        columns--;
    fprintf(out, "%*s", (int)indent, "");
    for (size_t i = 0; i < columns; i++) {
        show_text(out, row[i]);
        if (i + 1 < columns)
            fprintf(out, "%*s", (int)(widths[i] - text_width(row[i]) + 2), "");
    }
    putc('\n', out);
}

void show_table_print(struct show_table **t, FILE *out, unsigned indent)
{
    size_t widths[SHOW_COLUMNS_MAX] = {0};
    measure(*t, widths);
    for (size_t i = 0; i < (*t)->ncells; i += (*t)->columns)
        print_row((*t)->cells + i, (*t)->columns, widths, out, indent);
    for (size_t i = 0; i < (*t)->ncells; i++)
        mem_free(&(*t)->cells[i]);
    mem_free(&(*t)->cells);
    mem_free(t);
}
