/* Parsing SMTP replies: see smtp_reply.h. */
#include "lib/smtp_reply.h"

#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

enum { RAW_MAX = 64 * 1024 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void smtp_reply_parser_init(struct smtp_reply_parser *p)
{
    memset(p, 0, sizeof *p);
    buf_init(&p->line, SMTP_REPLY_LINE_MAX);
    buf_init(&p->raw, RAW_MAX);
}

void smtp_reply_parser_free(struct smtp_reply_parser *p)
{
    buf_free(&p->line);
    buf_free(&p->raw);
}

/* The length of an enhanced status code of class `class` at the start of text ("5.1.1"), 0 if there is none. */
static size_t enhanced_code_len(const char *text, char class)
{
    const char *p = text;
    if (*p++ != class)
        return 0;
    for (int part = 0; part < 2; part++) {
        if (*p++ != '.')
            return 0;
        int digits = 0;
        while (is_digit(*p) && digits < 4)
            p++, digits++;
        if (digits < 1 || digits > 3)
            return 0;
    }
    return *p == ' ' || *p == '\0' ? (size_t)(p - text) : 0;
}

/* The text goes into logs, JSON and DSNs: printable, valid UTF-8, cut between characters. */
static void add_text(struct smtp_reply *r, const char *line)
{
    size_t n = strlen(r->text);
    if (n > 0 && *line != '\0' && n + 1 < sizeof r->text)
        r->text[n++] = ' ';
    while (*line != '\0') {
        size_t len = utf8_printable_len(line);
        if (n + (len ? len : 1) >= sizeof r->text)
            break;
        if (len > 0)
            memcpy(r->text + n, line, len);
        else
            r->text[n] = '?';
        n += len ? len : 1;
        line += len ? len : 1;
    }
    r->text[n] = '\0';
}

static enum result malformed(struct error *err, const char *what, const char *line)
{
    return error_set_dsn(err, RESULT_PERM, "4.5.0", "%s in a reply: \"%.60s\"", what, line);
}

/* One line without its end; *last_r: the reply's last. */
static enum result take_line(struct smtp_reply_parser *p, bool *last_r, struct error *err)
{
    struct smtp_reply *r = &p->reply;
    char *line = p->line.data;
    if (strlen(line) != p->line.len)
        return malformed(err, "NUL byte", line);
    if (!is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]) || line[0] < '2' || line[0] > '5')
        return malformed(err, "no reply code", line);
    if (line[3] != ' ' && line[3] != '-' && line[3] != '\0')
        return malformed(err, "no space or hyphen behind the code", line);
    int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (p->lines > 0 && code != r->code)
        return malformed(err, "different codes", line);
    if (++p->lines > SMTP_REPLY_LINES_MAX)
        return malformed(err, "too many lines", line);
    const char *text = line[3] == '\0' ? "" : line + 4;
    if (!buf_add_str(&p->raw, text) || !buf_add_char(&p->raw, '\n'))
        return malformed(err, "too much text", line);

    size_t dsn = enhanced_code_len(text, line[0]);
    if (p->lines == 1 && dsn > 0)
        snprintf(r->dsn, sizeof r->dsn, "%.*s", (int)dsn, text);
    if (dsn > 0 && strncmp(r->dsn, text, dsn) == 0 && r->dsn[dsn] == '\0')
        text += dsn + (text[dsn] == ' ');
    r->code = code;
    add_text(r, text);
    *last_r = line[3] != '-';
    return RESULT_OK;
}

static void begin_reply(struct smtp_reply_parser *p)
{
    buf_clear(&p->line);
    buf_clear(&p->raw);
    p->lines = 0;
    memset(&p->reply, 0, sizeof p->reply);
}

enum result smtp_reply_feed(struct smtp_reply_parser *p, const char *data, size_t len, size_t *used_r, bool *complete_r,
                            struct error *err)
{
    *used_r = 0;
    *complete_r = false;
    if (p->lines == 0 && p->line.len == 0)
        begin_reply(p);
    while (*used_r < len) {
        const char *start = data + *used_r;
        const char *lf = memchr(start, '\n', len - *used_r);
        size_t n = lf ? (size_t)(lf - start) : len - *used_r;
        *used_r += lf ? n + 1 : n;
        if (!buf_add(&p->line, start, n))
            return malformed(err, "overlong line", buf_str(&p->line));
        if (lf == NULL)
            break;
        if (p->line.len > 0 && p->line.data[p->line.len - 1] == '\r')
            p->line.data[--p->line.len] = '\0';
        bool last = false;
        enum result result = take_line(p, &last, err);
        if (result != RESULT_OK)
            return result;
        buf_clear(&p->line);
        if (last) {
            p->lines = 0;
            *complete_r = true;
            break;
        }
    }
    return RESULT_OK;
}

enum result smtp_reply_result(const struct smtp_reply *r)
{
    return r->code >= 500 ? RESULT_PERM : r->code >= 400 ? RESULT_TEMP : RESULT_OK;
}

const char *smtp_reply_dsn(const struct smtp_reply *r)
{
    if (r->dsn[0] != '\0')
        return r->dsn;
    return r->code >= 500 ? "5.0.0" : r->code >= 400 ? "4.0.0" : "2.0.0";
}

void smtp_reply_text(const struct smtp_reply *r, char *out, size_t size)
{
    snprintf(out, size, "%03d%s%s%s%s", r->code, r->dsn[0] ? " " : "", r->dsn, r->text[0] ? " " : "", r->text);
}

/* Copies the queue id at `p`; false if none is there. */
static bool copy_id(const char *p, char *out, size_t size)
{
    size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    if (n == 0 || n >= size)
        return false;
    memcpy(out, p, n);
    out[n] = '\0';
    return true;
}

void smtp_reply_queue_id(const struct smtp_reply *r, char *out, size_t size)
{
    static const char queued_as[] = "queued as ", id_is[] = "id=", accepted[] = " Message accepted";
    out[0] = '\0';
    if (smtp_reply_result(r) != RESULT_OK)
        return;
    const char *found = NULL; /* the last: a content filter quotes the reply of the MTA behind it */
    for (const char *p = r->text; (p = strstr(p, queued_as)) != NULL; p++)
        found = p + strlen(queued_as);
    if (found != NULL && copy_id(found, out, size))
        return;
    if ((found = strstr(r->text, id_is)) != NULL && copy_id(found + strlen(id_is), out, size))
        return;
    if ((found = strstr(r->text, accepted)) != NULL) {
        const char *start = found;
        while (start > r->text && start[-1] != ' ')
            start--;
        copy_id(start, out, size);
        if (strlen(out) != (size_t)(found - start))
            out[0] = '\0';
    }
}
