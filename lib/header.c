/* Trace headers, dates, finding a header: see header.h. */
#include "lib/header.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/address.h"
#include "lib/utf8.h"

enum {
    LINE_WANTED = 78,    /* RFC 5322 section 2.1.1, without CRLF */
    WORD_MAX = 255,      /* of a name that somebody gave us */
    RECIPIENT_MAX = 900, /* keeps its line under the 998 that nobody may exceed */
};

#define OWN_MARK "(pontoon)"

void header_date(msec_t when, char out[HEADER_DATE_SIZE])
{
    /* Not strftime()'s names: those are the locale's. */
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(when / 1000);
    struct tm tm = {.tm_mday = 1, .tm_year = 70, .tm_wday = 4};
    localtime_r(&seconds, &tm);
    long east = tm.tm_gmtoff / 60;
    long minutes = east < 0 ? -east : east;
    snprintf(out, HEADER_DATE_SIZE, "%s, %02d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, east < 0 ? '-' : '+', minutes / 60,
             minutes % 60);
}

/* ---- writing ---- */

/* One header on its way out, folded between words. */
struct line {
    struct buf *out;
    size_t column;
};

static void line_fold(struct line *l)
{
    buf_add_str(l->out, "\r\n\t");
    l->column = 1;
}

/* Adds a word behind a space, or on a new line if it would not fit. */
static void line_word(struct line *l, const char *word)
{
    size_t len = strlen(word);
    if (l->column > 1 && l->column + 1 + len > LINE_WANTED)
        line_fold(l);
    if (l->column > 1) {
        buf_add_char(l->out, ' ');
        l->column++;
    }
    buf_add(l->out, word, len);
    l->column += len;
}

/* "BEFORE value AFTER" as one word. What could end a word, a comment or the header becomes '?'. */
static void line_name(struct line *l, const char *before, const char *value, const char *after)
{
    char word[WORD_MAX + 20];
    int n = snprintf(word, sizeof word, "%s", before);
    char *p = word + n;
    for (size_t i = 0; i < WORD_MAX && value[i] != '\0'; i++) {
        bool harmless = value[i] > 0x20 && value[i] < 0x7f && strchr("()\\<>\";,", value[i]) == NULL;
        *p++ = harmless ? value[i] : '?';
    }
    snprintf(p, sizeof word - (size_t)(p - word), "%s", after);
    line_word(l, word);
}

/* RFC 5321 section 4.1.3: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
static void line_literal(struct line *l, const char *before, const char *address, const char *after)
{
    bool tagged = strncasecmp(address, "IPv6:", 5) == 0;
    bool v6 = !tagged && strchr(address, ':') != NULL;
    char open[20];
    char close[20];
    snprintf(open, sizeof open, "%s[%s", before, v6 ? "IPv6:" : "");
    snprintf(close, sizeof close, "]%s", after);
    line_name(l, open, address, close);
}

static bool is_given(const char *s)
{
    return s != NULL && s[0] != '\0';
}

/* "from HELO (NAME [ADDRESS])"; nothing for mail that was born here. */
static void add_from(struct line *l, const struct header_trace *t)
{
    bool address = is_given(t->address);
    bool name = is_given(t->name);
    if (!is_given(t->helo) && !name && !address)
        return;
    line_word(l, "from");
    if (is_given(t->helo))
        line_name(l, "", t->helo, "");
    else if (name)
        line_name(l, "", t->name, "");
    else
        line_literal(l, "", t->address, "");
    if (name)
        line_name(l, "(", t->name, address ? "" : ")");
    if (address)
        line_literal(l, name ? "" : "(", t->address, ")");
    line_fold(l);
}

/* RFC 3848: ESMTP, ESMTPS, ... with authentication are ESMTPA, ESMTPSA. */
static const char *auth_suffix(const struct header_trace *t)
{
    return is_given(t->login) && strstr(t->with, "SMTP") != NULL ? "A" : "";
}

/* A recipient that cannot be written as it is would be a false statement; the clause is optional. */
static bool can_show(const char *recipient)
{
    return recipient != NULL && strlen(recipient) <= RECIPIENT_MAX && utf8_is_ascii(recipient) &&
           address_valid(recipient, NULL);
}

void header_trace_add(struct buf *out, const struct header_trace *t)
{
    struct line l = {out, 0};
    char date[HEADER_DATE_SIZE];
    header_date(t->when, date);

    buf_add_str(out, "Received:");
    l.column = strlen("Received:");
    add_from(&l, t);
    line_word(&l, "by");
    line_name(&l, "", t->by, "");
    line_word(&l, OWN_MARK);
    line_word(&l, "with");
    line_name(&l, "", t->with, auth_suffix(t));
    line_word(&l, "id");
    bool show = can_show(t->recipient);
    line_name(&l, "", t->id, show ? "" : ";");
    if (show) {
        char path[RECIPIENT_MAX + 4];
        line_fold(&l);
        line_word(&l, "for");
        snprintf(path, sizeof path, "<%s>;", t->recipient);
        line_word(&l, path);
    }
    line_fold(&l);
    line_word(&l, date);
    buf_add_str(out, "\r\n");
}

/* ---- reading ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind a quoted string or a comment (which may hold others, RFC 5322 section 3.2.2) that begins at `p`. */
static const char *skip_group(const char *p)
{
    bool quoted = *p == '"';
    size_t depth = 1;
    for (p++; *p != '\0' && depth > 0; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (quoted)
            depth -= *p == '"';
        else
            depth = *p == '(' ? depth + 1 : depth - (*p == ')');
    }
    return p;
}

/* The next word or comment at or behind *p; false at the ';' before the date, or the end. */
static bool next_token(const char **p, const char **token_r, size_t *len_r)
{
    const char *s = *p;
    while (is_space(*s))
        s++;
    *token_r = s;
    if (*s == '(')
        s = skip_group(s);
    else
        while (*s != '\0' && *s != ';' && *s != '(' && !is_space(*s))
            s = *s == '"' ? skip_group(s) : s + 1;
    *len_r = (size_t)(s - *token_r);
    *p = s;
    return *len_r > 0;
}

static bool token_is(const char *token, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(token, word, len) == 0;
}

/* The last "by" decides: an earlier one stands where a client said who it is. */
bool header_is_own_trace(const char *received_value, const char *by)
{
    const char *p = received_value;
    const char *token;
    size_t len;
    size_t behind_by = 0; /* tokens since "by", itself 1; 0: none yet */
    bool host = false;
    bool own = false;
    while (next_token(&p, &token, &len)) {
        if (token_is(token, len, "by"))
            behind_by = 1;
        else if (behind_by > 0)
            behind_by++;
        if (behind_by == 1)
            own = false;
        else if (behind_by == 2)
            host = by == NULL || token_is(token, len, by);
        else if (behind_by == 3)
            own = host && token_is(token, len, OWN_MARK);
        else if (own && token_is(token, len, "with"))
            break; /* what follows may hold any word, another "by" too */
    }
    return own;
}

static bool is_queue_id(const char *token, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = token[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alnum && strchr("-_.", c) == NULL)
            return false;
    }
    return len > 0;
}

/* Behind "by", as the name behind "from" may be any word. */
bool header_received_id(const char *received_value, char *out, size_t out_size)
{
    const char *p = received_value;
    const char *token;
    size_t len;
    bool by = false;
    bool id = false;
    while (next_token(&p, &token, &len)) {
        if (id && is_queue_id(token, len) && len < out_size) {
            snprintf(out, out_size, "%.*s", (int)len, token);
            return true;
        }
        id = by && token_is(token, len, "id");
        by = by || token_is(token, len, "by");
    }
    return false;
}

/* The end of the line that begins at `p`: its LF, or `end`. */
static const char *line_end(const char *p, const char *end)
{
    const char *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    return lf != NULL ? lf : end;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind "NAME:" (RFC 5322 section 4.5 lets blanks stand before the colon), or NULL. */
static const char *match_name(const char *line, const char *eol, const char *name)
{
    size_t len = strlen(name);
    if ((size_t)(eol - line) <= len || strncasecmp(line, name, len) != 0)
        return NULL;
    const char *p = line + len;
    while (p < eol && is_blank(*p))
        p++;
    return p < eol && *p == ':' ? p + 1 : NULL;
}

/* Unfolds: line ends go, the blanks of the fold stay. */
static void copy_value(const char *p, const char *end, char *out, size_t out_size)
{
    size_t n = 0;
    while (p < end && n + 1 < out_size) {
        const char *eol = line_end(p, end);
        const char *text_end = eol > p && eol < end && eol[-1] == '\r' ? eol - 1 : eol;
        for (; p < text_end && n + 1 < out_size; p++) {
            if (n > 0 || !is_blank(*p))
                out[n++] = *p != '\0' ? *p : '?';
        }
        if (eol == end || eol + 1 == end || !is_blank(eol[1]))
            break;
        p = eol + 1;
    }
    while (n > 0 && is_space(out[n - 1]))
        n--;
    out[n] = '\0';
}

bool header_find(const char *message, size_t len, const char *name, char *out, size_t out_size)
{
    const char *end = message + len;
    out[0] = '\0';
    for (const char *line = message; line < end;) {
        const char *eol = line_end(line, end);
        if (eol == line || (eol == line + 1 && *line == '\r'))
            return false;
        const char *value = match_name(line, eol, name);
        if (value != NULL) {
            copy_value(value, end, out, out_size);
            return true;
        }
        line = eol < end ? eol + 1 : end;
    }
    return false;
}
