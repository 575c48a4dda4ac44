/* One client of an SMTP or LMTP server: see smtpd_connection.h. */
#include "lib/smtpd_connection.h"

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/smtpd_command.h"
#include "lib/smtpd_dots.h"
#include "lib/smtpd_stream.h"

enum {
    PIECE = 32768, /* of content, decoded at one time */
    OUT_MAX = 1 << 20,
    OUT_FLUSH = 16384, /* replies that wait for the end of a group of commands */
};

struct run {
    const struct smtpd_connection *c;
    struct smtpd_stream *stream;
    struct smtpd_session *session;
    struct buf out;
};

/* The last word to a client that the protocol machine didn't end. */
static void say_last(struct run *r, const char *reply)
{
    buf_printf(&r->out, "%s\r\n", reply);
    smtpd_stream_write(r->stream, &r->out);
}

static enum smtpd_next failed(struct run *r, enum smtpd_stream_event e)
{
    static const struct {
        const char *reply, *text;
    } ends[] = {
        [SMTPD_STREAM_BARE_LF] = {"521 5.5.2 Lines must end in <CR><LF>", "a line ends in a bare LF"},
        [SMTPD_STREAM_ENDLESS] = {"421 4.7.0 Line too long", "a line without end"},
        [SMTPD_STREAM_SILENT] = {"421 4.4.2 Timeout exceeded", "timeout"},
        [SMTPD_STREAM_WOKEN] = {"421 4.3.2 Service shutting down", "we are stopping"},
        [SMTPD_STREAM_CLOSED] = {NULL, "lost connection"},
    };
    bool idle = smtpd_session_is_idle(r->session);
    if (e == SMTPD_STREAM_WOKEN || (e == SMTPD_STREAM_CLOSED && idle))
        log_debug("%s: %s", r->c->peer, ends[e].text);
    else
        log_warning("%s: %s%s", r->c->peer, ends[e].text, idle ? "" : ", within a message, which was not taken");
    if (ends[e].reply != NULL)
        say_last(r, ends[e].reply);
    return SMTPD_NEXT_CLOSE;
}

/* Replies wait until the group of commands is over (RFC 2920 section 3.2), or many are there. */
static enum smtpd_next flush(struct run *r, enum smtpd_next next)
{
    bool group_goes_on = next == SMTPD_NEXT_COMMAND && r->out.len < OUT_FLUSH && smtpd_stream_has_input(r->stream);
    if (group_goes_on || smtpd_stream_write(r->stream, &r->out) == SMTPD_STREAM_OK)
        return next;
    return failed(r, SMTPD_STREAM_CLOSED);
}

static enum smtpd_next command(struct run *r)
{
    char line[SMTPD_LINE_MAX + 1];
    size_t len;
    enum smtpd_next next;
    /* A message that has begun comes to its end, while it may: drain-timeout bounds that. */
    enum smtpd_stream_event e = smtpd_stream_line(r->stream, true, line, sizeof line, &len);
    if (e == SMTPD_STREAM_LONG)
        next = smtpd_session_refuse(r->session, "500 5.5.6 Line too long", &r->out);
    else if (e != SMTPD_STREAM_OK)
        return failed(r, e);
    else
        next = smtpd_session_command(r->session, line, len, &r->out);
    /* Who goes on talking before our answer may be somebody else, behind what only looks like one dialogue. */
    if (smtpd_session_must_wait(r->session) && smtpd_stream_has_input(r->stream)) {
        log_warning("%s: improper command pipelining", r->c->peer);
        buf_clear(&r->out);
        say_last(r, "521 5.5.1 Improper command pipelining");
        return SMTPD_NEXT_CLOSE;
    }
    return flush(r, next);
}

static enum smtpd_next content(struct run *r)
{
    struct smtpd_dots dots = {.state = DOTS_LINE};
    char piece[PIECE + 1];
    bool end = false;
    while (!end) {
        const char *data;
        size_t len, out_len;
        enum smtpd_stream_event e = smtpd_stream_peek(r->stream, &data, &len);
        if (e != SMTPD_STREAM_OK)
            return failed(r, e);
        size_t taken = smtpd_dots_decode(&dots, data, len < PIECE ? len : PIECE, piece, &out_len, &end);
        smtpd_session_content(r->session, piece, out_len);
        smtpd_stream_take(r->stream, taken);
    }
    enum smtpd_next next = smtpd_session_end(r->session, &r->out);
    (void)FAILPOINT(lmtp_answer);
    next = flush(r, next);
    (void)FAILPOINT(lmtp_answered);
    return next;
}

void smtpd_connection_run(const struct smtpd_connection *c, const struct smtpd_limits *limits,
                          const struct smtpd_taker *taker)
{
    struct run r = {
        .c = c,
        .stream = smtpd_stream_new(c->fd, c->wake, c->timeout),
        .session = smtpd_session_new(limits, taker),
        .out = BUF_INIT(OUT_MAX),
    };
    smtpd_session_greet(r.session, &r.out);
    enum smtpd_next next = flush(&r, SMTPD_NEXT_COMMAND);
    while (next != SMTPD_NEXT_CLOSE)
        next = next == SMTPD_NEXT_DATA ? content(&r) : command(&r);
    smtpd_session_free(&r.session);
    smtpd_stream_free(&r.stream);
    buf_free(&r.out);
}
