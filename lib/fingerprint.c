/* Fingerprints of messages: see fingerprint.h. */
#include "lib/fingerprint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

enum { FIELD_MAX = 65536 };

struct fingerprint_maker {
    struct fingerprint *f;
    struct digest *body;
    struct buf line; /* fingerprint_add_bytes(): the field so far */
    size_t width;    /* bytes of the line so far */
    char last;
    bool in_body;
};

bool fingerprint_ignores(const char *name)
{
    static const char *const names[] = {
        "Received",
        "Return-Path",
        "Delivered-To",
        "X-Original-To",
        "Envelope-To",
        "Delivery-Date",
        "X-Received",
        "Received-SPF",
        "X-Envelope-From",
        "Authentication-Results",
        "ARC-Seal",
        "ARC-Message-Signature",
        "ARC-Authentication-Results",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

struct fingerprint_maker *fingerprint_maker_new(void)
{
    struct fingerprint_maker *m = mem_zero(1, sizeof *m);
    m->f = mem_zero(1, sizeof *m->f);
    m->f->message_id = mem_strdup("");
    m->body = digest_new();
    buf_init(&m->line, FIELD_MAX);
    return m;
}

void fingerprint_maker_free(struct fingerprint_maker **mp)
{
    struct fingerprint_maker *m = *mp;
    if (m == NULL)
        return;
    fingerprint_free(&m->f);
    digest_free(&m->body);
    buf_free(&m->line);
    mem_free(mp);
}

void fingerprint_free(struct fingerprint **f)
{
    if (*f == NULL)
        return;
    mem_free(&(*f)->message_id);
    mem_free(&(*f)->fields);
    mem_free(f);
}

size_t fingerprint_memory(const struct fingerprint *f)
{
    return sizeof *f + f->nfields * sizeof *f->fields + strlen(f->message_id) + 1;
}

/* ---- the header ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static uint64_t short_digest(const char *text, size_t len)
{
    uint8_t d[DIGEST_SIZE];
    uint64_t h = 0;
    digest_of(text, len, d);
    for (int i = 0; i < 8; i++)
        h = h << 8 | d[i];
    return h;
}

/* libmilter folds by LF, the wire by CRLF: CR before LF doesn't count. */
static uint64_t exact_hash(const char *value)
{
    struct buf b = BUF_INIT(FIELD_MAX);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p != '\r' || p[1] != '\n')
            buf_add_char(&b, *p);
    }
    uint64_t h = short_digest(buf_str(&b), b.len);
    buf_free(&b);
    return h;
}

static uint64_t relaxed_hash(const char *value)
{
    struct buf b = BUF_INIT(FIELD_MAX);
    bool space = false;
    for (const char *p = value; *p != '\0'; p++) {
        if (is_space(*p)) {
            space = b.len > 0;
            continue;
        }
        if (space)
            buf_add_char(&b, ' ');
        space = false;
        buf_add_char(&b, *p);
    }
    uint64_t h = short_digest(buf_str(&b), b.len);
    buf_free(&b);
    return h;
}

static void keep_message_id(struct fingerprint *f, const char *value)
{
    while (is_space(*value))
        value++;
    size_t len = strlen(value);
    while (len > 0 && is_space(value[len - 1]))
        len--;
    if (f->message_id[0] != '\0' || len > FINGERPRINT_MESSAGE_ID_MAX)
        return;
    mem_free(&f->message_id);
    f->message_id = mem_strndup(value, len);
}

static void copy_name(char out[FINGERPRINT_NAME_MAX + 1], const char *name)
{
    size_t n = 0;
    for (; n < FINGERPRINT_NAME_MAX && name[n] != '\0'; n++)
        out[n] = name[n] > ' ' && name[n] < 0x7f ? name[n] : '?';
    out[n] = '\0';
}

void fingerprint_add_field(struct fingerprint_maker *m, const char *name, const char *value)
{
    struct fingerprint *f = m->f;
    if (strcasecmp(name, "Message-ID") == 0)
        keep_message_id(f, value);
    if (fingerprint_ignores(name))
        return;
    if (f->nfields == FINGERPRINT_FIELDS_MAX) {
        f->cut = true;
        return;
    }
    if ((f->nfields & (f->nfields - 1)) == 0) /* room for the next power of two */
        f->fields = mem_grow(f->fields, f->nfields ? f->nfields * 2 : 1, sizeof *f->fields);
    struct fingerprint_field *field = &f->fields[f->nfields++];
    copy_name(field->name, name);
    field->exact = exact_hash(value);
    field->relaxed = relaxed_hash(value);
}

/* "Name: value", perhaps folded. What has no colon is no field, but not to be lost either. */
static void add_line(struct fingerprint_maker *m)
{
    char *line = buf_take(&m->line);
    buf_init(&m->line, FIELD_MAX);
    size_t len = line != NULL ? strlen(line) : 0;
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        line[--len] = '\0';
    if (len > 0) {
        char *colon = strchr(line, ':');
        size_t name_len = colon != NULL ? (size_t)(colon - line) : 0;
        while (name_len > 0 && is_space(line[name_len - 1]))
            name_len--;
        char *name = mem_strndup(name_len > 0 ? line : "?", name_len > 0 ? name_len : 1);
        fingerprint_add_field(m, name, colon != NULL ? colon + 1 : line);
        mem_free(&name);
    }
    mem_free(&line);
}

/* ---- the body ---- */

void fingerprint_add_body(struct fingerprint_maker *m, const void *data, size_t len)
{
    m->f->body_size += len;
    digest_add(m->body, data, len);
}

/* One byte of the header. Whether a field ends with its line shows in the byte behind. */
static void header_byte(struct fingerprint_maker *m, char c)
{
    if (m->width == 0 && c != ' ' && c != '\t')
        add_line(m);
    bool empty = c == '\n' && (m->width == 0 || (m->width == 1 && m->last == '\r'));
    m->width = c == '\n' ? 0 : m->width + 1;
    m->last = c;
    if (empty) {
        m->in_body = true;
        buf_clear(&m->line);
    } else {
        buf_add_char(&m->line, c == '\0' ? '?' : c);
    }
}

void fingerprint_add_bytes(struct fingerprint_maker *m, const void *data, size_t len)
{
    const char *p = data, *end = p + len;
    while (p < end && !m->in_body)
        header_byte(m, *p++);
    if (p < end)
        fingerprint_add_body(m, p, (size_t)(end - p));
}

struct fingerprint *fingerprint_finish(struct fingerprint_maker **mp)
{
    struct fingerprint_maker *m = *mp;
    add_line(m);
    digest_finish(&m->body, m->f->body_digest);
    struct fingerprint *f = m->f;
    m->f = NULL;
    fingerprint_maker_free(mp);
    return f;
}

/* ---- comparing ---- */

void difference_add(struct buf *out, const char *fmt, ...)
{
    char line[DIFFERENCE_SIZE_MAX + 1];
    size_t lines = out->len > 0;
    for (size_t i = 0; i < out->len; i++)
        lines += out->data[i] == '\n';
    if (lines >= DIFFERENCES_MAX)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (out->len > 0)
        buf_add_char(out, '\n');
    buf_add_str(out, line);
}

enum how { EXACT, RELAXED, ANY, HOWS };

static bool alike(const struct fingerprint_field *a, const struct fingerprint_field *b, enum how how)
{
    return strcasecmp(a->name, b->name) == 0 &&
           (how == ANY || (how == EXACT ? a->exact == b->exact : a->relaxed == b->relaxed));
}

/* Pairs each field of `a` that has none yet with one of `b`; what is not exact is told. */
static void pair_fields(const struct fingerprint *a, const struct fingerprint *b, enum how how, bool *in_a, bool *in_b,
                        struct buf *out)
{
    for (size_t i = 0; i < a->nfields; i++) {
        for (size_t k = 0; k < b->nfields && !in_a[i]; k++) {
            if (in_b[k] || !alike(&a->fields[i], &b->fields[k], how))
                continue;
            in_a[i] = in_b[k] = true;
            if (how != EXACT)
                difference_add(out, "header %s %s", a->fields[i].name,
                               how == RELAXED ? "folded or spaced otherwise" : "changed");
        }
    }
}

static void compare_fields(const struct fingerprint *ssmp, const struct fingerprint *smtp, struct buf *out)
{
    bool in_ssmp[FINGERPRINT_FIELDS_MAX] = {false}, in_smtp[FINGERPRINT_FIELDS_MAX] = {false};
    for (int how = EXACT; how < HOWS; how++)
        pair_fields(ssmp, smtp, (enum how)how, in_ssmp, in_smtp, out);
    for (size_t i = 0; i < ssmp->nfields; i++) {
        if (!in_ssmp[i])
            difference_add(out, "header %s missing in what came by SMTP", ssmp->fields[i].name);
    }
    for (size_t i = 0; i < smtp->nfields; i++) {
        if (!in_smtp[i])
            difference_add(out, "header %s added in what came by SMTP", smtp->fields[i].name);
    }
}

void fingerprint_compare(const struct fingerprint *ssmp, const struct fingerprint *smtp, struct buf *out)
{
    if (ssmp->cut || smtp->cut)
        difference_add(out, "headers not compared: there are more than %d", FINGERPRINT_FIELDS_MAX);
    else
        compare_fields(ssmp, smtp, out);
    if (ssmp->body_size != smtp->body_size)
        difference_add(out, "body differs: %" PRIu64 " bytes by SMTP, %" PRIu64 " by SSMP", smtp->body_size,
                       ssmp->body_size);
    else if (!digest_equal(ssmp->body_digest, smtp->body_digest))
        difference_add(out, "body differs: other bytes, of the same length");
}
