/* Where altered messages differ from what was sent: see difference.h. */
#include "ctl/replay/difference.h"

#include <string.h>

#include "ctl/replay/token.h"
#include "ctl/replay/whole_file.h"
#include "lib/mem.h"

enum { TEXT_MAX = 1000 };

/* An altered arrival, and the message in the input that it was. */
struct altered {
    uint64_t copy, number;
    char *way, *origin, *file;
    bool found;
};

static void add(struct report *r, const struct altered *a, const char *what)
{
    const struct report_finding f = {
        .kind = "altered", .copy = a->copy, .way = a->way, .origin = a->origin, .what = (char *)what};
    report_add(r, &f);
}

static void compare(struct report *r, const struct options *o, const struct altered *a, const struct input_message *m)
{
    const struct token_watch watch = {o->watch, o->nwatch};
    struct buf text = BUF_INIT(TEXT_MAX);
    char *arrived;
    size_t len;
    struct error err;
    if (a->file[0] == '\0' || whole_file_read(a->file, SIZE_MAX / 2, &arrived, &len, &err) != RESULT_OK) {
        add(r, a, a->file[0] == '\0' ? "what arrived was not kept" : err.text);
        return;
    }
    size_t sent_len, rest_len;
    char *sent = token_without_watched(m->bytes, m->len, &watch, &sent_len);
    char *rest = token_without_watched(arrived, len, &watch, &rest_len);
    token_first_difference(sent, sent_len, rest, rest_len, &text);
    mem_free(&sent);
    mem_free(&rest);
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
                compare(r, o, &list[i], &m);
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
