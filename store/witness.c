/* What the store tells its witness, and what that notes: see witness.h. */
#include "store/witness.h"

#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { RECORD_MAX = 1 << 20 };

/* Before the recipients' rids. */
struct record {
    char id[MESSAGE_ID_LEN + 1];
    enum rcpt_event done;
};

/* ---- in the store ---- */

uint64_t store_witness_watch(struct witness *w, int fd, const char *id, enum rcpt_event done, const int64_t *rids,
                             size_t n)
{
    struct record record;
    memset(&record, 0, sizeof record); /* between its members, too */
    record.done = done;
    snprintf(record.id, sizeof record.id, "%s", id);
    struct buf b = BUF_INIT(RECORD_MAX);
    buf_add(&b, &record, sizeof record);
    buf_add(&b, rids, n * sizeof *rids);
    uint64_t number = b.overflow ? 0 : witness_watch(w, fd, b.data, b.len, 1);
    buf_free(&b);
    return number;
}

/* ---- in the witness ---- */

/* Whatever else the MTA answered is asked for again by the next store. */
static const struct smtp_reply *taken(const struct witness_end *end)
{
    return end->nreplies > 0 && smtp_reply_result(&end->replies[0]) == RESULT_OK ? &end->replies[0] : NULL;
}

static enum result settle(struct store *store, const struct record *record, const struct witness_end *end,
                          const char *text, struct error *err)
{
    if (record->done == RCPT_EVENTS)
        return store_settle_warning(store, record->id, 0, NULL, NULL, err);
    size_t n = (end->len - sizeof *record) / sizeof(int64_t);
    const char *rids = (const char *)end->what + sizeof *record;
    struct store_settlement *list = mem_zero(n, sizeof *list);
    for (size_t i = 0; i < n; i++) {
        list[i] = (struct store_settlement){.event = record->done, .text = text};
        memcpy(&list[i].rid, rids + i * sizeof(int64_t), sizeof(int64_t));
        snprintf(list[i].dsn, sizeof list[i].dsn, "%s", smtp_reply_dsn(&end->replies[0]));
    }
    enum result r = store_settle(store, list, n, NULL, NULL, NULL, err);
    mem_free(&list);
    return r;
}

static enum result note_one(struct store *store, const struct witness_end *end)
{
    struct record record;
    struct error err;
    memcpy(&record, end->what, sizeof record);
    const char *id = record.id;
    if (end->nreplies == 0 && end->dot)
        log_warning("%s: our MTA did not answer the final dot before the store went: it may arrive twice, pontoon=%s",
                    id, id);
    if (taken(end) == NULL)
        return RESULT_OK;
    char text[REPLY_TEXT_MAX];
    smtp_reply_text(taken(end), text, sizeof text);
    enum result r = settle(store, &record, end, text, &err);
    if (r != RESULT_OK)
        log_error("%s: can't note our MTA's answer (it may arrive twice): %s, pontoon=%s", id, err.text, id);
    else
        log_info("%s: noted for the store that went: %s, pontoon=%s", id, text, id);
    return r;
}

static enum result note(const struct config *config, const struct witness_end *ends, size_t n)
{
    struct store *store = NULL;
    struct error err;
    (void)FAILPOINT(return_witness);
    char *node = mem_printf("witness@%s", config_hostname(config));
    enum result r = store_open(config, STORE_READ_WRITE, node, &store, &err);
    mem_free(&node);
    if (r != RESULT_OK)
        log_error("can't open the store to note our MTA's last answers (mail may arrive twice): %s", err.text);
    for (size_t i = 0; i < n && store != NULL; i++) {
        enum result one = note_one(store, &ends[i]);
        r = r == RESULT_OK ? one : r;
    }
    store_close(&store);
    return r;
}

static const struct sandbox_profile sandbox = {
    .paths = (const struct sandbox_path[]){{"store.directory", SANDBOX_DATA}, {NULL, 0}},
    .connect = SANDBOX_NO_PORT,
};

const struct witness_role store_witness = {.daemon = "store", .sandbox = &sandbox, .note = note};
