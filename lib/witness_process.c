/* The witness process: see witness_process.h. */
#include "lib/witness_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { NOTE_AGAIN = 500 /* ms */ };

/* One connection that waits for the MTA's answer to the final dot. */
struct open_end {
    struct open_end *next;
    struct witness_head head;
    void *what;
    size_t len;
    int fd;
    bool dot;
    struct smtp_reply *replies;
    size_t nreplies;
    struct smtp_reply_parser parser;
};

static struct open_end *open_ends;

static void open_end_free(struct open_end **at)
{
    struct open_end *o = *at;
    *at = o->next;
    if (o->fd >= 0)
        close(o->fd);
    smtp_reply_parser_free(&o->parser);
    mem_free(&o->replies);
    mem_free(&o->what);
    mem_free(&o);
}

static bool answered(const struct open_end *o)
{
    return o->nreplies >= o->head.replies;
}

static void take_reply(struct open_end *o, const struct smtp_reply *reply)
{
    if (answered(o))
        return;
    o->replies = mem_grow(o->replies, o->nreplies + 1, sizeof *o->replies);
    o->replies[o->nreplies++] = *reply;
}

/* ---- while the daemon lives ---- */

static void add(const struct witness_head *head, const char *what, size_t len, int fd)
{
    struct open_end *o = mem_zero(1, sizeof *o);
    *o = (struct open_end){.next = open_ends, .head = *head, .what = mem_dup(what, len), .len = len, .fd = fd};
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

/* One datagram of the daemon. False: it is gone. */
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
        log_warning("no answer to a final dot: %s", err.text);
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

static void note_answers(const struct config *config, const struct witness_role *role)
{
    size_t n = 0, i = 0;
    for (const struct open_end *o = open_ends; o != NULL; o = o->next)
        n++;
    struct witness_end *ends = mem_zero(n, sizeof *ends);
    for (const struct open_end *o = open_ends; o != NULL; o = o->next)
        ends[i++] = (struct witness_end){
            .what = o->what, .len = o->len, .dot = o->dot, .replies = o->replies, .nreplies = o->nreplies};
    msec_t since = clock_mono();
    while (role->note(config, ends, n) == RESULT_TEMP && clock_mono() - since < WITNESS_NOTE)
        poll(NULL, 0, NOTE_AGAIN);
    mem_free(&ends);
    while (open_ends != NULL)
        open_end_free(&open_ends);
}

/* Its listening sockets above all: while we held them the next daemon could not have its ports. */
static void close_others(int socket, int lock)
{
    int low = socket < lock ? socket : lock, high = socket < lock ? lock : socket;
    close_range(STDERR_FILENO + 1, (unsigned)low - 1, 0);
    if (high > low + 1)
        close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    close_range((unsigned)high + 1, ~0U, 0);
}

/* The daemon ends us by going away; signals meant for it must not end us before. */
static void set_up(const struct config *config, const struct witness_role *role)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "pontoon-witness", 0, 0, 0);
    char *tag = mem_printf("%s-witness", role->daemon);
    log_open(config_string(config, "log.name"), tag, config_string(config, "log.target"));
    mem_free(&tag);
    if (config_bool(config, "sandbox")) {
        sandbox_files(role->sandbox, config, NULL);
        sandbox_calls(role->sandbox);
    }
}

void witness_process(const struct config *config, const struct witness_role *role, int socket, int lock)
{
    failpoint_become_witness();
    log_close(); /* else log_open() would close whatever has its number then */
    close_others(socket, lock);
    set_up(config, role);
    char *space = mem_alloc(WITNESS_RECORD_MAX);
    while (hear(socket, space))
        ;
    mem_free(&space);
    if (open_ends != NULL) {
        log_info("the %s is gone: waiting for the MTA's last answers", role->daemon);
        hear_answers();
        note_answers(config, role);
    }
    _exit(0);
}
