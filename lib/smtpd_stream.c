/* A client's socket, for a thread that waits: see smtpd_stream.h. */
#include "lib/smtpd_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/mem.h"

enum {
    BUFFER_SIZE = 65536,
    ENDLESS = 1 << 20, /* bytes of a line that is skipped */
};

struct smtpd_stream {
    int fd, wake;
    msec_t timeout;
    size_t begin, end; /* of what is in the buffer and not yet used */
    char buffer[BUFFER_SIZE];
};

struct smtpd_stream *smtpd_stream_new(int fd, int wake, msec_t timeout)
{
    struct smtpd_stream *s = mem_alloc(sizeof *s);
    s->fd = fd;
    s->wake = wake;
    s->timeout = timeout;
    s->begin = s->end = 0;
    return s;
}

void smtpd_stream_free(struct smtpd_stream **s)
{
    if (*s == NULL)
        return;
    close((*s)->fd);
    mem_free(s);
}

/* What is there goes before what wakes us: a client that has sent its command gets its answer. */
static enum smtpd_stream_event await(const struct smtpd_stream *s, short events, bool heed_wake, msec_t deadline)
{
    for (;;) {
        struct pollfd p[2] = {{.fd = s->fd, .events = events}, {.fd = heed_wake ? s->wake : -1, .events = POLLIN}};
        msec_t left = deadline - clock_mono();
        int n = poll(p, 2, left > 0 ? (int)left : 0);
        if (n < 0 && errno != EINTR)
            return SMTPD_STREAM_CLOSED;
        if (n > 0 && p[0].revents != 0)
            return SMTPD_STREAM_OK;
        if (n > 0)
            return SMTPD_STREAM_WOKEN;
        if (n == 0 && left <= 0)
            return SMTPD_STREAM_SILENT;
    }
}

static enum smtpd_stream_event fill(struct smtpd_stream *s, bool heed_wake, msec_t deadline)
{
    if (s->begin > 0) {
        memmove(s->buffer, s->buffer + s->begin, s->end - s->begin);
        s->end -= s->begin;
        s->begin = 0;
    }
    for (;;) {
        ssize_t n = recv(s->fd, s->buffer + s->end, BUFFER_SIZE - s->end, 0);
        if (n > 0) {
            s->end += (size_t)n;
            return SMTPD_STREAM_OK;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return SMTPD_STREAM_CLOSED;
        enum smtpd_stream_event e = await(s, POLLIN, heed_wake, deadline);
        if (e != SMTPD_STREAM_OK)
            return e;
    }
}

/* The buffer's first line is whole: behind it, at `lf`, is its LF. */
static enum smtpd_stream_event cut_line(struct smtpd_stream *s, const char *lf, char *line, size_t size, size_t *len_r)
{
    const char *begin = s->buffer + s->begin;
    size_t len = (size_t)(lf - begin);
    s->begin += len + 1;
    if (len == 0 || begin[len - 1] != '\r')
        return SMTPD_STREAM_BARE_LF;
    if (--len >= size)
        return SMTPD_STREAM_LONG;
    memcpy(line, begin, len);
    line[len] = '\0';
    *len_r = len;
    return SMTPD_STREAM_OK;
}

enum smtpd_stream_event smtpd_stream_line(struct smtpd_stream *s, bool heed_wake, char *line, size_t size,
                                          size_t *len_r)
{
    msec_t deadline = clock_mono() + s->timeout;
    size_t skipped = 0;
    *len_r = 0;
    for (;;) {
        const char *lf = s->end > s->begin ? memchr(s->buffer + s->begin, '\n', s->end - s->begin) : NULL;
        if (lf != NULL) {
            enum smtpd_stream_event e = cut_line(s, lf, line, size, len_r);
            return e == SMTPD_STREAM_OK && skipped > 0 ? SMTPD_STREAM_LONG : e;
        }
        if (s->end - s->begin > size) { /* too long already: only its end, and whether a CR is there, still counts */
            skipped += s->end - s->begin - 1;
            s->begin = s->end - 1;
        }
        if (skipped > ENDLESS)
            return SMTPD_STREAM_ENDLESS;
        enum smtpd_stream_event e = fill(s, heed_wake, deadline);
        if (e != SMTPD_STREAM_OK)
            return e;
    }
}

enum smtpd_stream_event smtpd_stream_peek(struct smtpd_stream *s, const char **data_r, size_t *len_r)
{
    enum smtpd_stream_event e = SMTPD_STREAM_OK;
    if (s->begin == s->end)
        e = fill(s, false, clock_mono() + s->timeout);
    *data_r = s->buffer + s->begin;
    *len_r = s->end - s->begin;
    return e;
}

void smtpd_stream_take(struct smtpd_stream *s, size_t len)
{
    s->begin += len;
}

bool smtpd_stream_has_input(const struct smtpd_stream *s)
{
    struct pollfd p = {.fd = s->fd, .events = POLLIN};
    char c;
    if (s->end > s->begin)
        return true;
    return poll(&p, 1, 0) > 0 && recv(s->fd, &c, 1, MSG_PEEK) > 0;
}

enum smtpd_stream_event smtpd_stream_write(struct smtpd_stream *s, struct buf *out)
{
    msec_t deadline = clock_mono() + s->timeout;
    size_t done = 0;
    enum smtpd_stream_event e = SMTPD_STREAM_OK;
    while (e == SMTPD_STREAM_OK && done < out->len) {
        ssize_t n = send(s->fd, out->data + done, out->len - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            e = await(s, POLLOUT, false, deadline);
        else if (n < 0 && errno != EINTR)
            e = SMTPD_STREAM_CLOSED;
    }
    buf_clear(out);
    return e;
}
