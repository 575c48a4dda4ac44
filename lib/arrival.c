/* The datagrams between milter and bridge: see arrival.h. */
#include "lib/arrival.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/address.h"
#include "lib/json.h"
#include "lib/mem.h"

enum { HASHES_TEXT = 32 };

void arrival_add_rcpt(struct arrival *a, const char *address)
{
    if ((a->nrcpts & (a->nrcpts - 1)) == 0) /* room for the next power of two */
        a->rcpts = mem_grow(a->rcpts, a->nrcpts ? a->nrcpts * 2 : 1, sizeof *a->rcpts);
    a->rcpts[a->nrcpts++] = mem_strdup(address);
}

void arrival_clear(struct arrival *a)
{
    for (size_t i = 0; i < a->nrcpts; i++)
        mem_free(&a->rcpts[i]);
    mem_free(&a->rcpts);
    mem_free(&a->sender);
    fingerprint_free(&a->fingerprint);
    a->nrcpts = 0;
}

enum result arrival_address(const char *path, struct sockaddr_un *sun_r, struct error *err)
{
    *sun_r = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(sun_r->sun_path, sizeof sun_r->sun_path, "%s", path);
    if (n < 0 || (size_t)n >= sizeof sun_r->sun_path)
        return error_set(err, RESULT_PERM, "%s is too long for a socket (%zu characters at most)", path,
                         sizeof sun_r->sun_path - 1);
    return RESULT_OK;
}

/* ---- writing ---- */

static json_t *fields_json(const struct fingerprint *f)
{
    json_t *fields = json_array();
    for (size_t i = 0; i < f->nfields; i++) {
        char hashes[HASHES_TEXT + 1];
        snprintf(hashes, sizeof hashes, "%016" PRIx64 "%016" PRIx64, f->fields[i].exact, f->fields[i].relaxed);
        json_array_append_new(fields, json_pack("[s, s]", f->fields[i].name, hashes));
    }
    return fields;
}

char *arrival_write(const struct arrival *a)
{
    json_t *rcpts = json_array();
    bool good = true;
    for (size_t i = 0; i < a->nrcpts; i++)
        good = json_array_append_new(rcpts, json_string(a->rcpts[i])) == 0 && good;
    json_t *j = json_object();
    json_object_set_new(j, "recipients", rcpts);
    if (a->nrcpts > 0) {
        const struct fingerprint *f = a->fingerprint;
        char digest[DIGEST_TEXT_SIZE];
        digest_text(f->body_digest, digest);
        good = json_object_set_new(j, "sender", json_string(a->sender)) == 0 && good;
        good = json_object_set_new(j, "message_id", json_string(f->message_id)) == 0 && good;
        json_object_set_new(j, "fields", fields_json(f));
        json_object_set_new(j, "cut", json_boolean(f->cut));
        json_object_set_new(j, "body_size", json_integer((json_int_t)f->body_size));
        json_object_set_new(j, "body_digest", json_string(digest));
    }
    char *text = good ? json_text(j) : NULL;
    json_decref(j);
    if (text != NULL && strlen(text) > ARRIVAL_SIZE_MAX)
        mem_free(&text);
    return text;
}

/* ---- reading ---- */

static bool parse_hashes(const char *s, struct fingerprint_field *f)
{
    return s != NULL && strlen(s) == HASHES_TEXT && strspn(s, "0123456789abcdef") == HASHES_TEXT &&
           sscanf(s, "%16" SCNx64 "%16" SCNx64, &f->exact, &f->relaxed) == 2;
}

static enum result parse_fields(const json_t *j, struct fingerprint *f, struct error *err)
{
    const json_t *fields;
    enum result r = json_want_array(j, "", "fields", FINGERPRINT_FIELDS_MAX, &fields, err);
    size_t n = r == RESULT_OK && fields != NULL ? json_array_size(fields) : 0;
    f->fields = mem_zero(n + 1, sizeof *f->fields);
    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(fields, i);
        const char *name = json_string_value(json_array_get(pair, 0));
        if (name == NULL || strlen(name) > FINGERPRINT_NAME_MAX ||
            !parse_hashes(json_string_value(json_array_get(pair, 1)), &f->fields[i]))
            return json_refuse(err, "", "fields", "not pairs of a name and hashes");
        for (const char *p = name; *p != '\0'; p++) {
            if (*p <= ' ' || *p >= 0x7f)
                return json_refuse(err, "", "fields", "a name is not printable ASCII");
        }
        snprintf(f->fields[i].name, sizeof f->fields[i].name, "%s", name);
        f->nfields++;
    }
    return r;
}

static enum result parse_fingerprint(const json_t *j, struct fingerprint *f, struct error *err)
{
    const char *message_id, *digest;
    int64_t size;
    enum result r;
    if ((r = json_need_string(j, "", "message_id", FINGERPRINT_MESSAGE_ID_MAX, &message_id, err)) != RESULT_OK ||
        (r = json_need_string(j, "", "body_digest", DIGEST_TEXT_SIZE, &digest, err)) != RESULT_OK ||
        (r = json_need_int(j, "", "body_size", 0, INT64_MAX, &size, err)) != RESULT_OK ||
        (r = json_want_bool(j, "", "cut", false, &f->cut, err)) != RESULT_OK)
        return r;
    f->message_id = mem_strdup(message_id);
    f->body_size = (uint64_t)size;
    if (!digest_parse(digest, f->body_digest))
        return json_refuse(err, "", "body_digest", "not a SHA-256 digest in base64url");
    return parse_fields(j, f, err);
}

static enum result parse_address(const json_t *j, const char *name, bool null_allowed, struct error *err)
{
    const char *s = json_string_value(j);
    bool utf8;
    if (s == NULL || strlen(s) > ADDRESS_MAX || !((null_allowed && s[0] == '\0') || address_valid(s, &utf8)))
        return json_refuse(err, "", name, "not an address");
    return RESULT_OK;
}

static enum result parse_members(const json_t *j, struct arrival *a, struct error *err)
{
    const json_t *rcpts;
    enum result r = json_want_array(j, "", "recipients", ARRIVAL_RCPTS_MAX, &rcpts, err);
    size_t n = r == RESULT_OK && rcpts != NULL ? json_array_size(rcpts) : 0;
    for (size_t i = 0; r == RESULT_OK && i < n; i++) {
        r = parse_address(json_array_get(rcpts, i), "recipients", false, err);
        if (r == RESULT_OK)
            arrival_add_rcpt(a, json_string_value(json_array_get(rcpts, i)));
    }
    if (r != RESULT_OK || n == 0)
        return r;
    r = parse_address(json_object_get(j, "sender"), "sender", true, err);
    if (r != RESULT_OK)
        return r;
    a->sender = mem_strdup(json_string_value(json_object_get(j, "sender")));
    a->fingerprint = mem_zero(1, sizeof *a->fingerprint);
    return parse_fingerprint(j, a->fingerprint, err);
}

enum result arrival_parse(const char *text, size_t len, struct arrival *a_r, struct error *err)
{
    *a_r = (struct arrival){0};
    json_t *j = json_parse(text, len, ARRIVAL_SIZE_MAX, "arrival", err);
    if (j == NULL)
        return RESULT_PERM;
    enum result r = parse_members(j, a_r, err);
    json_decref(j);
    return r;
}
