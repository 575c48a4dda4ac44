/* The SMTP envelope and its ESMTP parameters: see envelope.h. */
#include "lib/envelope.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum {
    ENVID_MAX = 500, /* RFC 3461 says 100 characters; one command line has room for this */
    ORCPT_MAX = 500,
    SIZE_DIGITS_MAX = 20, /* RFC 1870 section 4 */
};

void envelope_init(struct envelope *e)
{
    *e = (struct envelope){0};
}

static void rcpt_clear(struct envelope_rcpt *r)
{
    mem_free(&r->address);
    mem_free(&r->notify);
    mem_free(&r->orcpt);
}

void envelope_free(struct envelope *e)
{
    for (size_t i = 0; i < e->nrcpts; i++)
        rcpt_clear(&e->rcpts[i]);
    mem_free(&e->rcpts);
    mem_free(&e->sender);
    mem_free(&e->ret);
    mem_free(&e->envid);
    envelope_init(e);
}

struct envelope_rcpt *envelope_add_rcpt(struct envelope *e, const char *address, const char *notify, const char *orcpt)
{
    /* Room doubles whenever the number is a power of two (0 included). */
    if ((e->nrcpts & (e->nrcpts - 1)) == 0)
        e->rcpts = mem_grow(e->rcpts, e->nrcpts ? e->nrcpts * 2 : 1, sizeof *e->rcpts);
    struct envelope_rcpt *r = &e->rcpts[e->nrcpts++];
    *r = (struct envelope_rcpt){
        .address = mem_strdup(address), .notify = mem_strdup(notify), .orcpt = mem_strdup(orcpt)};
    return r;
}

void envelope_remove_rcpt(struct envelope *e, size_t i)
{
    assert(i < e->nrcpts);
    rcpt_clear(&e->rcpts[i]);
    e->nrcpts--;
    memmove(&e->rcpts[i], &e->rcpts[i + 1], (e->nrcpts - i) * sizeof *e->rcpts);
}

void envelope_copy_sender(struct envelope *to, const struct envelope *from)
{
    *to = (struct envelope){
        .sender = mem_strdup(from->sender),
        .body = from->body,
        .smtputf8 = from->smtputf8,
        .size = from->size,
        .ret = mem_strdup(from->ret),
        .envid = mem_strdup(from->envid),
    };
}

/* ---- single values ---- */

/* NOTIFY's words, as bits in the order of RFC 3461 section 4.1. */
static unsigned notify_word(const char *word, size_t len)
{
    static const char *const words[] = {"SUCCESS", "FAILURE", "DELAY"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
            return 1u << i;
    }
    return 0;
}

bool envelope_notify_valid(const char *notify)
{
    if (strcmp(notify, "NEVER") == 0)
        return true;
    unsigned seen = 0;
    for (const char *p = notify;; p++) {
        size_t len = strcspn(p, ",");
        unsigned bit = notify_word(p, len);
        if (bit == 0 || (seen & bit) != 0)
            return false;
        seen |= bit;
        p += len;
        if (*p == '\0')
            return true;
    }
}

/* RFC 6533 section 3: "utf-8" addresses may stand there as they are, with \x{...} for what is not to. */
static bool utf8_orcpt_valid(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '=')
            return false;
    }
    return utf8_valid(text);
}

bool envelope_orcpt_valid(const char *orcpt)
{
    if (strnlen(orcpt, ORCPT_MAX + 1) > ORCPT_MAX)
        return false;
    size_t type = strspn(orcpt, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
    const char *text = orcpt + type + 1;
    if (type == 0 || orcpt[type] != ';' || text[0] == '\0')
        return false;
    bool utf8 = type == 5 && strncasecmp(orcpt, "utf-8", 5) == 0;
    return utf8 ? utf8_orcpt_valid(text) : xtext_valid(text);
}

static const char *const body_names[] = {[BODY_UNSPECIFIED] = "", [BODY_7BIT] = "7bit", [BODY_8BITMIME] = "8bitmime"};

const char *body_type_name(enum body_type b)
{
    return body_names[b];
}

bool body_type_parse(const char *name, enum body_type *b_r)
{
    for (size_t i = 0; i < sizeof body_names / sizeof *body_names; i++) {
        if (strcasecmp(name, body_names[i]) == 0) {
            *b_r = (enum body_type)i;
            return true;
        }
    }
    return false;
}

/* ---- parameters ---- */

/* What a handler made of a value, which is NULL when there was no "=". */
enum fate {
    BAD,
    TAKEN,
    NOT_OURS, /* well-formed, but we could not carry it */
};

static void upper_ascii(char *s)
{
    for (; *s != '\0'; s++) {
        if (*s >= 'a' && *s <= 'z')
            *s = (char)(*s - 'a' + 'A');
    }
}

static enum fate mail_body(struct envelope *e, const char *value)
{
    if (value == NULL || value[0] == '\0' || e->body != BODY_UNSPECIFIED)
        return BAD;
    if (strcasecmp(value, "BINARYMIME") == 0) /* RFC 3030: needs BDAT, and lines that end in anything */
        return NOT_OURS;
    return body_type_parse(value, &e->body) ? TAKEN : BAD;
}

static enum fate mail_size(struct envelope *e, const char *value)
{
    size_t digits = value != NULL ? strspn(value, "0123456789") : 0;
    if (digits == 0 || digits > SIZE_DIGITS_MAX || value[digits] != '\0')
        return BAD;
    e->size = strtoull(value, NULL, 10); /* too much for 64 bits: the largest number there is */
    return TAKEN;
}

static enum fate mail_smtputf8(struct envelope *e, const char *value)
{
    if (value != NULL)
        return BAD;
    e->smtputf8 = true;
    return TAKEN;
}

static enum fate mail_ret(struct envelope *e, const char *value)
{
    if (value == NULL || e->ret != NULL || (strcasecmp(value, "FULL") != 0 && strcasecmp(value, "HDRS") != 0))
        return BAD;
    e->ret = mem_strdup(value);
    upper_ascii(e->ret);
    return TAKEN;
}

static enum fate mail_envid(struct envelope *e, const char *value)
{
    if (value == NULL || value[0] == '\0' || e->envid != NULL)
        return BAD;
    if (strnlen(value, ENVID_MAX + 1) > ENVID_MAX || !xtext_valid(value))
        return BAD;
    e->envid = mem_strdup(value);
    return TAKEN;
}

/* RFC 4954 section 5: who submitted it first; only for servers that trust each other, so it ends with us. */
static enum fate mail_auth(struct envelope *e, const char *value)
{
    (void)e;
    return value != NULL && value[0] != '\0' ? TAKEN : BAD;
}

static enum fate rcpt_notify(struct envelope_rcpt *r, const char *value)
{
    if (value == NULL || r->notify != NULL)
        return BAD;
    char *upper = mem_strdup(value);
    upper_ascii(upper);
    if (!envelope_notify_valid(upper)) {
        mem_free(&upper);
        return BAD;
    }
    r->notify = upper;
    return TAKEN;
}

static enum fate rcpt_orcpt(struct envelope_rcpt *r, const char *value)
{
    if (value == NULL || r->orcpt != NULL || !envelope_orcpt_valid(value))
        return BAD;
    r->orcpt = mem_strdup(value);
    return TAKEN;
}

static const struct {
    const char *name;
    enum fate (*handle)(struct envelope *e, const char *value);
} mail_params[] = {
    {"BODY", mail_body}, {"SIZE", mail_size},   {"SMTPUTF8", mail_smtputf8},
    {"RET", mail_ret},   {"ENVID", mail_envid}, {"AUTH", mail_auth},
};

static const struct {
    const char *name;
    enum fate (*handle)(struct envelope_rcpt *r, const char *value);
} rcpt_params[] = {
    {"NOTIFY", rcpt_notify},
    {"ORCPT", rcpt_orcpt},
};

/* Whether `param` is "NAME" or "NAME=...". *value_r points behind the "=", or is NULL. */
static bool param_is(const char *param, const char *name, const char **value_r)
{
    size_t len = strlen(name);
    if (strncasecmp(param, name, len) != 0 || (param[len] != '=' && param[len] != '\0'))
        return false;
    *value_r = param[len] == '=' ? param + len + 1 : NULL;
    return true;
}

static enum result report(enum fate fate, const char *command, const char *param, bool *known_r, struct error *err)
{
    *known_r = fate != NOT_OURS;
    if (fate == BAD)
        return error_set(err, RESULT_PERM, "bad or repeated %s parameter \"%.100s\"", command, param);
    return RESULT_OK;
}

enum result envelope_mail_param(struct envelope *e, const char *param, bool *known_r, struct error *err)
{
    const char *value;
    enum fate fate = NOT_OURS;
    for (size_t i = 0; i < sizeof mail_params / sizeof *mail_params; i++) {
        if (param_is(param, mail_params[i].name, &value))
            fate = mail_params[i].handle(e, value);
    }
    return report(fate, "MAIL", param, known_r, err);
}

enum result envelope_rcpt_param(struct envelope_rcpt *r, const char *param, bool *known_r, struct error *err)
{
    const char *value;
    enum fate fate = NOT_OURS;
    for (size_t i = 0; i < sizeof rcpt_params / sizeof *rcpt_params; i++) {
        if (param_is(param, rcpt_params[i].name, &value))
            fate = rcpt_params[i].handle(r, value);
    }
    return report(fate, "RCPT", param, known_r, err);
}
