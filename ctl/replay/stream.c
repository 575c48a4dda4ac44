/* A file behind compression and archives: see stream.h. */
#include "ctl/replay/stream.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/mem.h"

enum {
    BLOCK = 65536,
    PIECE = 262144, /* bytes that the window grows by at least */
};

struct stream {
    const char *path;
    struct archive *archive;
    bool is_archive; /* of several files, not only compressed */
    bool last;       /* the entry's end was read */
    char *window;    /* what is there: begin..end */
    size_t begin, end, cap;
};

static enum result failed(const struct stream *s, struct error *err)
{
    const char *why = archive_error_string(s->archive);
    return error_set(err, RESULT_PERM, "%s: %s", s->path, why != NULL ? why : "it can't be read");
}

enum result stream_open(const char *path, struct stream **s_r, struct error *err)
{
    struct stream *s = mem_zero(1, sizeof *s);
    bool is_stdin = strcmp(path, "-") == 0;
    s->path = is_stdin ? "standard input" : path;
    s->archive = archive_read_new();
    archive_read_support_filter_gzip(s->archive);
    archive_read_support_filter_bzip2(s->archive);
    archive_read_support_filter_xz(s->archive);
    archive_read_support_filter_zstd(s->archive);
    archive_read_support_format_tar(s->archive);
    archive_read_support_format_raw(s->archive);
    archive_read_support_format_empty(s->archive);
    int ok = is_stdin ? archive_read_open_fd(s->archive, STDIN_FILENO, BLOCK)
                      : archive_read_open_filename(s->archive, path, BLOCK);
    if (ok != ARCHIVE_OK) {
        enum result result = failed(s, err);
        stream_close(&s);
        return result;
    }
    *s_r = s;
    return RESULT_OK;
}

void stream_close(struct stream **s)
{
    if (*s == NULL)
        return;
    archive_read_free((*s)->archive);
    mem_free(&(*s)->window);
    mem_free(s);
}

bool stream_next_entry(struct stream *s, const char **name_r, enum result *result_r, struct error *err)
{
    struct archive_entry *entry;
    *result_r = RESULT_OK;
    s->begin = s->end = 0;
    for (;;) {
        int got = archive_read_next_header(s->archive, &entry);
        if (got == ARCHIVE_EOF)
            return false;
        if (got != ARCHIVE_OK && got != ARCHIVE_WARN) {
            *result_r = failed(s, err);
            return false;
        }
        s->is_archive = archive_format(s->archive) != ARCHIVE_FORMAT_RAW;
        if (s->is_archive && archive_entry_filetype(entry) != AE_IFREG)
            continue;
        const char *name = s->is_archive ? archive_entry_pathname(entry) : "";
        *name_r = name != NULL ? name : "?";
        s->last = false;
        return true;
    }
}

const char *stream_window(const struct stream *s, size_t *len_r, bool *last_r)
{
    *len_r = s->end - s->begin;
    *last_r = s->last;
    return s->window + s->begin;
}

enum result stream_more(struct stream *s, struct error *err)
{
    if (s->begin > 0) {
        memmove(s->window, s->window + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    if (s->cap - s->end < PIECE) { /* by half, so that a large message isn't copied too often */
        s->cap += s->cap / 2 + PIECE;
        s->window = mem_grow(s->window, s->cap, 1);
    }
    la_ssize_t n = archive_read_data(s->archive, s->window + s->end, s->cap - s->end);
    if (n < 0)
        return failed(s, err);
    s->end += (size_t)n;
    s->last = n == 0;
    return RESULT_OK;
}

void stream_use(struct stream *s, size_t n)
{
    s->begin += n;
}

unsigned long long stream_position(const struct stream *s)
{
    la_int64_t n = archive_filter_bytes(s->archive, -1);
    return n > 0 ? (unsigned long long)n : 0;
}
