/* The mail to replay: see input.h. Sources are walked by fts(3), files read by stream.h, mailboxes cut by mbox.h. */
#include "ctl/replay/input.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "ctl/replay/content.h"
#include "ctl/replay/names.h"
#include "ctl/replay/stream.h"
#include "lib/mem.h"

enum {
    DETECT_SIZE = 1 << 20, /* bytes that tell what kind a mailbox is */
    ORIGIN_MAX = 8192,
    KEPT = 1024, /* bytes of a line that has no end */
};

/* Where in the file at hand we are. */
enum place {
    PLACE_OUTSIDE, /* no file is open */
    PLACE_ENTRY,   /* one is; its next entry is to be looked for */
    PLACE_MBOX,
    PLACE_MESSAGE,
};

struct input {
    const struct input_options *o;
    const char *const *sources;
    size_t nsources, at; /* the next source */
    FTS *fts;            /* the source at hand is a folder, or NULL */
    struct stream *stream;
    enum place place;
    enum mbox_kind kind;
    uint64_t total, passed; /* bytes of all sources, and of the files that are through; total 0: unknown */
    uint64_t in_file;       /* messages of this entry so far */
    uint64_t number, skipped;
    char *path, *entry, *example;
    struct buf origin, content, unquoted;
    char sender[1001];
    char why[ERROR_TEXT_MAX];
};

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static FTS *walk(const char *folder)
{
    char *const paths[] = {(char *)folder, NULL};
    return fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
}

/* Bytes of all files; 0 if standard input is among them. */
static uint64_t sum_sizes(const char *const *sources, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        FTS *fts = strcmp(sources[i], "-") != 0 ? walk(sources[i]) : NULL;
        if (fts == NULL)
            return 0;
        for (FTSENT *e; (e = fts_read(fts)) != NULL;)
            sum += e->fts_info == FTS_F ? (uint64_t)e->fts_statp->st_size : 0;
        fts_close(fts);
    }
    return sum;
}

struct input *input_new(const struct input_options *options, const char *const *sources, size_t n)
{
    struct input *in = mem_zero(1, sizeof *in);
    in->o = options;
    in->sources = sources;
    in->nsources = n;
    in->total = sum_sizes(sources, n);
    buf_init(&in->origin, ORIGIN_MAX);
    buf_init(&in->content, 2 * options->max_size + 2);
    buf_init(&in->unquoted, options->max_size);
    return in;
}

void input_free(struct input **in)
{
    if (*in == NULL)
        return;
    if ((*in)->fts != NULL)
        fts_close((*in)->fts);
    stream_close(&(*in)->stream);
    mem_free(&(*in)->path);
    mem_free(&(*in)->entry);
    mem_free(&(*in)->example);
    buf_free(&(*in)->origin);
    buf_free(&(*in)->content);
    buf_free(&(*in)->unquoted);
    mem_free(in);
}

uint64_t input_skipped(const struct input *in, const char **example_r)
{
    *example_r = in->example;
    return in->skipped;
}

double input_share(const struct input *in)
{
    uint64_t passed = in->passed + (in->stream != NULL ? stream_position(in->stream) : 0);
    if (in->total == 0)
        return -1;
    return passed < in->total ? (double)passed / (double)in->total : 1;
}

static void close_file(struct input *in)
{
    in->passed += stream_position(in->stream);
    stream_close(&in->stream);
    in->place = PLACE_OUTSIDE;
}

/* ---- what a message is ---- */

static void begin_message(struct input *in, struct input_message *m_r)
{
    *m_r = (struct input_message){.number = ++in->number, .from_sender = ""};
    buf_clear(&in->origin);
    buf_add_str(&in->origin, in->path);
    if (in->entry != NULL && in->entry[0] != '\0')
        buf_printf(&in->origin, ", %s", in->entry);
    if (in->place == PLACE_MBOX)
        buf_printf(&in->origin, ", message %llu", (unsigned long long)++in->in_file);
    m_r->origin = buf_str(&in->origin);
}

static bool give_reason(struct input *in, struct input_message *m_r, const char *reason)
{
    snprintf(in->why, sizeof in->why, "%s", reason);
    begin_message(in, m_r);
    m_r->reason = in->why;
    return true;
}

static bool give_message(struct input *in, const char *data, size_t len, struct input_message *m_r)
{
    char why[120];
    begin_message(in, m_r);
    buf_clear(&in->content);
    m_r->reason = content_to_wire(data, len, &in->content, &m_r->notes, why);
    if (m_r->reason != NULL) {
        snprintf(in->why, sizeof in->why, "%s", m_r->reason);
        m_r->reason = in->why;
    }
    m_r->bytes = in->content.data;
    m_r->len = in->content.len;
    return true;
}

/* "From address Thu Nov 26 10:00:00 2026": the date as asctime(3) has it; other forms give no time. */
static void read_from_line(struct input *in, const char *line, size_t len, struct input_message *m_r)
{
    char text[1100];
    struct tm tm = {.tm_isdst = -1};
    snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), line);
    char *address = text + 5 + strspn(text + 5, " ");
    char *end = address + strcspn(address, " \t\r\n");
    char *date = end + strspn(end, " \t");
    if (strptime(date, "%a %b %d %H:%M:%S %Y", &tm) != NULL)
        m_r->from_time = (msec_t)timegm(&tm) * 1000;
    *end = '\0';
    snprintf(in->sender, sizeof in->sender, "%s", strcmp(address, "MAILER-DAEMON") == 0 ? "" : address);
    m_r->from_sender = in->sender;
}

/* ---- one file ---- */

/* Reads until `size` bytes are there, or all. */
static enum result fill(struct input *in, size_t size, struct error *err)
{
    size_t len;
    bool last;
    for (stream_window(in->stream, &len, &last); !last && len < size; stream_window(in->stream, &len, &last)) {
        if (stream_more(in->stream, err) != RESULT_OK)
            return err->result;
    }
    return RESULT_OK;
}

static bool broken(struct input *in, const struct error *err, struct input_message *m_r)
{
    close_file(in);
    return give_reason(in, m_r, err->text);
}

/* What is too large goes by without being kept. */
static enum result skip_entry(struct input *in, struct error *err)
{
    for (;;) {
        size_t len;
        bool last;
        stream_window(in->stream, &len, &last);
        stream_use(in->stream, len);
        if (last)
            return RESULT_OK;
        if (stream_more(in->stream, err) != RESULT_OK)
            return err->result;
    }
}

static bool too_large(struct input *in, struct input_message *m_r)
{
    char text[80];
    snprintf(text, sizeof text, "it is larger than %zu bytes (--max-size)", in->o->max_size);
    return give_reason(in, m_r, text);
}

static bool next_single(struct input *in, struct input_message *m_r)
{
    struct error err;
    size_t len;
    bool last;
    if (fill(in, in->o->max_size + 1, &err) != RESULT_OK)
        return broken(in, &err, m_r);
    const char *data = stream_window(in->stream, &len, &last);
    bool fits = len <= in->o->max_size;
    if (fits)
        give_message(in, data, len, m_r);
    else
        too_large(in, m_r);
    in->place = PLACE_ENTRY;
    if (!fits && skip_entry(in, &err) != RESULT_OK)
        close_file(in);
    return true;
}

/* A message of a mailbox that is too large: on to the next From_ line, keeping little. */
static bool skip_large(struct input *in, struct input_message *m_r)
{
    struct error err;
    too_large(in, m_r);
    for (;;) {
        size_t len, seen = 0;
        bool last;
        struct mbox_message m;
        const char *data = stream_window(in->stream, &len, &last);
        /* As if a message began here: only where the next one is matters. */
        if (mbox_find_end(MBOX_O, data, len, last, &seen, &m)) {
            stream_use(in->stream, m.next);
            return true;
        }
        /* A line end stays before the next look, as the first line is taken for a From_ line; of an endless line its end. */
        stream_use(in->stream, seen > 1 ? seen - 1 : len - (len < KEPT ? len : KEPT));
        if (stream_more(in->stream, &err) != RESULT_OK) {
            close_file(in);
            return true;
        }
    }
}

static bool next_of_mbox(struct input *in, struct input_message *m_r)
{
    struct error err;
    struct mbox_message m;
    size_t len, seen = 0;
    bool last;
    const char *data = stream_window(in->stream, &len, &last);
    if (len == 0 && last) {
        in->place = PLACE_ENTRY;
        return false;
    }
    while (!mbox_find_end(in->kind, data, len, last, &seen, &m)) {
        if (len > in->o->max_size)
            return skip_large(in, m_r);
        if (stream_more(in->stream, &err) != RESULT_OK)
            return broken(in, &err, m_r);
        data = stream_window(in->stream, &len, &last);
    }
    if (m.end - m.from_len > in->o->max_size) {
        too_large(in, m_r);
    } else {
        buf_clear(&in->unquoted);
        mbox_unquote(in->kind, data + m.from_len, m.end - m.from_len, &in->unquoted);
        give_message(in, buf_str(&in->unquoted), in->unquoted.len, m_r);
        read_from_line(in, data, m.from_len, m_r);
    }
    stream_use(in->stream, m.next);
    return true;
}

/* ---- the files ---- */

/* The next entry of the file at hand, unless its name says that it is no mail. False: the file is through. */
static bool open_entry(struct input *in, struct input_message *m_r, bool *failed_r)
{
    struct error err;
    enum result result;
    const char *name;
    size_t len;
    bool last;
    *failed_r = false;
    while (stream_next_entry(in->stream, &name, &result, &err)) {
        enum name_kind kind = name[0] != '\0' ? name_kind_of(name) : name_kind_of(in->path);
        bool told = name[0] == '\0' && in->fts == NULL;
        mem_free(&in->entry);
        in->entry = mem_strdup(name);
        in->in_file = 0;
        if (kind == NAME_NO_MAIL && !told) {
            in->skipped++;
            if (in->example == NULL)
                in->example = name[0] != '\0' ? mem_strdup(name) : mem_strdup(in->path);
            continue;
        }
        if (fill(in, DETECT_SIZE, &err) != RESULT_OK) {
            *failed_r = broken(in, &err, m_r);
            return false;
        }
        const char *data = stream_window(in->stream, &len, &last);
        bool mbox = in->o->format == INPUT_MBOX ||
                    (in->o->format == INPUT_DETECT && kind != NAME_MESSAGE && mbox_is_from_line(data, len));
        in->place = mbox ? PLACE_MBOX : PLACE_MESSAGE;
        in->kind = in->o->mbox_told || !mbox ? in->o->mbox : mbox_detect(data, len);
        return true;
    }
    if (result != RESULT_OK)
        *failed_r = broken(in, &err, m_r);
    return false;
}

/* The path of the next file, or NULL; *why_r: it can't be read. */
static char *next_path(struct input *in, const char **why_r)
{
    *why_r = NULL;
    for (;;) {
        if (in->fts == NULL) {
            struct stat st;
            if (in->at == in->nsources)
                return NULL;
            const char *source = in->sources[in->at++];
            if (strcmp(source, "-") == 0)
                return mem_strdup(source);
            if (stat(source, &st) != 0)
                *why_r = strerror(errno);
            if (*why_r != NULL || !S_ISDIR(st.st_mode))
                return mem_strdup(source);
            in->fts = walk(source);
        }
        FTSENT *e = in->fts != NULL ? fts_read(in->fts) : NULL;
        if (e == NULL) {
            if (in->fts != NULL)
                fts_close(in->fts);
            in->fts = NULL;
        } else if (e->fts_info == FTS_F) {
            return mem_strdup(e->fts_path);
        } else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS) {
            *why_r = strerror(e->fts_errno);
            return mem_strdup(e->fts_path);
        }
    }
}

/* False: there is no more; else a file is open, or *failed_r and a message with a reason. */
static bool open_file(struct input *in, struct input_message *m_r, bool *failed_r)
{
    struct error err;
    const char *why;
    mem_free(&in->path);
    mem_free(&in->entry);
    in->path = next_path(in, &why);
    *failed_r = false;
    if (in->path == NULL)
        return false;
    if (why == NULL && stream_open(in->path, &in->stream, &err) == RESULT_OK)
        in->place = PLACE_ENTRY;
    else
        *failed_r = give_reason(in, m_r, why != NULL ? why : err.text);
    return true;
}

bool input_next(struct input *in, struct input_message *m_r)
{
    bool failed = false;
    for (;;) {
        switch (in->place) {
        case PLACE_OUTSIDE:
            if (!open_file(in, m_r, &failed))
                return false;
            break;
        case PLACE_ENTRY:
            if (!open_entry(in, m_r, &failed) && !failed)
                close_file(in);
            break;
        case PLACE_MBOX:
            if (next_of_mbox(in, m_r))
                return true;
            break;
        case PLACE_MESSAGE: return next_single(in, m_r);
        }
        if (failed)
            return true;
    }
}
