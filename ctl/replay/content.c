/* Messages made ready for DATA: see content.h. */
#include "ctl/replay/content.h"

#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 998 };

const char *content_note_name(unsigned note)
{
    switch (note) {
    case CONTENT_MIXED_LINE_ENDS: return "mixed line ends";
    case CONTENT_NO_LAST_LINE_END: return "no end of the last line";
    case CONTENT_EIGHT_BIT: return "8-bit";
    case CONTENT_NUL: return "NUL bytes";
    case CONTENT_BARE_CR: return "bare CR";
    case CONTENT_HEADER_ONLY: return "a header only";
    case CONTENT_LONG_LINE: return "lines over 998 bytes";
    default: return "";
    }
}

static unsigned look_at_line(const char *line, size_t len)
{
    unsigned notes = len > LINE_MAX_BYTES ? CONTENT_LONG_LINE : 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] >= 0x80)
            notes |= CONTENT_EIGHT_BIT;
        else if (line[i] == '\0')
            notes |= CONTENT_NUL;
        else if (line[i] == '\r')
            notes |= CONTENT_BARE_CR;
    }
    return notes;
}

const char *content_to_wire(const char *data, size_t len, struct buf *out, unsigned *notes_r, char why[120])
{
    const char *first = memchr(data, '\n', len);
    bool crlf = first != NULL && first > data && first[-1] == '\r';
    *notes_r = 0;
    if (len == 0)
        return "it is empty";
    bool empty_line = false;
    for (size_t at = 0; at < len;) {
        const char *lf = memchr(data + at, '\n', len - at);
        size_t end = lf != NULL ? (size_t)(lf - data) : len;
        bool cr = lf != NULL && end > at && data[end - 1] == '\r';
        if (lf != NULL && cr != crlf) {
            if (crlf) {
                snprintf(why, 120, "a bare LF at byte %zu, in a message whose lines end in CRLF", end);
                return why;
            }
            *notes_r |= CONTENT_MIXED_LINE_ENDS;
        }
        if (lf == NULL)
            *notes_r |= CONTENT_NO_LAST_LINE_END;
        size_t text = end - at - (cr ? 1 : 0);
        *notes_r |= look_at_line(data + at, text);
        empty_line = empty_line || text == 0;
        buf_add(out, data + at, text);
        buf_add(out, "\r\n", 2);
        at = end + (lf != NULL ? 1 : 0);
    }
    if (!empty_line)
        *notes_r |= CONTENT_HEADER_ONLY;
    return NULL;
}
