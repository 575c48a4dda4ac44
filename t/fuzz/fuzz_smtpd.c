/*
 * A client of the LMTP and SMTP server: what it says is cut into lines and content as smtpd_connection.c does. Nothing that the taker is told
 * breaks the order of a message, or has a control character; nothing that the client is told could be two replies.
 */
#include "lib/address.h"
#include "lib/smtpd_command.h"
#include "lib/smtpd_dots.h"
#include "lib/smtpd_session.h"
#include "t/fuzz/fuzz.h"

enum { RCPTS_MAX = 3, ERRORS_MAX = 5, OUT_MAX = 1 << 20 };

/* What the taker has been told. */
struct told {
    bool mail, content, ended;
    size_t rcpts;
};

static void check_words(const char *path, char *const *params)
{
    for (const char *p = path; *p != '\0'; p++)
        MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
    size_t n = 0;
    for (; params[n] != NULL; n++) {
        for (const char *p = params[n]; *p != '\0'; p++)
            MUST((unsigned char)*p > 0x20 && *p != 0x7f);
    }
    MUST(n <= SMTPD_PARAMS_MAX);
}

static void hello(void *arg, const char *name)
{
    struct told *t = arg;
    MUST(!t->mail && name[0] != '\0');
}

static const char *mail(void *arg, const char *path, char *const *params)
{
    struct told *t = arg;
    MUST(!t->mail);
    check_words(path, params);
    if (strstr(path, "refuse") != NULL)
        return "550 5.7.1 No";
    t->mail = true;
    return NULL;
}

static const char *rcpt(void *arg, const char *path, char *const *params)
{
    struct told *t = arg;
    MUST(t->mail && !t->content && t->rcpts < RCPTS_MAX);
    check_words(path, params);
    if (strstr(path, "refuse") != NULL)
        return "550 5.1.1 No";
    t->rcpts++;
    return NULL;
}

static const char *begin(void *arg)
{
    struct told *t = arg;
    MUST(t->mail && t->rcpts > 0 && !t->content);
    t->content = true;
    return NULL;
}

static void content(void *arg, const char *data, size_t len)
{
    struct told *t = arg;
    (void)data, (void)len;
    MUST(t->content && !t->ended);
}

static void end(void *arg)
{
    struct told *t = arg;
    MUST(t->content && !t->ended);
    t->ended = true;
}

static const char *reply(void *arg, size_t i)
{
    struct told *t = arg;
    MUST(t->ended && i < t->rcpts);
    return "250 2.0.0 Ok";
}

static void reset(void *arg)
{
    struct told *t = arg;
    MUST(t->mail);
    *t = (struct told){0};
}

/* Replies are whole lines of printable text that begin with a code; only DATA's says 3xx. */
static void check_replies(struct buf *out, enum smtpd_next next)
{
    MUST(!out->overflow && out->len > 2);
    const char *p = buf_str(out);
    while (*p != '\0') {
        const char *line_end = strstr(p, "\r\n");
        MUST(line_end != NULL && line_end - p >= 4 && line_end - p <= SMTPD_REPLY_MAX);
        MUST(*p >= '2' && *p <= '5' && (p[3] == ' ' || p[3] == '-'));
        MUST((*p == '3') == (next == SMTPD_NEXT_DATA));
        for (; p < line_end; p++)
            MUST((unsigned char)*p >= 0x20 && *p != 0x7f);
        p += 2;
    }
    buf_clear(out);
}

/* The line at `data`, its length in *len_r; returns how many bytes it took with its end, 0: there is none. */
static size_t cut_line(const char *data, size_t size, size_t *len_r)
{
    const char *lf = memchr(data, '\n', size);
    if (lf == NULL)
        return 0;
    size_t len = (size_t)(lf - data);
    *len_r = len > 0 && data[len - 1] == '\r' ? len - 1 : len;
    return len + 1;
}

static size_t take_command(struct smtpd_session *s, const char *data, size_t size, enum smtpd_next *next_r,
                           struct buf *out)
{
    size_t len;
    size_t used = cut_line(data, size, &len);
    if (used == 0)
        return 0;
    if (len > SMTPD_LINE_MAX) {
        *next_r = smtpd_session_refuse(s, "500 5.5.6 Line too long", out);
    } else {
        char *line = mem_alloc(len + 1); /* exactly: so that a read behind its end is seen */
        memcpy(line, data, len);
        line[len] = '\0';
        *next_r = smtpd_session_command(s, line, len, out);
        mem_free(&line);
    }
    check_replies(out, *next_r);
    return used;
}

/* In pieces of `piece` bytes. */
static size_t take_content(struct smtpd_session *s, const char *data, size_t size, size_t piece,
                           enum smtpd_next *next_r, struct buf *out)
{
    struct smtpd_dots dots = {.state = DOTS_LINE};
    size_t at = 0;
    bool over = false;
    while (at < size && !over) {
        char decoded[257];
        size_t decoded_len, len = size - at < piece ? size - at : piece;
        size_t used = smtpd_dots_decode(&dots, data + at, len, decoded, &decoded_len, &over);
        MUST(used <= len && (used == len || over) && decoded_len <= used + 1);
        smtpd_session_content(s, decoded, decoded_len);
        at += used;
    }
    if (over) {
        MUST(at >= 3 && memcmp(data + at - 3, ".\r\n", 3) == 0);
        *next_r = smtpd_session_end(s, out);
        check_replies(out, *next_r);
    }
    return at;
}

FUZZ(data, size)
{
    struct told told = {0};
    if (size < 1)
        return 0;
    const struct smtpd_taker taker = {.hello = hello,
                                      .mail = mail,
                                      .rcpt = rcpt,
                                      .begin = begin,
                                      .content = content,
                                      .end = end,
                                      .reply = reply,
                                      .reset = reset,
                                      .arg = &told};
    const struct smtpd_limits limits = {.protocol = data[0] & 1 ? SMTPD_SMTP : SMTPD_LMTP,
                                        .hostname = "mx.a.test",
                                        .max_size = 10000,
                                        .max_rcpts = RCPTS_MAX,
                                        .max_errors = ERRORS_MAX};
    const char *text = (const char *)data + 1;
    size_t at = 0, used = 1, piece = data[0] / 2 + 1U;
    struct buf out = BUF_INIT(OUT_MAX);
    struct smtpd_session *s = smtpd_session_new(&limits, &taker);
    enum smtpd_next next = SMTPD_NEXT_COMMAND;
    while (next != SMTPD_NEXT_CLOSE && used > 0 && at < size - 1) {
        used = next == SMTPD_NEXT_DATA ? take_content(s, text + at, size - 1 - at, piece, &next, &out)
                                       : take_command(s, text + at, size - 1 - at, &next, &out);
        at += used;
        MUST(smtpd_session_is_idle(s) == !told.mail);
    }
    smtpd_session_free(&s);
    MUST(!told.mail);
    buf_free(&out);
    return 0;
}
