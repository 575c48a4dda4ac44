/* The notification, payload of a signed batch: see notification.h. */
#include "lib/notification.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/json.h"
#include "lib/jws.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum {
    PATH_SIZE = 64,       /* "messages[99].recipients[999]" */
    YEAR_10000_SIZE = 12, /* digits of TIME_MAX */
    JWS_FRAME = 400,      /* braces, names, signature, and protected header with its kid, in base64url */
    PAYLOAD_FRAME = 2 * DOMAIN_MAX + 2 * YEAR_10000_SIZE + 80, /* iss, aud, iat, exp and all names */
};
#define TIME_MAX INT64_C(253402300799) /* the end of the year 9999 */

_Static_assert((int)NOTIFICATION_SIZE_MAX <= (int)JWS_SIZE_MAX, "a notification is one JWS");

/* ---- reading ---- */

bool notification_token_valid(const char *token)
{
    size_t len = strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/");
    return len >= 1 && token[len + strspn(token + len, "=")] == '\0';
}

static enum result parse_domain(const json_t *j, const char *name, char domain_r[DOMAIN_MAX + 1], struct error *err)
{
    const char *s;
    enum result result = json_need_string(j, "", name, ADDRESS_MAX, &s, err);
    if (result == RESULT_OK && !domain_normalize(s, domain_r))
        return json_refuse(err, "", name, "not a domain name");
    return result;
}

/* An address whose domain must be `domain`. */
static enum result parse_address(const json_t *j, const char *path, const char *name, const char *domain, bool smtputf8,
                                 const char **address_r, struct error *err)
{
    char its_domain[DOMAIN_MAX + 1];
    bool utf8 = false;
    enum result result = json_need_string(j, path, name, ADDRESS_MAX, address_r, err);
    if (result != RESULT_OK)
        return result;
    if (!address_valid(*address_r, &utf8))
        return json_refuse(err, path, name, "not an address");
    if (utf8 && !smtputf8)
        return json_refuse(err, path, name, "not ASCII, but smtputf8 is not set");
    if (!domain_normalize(address_domain(*address_r), its_domain) || strcmp(its_domain, domain) != 0)
        return error_set(err, RESULT_PERM, "%s.%s: not an address of %s", path, name, domain);
    return RESULT_OK;
}

static enum result parse_rcpt(const json_t *j, const char *path, const char *aud, json_t *seen, struct envelope *e,
                              struct error *err)
{
    const char *address, *notify, *orcpt;
    enum result result;
    if ((result = parse_address(j, path, "address", aud, e->smtputf8, &address, err)) != RESULT_OK ||
        (result = json_want_string(j, path, "notify", XTEXT_MAX, &notify, err)) != RESULT_OK ||
        (result = json_want_string(j, path, "orcpt", XTEXT_MAX, &orcpt, err)) != RESULT_OK)
        return result;
    if (notify != NULL && !envelope_notify_valid(notify))
        return json_refuse(err, path, "notify", "neither NEVER nor a list of SUCCESS, FAILURE and DELAY");
    if (orcpt != NULL && !envelope_orcpt_valid(orcpt))
        return json_refuse(err, path, "orcpt", "not ADDR-TYPE;XTEXT");
    if (orcpt != NULL && !e->smtputf8 && !utf8_is_ascii(orcpt))
        return json_refuse(err, path, "orcpt", "not ASCII, but smtputf8 is not set");
    char *normal = address_normalize(address);
    bool fresh = json_set_add(seen, normal);
    mem_free(&normal);
    if (!fresh)
        return json_refuse(err, path, "address", "the message has this recipient already");
    envelope_add_rcpt(e, address, notify, orcpt);
    return RESULT_OK;
}

static enum result parse_rcpts(const json_t *j, const char *path, const char *aud, struct envelope *e,
                               struct error *err)
{
    const json_t *array;
    enum result result = json_need_array(j, path, "recipients", NOTIFICATION_RCPTS_MAX, &array, err);
    json_t *seen = json_object();
    for (size_t i = 0; result == RESULT_OK && i < json_array_size(array); i++) {
        char where[PATH_SIZE];
        snprintf(where, sizeof where, "%s.recipients[%zu]", path, i);
        result = parse_rcpt(json_array_get(array, i), where, aud, seen, e, err);
    }
    json_decref(seen);
    return result;
}

/* A member that is a parameter of MAIL, under that parameter's own rules. */
static enum result parse_param(const json_t *j, const char *path, const char *name, const char *keyword,
                               struct envelope *e, const char *why, struct error *err)
{
    const char *value;
    enum result result = json_want_string(j, path, name, XTEXT_MAX, &value, err);
    if (result != RESULT_OK || value == NULL)
        return result;
    bool known = false;
    char *param = mem_printf("%s=%s", keyword, value);
    result = envelope_mail_param(e, param, &known, NULL);
    mem_free(&param);
    return result == RESULT_OK && known ? RESULT_OK : json_refuse(err, path, name, why);
}

static enum result parse_envelope(const json_t *j, const char *path, const struct notification *n, struct envelope *e,
                                  struct error *err)
{
    const char *sender;
    enum result result;
    if ((result = json_want_bool(j, path, "smtputf8", false, &e->smtputf8, err)) != RESULT_OK ||
        (result = parse_address(j, path, "sender", n->iss, e->smtputf8, &sender, err)) != RESULT_OK ||
        (result = parse_param(j, path, "body", "BODY", e, "neither 7bit nor 8bitmime", err)) != RESULT_OK ||
        (result = parse_param(j, path, "ret", "RET", e, "neither FULL nor HDRS", err)) != RESULT_OK ||
        (result = parse_param(j, path, "envid", "ENVID", e, "not xtext of 1 to 500 bytes", err)) != RESULT_OK)
        return result;
    e->sender = mem_strdup(sender);
    return parse_rcpts(j, path, n->aud, e, err);
}

static enum result parse_message(const json_t *j, const char *path, const struct notification *n, json_t *seen,
                                 struct notification_message *m, struct error *err)
{
    const char *id, *token, *digest;
    int64_t size, serial, age;
    enum result result;
    if ((result = json_need_string(j, path, "id", MESSAGE_ID_PEER_MAX, &id, err)) != RESULT_OK ||
        (result = json_need_string(j, path, "token", sizeof m->token - 1, &token, err)) != RESULT_OK ||
        (result = json_need_int(j, path, "size", 0, INT64_MAX, &size, err)) != RESULT_OK ||
        (result = json_need_string(j, path, "digest", NOTIFICATION_SIZE_MAX, &digest, err)) != RESULT_OK ||
        (result = json_want_int(j, path, "serial", 1, NOTIFICATION_SERIAL_MAX, 0, &serial, err)) != RESULT_OK ||
        (result = json_want_int(j, path, "age", 1, TIME_MAX, 0, &age, err)) != RESULT_OK)
        return result;
    if (!message_id_valid(id))
        return json_refuse(err, path, "id", "not 1 to 64 letters, digits, '-' or '_'");
    if (!json_set_add(seen, id))
        return json_refuse(err, path, "id", "an earlier message has this id");
    if (!notification_token_valid(token))
        return json_refuse(err, path, "token", "not a bearer token");
    if (!digest_parse(digest, m->digest))
        return json_refuse(err, path, "digest", "not a SHA-256 digest in base64url");
    snprintf(m->id, sizeof m->id, "%s", id);
    snprintf(m->token, sizeof m->token, "%s", token);
    m->size = (uint64_t)size;
    m->serial = serial;
    m->age = age;
    return parse_envelope(j, path, n, &m->envelope, err);
}

static enum result parse_messages(const json_t *j, struct notification *n, struct error *err)
{
    const json_t *array;
    enum result result = json_need_array(j, "", "messages", NOTIFICATION_MESSAGES_MAX, &array, err);
    if (result != RESULT_OK)
        return result;
    n->messages = mem_zero(json_array_size(array), sizeof *n->messages);
    json_t *seen = json_object();
    for (size_t i = 0; result == RESULT_OK && i < json_array_size(array); i++) {
        char path[PATH_SIZE];
        struct notification_message *m = &n->messages[n->nmessages++];
        envelope_init(&m->envelope);
        snprintf(path, sizeof path, "messages[%zu]", i);
        result = parse_message(json_array_get(array, i), path, n, seen, m, err);
    }
    json_decref(seen);
    return result;
}

static enum result parse_members(const json_t *j, struct notification *n, struct error *err)
{
    enum result result;
    if ((result = parse_domain(j, "iss", n->iss, err)) != RESULT_OK ||
        (result = parse_domain(j, "aud", n->aud, err)) != RESULT_OK ||
        (result = json_need_int(j, "", "iat", 0, TIME_MAX, &n->iat, err)) != RESULT_OK ||
        (result = json_need_int(j, "", "exp", 0, TIME_MAX, &n->exp, err)) != RESULT_OK)
        return result;
    if (n->exp <= n->iat)
        return json_refuse(err, "", "exp", "not later than iat");
    return parse_messages(j, n, err);
}

enum result notification_parse(const char *text, size_t len, struct notification **n_r, struct error *err)
{
    json_t *j = json_parse(text, len, NOTIFICATION_SIZE_MAX, "notification", err);
    if (j == NULL)
        return RESULT_PERM;
    struct notification *n = mem_zero(1, sizeof *n);
    enum result result = parse_members(j, n, err);
    json_decref(j);
    if (result == RESULT_OK)
        *n_r = n;
    else
        notification_free(&n);
    return result;
}

void notification_free(struct notification **n)
{
    if (*n == NULL)
        return;
    for (size_t i = 0; i < (*n)->nmessages; i++)
        envelope_free(&(*n)->messages[i].envelope);
    mem_free(&(*n)->messages);
    mem_free(n);
}

/* ---- writing ---- */

/* What goes out has been checked on its way in, so that jansson can't refuse it; a NULL value is left out. */
static void put(json_t *j, const char *name, const char *value)
{
    if (value != NULL && json_object_set_new(j, name, json_string(value)) < 0)
        log_panic("notification: %s is not UTF-8", name);
}

static json_t *message_json(const struct notification_message *m)
{
    const struct envelope *e = &m->envelope;
    char digest[DIGEST_TEXT_SIZE];
    digest_text(m->digest, digest);
    json_t *j = json_object();
    put(j, "id", m->id);
    put(j, "token", m->token);
    put(j, "sender", e->sender);
    json_t *rcpts = json_array();
    for (size_t i = 0; i < e->nrcpts; i++) {
        json_t *r = json_object();
        put(r, "address", e->rcpts[i].address);
        put(r, "notify", e->rcpts[i].notify);
        put(r, "orcpt", e->rcpts[i].orcpt);
        json_array_append_new(rcpts, r);
    }
    json_object_set_new(j, "recipients", rcpts);
    json_object_set_new(j, "size", json_integer((json_int_t)m->size));
    put(j, "digest", digest);
    if (m->age != 0)
        json_object_set_new(j, "age", json_integer((json_int_t)m->age));
    if (m->serial != 0)
        json_object_set_new(j, "serial", json_integer((json_int_t)m->serial));
    put(j, "body", e->body != BODY_UNSPECIFIED ? body_type_name(e->body) : NULL);
    if (e->smtputf8)
        json_object_set_new(j, "smtputf8", json_true());
    put(j, "ret", e->ret);
    put(j, "envid", e->envid);
    return j;
}

char *notification_write(const struct notification *n)
{
    json_t *messages = json_array();
    for (size_t i = 0; i < n->nmessages; i++)
        json_array_append_new(messages, message_json(&n->messages[i]));
    json_t *j = json_object();
    put(j, "iss", n->iss);
    put(j, "aud", n->aud);
    json_object_set_new(j, "iat", json_integer(n->iat));
    json_object_set_new(j, "exp", json_integer(n->exp));
    json_object_set_new(j, "messages", messages);
    char *text = json_text(j);
    json_decref(j);
    return text;
}

size_t notification_message_weight(const struct notification_message *m)
{
    json_t *j = message_json(m);
    size_t len = json_dumpb(j, NULL, 0, JSON_COMPACT);
    json_decref(j);
    return len + 1; /* the comma */
}

size_t notification_payload_max(void)
{
    return (NOTIFICATION_SIZE_MAX - JWS_FRAME) / 4 * 3 - PAYLOAD_FRAME;
}
