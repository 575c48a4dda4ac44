/* What a server offers in its reply to EHLO or LHLO: see smtp_internal.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/smtp_internal.h"

/* The next word of a line, or NULL at its end. */
static const char *next_word(const char **line, size_t *len_r)
{
    const char *p = *line + strspn(*line, " \t\r");
    *len_r = strcspn(p, " \t\r\n");
    *line = p + *len_r;
    return *len_r > 0 ? p : NULL;
}

static bool is_word(const char *word, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(word, name, len) == 0;
}

static void on_size(struct smtp_offer *o, const char *args)
{
    size_t len;
    const char *word = next_word(&args, &len);
    o->size = true;
    if (word != NULL && strspn(word, "0123456789") == len) {
        errno = 0;
        o->size_limit = strtoull(word, NULL, 10);
        if (errno != 0)
            o->size_limit = 0;
    }
}

static void on_xclient(struct smtp_offer *o, const char *args)
{
    static const struct {
        const char *name;
        unsigned bit;
    } attributes[] = {{"NAME", XCLIENT_NAME}, {"ADDR", XCLIENT_ADDR}, {"HELO", XCLIENT_HELO}, {"PROTO", XCLIENT_PROTO}};
    size_t len;
    for (const char *word; (word = next_word(&args, &len)) != NULL;) {
        for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
            if (is_word(word, len, attributes[i].name))
                o->xclient |= attributes[i].bit;
        }
    }
}

static void on_pipelining(struct smtp_offer *o, const char *args)
{
    (void)args;
    o->pipelining = true;
}

static void on_eight_bit_mime(struct smtp_offer *o, const char *args)
{
    (void)args;
    o->eight_bit_mime = true;
}

static void on_smtputf8(struct smtp_offer *o, const char *args)
{
    (void)args;
    o->smtputf8 = true;
}

static void on_dsn(struct smtp_offer *o, const char *args)
{
    (void)args;
    o->dsn = true;
}

static const struct {
    const char *name;
    void (*take)(struct smtp_offer *o, const char *args);
} keywords[] = {
    {"PIPELINING", on_pipelining},
    {"8BITMIME", on_eight_bit_mime},
    {"SMTPUTF8", on_smtputf8},
    {"SIZE", on_size},
    {"DSN", on_dsn},
    {"XCLIENT", on_xclient},
};

void smtp_ehlo_parse(const char *raw, struct smtp_offer *offer_r)
{
    memset(offer_r, 0, sizeof *offer_r);
    const char *line = strchr(raw, '\n'); /* the first line greets */
    while (line != NULL && *++line != '\0') {
        size_t len;
        const char *args = line;
        const char *word = next_word(&args, &len);
        for (size_t i = 0; word != NULL && i < sizeof keywords / sizeof *keywords; i++) {
            if (is_word(word, len, keywords[i].name))
                keywords[i].take(offer_r, args);
        }
        line = strchr(line, '\n');
    }
}
