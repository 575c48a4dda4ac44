/* Where altered messages differ from what was sent: see difference.h. */
#include "ctl/replay/difference.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/replay/token.h"
#include "lib/mem.h"

enum { TEXT_MAX = 1000 };

/* An altered arrival, and the message in the input that it was. */
struct altered {
    uint64_t copy, number;
    char *way, *origin, *file;
    bool found;
};

static bool read_whole(const char *path, char **data_r, size_t *len_r)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &st) == 0;
    size_t size = good ? (size_t)st.st_size : 0;
    *data_r = mem_alloc(size + 1);
    *len_r = 0;
    ssize_t n;
    while (good && *len_r < size && (n = read(fd, *data_r + *len_r, size - *len_r)) > 0)
        *len_r += (size_t)n;
    close(fd);
    return good;
}

static void add(struct report *r, const struct altered *a, const char *what)
{
    const struct report_finding f = {
        .kind = "altered", .copy = a->copy, .way = a->way, .origin = a->origin, .what = (char *)what};
    report_add(r, &f);
}

static void compare(struct report *r, const struct altered *a, const struct input_message *m)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    char *arrived;
    size_t len;
    if (!read_whole(a->file, &arrived, &len)) {
        add(r, a, "what arrived was not kept");
        return;
    }
    token_first_difference(m->bytes, m->len, arrived, len, &text);
    add(r, a, text.len > 0 ? buf_str(&text) : "the source has changed meanwhile: it is now what arrived");
    buf_free(&text);
    mem_free(&arrived);
}

static enum result collect(struct sqlite_db *db, struct altered **list_r, size_t *n_r, struct error *err)
{
    struct sqlite_stmt *st = stmt_begin(db, "SELECT copies.id, number, way, origin, file FROM arrivals, copies WHERE"
                                            " copies.id = arrivals.copy AND equal = 0 ORDER BY number LIMIT ?");
    stmt_bind_int(st, REPORT_LIST_MAX);
    while (stmt_row(st)) {
        *list_r = mem_grow(*list_r, *n_r + 1, sizeof **list_r);
        struct altered *a = &(*list_r)[(*n_r)++];
        *a = (struct altered){.copy = (uint64_t)stmt_get_int(st), .number = (uint64_t)stmt_get_int(st)};
        a->way = stmt_get_text(st);
        a->origin = stmt_get_text(st);
        a->file = stmt_get_text(st);
    }
    return stmt_end(st, err);
}

static bool reads_stdin(const struct options *o)
{
    for (size_t i = 0; i < o->nsources; i++) {
        if (strcmp(o->sources[i], "-") == 0)
            return true;
    }
    return false;
}

/* The list is in the order of the input. */
static void walk(const struct options *o, struct report *r, struct altered *list, size_t n)
{
    struct input *in = input_new(&o->input, o->sources, o->nsources);
    struct input_message m;
    for (size_t i = 0; i < n && input_next(in, &m);) {
        for (; i < n && list[i].number <= m.number; i++) {
            list[i].found = list[i].number == m.number && m.bytes != NULL && strcmp(list[i].origin, m.origin) == 0;
            if (list[i].found)
                compare(r, &list[i], &m);
        }
    }
    input_free(&in);
}

enum result difference_find(struct sqlite_db *db, const struct options *o, struct report *r, struct error *err)
{
    struct altered *list = NULL;
    size_t n = 0;
    enum result result = collect(db, &list, &n, err);
    bool again = !reads_stdin(o);
    if (result == RESULT_OK && n > 0 && again)
        walk(o, r, list, n);
    for (size_t i = 0; i < n; i++) {
        if (!list[i].found)
            add(r, &list[i],
                again ? "the source has changed meanwhile"
                      : "standard input can't be read twice: give a file to see where");
        mem_free(&list[i].way);
        mem_free(&list[i].origin);
        mem_free(&list[i].file);
    }
    mem_free(&list);
    return result;
}

/* ---- fields ---- */

/* The next line, and whether it is among the lines of `other` (in any order). */
static bool has_line(const char *other, const char *line, size_t len)
{
    while (*other != '\0') {
        size_t n = strcspn(other, "\n");
        if (n == len && memcmp(other, line, len) == 0)
            return true;
        other += n + (other[n] == '\n');
    }
    return false;
}

static char *lacks(const char *way, const char *fields, const char *other_way, const char *other_fields)
{
    for (const char *line = fields; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        if (!has_line(other_fields, line, n))
            return mem_printf("by %s, not by %s: %.*s", way, other_way, (int)n, line);
        line += n + (line[n] == '\n');
    }
    return NULL;
}

char *difference_of_fields(const char *way, const char *fields, const char *other_way, const char *other_fields)
{
    char *what = lacks(way, fields, other_way, other_fields);
    return what != NULL ? what : lacks(other_way, other_fields, way, fields);
}
