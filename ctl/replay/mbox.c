/* Mailboxes in one file: see mbox.h. */
#include "ctl/replay/mbox.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/header.h"

enum {
    FROM_LINE_MAX = 1000, /* bytes: a longer line is no From_ line */
    DETECT_MESSAGES = 20, /* looked at by mbox_detect() */
};

static const char *const names[MBOX_KINDS] = {"mboxo", "mboxrd", "mboxcl", "mboxcl2"};

const char *mbox_kind_name(enum mbox_kind kind)
{
    return names[kind];
}

bool mbox_kind_parse(const char *name, enum mbox_kind *kind_r)
{
    for (int i = 0; i < MBOX_KINDS; i++) {
        if (strcmp(names[i], name) == 0) {
            *kind_r = (enum mbox_kind)i;
            return true;
        }
    }
    return false;
}

/* "12:34" somewhere behind the address. */
static bool has_time(const char *p, const char *end)
{
    for (; end - p >= 5; p++) {
        if (isdigit((unsigned char)p[0]) && isdigit((unsigned char)p[1]) && p[2] == ':' &&
            isdigit((unsigned char)p[3]) && isdigit((unsigned char)p[4]))
            return true;
    }
    return false;
}

bool mbox_is_from_line(const char *line, size_t len)
{
    const char *end = line + len;
    if (len < 5 || memcmp(line, "From ", 5) != 0)
        return false;
    const char *lf = memchr(line, '\n', len < FROM_LINE_MAX ? len : FROM_LINE_MAX);
    if (lf == NULL && len >= FROM_LINE_MAX)
        return false;
    return has_time(line + 5, lf != NULL ? lf : end);
}

/* The beginning of the first From_ line at or behind data + at, where a line begins; `len` if there is none. */
static size_t find_from_line(const char *data, size_t len, size_t at)
{
    while (at < len) {
        if (mbox_is_from_line(data + at, len - at))
            return at;
        const char *lf = memchr(data + at, '\n', len - at);
        if (lf == NULL)
            break;
        at = (size_t)(lf - data) + 1;
    }
    return len;
}

/* Bytes of the header, with the empty line behind it; 0: its end is not there. */
static size_t header_size(const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *lf = memchr(data + at, '\n', len - at);
        if (lf == NULL)
            return 0;
        size_t next = (size_t)(lf - data) + 1;
        if (next - at == 1 || (next - at == 2 && data[at] == '\r'))
            return next;
        at = next;
    }
    return 0;
}

static size_t skip_line_end(const char *data, size_t len, size_t at)
{
    if (at + 1 < len && data[at] == '\r' && data[at + 1] == '\n')
        return at + 2;
    return at < len && data[at] == '\n' ? at + 1 : at;
}

enum length_says { LENGTH_NOTHING, LENGTH_MORE, LENGTH_END };

/* What Content-Length says of the message that begins at `begin`. */
static enum length_says ask_length(const char *data, size_t len, bool last, size_t begin, struct mbox_message *m_r)
{
    char value[32], *end;
    size_t header = header_size(data + begin, len - begin);
    if (header == 0)
        return last ? LENGTH_NOTHING : LENGTH_MORE;
    if (!header_find(data + begin, header, "Content-Length", value, sizeof value) || !isdigit((unsigned char)value[0]))
        return LENGTH_NOTHING;
    unsigned long long body = strtoull(value, &end, 10);
    size_t at = begin + header;
    if (*end != '\0' || body > SIZE_MAX / 2)
        return LENGTH_NOTHING;
    if (body > len - at)
        return last ? LENGTH_NOTHING : LENGTH_MORE;
    m_r->end = at + (size_t)body;
    size_t next = skip_line_end(data, len, m_r->end);
    if (!last && len - next < FROM_LINE_MAX)
        return LENGTH_MORE;
    m_r->next = next;
    return next == len || mbox_is_from_line(data + next, len - next) ? LENGTH_END : LENGTH_NOTHING;
}

/* Without the empty line before the next message. */
static size_t trim_separator(const char *data, size_t begin, size_t end)
{
    if (end - begin >= 2 && data[end - 1] == '\n' && data[end - 2] == '\n')
        return end - 1;
    if (end - begin >= 4 && memcmp(data + end - 4, "\r\n\r\n", 4) == 0)
        return end - 2;
    return end;
}

bool mbox_find_end(enum mbox_kind kind, const char *data, size_t len, bool last, size_t *seen_io,
                   struct mbox_message *m_r)
{
    const char *lf = memchr(data, '\n', len);
    size_t begin = lf != NULL ? (size_t)(lf - data) + 1 : len;
    *m_r = (struct mbox_message){.from_len = begin};
    if (kind == MBOX_CL || kind == MBOX_CL2) {
        switch (ask_length(data, len, last, begin, m_r)) {
        case LENGTH_END: return true;
        case LENGTH_MORE: return false;
        default: m_r->bad_length = true;
        }
    }
    size_t from = *seen_io > begin ? *seen_io : begin;
    size_t next = find_from_line(data, len, from);
    /* The end of what is there may be the beginning of a line that isn't whole. */
    if (!last && len - next < FROM_LINE_MAX) {
        size_t tail = len > FROM_LINE_MAX ? len - FROM_LINE_MAX : 0;
        while (tail > begin && data[tail - 1] != '\n')
            tail--;
        *seen_io = tail;
        return false;
    }
    m_r->next = next;
    m_r->end = trim_separator(data, begin, next);
    return true;
}

/* ---- lines that begin with "From " ---- */

/* A line that the writer of such a mailbox has put a ">" before. */
static bool is_quoted(enum mbox_kind kind, const char *line, size_t len)
{
    size_t n = 0;
    if (kind == MBOX_CL2)
        return false;
    while (n < len && line[n] == '>')
        n++;
    return n > 0 && (n == 1 || kind == MBOX_RD) && len - n >= 5 && memcmp(line + n, "From ", 5) == 0;
}

void mbox_unquote(enum mbox_kind kind, const char *data, size_t len, struct buf *out)
{
    for (size_t at = 0; at < len;) {
        const char *lf = memchr(data + at, '\n', len - at);
        size_t next = lf != NULL ? (size_t)(lf - data) + 1 : len;
        size_t skip = is_quoted(kind, data + at, next - at) ? 1 : 0;
        buf_add(out, data + at + skip, next - at - skip);
        at = next;
    }
}

/* ---- what kind it is ---- */

static bool has_line(const char *data, size_t len, const char *beginning)
{
    size_t n = strlen(beginning);
    for (size_t at = 0; at + n <= len;) {
        if (memcmp(data + at, beginning, n) == 0)
            return true;
        const char *lf = memchr(data + at, '\n', len - at);
        if (lf == NULL)
            break;
        at = (size_t)(lf - data) + 1;
    }
    return false;
}

/* Content-Length is right in all messages that have it, and one has it; *plain_r: a body has a line "From ...". */
static bool lengths_hold(const char *data, size_t len, bool *plain_r)
{
    unsigned right = 0;
    *plain_r = false;
    for (int i = 0; i < DETECT_MESSAGES && len > 0; i++) {
        struct mbox_message m;
        size_t seen = 0;
        if (!mbox_find_end(MBOX_CL2, data, len, true, &seen, &m) || (m.bad_length && m.next < len))
            return false;
        if (m.bad_length)
            break; /* perhaps only cut */
        right++;
        *plain_r = *plain_r || has_line(data + m.from_len, m.end - m.from_len, "From ");
        data += m.next;
        len -= m.next;
    }
    return right > 0;
}

enum mbox_kind mbox_detect(const char *data, size_t len)
{
    bool plain;
    if (lengths_hold(data, len, &plain))
        return plain || !has_line(data, len, ">From ") ? MBOX_CL2 : MBOX_CL;
    return has_line(data, len, ">>From ") ? MBOX_RD : MBOX_O;
}
