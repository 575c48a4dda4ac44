/* Rows of messages and recipients as struct store_entry: see store_sqlite.h. */
#include <string.h>

#include "lib/mem.h"
#include "lib/store_sqlite.h"

void store_builder_init(struct store_entries_builder *b)
{
    *b = (struct store_entries_builder){.list = mem_zero(1, sizeof *b->list)};
}

struct store_entries *store_builder_finish(struct store_entries_builder *b)
{
    struct store_entries *list = b->list;
    mem_free(&b->messages);
    *b = (struct store_entries_builder){0};
    return list;
}

void store_builder_drop(struct store_entries_builder *b)
{
    struct store_entries *list = store_builder_finish(b);
    store_entries_free(&list);
}

struct store_entry *store_builder_entry(struct store_entries_builder *b, int64_t message)
{
    if (b->list->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->list->entries = mem_grow(b->list->entries, b->cap, sizeof *b->list->entries);
        b->messages = mem_grow(b->messages, b->cap, sizeof *b->messages);
    }
    b->messages[b->list->n] = message;
    struct store_entry *e = &b->list->entries[b->list->n++];
    *e = (struct store_entry){0};
    envelope_init(&e->envelope);
    return e;
}

/* From the end: rows of one message mostly come together. */
static struct store_entry *entry_for(struct store_entries_builder *b, int64_t message, const char *domain)
{
    for (size_t i = b->list->n; i-- > 0;) {
        struct store_entry *e = &b->list->entries[i];
        if (b->messages[i] == message && (domain == NULL || e->nrcpts == 0 || strcmp(e->rcpts[0].domain, domain) == 0))
            return e;
    }
    return store_builder_entry(b, message);
}

static struct store_rcpt read_rcpt(struct sqlite_stmt *st)
{
    struct store_rcpt r = {0};
    r.rid = stmt_get_int(st);
    r.address = stmt_get_text(st);
    r.domain = stmt_get_text(st);
    r.notify = stmt_get_text(st);
    r.orcpt = stmt_get_text(st);
    r.state = (enum rcpt_state)stmt_get_int(st);
    r.serial = stmt_get_int(st);
    r.attempts = (unsigned)stmt_get_int(st);
    r.next = stmt_get_int(st);
    r.since = stmt_get_int(st);
    r.offered = stmt_get_int(st) != 0;
    r.fetching = stmt_get_int(st);
    r.fetched = stmt_get_int(st);
    stmt_copy_text(st, r.dsn, sizeof r.dsn);
    r.text = stmt_get_text(st);
    r.peer = stmt_get_text(st);
    bool caused = !stmt_get_null(st);
    int64_t cause = stmt_get_int(st);
    r.cause = caused ? (enum rcpt_event)cause : RCPT_EVENTS;
    r.cause_text = stmt_get_text(st);
    r.comparison.smtp = (enum store_smtp_copy)stmt_get_int(st);
    r.comparison.delta = stmt_get_int(st);
    r.comparison.differences = stmt_get_text(st);
    r.report = (enum store_report)stmt_get_int(st);
    return r;
}

struct store_rcpt *store_builder_rcpt(struct store_entries_builder *b, struct sqlite_stmt *st, bool by_domain)
{
    int64_t message = stmt_get_int(st);
    struct store_rcpt r = read_rcpt(st);
    struct store_entry *e = entry_for(b, message, by_domain ? r.domain : NULL);
    if ((e->nrcpts & (e->nrcpts - 1)) == 0) /* room for the next power of two */
        e->rcpts = mem_grow(e->rcpts, e->nrcpts ? e->nrcpts * 2 : 1, sizeof *e->rcpts);
    e->rcpts[e->nrcpts] = r;
    return &e->rcpts[e->nrcpts++];
}

static void read_message(struct store_entry *e, struct sqlite_stmt *st)
{
    size_t len = 0;
    e->id = stmt_get_text(st);
    e->size = (uint64_t)stmt_get_int(st);
    const void *digest = stmt_get_blob(st, &len);
    if (len == DIGEST_SIZE)
        memcpy(e->digest, digest, DIGEST_SIZE);
    e->envelope.sender = stmt_get_text(st);
    e->envelope.body = (enum body_type)stmt_get_int(st);
    e->envelope.smtputf8 = stmt_get_int(st) != 0;
    e->envelope.size = (uint64_t)stmt_get_int(st);
    e->envelope.ret = stmt_get_text(st);
    e->envelope.envid = stmt_get_text(st);
    e->iss = stmt_get_text(st);
    e->queue_id = stmt_get_text(st);
    e->message_id = stmt_get_text(st);
    e->client = stmt_get_text(st);
    e->login = stmt_get_text(st);
    e->created = stmt_get_int(st);
    e->expires = stmt_get_int(st);
    e->shadow = stmt_get_int(st) != 0;
    e->by_smtp = (uint64_t)stmt_get_int(st);
}

enum result store_builder_load(struct store_entries_builder *b, struct sqlite_db *db, struct error *err)
{
    enum result r = RESULT_OK;
    for (size_t i = 0; r == RESULT_OK && i < b->list->n; i++) {
        struct sqlite_stmt *st = stmt_begin(
            db, "SELECT id, size, digest, sender, body_type, smtputf8, declared, ret, envid, iss, queue_id, message_id,"
                " client, login, created, expires, shadow, by_smtp FROM messages WHERE message = ?");
        stmt_bind_int(st, b->messages[i]);
        while (stmt_row(st))
            read_message(&b->list->entries[i], st);
        r = stmt_end(st, err);
    }
    return r;
}

static void free_entry(struct store_entry *e)
{
    for (size_t i = 0; i < e->nrcpts; i++) {
        struct store_rcpt *r = &e->rcpts[i];
        mem_free(&r->address);
        mem_free(&r->domain);
        mem_free(&r->notify);
        mem_free(&r->orcpt);
        mem_free(&r->text);
        mem_free(&r->peer);
        mem_free(&r->cause_text);
        mem_release((void *)(uintptr_t)r->comparison.differences);
    }
    mem_free(&e->rcpts);
    mem_free(&e->id);
    mem_free(&e->queue_id);
    mem_free(&e->message_id);
    mem_free(&e->client);
    mem_free(&e->login);
    mem_free(&e->iss);
    envelope_free(&e->envelope);
}

void store_entries_free(struct store_entries **entries)
{
    if (*entries == NULL)
        return;
    for (size_t i = 0; i < (*entries)->n; i++)
        free_entry(&(*entries)->entries[i]);
    mem_free(&(*entries)->entries);
    mem_free(entries);
}
