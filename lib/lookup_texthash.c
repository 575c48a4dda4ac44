/*
 * texthash tables: the text that postmap(1) would read, without postmap: see lookup_type.h. Unlike there a key may stand
 * alone: a list of addresses is a table.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/lookup_text.h"
#include "lib/lookup_type.h"
#include "lib/mem.h"
#include "lib/utf8.h"

struct entry {
    const char *key, *value; /* in the text */
};

struct texthash {
    struct lookup_text text;
    struct entry *entries; /* by key; of one key as they stand in the file */
    size_t n;
};

/* A key with white space or '#' stands in double quotes, with backslashes. */
static char *take_quoted(char *p, char **rest_r)
{
    char *key = p, *out = p;
    for (p++; *p != '"' && *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        *out++ = *p;
    }
    *rest_r = *p == '"' ? p + 1 : p;
    *rest_r += strspn(*rest_r, " \t");
    *out = '\0';
    return key;
}

static struct entry parse_line(char *line)
{
    char *key = line, *value;
    if (line[0] == '"')
        key = take_quoted(line, &value);
    else
        value = lookup_text_split(line);
    ascii_lower(key);
    return (struct entry){key, value};
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);
    return order != 0 ? order : (x->key > y->key) - (x->key < y->key);
}

static void texthash_close(void *source)
{
    struct texthash *t = source;
    lookup_text_free(&t->text);
    mem_free(&t->entries);
    mem_free(&t);
}

static enum result texthash_open(const char *path, void **source_r, struct error *err)
{
    struct texthash *t = mem_zero(1, sizeof *t);
    size_t room = 0;
    if (lookup_text_read(path, &t->text, err) != RESULT_OK) {
        mem_free(&t);
        return RESULT_TEMP;
    }
    for (char *line; (line = lookup_text_next(&t->text)) != NULL;) {
        if (t->n == room) {
            room = room == 0 ? 64 : 2 * room;
            t->entries = mem_grow(t->entries, room, sizeof *t->entries);
        }
        t->entries[t->n++] = parse_line(line);
    }
    if (t->n > 0)
        qsort(t->entries, t->n, sizeof *t->entries, compare);
    *source_r = t;
    return RESULT_OK;
}

static enum result texthash_find(void *source, const char *key, struct buf *value, bool *found_r, struct error *err)
{
    const struct texthash *t = source;
    size_t low = 0, high = t->n;
    (void)err;
    while (low < high) { /* the first that is not before the key */
        size_t middle = low + (high - low) / 2;
        if (strcmp(t->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found_r = low < t->n && strcmp(t->entries[low].key, key) == 0;
    if (*found_r)
        buf_add_str(value, t->entries[low].value);
    return RESULT_OK;
}

const struct lookup_type lookup_type_texthash = {
    .name = "texthash",
    .suffix = "",
    .takes_parts = true,
    .open = texthash_open,
    .close = texthash_close,
    .find = texthash_find,
};
