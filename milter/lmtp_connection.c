/* One client of pontoon-lmtp: see lmtp_connection.h. */
#include "milter/lmtp_connection.h"

#include "lib/log.h"
#include "milter/lmtp_command.h"
#include "milter/lmtp_dots.h"
#include "milter/lmtp_stream.h"

enum {
    PIECE = 32768, /* of content, decoded at one time */
    OUT_MAX = 1 << 20,
    OUT_FLUSH = 16384, /* replies that wait for the end of a group of commands */
};

struct run {
    const struct lmtp_connection *c;
    struct lmtp_stream *stream;
    struct lmtp_session *session;
    struct buf out;
};

/* The last word to a client that the protocol machine didn't end. */
static void say_last(struct run *r, const char *reply)
{
    buf_printf(&r->out, "%s\r\n", reply);
    lmtp_stream_write(r->stream, &r->out);
}

static enum lmtp_next failed(struct run *r, enum lmtp_stream_event e)
{
    static const struct {
        const char *reply, *text;
    } ends[] = {
        [LMTP_STREAM_BARE_LF] = {"521 5.5.2 Lines must end in <CR><LF>", "a line ends in a bare LF"},
        [LMTP_STREAM_ENDLESS] = {"421 4.7.0 Line too long", "a line without end"},
        [LMTP_STREAM_SILENT] = {"421 4.4.2 Timeout exceeded", "timeout"},
        [LMTP_STREAM_WOKEN] = {"421 4.3.2 Service shutting down", "we are stopping"},
        [LMTP_STREAM_CLOSED] = {NULL, "lost connection"},
    };
    bool idle = lmtp_session_is_idle(r->session);
    if (e == LMTP_STREAM_WOKEN || (e == LMTP_STREAM_CLOSED && idle))
        log_debug("%s: %s", r->c->peer, ends[e].text);
    else
        log_warning("%s: %s%s", r->c->peer, ends[e].text, idle ? "" : ", within a message, which was not taken");
    if (ends[e].reply != NULL)
        say_last(r, ends[e].reply);
    return LMTP_NEXT_CLOSE;
}

/* Replies wait until the group of commands is over (RFC 2920 section 3.2), or many are there. */
static enum lmtp_next flush(struct run *r, enum lmtp_next next)
{
    bool group_goes_on = next == LMTP_NEXT_COMMAND && r->out.len < OUT_FLUSH && lmtp_stream_has_input(r->stream);
    if (group_goes_on || lmtp_stream_write(r->stream, &r->out) == LMTP_STREAM_OK)
        return next;
    return failed(r, LMTP_STREAM_CLOSED);
}

static enum lmtp_next command(struct run *r)
{
    char line[LMTP_LINE_MAX + 1];
    size_t len;
    enum lmtp_next next;
    /* A message that has begun comes to its end, while it may: drain-timeout bounds that. */
    enum lmtp_stream_event e = lmtp_stream_line(r->stream, true, line, sizeof line, &len);
    if (e == LMTP_STREAM_LONG)
        next = lmtp_session_refuse(r->session, "500 5.5.6 Line too long", &r->out);
    else if (e != LMTP_STREAM_OK)
        return failed(r, e);
    else
        next = lmtp_session_command(r->session, line, len, &r->out);
    /* Who goes on talking before our answer may be somebody else, behind what only looks like one dialogue. */
    if (lmtp_session_must_wait(r->session) && lmtp_stream_has_input(r->stream)) {
        log_warning("%s: improper command pipelining", r->c->peer);
        buf_clear(&r->out);
        say_last(r, "521 5.5.1 Improper command pipelining");
        return LMTP_NEXT_CLOSE;
    }
    return flush(r, next);
}

static enum lmtp_next content(struct run *r)
{
    struct lmtp_dots dots = {.state = DOTS_LINE};
    char piece[PIECE + 1];
    bool end = false;
    while (!end) {
        const char *data;
        size_t len, out_len;
        enum lmtp_stream_event e = lmtp_stream_peek(r->stream, &data, &len);
        if (e != LMTP_STREAM_OK)
            return failed(r, e);
        size_t taken = lmtp_dots_decode(&dots, data, len < PIECE ? len : PIECE, piece, &out_len, &end);
        lmtp_session_content(r->session, piece, out_len);
        lmtp_stream_take(r->stream, taken);
    }
    return flush(r, lmtp_session_end(r->session, &r->out));
}

void lmtp_connection_run(const struct lmtp_connection *c, const struct lmtp_limits *limits,
                         const struct lmtp_taker *taker)
{
    struct run r = {
        .c = c,
        .stream = lmtp_stream_new(c->fd, c->wake, c->timeout),
        .session = lmtp_session_new(limits, taker),
        .out = BUF_INIT(OUT_MAX),
    };
    lmtp_session_greet(r.session, &r.out);
    enum lmtp_next next = flush(&r, LMTP_NEXT_COMMAND);
    while (next != LMTP_NEXT_CLOSE)
        next = next == LMTP_NEXT_DATA ? content(&r) : command(&r);
    lmtp_session_free(&r.session);
    lmtp_stream_free(&r.stream);
    buf_free(&r.out);
}
