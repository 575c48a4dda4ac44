/* What the bridge tells its witness, and what that notes: see witness.h. */
#include "bridge/witness.h"

#include <stdio.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notification.h"

enum { RECORD_MAX = 1 << 20 };

/* Before the handed recipients' notification as JSON: a job travels as the notification it came from, and is parsed as one. */
struct record {
    bool lmtp, promised;
    enum verdict_dsn success; /* of those that asked for a success DSN */
    msec_t received;
    char peer[64];
};

/* ---- in the bridge ---- */

uint64_t bridge_witness_watch(struct witness *w, int fd, const struct job *job, const size_t *handed, size_t n,
                              bool lmtp, bool promised)
{
    struct record record;
    memset(&record, 0, sizeof record); /* between its members, too */
    record.lmtp = lmtp;
    record.promised = promised;
    record.received = job->received;
    snprintf(record.peer, sizeof record.peer, "%s", job->peer);
    struct notification_message m = job->m;
    m.envelope.rcpts = mem_zero(n, sizeof *m.envelope.rcpts);
    m.envelope.nrcpts = n;
    for (size_t i = 0; i < n; i++) {
        const struct job_rcpt *r = &job->rcpts[handed[i]];
        if (r->success != VERDICT_DSN_TAKEN)
            record.success = r->success;
        m.envelope.rcpts[i] = (struct envelope_rcpt){.address = r->address, .notify = r->notify, .orcpt = r->orcpt};
    }
    struct notification notification = {
        .messages = &m, .nmessages = 1, .iat = job->received / 1000, .exp = job->received / 1000 + 1};
    snprintf(notification.iss, sizeof notification.iss, "%s", job->iss);
    snprintf(notification.aud, sizeof notification.aud, "%s", job->aud);
    struct buf b = BUF_INIT(RECORD_MAX);
    buf_add(&b, &record, sizeof record);
    char *text = notification_write(&notification);
    buf_add_str(&b, text);
    uint64_t number = b.overflow ? 0 : witness_watch(w, fd, b.data, b.len, lmtp ? n : 1);
    buf_free(&b);
    mem_free(&text);
    mem_free(&m.envelope.rcpts);
    return number;
}

/* ---- in the witness ---- */

/* Its recipients in the order they were handed; NULL if it can't be read (a bug). */
static struct job *read_job(const struct record *record, const char *text, size_t len, struct error *err)
{
    struct notification *n = NULL;
    if (notification_parse(text, len, &n, err) != RESULT_OK)
        return NULL;
    struct job *job = mem_zero(1, sizeof *job);
    struct notification_message *m = &n->messages[0];
    snprintf(job->iss, sizeof job->iss, "%s", n->iss);
    snprintf(job->aud, sizeof job->aud, "%s", n->aud);
    snprintf(job->peer, sizeof job->peer, "%s", record->peer);
    job->received = record->received;
    job->m = *m;
    envelope_init(&job->m.envelope);
    envelope_copy_sender(&job->m.envelope, &m->envelope);
    job->nrcpts = m->envelope.nrcpts;
    job->rcpts = mem_zero(job->nrcpts, sizeof *job->rcpts);
    for (size_t i = 0; i < job->nrcpts; i++) {
        const struct envelope_rcpt *r = &m->envelope.rcpts[i];
        job->rcpts[i] = (struct job_rcpt){.address = mem_strdup(r->address),
                                          .notify = mem_strdup(r->notify),
                                          .orcpt = mem_strdup(r->orcpt),
                                          .state = JOB_PENDING,
                                          .success = record->success};
    }
    notification_free(&n);
    return job;
}

/* One reply counts for one recipient with LMTP, for all with SMTP. Returns how many recipients are decided. */
static size_t apply_replies(struct job *job, const struct record *record, const struct witness_end *end)
{
    size_t decided = 0;
    for (size_t k = 0; k < end->nreplies; k++) {
        const struct smtp_reply *reply = &end->replies[k];
        enum result result = smtp_reply_result(reply);
        char text[REPLY_TEXT_MAX];
        smtp_reply_text(reply, text, sizeof text);
        if (result == RESULT_OK)
            smtp_reply_queue_id(reply, job->queue_id, sizeof job->queue_id);
        for (size_t n = record->lmtp ? 1 : job->nrcpts; n > 0 && decided < job->nrcpts; n--) {
            struct job_rcpt *r = &job->rcpts[decided++];
            r->state = result == RESULT_OK ? JOB_DELIVERED : (result == RESULT_PERM ? JOB_FAILED : JOB_DEFERRED);
            r->told = !record->promised;
            r->since = clock_now();
            snprintf(r->dsn, sizeof r->dsn, "%s", smtp_reply_dsn(reply));
            mem_free(&r->text);
            r->text = mem_strdup(text);
        }
    }
    return decided;
}

static enum result note_one(struct jobs *jobs, const struct witness_end *end)
{
    struct record record;
    struct error err;
    memcpy(&record, end->what, sizeof record);
    struct job *job = read_job(&record, (const char *)end->what + sizeof record, end->len - sizeof record, &err);
    if (job == NULL) {
        log_warning("can't read what the bridge said: %s", err.text);
        return RESULT_PERM;
    }
    const char *id = job->m.id;
    size_t decided = apply_replies(job, &record, end);
    if (decided < job->nrcpts && end->dot)
        log_warning("%s: the MTA did not answer the final dot before the bridge went: it may arrive twice, pontoon=%s",
                    id, id);
    bool known = decided > 0 && job->rcpts[0].state != JOB_DEFERRED;
    job->next = clock_now();
    enum result r = known ? jobs_note(jobs, job, NULL, NULL, &err) : RESULT_OK;
    if (r != RESULT_OK)
        log_error("%s: can't note the MTA's answer (it may arrive twice): %s, pontoon=%s", id, err.text, id);
    else if (known)
        log_info("%s: noted for the bridge that went: %s, pontoon=%s", job->queue_id[0] ? job->queue_id : id,
                 job->rcpts[0].text, id);
    job_free(&job);
    return r;
}

static enum result note(const struct config *config, const struct witness_end *ends, size_t n)
{
    struct jobs *jobs = NULL;
    struct error err;
    (void)FAILPOINT(witness_note);
    enum result r = jobs_open(config, STORE_READ_WRITE, &jobs, &err);
    if (r != RESULT_OK)
        log_error("can't open the queue to note the MTA's last answers (messages may arrive twice): %s", err.text);
    for (size_t i = 0; i < n && jobs != NULL; i++) {
        enum result one = note_one(jobs, &ends[i]);
        r = r == RESULT_OK ? one : r;
    }
    jobs_close(&jobs);
    return r;
}

static const struct sandbox_profile sandbox = {
    .paths = (const struct sandbox_path[]){{"bridge.directory", SANDBOX_DATA}, {NULL, 0}},
    .connect = SANDBOX_NO_PORT,
};

const struct witness_role bridge_witness = {.daemon = "bridge", .sandbox = &sandbox, .note = note};
