/* Headers that rules ask for: see rules.h. A message keeps a bit for each condition, however many headers it has. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/rules_private.h"
#include "lib/utf8.h"

enum { VALUE_MAX = 4000 }; /* what is compared of a value */

struct rules_headers {
    uint8_t *seen; /* a bit for each condition of struct rules */
};

struct rules_headers *rules_headers_new(const struct rules *r)
{
    struct rules_headers *h = mem_zero(1, sizeof *h);
    h->seen = mem_zero(r->nheaders / 8 + 1, 1);
    return h;
}

void rules_headers_free(struct rules_headers **h)
{
    if (*h == NULL)
        return;
    mem_free(&(*h)->seen);
    mem_free(h);
}

/* Unfolded, runs of white space made one, none at the ends, in lower case. To mem_free(). */
static char *plain_value(const char *value)
{
    struct buf b = BUF_INIT(VALUE_MAX);
    bool gap = false;
    for (; *value != '\0' && !b.overflow; value++) {
        if (isspace((unsigned char)*value)) {
            gap = b.len > 0;
            continue;
        }
        if (gap)
            buf_add_char(&b, ' ');
        gap = false;
        buf_add_char(&b, *value);
    }
    char *plain = mem_strdup(buf_str(&b));
    buf_free(&b);
    ascii_lower(plain);
    return plain;
}

void rules_headers_add(const struct rules *r, struct rules_headers *h, const char *name, const char *value)
{
    char *plain = NULL;
    for (size_t i = 0; i < r->nheaders; i++) {
        const struct header_condition *c = &r->headers[i];
        if (strcasecmp(c->name, name) != 0)
            continue;
        if (plain == NULL)
            plain = plain_value(value);
        if (c->value == NULL || glob_match(c->value, plain))
            h->seen[i / 8] |= (uint8_t)(1U << i % 8);
    }
    mem_free(&plain);
}

bool rules_headers_have(const struct rule *rule, const struct rules_headers *h)
{
    for (size_t i = rule->first_header; h != NULL && i < rule->first_header + rule->nheaders; i++) {
        if (h->seen[i / 8] & 1U << i % 8)
            return true;
    }
    return false;
}
