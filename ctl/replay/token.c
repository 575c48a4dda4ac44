/* How a replayed message is known again: see token.h. */
#include "ctl/replay/token.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/mem.h"

enum {
    WATCHED_MAX = 8192,
    SHOWN = 60, /* bytes of a difference */
};

void token_field(const char *run, uint64_t copy, char out[TOKEN_FIELD_MAX])
{
    snprintf(out, TOKEN_FIELD_MAX, REPLAY_TOKEN_FIELD ": %.*s-%llu\r\n", TOKEN_RUN_LEN, run, (unsigned long long)copy);
}

/* ---- a header, field by field ---- */

struct field {
    const char *name;
    size_t name_len;
    const char *value; /* behind the colon */
    size_t value_len;  /* with line ends */
};

/* The field that begins at *at_io, with its folded lines. False: the header is over there. */
static bool next_field(const char *message, size_t len, size_t *at_io, struct field *f_r)
{
    const char *begin = message + *at_io, *end = message + len;
    const char *colon = NULL, *p = begin;
    for (; p < end && *p != ':' && *p != '\n' && *p > ' ' && *p < 0x7f; p++)
        ;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    if (p < end && *p == ':' && p > begin)
        colon = p;
    if (colon == NULL)
        return false;
    const char *line = begin;
    do {
        const char *lf = memchr(line, '\n', (size_t)(end - line));
        line = lf != NULL ? lf + 1 : end;
    } while (line < end && (*line == ' ' || *line == '\t'));
    size_t name_len = (size_t)(colon - begin);
    while (name_len > 0 && (begin[name_len - 1] == ' ' || begin[name_len - 1] == '\t'))
        name_len--;
    *f_r = (struct field){begin, name_len, colon + 1, (size_t)(line - colon - 1)};
    *at_io = (size_t)(line - message);
    return true;
}

static bool is_named(const struct field *f, const char *name)
{
    return strlen(name) == f->name_len && strncasecmp(name, f->name, f->name_len) == 0;
}

static bool is_watched(const struct field *f, const struct token_watch *watch)
{
    for (size_t i = 0; i < watch->n; i++) {
        if (is_named(f, watch->names[i]))
            return true;
    }
    return false;
}

/* Unfolded and trimmed, cut to fit. */
static void copy_value(const struct field *f, char *out, size_t size)
{
    size_t n = 0;
    bool blank = false;
    for (size_t i = 0; i < f->value_len && n + 2 < size; i++) {
        if (isspace((unsigned char)f->value[i])) {
            blank = n > 0;
            continue;
        }
        if (blank)
            out[n++] = ' ';
        blank = false;
        out[n++] = f->value[i];
    }
    out[n] = '\0';
}

/* Gives the pieces between the watched fields. */
static void each_piece(const char *message, size_t len, const struct token_watch *watch,
                       void (*piece)(void *arg, const void *data, size_t len), void *arg)
{
    size_t at = 0, begin = 0;
    struct field f;
    while (watch->n > 0 && next_field(message, len, &at, &f)) {
        if (!is_watched(&f, watch))
            piece(arg, message + begin, at - begin);
        begin = at;
    }
    piece(arg, message + begin, len - begin);
}

static void into_digest(void *arg, const void *data, size_t len)
{
    digest_add(arg, data, len);
}

void token_digest(const char *message, size_t len, const struct token_watch *watch, uint8_t out[DIGEST_SIZE])
{
    struct digest *d = digest_new();
    each_piece(message, len, watch, into_digest, d);
    digest_finish(&d, out);
}

static void into_buf(void *arg, const void *data, size_t len)
{
    buf_add(arg, data, len);
}

char *token_without_watched(const char *message, size_t len, const struct token_watch *watch, size_t *len_r)
{
    struct buf out = BUF_INIT(len);
    each_piece(message, len, watch, into_buf, &out);
    *len_r = out.len;
    return buf_take(&out);
}

/* ---- what arrived ---- */

/* "Tue, 24 Nov 2026 03:12:00 +0000" (RFC 5322 section 3.3): 0 if it is none. */
static msec_t date_time(const char *p)
{
    struct tm tm = {0};
    const char *comma = strchr(p, ',');
    const char *zone = strptime(comma != NULL ? comma + 1 : p, " %d %b %Y %H:%M:%S", &tm);
    if (zone == NULL)
        return 0;
    char *end;
    long hhmm = strtol(zone, &end, 10);
    bool is_zone = end != zone && hhmm >= -2400 && hhmm <= 2400;
    long offset = is_zone ? (hhmm / 100) * 3600 + (hhmm % 100) * 60 : 0;
    return ((msec_t)timegm(&tm) - offset) * 1000;
}

/* "...; DATE" */
static msec_t received_time(const char *value)
{
    const char *semicolon = strrchr(value, ';');
    return semicolon != NULL ? date_time(semicolon + 1) : 0;
}

static void add_hop(struct token_arrival *a, const struct field *f)
{
    char value[2000];
    copy_value(f, value, sizeof value);
    msec_t when = received_time(value);
    if (when == 0 || a->nhops == TOKEN_HOPS_MAX)
        return;
    memmove(a->hops + 1, a->hops, a->nhops * sizeof *a->hops);
    a->hops[0] = when;
    a->nhops++;
}

static void add_watched(struct token_arrival *a, const struct field *f)
{
    char value[TOKEN_VALUE_MAX];
    copy_value(f, value, sizeof value);
    buf_printf(&a->watched, "%.*s: %s\n", (int)(f->name_len < 76 ? f->name_len : 76), f->name, value);
}

/*
 * Our field is one line. A message that begins with white space continues it, to any reader of the whole: that is the message's first line.
 * *len_r: bytes of ours, behind the colon.
 */
static bool is_token(const struct field *f, const char *run, uint64_t *copy_r, size_t *len_r)
{
    char value[TOKEN_FIELD_MAX], *end;
    if (!is_named(f, REPLAY_TOKEN_FIELD))
        return false;
    const char *lf = memchr(f->value, '\n', f->value_len);
    struct field line = *f;
    line.value_len = *len_r = lf != NULL ? (size_t)(lf - f->value) + 1 : f->value_len;
    copy_value(&line, value, sizeof value);
    size_t n = strlen(run);
    if (strncmp(value, run, n) != 0 || value[n] != '-' || !isdigit((unsigned char)value[n + 1]))
        return false;
    *copy_r = strtoull(value + n + 1, &end, 10);
    return *end == '\0';
}

void token_read(const char *message, size_t len, const char *run, const struct token_watch *watch,
                struct token_arrival *a_r)
{
    size_t at = 0, ours;
    struct field f;
    *a_r = (struct token_arrival){.watched = BUF_INIT(WATCHED_MAX)};
    while (next_field(message, len, &at, &f)) {
        if (!a_r->found && is_token(&f, run, &a_r->copy, &ours)) {
            a_r->found = true;
            a_r->rest = f.value + ours;
            a_r->rest_len = len - (size_t)(a_r->rest - message);
        } else if (!a_r->found && is_named(&f, "Received")) {
            add_hop(a_r, &f);
        } else if (is_watched(&f, watch) || (!a_r->found && is_named(&f, "Authentication-Results"))) {
            add_watched(a_r, &f);
        }
    }
    if (a_r->found)
        token_digest(a_r->rest, a_r->rest_len, watch, a_r->digest);
}

msec_t token_time(const char *message, size_t len)
{
    size_t at = 0;
    msec_t received, written = 0;
    struct field f;
    char value[2000];
    while (next_field(message, len, &at, &f)) {
        if (!is_named(&f, "Received") && !is_named(&f, "Date"))
            continue;
        copy_value(&f, value, sizeof value);
        if (is_named(&f, "Date"))
            written = written != 0 ? written : date_time(value);
        else if ((received = received_time(value)) != 0)
            return received;
    }
    return written;
}

void token_arrival_free(struct token_arrival *a)
{
    buf_free(&a->watched);
}

size_t token_above(const char *message, size_t len)
{
    size_t at = 0, begin = 0;
    struct field f;
    while (next_field(message, len, &at, &f) && !is_named(&f, REPLAY_TOKEN_FIELD))
        begin = at;
    return begin;
}

/* ---- what is different ---- */

static void show(const char *bytes, size_t len, size_t at, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = at; i < len && i < at + SHOWN; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\r')
            buf_add_str(out, "\\r");
        else if (c == '\n')
            buf_add_str(out, "\\n");
        else if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_str(out, at + SHOWN < len ? "...\"" : "\"");
}

void token_first_difference(const char *sent, size_t sent_len, const char *arrived, size_t arrived_len, struct buf *out)
{
    size_t at = 0, line = 1, begin = 0;
    while (at < sent_len && at < arrived_len && sent[at] == arrived[at]) {
        if (sent[at++] == '\n') {
            line++;
            begin = at;
        }
    }
    if (at == sent_len && at == arrived_len)
        return;
    buf_printf(out, "byte %zu (line %zu): ", at, line);
    if (at == arrived_len) {
        buf_printf(out, "%zu bytes are missing at the end, from ", sent_len - at);
        show(sent, sent_len, at, out);
        return;
    }
    if (at == sent_len) {
        buf_printf(out, "%zu bytes more at the end: ", arrived_len - at);
        show(arrived, arrived_len, at, out);
        return;
    }
    begin = at - begin > SHOWN / 2 ? at - SHOWN / 2 : begin;
    buf_add_str(out, "sent ");
    show(sent, sent_len, begin, out);
    buf_add_str(out, ", arrived ");
    show(arrived, arrived_len, begin, out);
}
