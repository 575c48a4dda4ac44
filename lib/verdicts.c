/* What became of each recipient, as verdicts and receipts say it: see notification.h. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/fingerprint.h" /* bounds of differences */
#include "lib/json.h"
#include "lib/mem.h"
#include "lib/notification.h"
#include "lib/utf8.h"

enum { PATH_SIZE = 100 };
#define DELTA_MAX INT64_C(31536000000) /* ms: a year */

static const struct kind {
    const char *verdict;
    const char *outcome; /* in a receipt; NULL: receipts don't have it */
    char dsn_class;      /* of its status code; 0: any */
    bool dsn_needed;
} kinds[] = {
    [VERDICT_DELIVERED] = {"delivered", "delivered", '2', false},
    [VERDICT_ACCEPTED] = {"accepted", NULL, '2', false},
    [VERDICT_DEFERRED] = {"deferred", "deferred", '4', true},
    [VERDICT_REJECTED] = {"rejected", "failed", '5', true},
    [VERDICT_USE_SMTP] = {"use-smtp", NULL, 0, false},
};

static const char *const dsn_words[] = {
    [VERDICT_DSN_TAKEN] = NULL, [VERDICT_DSN_RELAYED] = "relayed", [VERDICT_DSN_DELIVERED] = "delivered"};

/* The two documents differ in the names of their words only. */
enum document { VERDICTS, RECEIPT };
static const char *const word_member[] = {[VERDICTS] = "verdict", [RECEIPT] = "outcome"};

static const char *word(enum verdict_kind kind, enum document document)
{
    return document == RECEIPT ? kinds[kind].outcome : kinds[kind].verdict;
}

const char *verdict_name(enum verdict_kind kind)
{
    return kinds[kind].verdict;
}

/* ---- building ---- */

/* Room for one more: whenever a power of two is full, twice as much. */
static void *grow(void *p, size_t n, size_t size)
{
    return (n & (n - 1)) == 0 ? mem_grow(p, n > 0 ? 2 * n : 1, size) : p;
}

struct verdict_message *verdicts_add(struct verdicts *v, const char *id)
{
    v->messages = grow(v->messages, v->nmessages, sizeof *v->messages);
    struct verdict_message *m = &v->messages[v->nmessages++];
    memset(m, 0, sizeof *m);
    snprintf(m->id, sizeof m->id, "%s", id);
    return m;
}

/* Replies come from any MTA: whole characters only, and none that a log or terminal would act on. */
static void copy_text(char out[REPLY_TEXT_MAX + 1], const char *text)
{
    size_t used = 0;
    for (size_t len; *text != '\0'; text += len, used += len) {
        len = utf8_printable_len(text);
        bool bad = len == 0;
        len += bad;
        if (used + len > REPLY_TEXT_MAX)
            break;
        memcpy(out + used, bad ? "?" : text, len);
    }
    out[used] = '\0';
}

struct verdict *verdict_message_add(struct verdict_message *m, const char *address, enum verdict_kind kind,
                                    const char *dsn, const char *text)
{
    m->rcpts = grow(m->rcpts, m->nrcpts, sizeof *m->rcpts);
    struct verdict_rcpt *r = &m->rcpts[m->nrcpts++];
    *r = (struct verdict_rcpt){.address = mem_strdup(address)};
    r->verdict.kind = kind;
    r->verdict.success = VERDICT_DSN_TAKEN;
    snprintf(r->verdict.dsn, sizeof r->verdict.dsn, "%s", dsn != NULL ? dsn : "");
    copy_text(r->verdict.text, text != NULL ? text : "");
    return &r->verdict;
}

void verdict_compare(struct verdict *v, bool arrived, int64_t delta_ms, const char *differences)
{
    struct buf lines = BUF_INIT(DIFFERENCES_SIZE_MAX);
    for (const char *p = differences; p != NULL && *p != '\0';) {
        char line[REPLY_TEXT_MAX + 1], *one = mem_strndup(p, strcspn(p, "\n"));
        copy_text(line, one);
        if (line[0] != '\0')
            difference_add(&lines, "%s", line);
        p += strlen(one);
        p += *p == '\n';
        mem_free(&one);
    }
    mem_free(&v->comparison.differences);
    int64_t within = delta_ms > DELTA_MAX ? DELTA_MAX : (delta_ms < -DELTA_MAX ? -DELTA_MAX : delta_ms);
    v->comparison = (struct verdict_comparison){.known = true, .arrived = arrived, .delta_ms = arrived ? within : 0};
    if (lines.len > 0)
        v->comparison.differences = buf_take(&lines);
    buf_free(&lines);
}

void verdicts_clear(struct verdicts *v)
{
    for (size_t i = 0; i < v->nmessages; i++) {
        for (size_t k = 0; k < v->messages[i].nrcpts; k++) {
            mem_free(&v->messages[i].rcpts[k].address);
            mem_free(&v->messages[i].rcpts[k].verdict.comparison.differences);
        }
        mem_free(&v->messages[i].rcpts);
    }
    mem_free(&v->messages);
    v->nmessages = 0;
}

void verdicts_free(struct verdicts **v)
{
    if (*v == NULL)
        return;
    verdicts_clear(*v);
    mem_free(v);
}

/* ---- writing ---- */

static json_t *comparison_json(const struct verdict_comparison *c, bool texts)
{
    json_t *j = json_object();
    json_object_set_new(j, "smtp", json_string(c->arrived ? "arrived" : "not-seen"));
    if (c->arrived)
        json_object_set_new(j, "delta_ms", json_integer(c->delta_ms));
    if (!texts || c->differences == NULL)
        return j;
    json_t *list = json_array();
    char *copy = mem_strdup(c->differences), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
        json_array_append_new(list, json_string_lossy(line));
    mem_free(&copy);
    json_object_set_new(j, "differences", list);
    return j;
}

static json_t *rcpts_json(const struct verdict_message *m, enum document document, bool texts)
{
    json_t *array = json_array();
    for (size_t i = 0; i < m->nrcpts; i++) {
        const struct verdict *v = &m->rcpts[i].verdict;
        if (v->withheld)
            continue;
        json_t *r = json_object();
        json_object_set_new(r, "address", json_string_lossy(m->rcpts[i].address));
        json_object_set_new(r, word_member[document], json_string(word(v->kind, document)));
        if (v->dsn[0] != '\0')
            json_object_set_new(r, "status", json_string_lossy(v->dsn));
        if (v->kind == VERDICT_DELIVERED && dsn_words[v->success] != NULL)
            json_object_set_new(r, "dsn", json_string(dsn_words[v->success]));
        if (texts && v->text[0] != '\0')
            json_object_set_new(r, "text", json_string_lossy(v->text));
        if (v->comparison.known)
            json_object_set_new(r, "shadow", comparison_json(&v->comparison, texts));
        json_array_append_new(array, r);
    }
    return array;
}

static json_t *verdicts_json(const struct verdicts *v, bool texts)
{
    json_t *messages = json_array();
    for (size_t i = 0; i < v->nmessages; i++) {
        json_t *rcpts = rcpts_json(&v->messages[i], VERDICTS, texts);
        if (json_array_size(rcpts) == 0) {
            json_decref(rcpts);
            continue;
        }
        json_t *m = json_object();
        json_object_set_new(m, "id", json_string_lossy(v->messages[i].id));
        json_object_set_new(m, "recipients", rcpts);
        json_array_append_new(messages, m);
    }
    json_t *j = json_object();
    json_object_set_new(j, "messages", messages);
    return j;
}

static json_t *receipt_json(const struct verdict_message *m, bool texts)
{
    json_t *j = json_object();
    if (m->serial != 0)
        json_object_set_new(j, "serial", json_integer((json_int_t)m->serial));
    json_object_set_new(j, "recipients", rcpts_json(m, RECEIPT, texts));
    return j;
}

/* Text of a document that it takes over; NULL if that is longer than `max`. */
static char *take_text(json_t *j, size_t max)
{
    char *text = json_text(j);
    json_decref(j);
    if (strlen(text) > max)
        mem_free(&text);
    return text;
}

char *verdicts_write(const struct verdicts *v)
{
    char *text = take_text(verdicts_json(v, true), VERDICTS_SIZE_MAX);
    return text != NULL ? text : take_text(verdicts_json(v, false), SIZE_MAX);
}

char *receipt_write(const struct verdict_message *m)
{
    char *text = take_text(receipt_json(m, true), VERDICTS_SIZE_MAX);
    return text != NULL ? text : take_text(receipt_json(m, false), SIZE_MAX);
}

/* ---- reading ---- */

static enum result parse_word(const json_t *j, const char *path, enum document document, enum verdict_kind *kind_r,
                              struct error *err)
{
    const char *s;
    enum result result = json_need_string(j, path, word_member[document], VERDICTS_SIZE_MAX, &s, err);
    if (result != RESULT_OK)
        return result;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *known = word((enum verdict_kind)i, document);
        if (known != NULL && strcmp(known, s) == 0) {
            *kind_r = (enum verdict_kind)i;
            return RESULT_OK;
        }
    }
    return json_refuse(err, path, word_member[document],
                       document == RECEIPT ? "not delivered, failed or deferred"
                                           : "not delivered, accepted, deferred, rejected or use-smtp");
}

/* RFC 3463: class "." subject "." detail, the latter two of 1 to 3 digits. */
static bool status_valid(const char *s)
{
    static const char digits[] = "0123456789";
    if (strchr("245", s[0]) == NULL || s[0] == '\0')
        return false;
    s++;
    for (int part = 0; part < 2; part++) {
        size_t len = *s == '.' ? strspn(s + 1, digits) : 0;
        if (len < 1 || len > 3)
            return false;
        s += 1 + len;
    }
    return *s == '\0';
}

static enum result parse_status(const json_t *j, const char *path, enum verdict_kind kind, const char **dsn_r,
                                struct error *err)
{
    const struct kind *k = &kinds[kind];
    enum result result = json_want_string(j, path, "status", ERROR_DSN_MAX - 1, dsn_r, err);
    if (result != RESULT_OK)
        return result;
    if (*dsn_r == NULL)
        return k->dsn_needed ? json_refuse(err, path, "status", "missing") : RESULT_OK;
    if (!status_valid(*dsn_r))
        return json_refuse(err, path, "status", "not a status code of RFC 3463");
    if (k->dsn_class != 0 && (*dsn_r)[0] != k->dsn_class)
        return error_set(err, RESULT_PERM, "%s.status: not of class %c", path, k->dsn_class);
    return RESULT_OK;
}

static enum result parse_success(const json_t *j, const char *path, enum verdict_kind kind, enum verdict_dsn *success_r,
                                 struct error *err)
{
    const char *s;
    *success_r = VERDICT_DSN_TAKEN;
    enum result result = json_want_string(j, path, "dsn", VERDICTS_SIZE_MAX, &s, err);
    if (result != RESULT_OK || s == NULL)
        return result;
    if (kind != VERDICT_DELIVERED)
        return json_refuse(err, path, "dsn", "only for what was delivered");
    for (enum verdict_dsn i = VERDICT_DSN_RELAYED; i <= VERDICT_DSN_DELIVERED; i++) {
        if (strcmp(dsn_words[i], s) == 0) {
            *success_r = i;
            return RESULT_OK;
        }
    }
    return json_refuse(err, path, "dsn", "not relayed or delivered");
}

static enum result parse_differences(const json_t *j, const char *path, struct buf *lines, struct error *err)
{
    const json_t *array;
    enum result result = json_want_array(j, path, "differences", DIFFERENCES_MAX, &array, err);
    for (size_t i = 0; result == RESULT_OK && array != NULL && i < json_array_size(array); i++) {
        const char *line = json_string_value(json_array_get(array, i));
        if (line == NULL || line[0] == '\0' || strlen(line) > DIFFERENCE_SIZE_MAX)
            return json_refuse(err, path, "differences", "not strings of 1 to 200 bytes");
        char clean[REPLY_TEXT_MAX + 1];
        copy_text(clean, line);
        difference_add(lines, "%s", clean);
    }
    return result;
}

/* The member `shadow`: NULL if there is none. Control characters in its lines become '?'. */
static enum result parse_comparison(const json_t *rcpt, const char *rcpt_path, struct verdict *v, struct error *err)
{
    const json_t *j = json_object_get(rcpt, "shadow");
    const char *smtp;
    char path[PATH_SIZE + sizeof ".shadow"];
    struct buf lines = BUF_INIT(DIFFERENCES_SIZE_MAX);
    int64_t delta = 0;
    if (j == NULL)
        return RESULT_OK;
    if (!json_is_object(j))
        return json_refuse(err, rcpt_path, "shadow", "not an object");
    snprintf(path, sizeof path, "%s.shadow", rcpt_path);
    enum result result = json_need_string(j, path, "smtp", REPLY_TEXT_MAX, &smtp, err);
    if (result != RESULT_OK)
        return result;
    bool arrived = strcmp(smtp, "arrived") == 0;
    if (!arrived && strcmp(smtp, "not-seen") != 0)
        return json_refuse(err, path, "smtp", "neither arrived nor not-seen");
    if (arrived)
        result = json_need_int(j, path, "delta_ms", -DELTA_MAX, DELTA_MAX, &delta, err);
    if (result == RESULT_OK)
        result = parse_differences(j, path, &lines, err);
    if (result == RESULT_OK)
        verdict_compare(v, arrived, delta, buf_str(&lines));
    buf_free(&lines);
    return result;
}

static enum result parse_rcpt(const json_t *j, const char *path, enum document document, json_t *seen,
                              struct verdict_message *m, struct error *err)
{
    const char *address, *dsn, *text;
    enum verdict_kind kind = VERDICT_DEFERRED;
    enum verdict_dsn success;
    bool utf8;
    enum result result;
    if ((result = json_need_string(j, path, "address", ADDRESS_MAX, &address, err)) != RESULT_OK ||
        (result = parse_word(j, path, document, &kind, err)) != RESULT_OK ||
        (result = parse_status(j, path, kind, &dsn, err)) != RESULT_OK ||
        (result = parse_success(j, path, kind, &success, err)) != RESULT_OK ||
        (result = json_want_string(j, path, "text", REPLY_TEXT_MAX, &text, err)) != RESULT_OK)
        return result;
    if (!address_valid(address, &utf8))
        return json_refuse(err, path, "address", "not an address");
    if (!json_set_add(seen, address))
        return json_refuse(err, path, "address", "this recipient is there already");
    struct verdict *v = verdict_message_add(m, address, kind, dsn, text);
    v->success = success;
    return parse_comparison(j, path, v, err);
}

static enum result parse_rcpts(const json_t *j, const char *path, enum document document, struct verdict_message *m,
                               struct error *err)
{
    const json_t *array;
    enum result result = json_need_array(j, path, "recipients", NOTIFICATION_RCPTS_MAX, &array, err);
    json_t *seen = json_object();
    for (size_t i = 0; result == RESULT_OK && i < json_array_size(array); i++) {
        char where[PATH_SIZE];
        snprintf(where, sizeof where, "%s%srecipients[%zu]", path, path[0] != '\0' ? "." : "", i);
        result = parse_rcpt(json_array_get(array, i), where, document, seen, m, err);
    }
    json_decref(seen);
    return result;
}

static enum result parse_message(const json_t *j, const char *path, json_t *seen, struct verdicts *v, struct error *err)
{
    const char *id;
    enum result result = json_need_string(j, path, "id", MESSAGE_ID_PEER_MAX, &id, err);
    if (result != RESULT_OK)
        return result;
    if (!message_id_valid(id))
        return json_refuse(err, path, "id", "not 1 to 64 letters, digits, '-' or '_'");
    if (!json_set_add(seen, id))
        return json_refuse(err, path, "id", "an earlier message has this id");
    return parse_rcpts(j, path, VERDICTS, verdicts_add(v, id), err);
}

static enum result parse_messages(const json_t *j, struct verdicts *v, struct error *err)
{
    const json_t *array;
    enum result result = json_need_array(j, "", "messages", NOTIFICATION_MESSAGES_MAX, &array, err);
    json_t *seen = json_object();
    for (size_t i = 0; result == RESULT_OK && i < json_array_size(array); i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "messages[%zu]", i);
        result = parse_message(json_array_get(array, i), path, seen, v, err);
    }
    json_decref(seen);
    return result;
}

static enum result parse_receipt(const json_t *j, struct verdicts *v, struct error *err)
{
    struct verdict_message *m = verdicts_add(v, "");
    enum result result = json_want_int(j, "", "serial", 1, NOTIFICATION_SERIAL_MAX, 0, &m->serial, err);
    return result == RESULT_OK ? parse_rcpts(j, "", RECEIPT, m, err) : result;
}

static enum result parse_document(const char *text, size_t len, const char *what,
                                  enum result (*parse)(const json_t *, struct verdicts *, struct error *),
                                  struct verdicts **v_r, struct error *err)
{
    json_t *j = json_parse(text, len, VERDICTS_SIZE_MAX, what, err);
    if (j == NULL)
        return RESULT_PERM;
    struct verdicts *v = mem_zero(1, sizeof *v);
    enum result result = parse(j, v, err);
    json_decref(j);
    if (result == RESULT_OK)
        *v_r = v;
    else
        verdicts_free(&v);
    return result;
}

enum result verdicts_parse(const char *text, size_t len, struct verdicts **v_r, struct error *err)
{
    return parse_document(text, len, "verdicts", parse_messages, v_r, err);
}

enum result receipt_parse(const char *text, size_t len, struct verdicts **v_r, struct error *err)
{
    return parse_document(text, len, "receipt", parse_receipt, v_r, err);
}
