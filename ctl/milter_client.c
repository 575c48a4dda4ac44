/* The MTA's side of the milter protocol: see milter_client.h. */
#include "ctl/milter_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/probe.h"
#include "lib/mem.h"

enum { OPTNEG_SIZE = 12, SHOWN = 120, PROGRESS_MAX = 10000 };

struct milter_client {
    int fd;
    msec_t timeout;
    uint32_t version, actions, protocol;
    char *name;        /* where it is */
    struct buf packet; /* the last one read: command and data */
};

/* Commands, the flag by which a filter does without them, and that by which it doesn't answer. */
static const struct {
    char command;
    uint32_t unwanted, unanswered;
} flags[] = {
    {SMFIC_CONNECT, SMFIP_NOCONNECT, SMFIP_NR_CONN}, {SMFIC_HELO, SMFIP_NOHELO, SMFIP_NR_HELO},
    {SMFIC_MAIL, SMFIP_NOMAIL, SMFIP_NR_MAIL},       {SMFIC_RCPT, SMFIP_NORCPT, SMFIP_NR_RCPT},
    {SMFIC_DATA, SMFIP_NODATA, SMFIP_NR_DATA},       {SMFIC_HEADER, SMFIP_NOHDRS, SMFIP_NR_HDR},
    {SMFIC_EOH, SMFIP_NOEOH, SMFIP_NR_EOH},          {SMFIC_BODY, SMFIP_NOBODY, SMFIP_NR_BODY},
    {SMFIC_UNKNOWN, SMFIP_NOUNKNOWN, SMFIP_NR_UNKN},
};

const char *milter_verdict_name(enum milter_verdict v)
{
    static const char *const names[MILTER_VERDICTS] = {"continue", "accept", "reject", "tempfail", "discard", "skip"};
    return names[v];
}

void milter_answer_init(struct milter_answer *a)
{
    *a = (struct milter_answer){.changes = BUF_INIT((size_t)MILTER_CHANGES_MAX * (SHOWN + 40))};
}

void milter_answer_free(struct milter_answer *a)
{
    buf_free(&a->changes);
}

/* ---- bytes ---- */

static enum result await(struct milter_client *c, short events, msec_t deadline, struct error *err)
{
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = events};
        msec_t left = deadline - clock_mono();
        int n = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (n > 0)
            return RESULT_OK;
        if (n == 0)
            return error_set(err, RESULT_TEMP, "%s: no answer in %lld ms", c->name, (long long)c->timeout);
        if (errno != EINTR)
            return error_set(err, RESULT_TEMP, "%s: %s", c->name, strerror(errno));
    }
}

static enum result write_all(struct milter_client *c, const void *data, size_t len, struct error *err)
{
    msec_t deadline = clock_mono() + c->timeout;
    for (size_t done = 0; done < len;) {
        ssize_t n = send(c->fd, (const char *)data + done, len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            return error_set(err, RESULT_TEMP, "%s: %s", c->name, strerror(errno));
        else if (await(c, POLLOUT, deadline, err) != RESULT_OK)
            return err->result;
    }
    return RESULT_OK;
}

static enum result read_all(struct milter_client *c, void *data, size_t len, msec_t deadline, struct error *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(c->fd, (char *)data + done, len - done, MSG_DONTWAIT);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0)
            return error_set(err, RESULT_TEMP, "%s: the filter closed the connection", c->name);
        else if (errno != EAGAIN && errno != EINTR)
            return error_set(err, RESULT_TEMP, "%s: %s", c->name, strerror(errno));
        else if (await(c, POLLIN, deadline, err) != RESULT_OK)
            return err->result;
    }
    return RESULT_OK;
}

static enum result write_packet(struct milter_client *c, char command, const void *data, size_t len, struct error *err)
{
    struct buf out = BUF_INIT(len + 5);
    uint32_t size = htonl((uint32_t)len + 1);
    buf_add(&out, &size, sizeof size);
    buf_add_char(&out, command);
    buf_add(&out, data, len);
    enum result r = write_all(c, out.data, out.len, err);
    buf_free(&out);
    return r;
}

/* Into c->packet; a NUL stands behind it. */
static enum result read_packet(struct milter_client *c, struct error *err)
{
    uint32_t size;
    msec_t deadline = clock_mono() + c->timeout;
    if (read_all(c, &size, sizeof size, deadline, err) != RESULT_OK)
        return err->result;
    size = ntohl(size);
    if (size == 0 || size > MILTER_PACKET_MAX)
        return error_set(err, RESULT_PERM,
                         "%s: what answers there does not speak the milter protocol: a packet of %u bytes", c->name,
                         size);
    char *data = mem_alloc(size);
    enum result r = read_all(c, data, size, deadline, err);
    buf_clear(&c->packet);
    if (r == RESULT_OK)
        buf_add(&c->packet, data, size);
    mem_free(&data);
    return r;
}

/* ---- answers ---- */

static char printable(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f ? '?' : c;
}

/* NUL-separated strings of the packet from `at` on, as "a b c", printable. */
static void show_strings(const struct buf *packet, size_t at, struct buf *out)
{
    size_t end = packet->len < at + SHOWN ? packet->len : at + SHOWN;
    if (end > at && packet->data[end - 1] == '\0')
        end--;
    for (size_t i = at; i < end; i++)
        buf_add_char(out, packet->data[i] == '\0' ? ' ' : printable(packet->data[i]));
}

static bool add_change(const struct buf *packet, struct milter_answer *a)
{
    static const struct {
        char code;
        const char *name;
        size_t skip; /* an index before the strings */
    } changes[] = {
        {SMFIR_ADDHEADER, "add header", 1},         {SMFIR_INSHEADER, "insert header", 5},
        {SMFIR_CHGHEADER, "change header", 5},      {SMFIR_ADDRCPT, "add recipient", 1},
        {SMFIR_ADDRCPT_PAR, "add recipient", 1},    {SMFIR_DELRCPT, "delete recipient", 1},
        {SMFIR_CHGFROM, "change sender", 1},        {SMFIR_QUARANTINE, "quarantine", 1},
        {SMFIR_REPLBODY, "replace body", SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        if (packet->data[0] != changes[i].code)
            continue;
        if (a->nchanges++ < MILTER_CHANGES_MAX) {
            buf_add_str(&a->changes, changes[i].name);
            buf_add_char(&a->changes, ' ');
            if (changes[i].skip == SIZE_MAX)
                buf_printf(&a->changes, "%zu bytes", packet->len - 1);
            else
                show_strings(packet, changes[i].skip < packet->len ? changes[i].skip : packet->len, &a->changes);
            buf_add_char(&a->changes, '\n');
        }
        return true;
    }
    return false;
}

/* A reply of the filter's own, which people will read: as one line. */
static bool take_reply(const char *text, struct milter_answer *a)
{
    snprintf(a->reply, sizeof a->reply, "%s", text);
    for (char *p = a->reply; *p != '\0'; p++)
        *p = *p == '\r' || *p == '\n' ? ' ' : printable(*p);
    a->verdict = a->reply[0] == '4' ? MILTER_TEMPFAIL : MILTER_REJECT;
    return a->reply[0] == '4' || a->reply[0] == '5';
}

static bool take_verdict(const struct buf *packet, struct milter_answer *a)
{
    switch (packet->data[0]) {
    case SMFIR_CONTINUE: a->verdict = MILTER_CONTINUE; return true;
    case SMFIR_ACCEPT: a->verdict = MILTER_ACCEPT; return true;
    case SMFIR_REJECT: a->verdict = MILTER_REJECT; return true;
    case SMFIR_CONN_FAIL:
    case SMFIR_SHUTDOWN:
    case SMFIR_TEMPFAIL: a->verdict = MILTER_TEMPFAIL; return true;
    case SMFIR_DISCARD: a->verdict = MILTER_DISCARD; return true;
    case SMFIR_SKIP: a->verdict = MILTER_SKIP; return true;
    case SMFIR_REPLYCODE: return take_reply(packet->data + 1, a);
    default: return false;
    }
}

static enum result read_answer(struct milter_client *c, bool at_end, struct milter_answer *a_r, struct error *err)
{
    for (unsigned n = 0; n < PROGRESS_MAX; n++) {
        if (read_packet(c, err) != RESULT_OK)
            return err->result;
        if (take_verdict(&c->packet, a_r))
            return RESULT_OK;
        bool change = at_end && add_change(&c->packet, a_r);
        if (!change && c->packet.data[0] != SMFIR_PROGRESS)
            return error_set(err, RESULT_PERM, "%s: it answered '%c' (0x%02x), which has no place there", c->name,
                             c->packet.data[0] >= ' ' && c->packet.data[0] < 0x7f ? c->packet.data[0] : '?',
                             (unsigned)(unsigned char)c->packet.data[0]);
    }
    return error_set(err, RESULT_PERM, "%s: more than %d packets without a verdict", c->name, PROGRESS_MAX);
}

enum result milter_client_command(struct milter_client *c, char command, const void *data, size_t len, bool force,
                                  struct milter_answer *a_r, struct error *err)
{
    bool answered = command != SMFIC_ABORT && command != SMFIC_QUIT && command != SMFIC_QUIT_NC;
    a_r->verdict = MILTER_CONTINUE;
    a_r->reply[0] = '\0';
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (flags[i].command != command)
            continue;
        if (!force && (c->protocol & flags[i].unwanted) != 0)
            return RESULT_OK;
        answered = (c->protocol & flags[i].unanswered) == 0;
    }
    if (write_packet(c, command, data, len, err) != RESULT_OK)
        return err->result;
    return answered ? read_answer(c, command == SMFIC_BODYEOB, a_r, err) : RESULT_OK;
}

enum result milter_client_macros(struct milter_client *c, char command, const char *const *pairs, struct error *err)
{
    struct buf data = BUF_INIT(MILTER_PACKET_MAX);
    buf_add_char(&data, command);
    for (; *pairs != NULL; pairs++)
        buf_add(&data, *pairs, strlen(*pairs) + 1);
    enum result r = write_packet(c, SMFIC_MACRO, data.data, data.len, err);
    buf_free(&data);
    return r;
}

/* ---- the connection ---- */

static enum result negotiate(struct milter_client *c, struct error *err)
{
    uint32_t offer[3] = {htonl(SMFI_PROT_VERSION), htonl(SMFI_CURR_ACTS), htonl(SMFI_CURR_PROT)}, got[3];
    if (write_packet(c, SMFIC_OPTNEG, offer, sizeof offer, err) != RESULT_OK || read_packet(c, err) != RESULT_OK)
        return err->result;
    if (c->packet.data[0] != SMFIC_OPTNEG || c->packet.len < 1 + OPTNEG_SIZE)
        return error_set(err, RESULT_PERM, "%s: what answers there does not speak the milter protocol", c->name);
    memcpy(got, c->packet.data + 1, sizeof got);
    c->version = ntohl(got[0]);
    c->actions = ntohl(got[1]);
    c->protocol = ntohl(got[2]);
    if (c->version < 2 || c->version > SMFI_PROT_VERSION)
        return error_set(err, RESULT_PERM, "%s: it speaks version %u of the milter protocol", c->name, c->version);
    if ((c->actions & ~(uint32_t)SMFI_CURR_ACTS) != 0 || (c->protocol & ~(uint32_t)SMFI_CURR_PROT) != 0)
        return error_set(err, RESULT_PERM, "%s: it wants what was not offered (actions 0x%x, protocol 0x%x)", c->name,
                         c->actions, c->protocol);
    return RESULT_OK;
}

/* "inet:PORT@HOST" is how milters have it. To mem_free(). */
static char *endpoint_of(const char *socket)
{
    const char *at = strchr(socket, '@');
    if (strncmp(socket, "inet:", 5) != 0 || at == NULL)
        return mem_strdup(socket);
    return mem_printf("inet:%s:%.*s", at + 1, (int)(at - socket - 5), socket + 5);
}

enum result milter_client_start(int fd, const char *name, msec_t timeout, struct milter_client **c_r, struct error *err)
{
    struct milter_client *c = mem_zero(1, sizeof *c);
    buf_init(&c->packet, MILTER_PACKET_MAX);
    c->fd = fd;
    c->timeout = timeout;
    c->name = mem_strdup(name);
    if (negotiate(c, err) != RESULT_OK) {
        milter_client_close(&c);
        return err->result;
    }
    *c_r = c;
    return RESULT_OK;
}

enum result milter_client_open(const char *name, msec_t timeout, struct milter_client **c_r, struct error *err)
{
    char *endpoint = endpoint_of(name);
    int fd = probe_connect(endpoint, timeout, err);
    enum result r = RESULT_OK;
    if (fd >= 0)
        r = milter_client_start(fd, endpoint, timeout, c_r, err);
    else
        r = error_prefix(err, "%s", endpoint);
    mem_free(&endpoint);
    return r;
}

void milter_client_close(struct milter_client **c)
{
    if (*c == NULL)
        return;
    close((*c)->fd);
    buf_free(&(*c)->packet);
    mem_free(&(*c)->name);
    mem_free(c);
}

void milter_client_quit(struct milter_client **c)
{
    struct error err; /* it is gone in either case */
    write_packet(*c, SMFIC_QUIT, NULL, 0, &err);
    milter_client_close(c);
}

uint32_t milter_client_version(const struct milter_client *c)
{
    return c->version;
}

uint32_t milter_client_actions(const struct milter_client *c)
{
    return c->actions;
}

uint32_t milter_client_protocol(const struct milter_client *c)
{
    return c->protocol;
}
