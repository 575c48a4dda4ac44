/* Taking messages into the store, and taking them back: see store.h. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/stops_sqlite.h"
#include "lib/store_sqlite.h"

struct put {
    struct sqlite_change change;
    const struct store_message *m;
    char iss[DOMAIN_MAX + 1];
    char (*domains)[DOMAIN_MAX + 1]; /* of each recipient */
    uint8_t submission[DIGEST_SIZE];
    bool has_submission;
    const uint8_t *body_digest;
    uint64_t body_size;
    const void *data; /* inline, or NULL */
    char file[BODY_FILE_NAME_MAX];

    /* what apply() found */
    bool file_used;
    bool *held; /* recipients that an earlier message has */
    size_t stored;
    bool drained;
    char *resubmission_of;
};

/* ---- in the caller's thread: everything that needs no database ---- */

static bool is_returning(const struct put *p, size_t i)
{
    return p->m->returning != NULL && p->m->returning[i] != NULL;
}

/* Where there is none, "". */
static enum result set_domains(struct put *p, struct error *err)
{
    const struct envelope *e = p->m->envelope;
    bool sender = e->sender[0] == '\0' || domain_normalize(address_domain(e->sender), p->iss);
    p->domains = mem_zero(e->nrcpts, sizeof *p->domains);
    for (size_t i = 0; i < e->nrcpts; i++) {
        bool recipient = domain_normalize(address_domain(e->rcpts[i].address), p->domains[i]);
        if (is_returning(p, i))
            continue;
        if (!sender)
            return error_set(err, RESULT_PERM, "sender <%s> has no domain that could be notified for", e->sender);
        if (!recipient)
            return error_set(err, RESULT_PERM, "recipient <%s> has no domain that could be notified",
                             e->rcpts[i].address);
    }
    return RESULT_OK;
}

static void add_string(struct digest *d, const char *s)
{
    digest_add(d, s, strlen(s) + 1);
}

/* The same client, login, sender, Message-ID and body; our trace header differs each time. */
static void set_submission(struct put *p)
{
    const struct store_message *m = p->m;
    p->has_submission = m->message_id[0] != '\0' || m->unique_bytes;
    if (!p->has_submission)
        return;
    struct digest *d = digest_new();
    add_string(d, m->envelope->sender);
    add_string(d, m->client);
    add_string(d, m->login);
    add_string(d, m->message_id);
    digest_add(d, p->body_digest, DIGEST_SIZE);
    digest_finish(&d, p->submission);
}

static enum result read_back(const char *path, size_t size, void **data_r, struct error *err)
{
    uint8_t *data = mem_alloc(size);
    size_t got = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && got < size && ((n = read(fd, data + got, size - got)) > 0 || (n < 0 && errno == EINTR)))
        got += n > 0 ? (size_t)n : 0;
    enum result r = RESULT_OK;
    if (fd < 0 || n < 0)
        r = data_dir_fail("read", path, err);
    else if (got < size)
        r = error_set(err, RESULT_BUG, "%s has become shorter", path);
    if (fd >= 0)
        close(fd);
    if (r != RESULT_OK)
        mem_free(&data);
    *data_r = data;
    return r;
}

static enum result adopt(struct put *p, const struct store *s, struct spool *spool, struct error *err)
{
    enum result r = body_file_adopt(s->dir, spool_path(spool), p->file, err);
    if (r == RESULT_OK)
        spool_release_file(spool);
    else
        p->file[0] = '\0';
    return r;
}

/* A body in memory that is too large for the database. */
static enum result write_out(struct put *p, const struct store *s, const struct spool *body, struct error *err)
{
    struct spool *copy = spool_new(s->incoming, 0, spool_size(body));
    enum result r = spool_add(copy, spool_memory(body), (size_t)spool_size(body), err);
    if (r == RESULT_OK)
        r = spool_finish(copy, err);
    if (r == RESULT_OK)
        r = adopt(p, s, copy, err);
    spool_free(&copy);
    return r;
}

/* Afterwards the body is in p->data or durable in p->file. *owned_r: what to free, or NULL. */
static enum result place_body(struct put *p, const struct store *s, struct spool *body, void **owned_r,
                              struct error *err)
{
    p->body_digest = spool_digest(body);
    p->body_size = spool_size(body);
    p->data = spool_memory(body);
    if (p->data == NULL && spool_released(body)) /* by an earlier call: the body is in the store */
        return RESULT_OK;
    if (p->body_size <= s->inline_max) {
        if (p->data != NULL)
            return RESULT_OK;
        enum result r = read_back(spool_path(body), (size_t)p->body_size, owned_r, err);
        p->data = *owned_r;
        return r;
    }
    if (p->data == NULL)
        return adopt(p, s, body, err);
    p->data = NULL;
    return write_out(p, s, body, err);
}

/* ---- in the writer's thread ---- */

/* The oldest message that came the same way with this recipient. */
static enum result find_held(struct put *p, struct sqlite_db *db, size_t i, struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT m.id FROM messages AS m JOIN recipients AS r ON r.message = m.message"
                       " WHERE m.submission = ? AND m.created >= ? AND r.address = ? AND r.state <> ?"
                       " AND m.shadow <= ? ORDER BY m.created LIMIT 1");
    stmt_bind_blob(st, p->submission, DIGEST_SIZE);
    stmt_bind_int(st, clock_now() - p->m->resubmission_window);
    stmt_bind_text(st, p->m->envelope->rcpts[i].address);
    stmt_bind_int(st, RCPT_RECALLED);
    stmt_bind_int(st, p->m->shadow);
    while (stmt_row(st)) {
        p->held[i] = true;
        char *id = stmt_get_text(st);
        if (p->resubmission_of == NULL)
            p->resubmission_of = id;
        else
            mem_free(&id);
    }
    return stmt_end(st, err);
}

static enum result find_all_held(struct put *p, struct sqlite_db *db, struct error *err)
{
    bool any = false;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT 1 FROM messages WHERE submission = ? AND created >= ? LIMIT 1");
    stmt_bind_blob(st, p->submission, DIGEST_SIZE);
    stmt_bind_int(st, clock_now() - p->m->resubmission_window);
    while (stmt_row(st))
        any = true;
    enum result r = stmt_end(st, err);
    for (size_t i = 0; any && r == RESULT_OK && i < p->m->envelope->nrcpts; i++)
        r = find_held(p, db, i, err);
    return r;
}

static enum result insert_body(struct put *p, struct sqlite_db *db, int64_t *body_r, struct error *err)
{
    *body_r = 0;
    struct sqlite_stmt *st = stmt_begin(db, "SELECT body FROM bodies WHERE digest = ?");
    stmt_bind_blob(st, p->body_digest, DIGEST_SIZE);
    while (stmt_row(st))
        *body_r = stmt_get_int(st);
    enum result r = stmt_end(st, err);
    if (r != RESULT_OK || *body_r != 0)
        return r;
    if (p->data == NULL && p->file[0] == '\0')
        return error_set(err, RESULT_TEMP, "the body of the message is not in the store any more");
    st = stmt_begin(db, "INSERT INTO bodies (digest, size, file, data) VALUES (?, ?, ?, ?)");
    stmt_bind_blob(st, p->body_digest, DIGEST_SIZE);
    stmt_bind_int(st, (int64_t)p->body_size);
    stmt_bind_text(st, p->data ? NULL : p->file);
    stmt_bind_blob(st, p->data, (size_t)p->body_size);
    r = stmt_run(st, err);
    *body_r = sqlite_db_last_rowid(db);
    p->file_used = p->data == NULL;
    return r;
}

static enum result insert_message(const struct put *p, struct sqlite_db *db, int64_t body, int64_t *message_r,
                                  struct error *err)
{
    const struct store_message *m = p->m;
    const struct envelope *e = m->envelope;
    msec_t now = clock_now();
    struct sqlite_stmt *st = stmt_begin(
        db,
        "INSERT INTO messages (id, body, trace, size, digest, sender, body_type, smtputf8, declared, ret, envid, iss,"
        " queue_id, message_id, client, login, submission, created, expires, shadow,"
        " by_smtp)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    stmt_bind_text(st, m->id);
    stmt_bind_int(st, body);
    stmt_bind_blob(st, m->trace, m->trace_len);
    stmt_bind_int(st, (int64_t)m->size);
    stmt_bind_blob(st, m->digest, DIGEST_SIZE);
    stmt_bind_text(st, e->sender);
    stmt_bind_int(st, e->body);
    stmt_bind_int(st, e->smtputf8);
    stmt_bind_int(st, (int64_t)e->size);
    stmt_bind_text(st, e->ret);
    stmt_bind_text(st, e->envid);
    stmt_bind_text(st, p->iss);
    stmt_bind_text(st, m->queue_id);
    stmt_bind_text(st, m->message_id);
    stmt_bind_text(st, m->client);
    stmt_bind_text(st, m->login);
    stmt_bind_blob(st, p->has_submission ? p->submission : NULL, DIGEST_SIZE);
    stmt_bind_int(st, now);
    stmt_bind_int(st, now + m->expire_after);
    stmt_bind_int(st, m->shadow);
    stmt_bind_int(st, (int64_t)m->by_smtp);
    enum result r = stmt_run(st, err);
    *message_r = sqlite_db_last_rowid(db);
    return r;
}

static enum result insert_rcpt(const struct put *p, struct sqlite_db *db, int64_t message, size_t i, struct error *err)
{
    const struct envelope_rcpt *rcpt = &p->m->envelope->rcpts[i];
    msec_t now = clock_now();
    struct sqlite_stmt *st =
        stmt_begin(db, "INSERT INTO recipients (message, address, domain, notify, orcpt, state, attempts, next,"
                       " since, due, shadow, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?7, ?9, ?10)");
    stmt_bind_int(st, message);
    stmt_bind_text(st, rcpt->address);
    stmt_bind_text(st, p->domains[i]);
    stmt_bind_text(st, rcpt->notify);
    stmt_bind_text(st, rcpt->orcpt);
    stmt_bind_int(st, is_returning(p, i) ? RCPT_RETURNING : RCPT_QUEUED);
    stmt_bind_int(st, is_returning(p, i) ? now : now + p->m->hold);
    stmt_bind_int(st, now);
    stmt_bind_int(st, p->m->shadow);
    stmt_bind_text(st, is_returning(p, i) ? p->m->returning[i] : NULL);
    return stmt_run(st, err);
}

/* In the transaction, so that nothing slips in behind the drain. What has come before is finished, not begun. */
static enum result check_drains(struct put *p, struct sqlite_db *db, struct error *err)
{
    p->drained = false;
    for (size_t i = 0; i < p->m->envelope->nrcpts; i++) {
        bool passes =
            is_returning(p, i); /* it goes by SMTP already, and has no place only in what is to become empty */
        enum result r = stops_sqlite_drained(db, passes ? "" : p->iss, passes ? "" : p->domains[i], &p->drained, err);
        if (r != RESULT_OK)
            return r;
        if (p->drained && passes)
            return error_set(err, RESULT_PERM, "everything is being drained: nothing is taken any more");
        if (p->drained)
            return error_set(err, RESULT_PERM, "mail from <%s> to %s is being drained: it goes by SMTP",
                             p->m->envelope->sender, p->domains[i]);
    }
    return RESULT_OK;
}

static enum result apply_put(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct put *p = (struct put *)c;
    size_t nrcpts = p->m->envelope->nrcpts;
    int64_t body = 0, message = 0;
    enum result r = RESULT_OK;
    memset(p->held, 0, nrcpts * sizeof *p->held);
    mem_free(&p->resubmission_of);
    p->file_used = false;
    p->stored = 0;
    if (p->has_submission && p->m->resubmission_window > 0)
        r = find_all_held(p, db, err);
    for (size_t i = 0; i < nrcpts; i++)
        p->stored += !p->held[i];
    if (r != RESULT_OK || p->stored == 0)
        return r;
    if (p->resubmission_of == NULL)
        r = check_drains(p, db, err);
    if (r != RESULT_OK)
        return r;
    r = insert_body(p, db, &body, err);
    if (r == RESULT_OK)
        r = insert_message(p, db, body, &message, err);
    for (size_t i = 0; r == RESULT_OK && i < nrcpts; i++) {
        if (!p->held[i])
            r = insert_rcpt(p, db, message, i, err);
    }
    return r;
}

enum result store_put(struct store *store, const struct store_message *m, struct spool *body,
                      struct store_put_result *put_r, struct error *err)
{
    *put_r = (struct store_put_result){0};
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    assert(m->envelope->nrcpts > 0 && m->size == m->trace_len + spool_size(body));
    struct put p = {.change.apply = apply_put, .m = m};
    void *owned = NULL;
    enum result r = set_domains(&p, err);
    if (r == RESULT_OK)
        r = place_body(&p, store, body, &owned, err);
    if (r == RESULT_OK) {
        set_submission(&p);
        p.held = mem_zero(m->envelope->nrcpts, sizeof *p.held);
        r = sqlite_writer_run(store->writer, &p.change, err);
    }
    /* In doubt a row may come back with the next start: then an orphan is the lesser evil. */
    if (p.file[0] != '\0' && !(r == RESULT_OK ? p.file_used : p.change.in_doubt))
        body_file_remove(store->dir, p.file);
    put_r->drained = r != RESULT_OK && p.drained;
    if (r == RESULT_OK) {
        put_r->stored = p.stored;
        put_r->resubmission_of = p.resubmission_of;
        p.resubmission_of = NULL;
    }
    mem_free(&p.resubmission_of);
    mem_free(&p.held);
    mem_free(&p.domains);
    mem_free(&owned);
    return r;
}

/* ---- taking it back ---- */

struct withdrawal {
    struct sqlite_change change;
    const struct store *store;
    const char *id;
    struct store_files files;
};

/* How many recipients there are, and how many of them somebody may already have heard of. */
static enum result count_rcpts(struct sqlite_db *db, const char *id, int64_t *all_r, int64_t *known_r,
                               struct error *err)
{
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT count(*), total(r.state <> ? OR r.attempts > 0 OR r.offered OR r.owner IS NOT NULL)"
                       " FROM messages AS m JOIN recipients AS r ON r.message = m.message WHERE m.id = ?");
    stmt_bind_int(st, RCPT_QUEUED);
    stmt_bind_text(st, id);
    while (stmt_row(st)) {
        *all_r = stmt_get_int(st);
        *known_r = stmt_get_int(st);
    }
    return stmt_end(st, err);
}

static enum result recall_all(struct withdrawal *w, struct sqlite_db *db, size_t n, struct error *err)
{
    int64_t *rids = mem_zero(n, sizeof *rids), message = 0;
    size_t got = 0;
    struct sqlite_stmt *st =
        stmt_begin(db, "SELECT r.rid FROM messages AS m JOIN recipients AS r ON r.message = m.message WHERE m.id = ?");
    stmt_bind_text(st, w->id);
    while (got < n && stmt_row(st))
        rids[got++] = stmt_get_int(st);
    enum result r = stmt_end(st, err);
    for (size_t i = 0; r == RESULT_OK && i < got; i++) {
        struct store_settlement s = {
            .rid = rids[i], .event = RCPT_EV_RECALL, .text = "withdrawn: the MTA did not take our answer"};
        bool changed;
        r = store_apply_event(db, &s, &changed, &message, err);
    }
    if (r == RESULT_OK)
        r = store_finish_message(db, message, &w->files, err);
    mem_free(&rids);
    return r;
}

static enum result apply_withdrawal(struct sqlite_change *c, struct sqlite_db *db, struct error *err)
{
    struct withdrawal *w = (struct withdrawal *)c;
    int64_t all = 0, known = 0;
    store_files_clear(&w->files);
    enum result r = count_rcpts(db, w->id, &all, &known, err);
    if (r != RESULT_OK)
        return r;
    if (all == 0)
        return error_set(err, RESULT_PERM, "no message %s to withdraw", w->id);
    if (known > 0)
        return error_set(err, RESULT_PERM, "message %s can't be withdrawn: its recipients' sites may know of it",
                         w->id);
    return recall_all(w, db, (size_t)all, err);
}

enum result store_withdraw(struct store *store, const char *id, struct error *err)
{
    if (store->writer == NULL)
        return error_set(err, RESULT_PERM, "the store %s is open for reading only", store->dir);
    struct withdrawal w = {.change.apply = apply_withdrawal, .store = store, .id = id};
    enum result r = sqlite_writer_run(store->writer, &w.change, err);
    if (r == RESULT_OK)
        store_files_remove(&w.files, store->dir);
    store_files_clear(&w.files);
    return r;
}
