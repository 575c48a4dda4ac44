/* Addresses out of header fields: see addresses.h. */
#include "ctl/replay/addresses.h"

#include <stdbool.h>
#include <string.h>

#include "lib/address.h"
#include "lib/buf.h"

/* Behind a comment that begins at `p`; comments nest. */
static const char *skip_comment(const char *p)
{
    unsigned depth = 0;
    for (; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '(')
            depth++;
        else if (*p == ')' && --depth == 0)
            return p + 1;
    }
    return p;
}

/* Copies a quoted string with its quotes; returns what is behind it. */
static const char *copy_quoted(const char *p, struct buf *out)
{
    buf_add_char(out, *p++);
    while (*p != '\0' && *p != '"') {
        if (*p == '\\' && p[1] != '\0')
            buf_add_char(out, *p++);
        buf_add_char(out, *p++);
    }
    if (*p == '"')
        buf_add_char(out, *p++);
    return p;
}

static void give(const struct buf *text, void (*found)(void *arg, const char *address), void *arg)
{
    bool utf8 = false;
    if (!text->overflow && text->len > 0 && address_valid(buf_str(text), &utf8))
        found(arg, buf_str(text));
}

void addresses_each(const char *value, void (*found)(void *arg, const char *address), void *arg)
{
    struct buf text = BUF_INIT(ADDRESS_MAX); /* what may be an address, since the last comma */
    bool angle = false, had_angle = false;
    for (const char *p = value; *p != '\0';) {
        if (*p == '(') {
            p = skip_comment(p);
        } else if (*p == '"') {
            p = copy_quoted(p, &text);
        } else if (*p == '<') {
            buf_clear(&text);
            angle = true;
            p++;
        } else if (*p == '>' && angle) {
            give(&text, found, arg);
            angle = false;
            had_angle = true;
            p++;
        } else if ((*p == ',' || *p == ';' || *p == ':') && !angle) { /* a list, a group's end and its name */
            if (!had_angle && *p != ':')
                give(&text, found, arg);
            buf_clear(&text);
            had_angle = false;
            p++;
        } else {
            if (*p != ' ' && *p != '\t')
                buf_add_char(&text, *p);
            p++;
        }
    }
    if (!had_angle && !angle)
        give(&text, found, arg);
    buf_free(&text);
}
