/* The witness process: see witness_process.h. */
#include "bridge/witness_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge/witness_record.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sandbox.h"
#include "lib/smtp_reply.h"

/* It has its connections from the bridge, and makes none. */
static const struct sandbox_profile sandbox = {
    .paths = (const struct sandbox_path[]){{"bridge.directory", SANDBOX_DATA}, {NULL, 0}},
    .connect = SANDBOX_NO_PORT,
};

/* One connection that waits for the MTA's answer to the final dot. */
struct open_end {
    struct open_end *next;
    struct witness_head head;
    struct job *job;
    int fd;
    bool dot;
    size_t answers; /* recipients whose state is decided */
    struct smtp_reply_parser parser;
};

static struct open_end *open_ends;

static void open_end_free(struct open_end **at)
{
    struct open_end *o = *at;
    *at = o->next;
    if (o->fd >= 0)
        close(o->fd);
    job_free(&o->job);
    smtp_reply_parser_free(&o->parser);
    mem_free(&o);
}

static bool answered(const struct open_end *o)
{
    return o->answers == o->job->nrcpts;
}

/* One reply counts for one recipient with LMTP, for all with SMTP. */
static void take_reply(struct open_end *o, const struct smtp_reply *reply)
{
    size_t n = o->head.lmtp ? 1 : o->job->nrcpts - o->answers;
    enum result result = smtp_reply_result(reply);
    char text[REPLY_TEXT_MAX];
    smtp_reply_text(reply, text, sizeof text);
    if (result == RESULT_OK)
        smtp_reply_queue_id(reply, o->job->queue_id, sizeof o->job->queue_id);
    for (; n > 0 && !answered(o); n--) {
        struct job_rcpt *r = &o->job->rcpts[o->answers++];
        r->state = result == RESULT_OK ? JOB_DELIVERED : (result == RESULT_PERM ? JOB_FAILED : JOB_DEFERRED);
        r->told = !o->head.promised;
        r->since = clock_now();
        snprintf(r->dsn, sizeof r->dsn, "%s", smtp_reply_dsn(reply));
        mem_free(&r->text);
        r->text = mem_strdup(text);
    }
}

/* ---- while the bridge lives ---- */

static void add(const struct witness_head *head, const char *text, size_t len, int fd)
{
    struct error err;
    struct job *job = witness_record_job(head, text, len, &err);
    if (job == NULL) {
        log_warning("can't read what the bridge says: %s", err.text);
        if (fd >= 0)
            close(fd);
        return;
    }
    struct open_end *o = mem_zero(1, sizeof *o);
    *o = (struct open_end){.next = open_ends, .head = *head, .job = job, .fd = fd};
    smtp_reply_parser_init(&o->parser);
    open_ends = o;
}

static void change(const struct witness_head *head, const char *rest, size_t len)
{
    struct open_end **at = &open_ends;
    while (*at != NULL && (*at)->head.number != head->number)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    if (head->kind == WITNESS_FORGET) {
        open_end_free(at);
    } else if (head->kind == WITNESS_DOT) {
        (*at)->dot = true;
    } else {
        struct smtp_reply reply;
        for (; len >= sizeof reply; rest += sizeof reply, len -= sizeof reply) {
            memcpy(&reply, rest, sizeof reply);
            take_reply(*at, &reply);
        }
    }
}

/* One datagram of the bridge. False: it is gone. */
static bool hear(int socket, char *space)
{
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = space, .iov_len = WITNESS_RECORD_MAX};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
    ssize_t got = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0)
        return false;
    int fd = -1;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    struct witness_head head;
    if ((size_t)got < sizeof head)
        return true;
    memcpy(&head, space, sizeof head);
    if (head.kind == WITNESS_WATCH)
        add(&head, space + sizeof head, (size_t)got - sizeof head, fd);
    else
        change(&head, space + sizeof head, (size_t)got - sizeof head);
    return true;
}

/* ---- when it is gone ---- */

static void read_answer(struct open_end *o)
{
    char text[4096];
    ssize_t got = recv(o->fd, text, sizeof text, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct error err = {.text = "the MTA closed the connection"};
    bool fine = got > 0;
    for (size_t at = 0; fine && at < (size_t)got && !answered(o);) {
        size_t used;
        bool complete;
        fine = smtp_reply_feed(&o->parser, text + at, (size_t)got - at, &used, &complete, &err) == RESULT_OK;
        at += used;
        if (fine && complete)
            take_reply(o, &o->parser.reply);
    }
    if (!fine) {
        log_warning("%s: no answer to the final dot: %s, pontoon=%s", o->job->m.id, err.text, o->job->m.id);
        close(o->fd);
        o->fd = -1;
    }
}

/* Whether this one is still worth waiting for. */
static bool waits(const struct open_end *o, msec_t since)
{
    return o->fd >= 0 && !answered(o) && clock_mono() - since < (o->dot ? WITNESS_LISTEN : WITNESS_NO_DOT);
}

static void hear_answers(void)
{
    msec_t since = clock_mono();
    for (;;) {
        size_t n = 0, i = 0;
        for (struct open_end *o = open_ends; o != NULL; o = o->next)
            n += waits(o, since);
        if (n == 0)
            return;
        struct pollfd *fds = mem_zero(n, sizeof *fds);
        for (struct open_end *o = open_ends; o != NULL && i < n; o = o->next) {
            if (waits(o, since))
                fds[i++] = (struct pollfd){.fd = o->fd, .events = POLLIN};
        }
        poll(fds, i, 200);
        mem_free(&fds);
        for (struct open_end *o = open_ends; o != NULL; o = o->next) {
            if (waits(o, since))
                read_answer(o);
        }
    }
}

static void note_answers(const struct config *config)
{
    struct jobs *jobs = NULL;
    struct error err;
    if (jobs_open(config, STORE_READ_WRITE, &jobs, &err) != RESULT_OK)
        log_error("can't open the queue to note the MTA's last answers (messages may arrive twice): %s", err.text);
    while (open_ends != NULL) {
        struct open_end *o = open_ends;
        const char *id = o->job->m.id;
        if (o->answers < o->job->nrcpts && o->dot)
            log_warning(
                "%s: the MTA did not answer the final dot before the bridge went: it may arrive twice, pontoon=%s", id,
                id);
        bool known = o->answers > 0 && o->job->rcpts[0].state != JOB_DEFERRED;
        o->job->next = clock_now();
        if (jobs != NULL && known && jobs_note(jobs, o->job, NULL, NULL, &err) != RESULT_OK)
            log_error("%s: can't note the MTA's answer (it may arrive twice): %s, pontoon=%s", id, err.text, id);
        else if (known)
            log_info("%s: noted for the bridge that went: %s, pontoon=%s", o->job->queue_id[0] ? o->job->queue_id : id,
                     o->job->rcpts[0].text, id);
        open_end_free(&open_ends);
    }
    jobs_close(&jobs);
}

/* Its listening sockets above all: while we held them the next bridge could not have its ports. */
static void close_others(int socket, int lock)
{
    int low = socket < lock ? socket : lock, high = socket < lock ? lock : socket;
    close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
    if (high > low + 1)
        close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    close_range((unsigned)high + 1, ~0U, 0);
}

/* The bridge ends us by going away; signals meant for it must not end us before. */
static void set_up(const struct config *config)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "pontoon-witness", 0, 0, 0);
    log_open(config_string(config, "log.name"), "bridge-witness", config_string(config, "log.target"));
    if (config_bool(config, "sandbox")) {
        sandbox_files(&sandbox, config, NULL);
        sandbox_calls(&sandbox);
    }
}

void witness_process(const struct config *config, int socket, int lock)
{
    failpoint_become_witness();
    log_close(); /* else log_open() would close whatever has its number then */
    close_others(socket, lock);
    set_up(config);
    char *space = mem_alloc(WITNESS_RECORD_MAX);
    while (hear(socket, space))
        ;
    mem_free(&space);
    if (open_ends != NULL) {
        log_info("the bridge is gone: waiting for the MTA's last answers");
        hear_answers();
        (void)FAILPOINT(witness_note);
        note_answers(config);
    }
    _exit(0);
}
