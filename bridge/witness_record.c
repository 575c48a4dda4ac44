/* What the bridge tells its witness: see witness_record.h. */
#include "bridge/witness_record.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/notification.h"

void witness_record_watch(struct buf *out, uint64_t number, const struct job *job, const size_t *handed, size_t n,
                          bool lmtp, bool promised)
{
    struct witness_head head = {
        .number = number, .kind = WITNESS_WATCH, .lmtp = lmtp, .promised = promised, .received = job->received};
    snprintf(head.peer, sizeof head.peer, "%s", job->peer);
    struct notification_message m = job->m;
    m.envelope.rcpts = mem_zero(n, sizeof *m.envelope.rcpts);
    m.envelope.nrcpts = n;
    for (size_t i = 0; i < n; i++) {
        const struct job_rcpt *r = &job->rcpts[handed[i]];
        if (r->success != VERDICT_DSN_TAKEN)
            head.success = r->success;
        m.envelope.rcpts[i] = (struct envelope_rcpt){.address = r->address, .notify = r->notify, .orcpt = r->orcpt};
    }
    struct notification notification = {
        .messages = &m, .nmessages = 1, .iat = job->received / 1000, .exp = job->received / 1000 + 1};
    snprintf(notification.iss, sizeof notification.iss, "%s", job->iss);
    snprintf(notification.aud, sizeof notification.aud, "%s", job->aud);
    buf_add(out, &head, sizeof head);
    char *text = notification_write(&notification);
    buf_add_str(out, text);
    mem_free(&text);
    mem_free(&m.envelope.rcpts);
}

struct job *witness_record_job(const struct witness_head *head, const char *text, size_t len, struct error *err)
{
    struct notification *n = NULL;
    if (notification_parse(text, len, &n, err) != RESULT_OK)
        return NULL;
    struct job *job = mem_zero(1, sizeof *job);
    struct notification_message *m = &n->messages[0];
    snprintf(job->iss, sizeof job->iss, "%s", n->iss);
    snprintf(job->aud, sizeof job->aud, "%s", n->aud);
    snprintf(job->peer, sizeof job->peer, "%s", head->peer);
    job->received = head->received;
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
                                          .success = head->success};
    }
    notification_free(&n);
    return job;
}
