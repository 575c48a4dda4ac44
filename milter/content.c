/* A message's content on its way to a spool: see content.h. */
#include "milter/content.h"

#include <string.h>

#include "lib/mem.h"

struct content {
    struct spool *spool;
    struct digest *running;
    uint8_t digest[DIGEST_SIZE];
    uint64_t size, max;
    bool in_body;
    bool has_body;
    bool last_cr; /* the body's last byte so far was CR */
    bool ends_line;
    bool eight_bit;
    struct error failed; /* sticks */
};

struct content *content_new(const char *dir, size_t memory, uint64_t max, const char *trace, size_t trace_len)
{
    struct content *c = mem_zero(1, sizeof *c);
    c->spool = spool_new(dir, memory, max);
    c->running = digest_new();
    c->max = max;
    c->size = trace_len;
    digest_add(c->running, trace, trace_len);
    return c;
}

void content_free(struct content **c_p)
{
    struct content *c = *c_p;
    if (c == NULL)
        return;
    spool_free(&c->spool);
    digest_free(&c->running);
    mem_free(c_p);
}

static enum result result_of(struct content *c, struct error *err)
{
    if (c->failed.result != RESULT_OK && err != NULL)
        *err = c->failed;
    return c->failed.result;
}

static bool has_8bit(const uint8_t *p, size_t len)
{
    uint64_t word;
    for (; len >= sizeof word; p += sizeof word, len -= sizeof word) {
        memcpy(&word, p, sizeof word);
        if (word & 0x8080808080808080U)
            return true;
    }
    for (; len > 0; p++, len--) {
        if (*p > 127)
            return true;
    }
    return false;
}

static void add(struct content *c, const void *data, size_t len)
{
    if (c->failed.result != RESULT_OK || len == 0)
        return;
    if (len > c->max || c->size > c->max - len) {
        error_set_dsn(&c->failed, RESULT_PERM, "5.3.4", "larger than %llu bytes", (unsigned long long)c->max);
        return;
    }
    if (spool_add(c->spool, data, len, &c->failed) != RESULT_OK)
        return;
    c->size += len;
    digest_add(c->running, data, len);
    c->eight_bit = c->eight_bit || has_8bit(data, len);
}

/* libmilter shows the line ends inside a folded header as LF. */
static void add_folded(struct content *c, const char *value)
{
    const char *lf;
    while ((lf = strchr(value, '\n')) != NULL) {
        size_t len = (size_t)(lf - value);
        if (len > 0 && value[len - 1] == '\r')
            len--;
        add(c, value, len);
        add(c, "\r\n", 2);
        value = lf + 1;
    }
    add(c, value, strlen(value));
}

enum result content_header(struct content *c, const char *name, const char *value, struct error *err)
{
    add(c, name, strlen(name));
    add(c, ":", 1);
    add_folded(c, value);
    add(c, "\r\n", 2);
    return result_of(c, err);
}

/* A bare LF would be a line end to some and not to others (SMTP smuggling): such content is left to SMTP. */
static bool has_bare_lf(struct content *c, const char *data, size_t len)
{
    bool last_cr = c->last_cr;
    const char *p = data, *end = data + len;
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        if (p > data ? p[-1] != '\r' : !last_cr)
            return true;
        p++;
    }
    c->last_cr = end[-1] == '\r';
    c->ends_line = end[-1] == '\n';
    return false;
}

static void begin_body(struct content *c)
{
    if (c->in_body)
        return;
    add(c, "\r\n", 2);
    c->in_body = c->ends_line = true;
}

enum result content_body(struct content *c, const void *data, size_t len, struct error *err)
{
    begin_body(c);
    return content_raw(c, data, len, err);
}

enum result content_raw(struct content *c, const void *data, size_t len, struct error *err)
{
    c->in_body = true;
    c->has_body |= len > 0;
    if (len > 0 && c->failed.result == RESULT_OK && has_bare_lf(c, data, len))
        error_set_dsn(&c->failed, RESULT_PERM, "5.6.0", "bare LF in the body");
    add(c, data, len);
    return result_of(c, err);
}

enum result content_finish(struct content *c, struct error *err)
{
    begin_body(c);
    if (c->failed.result == RESULT_OK && !c->ends_line) /* SMTP would have to add a line end */
        error_set(&c->failed, RESULT_PERM, "the last line has no line end");
    if (c->failed.result == RESULT_OK && spool_finish(c->spool, &c->failed) == RESULT_OK)
        digest_finish(&c->running, c->digest);
    return result_of(c, err);
}

bool content_has_body(const struct content *c)
{
    return c->has_body;
}

bool content_is_8bit(const struct content *c)
{
    return c->eight_bit;
}

uint64_t content_size(const struct content *c)
{
    return c->size;
}

const uint8_t *content_digest(const struct content *c)
{
    return c->digest;
}

struct spool *content_spool(struct content *c)
{
    return c->spool;
}
