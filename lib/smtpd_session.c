/* The protocol machine of an SMTP or LMTP server: see smtpd_session.h. */
#include "lib/smtpd_session.h"

#include <assert.h>
#include <string.h>

#include "lib/address.h"
#include "lib/envelope.h"
#include "lib/mem.h"
#include "lib/smtpd_command.h"
#include "lib/utf8.h"

struct smtpd_session {
    struct smtpd_limits limits;
    struct smtpd_taker taker;
    bool hello;
    bool mail;      /* a message is open */
    bool smtputf8;  /* of that message */
    size_t nrcpts;  /* that the taker took */
    bool data;      /* content comes */
    bool must_wait; /* the last command was EHLO, LHLO or DATA */
    unsigned errors;
};

struct smtpd_session *smtpd_session_new(const struct smtpd_limits *limits, const struct smtpd_taker *taker)
{
    struct smtpd_session *s = mem_zero(1, sizeof *s);
    s->limits = *limits;
    s->taker = *taker;
    return s;
}

static void reset(struct smtpd_session *s)
{
    if (s->mail)
        s->taker.reset(s->taker.arg);
    s->mail = s->data = s->smtputf8 = false;
    s->nrcpts = 0;
}

void smtpd_session_free(struct smtpd_session **s)
{
    if (*s == NULL)
        return;
    reset(*s);
    mem_free(s);
}

/* ---- replies ---- */

static void say(struct buf *out, const char *reply)
{
    buf_printf(out, "%.*s\r\n", SMTPD_REPLY_MAX, reply);
}

enum smtpd_next smtpd_session_refuse(struct smtpd_session *s, const char *reply, struct buf *out)
{
    s->must_wait = false;
    say(out, reply);
    if (++s->errors < s->limits.max_errors)
        return SMTPD_NEXT_COMMAND;
    say(out, "421 4.7.0 Too many errors");
    return SMTPD_NEXT_CLOSE;
}

static bool is_lmtp(const struct smtpd_session *s)
{
    return s->limits.protocol == SMTPD_LMTP;
}

void smtpd_session_greet(const struct smtpd_session *s, struct buf *out)
{
    buf_printf(out, "220 %.255s %s pontoon\r\n", s->limits.hostname, is_lmtp(s) ? "LMTP" : "ESMTP");
}

/* ---- commands ---- */

static void greeted(struct smtpd_session *s, const struct smtpd_command *c)
{
    reset(s);
    s->hello = true;
    s->must_wait = true;
    s->taker.hello(s->taker.arg, c->argument);
}

/* EHLO of SMTP, LHLO of LMTP. */
static enum smtpd_next do_hello(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    if ((c->verb == SMTPD_LHLO) != is_lmtp(s))
        return smtpd_session_refuse(
            s, is_lmtp(s) ? "500 5.5.1 This is LMTP: say LHLO" : "500 5.5.1 This is SMTP: say EHLO", out);
    greeted(s, c);
    buf_printf(out,
               "250-%.255s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
               "250 ENHANCEDSTATUSCODES\r\n",
               s->limits.hostname, (unsigned long long)s->limits.max_size);
    return SMTPD_NEXT_COMMAND;
}

/* "<>", or what can be an address; UTF-8 in it only where it was announced (RFC 6531 section 3.5). */
static const char *check_path(const char *path, bool smtputf8, bool sender)
{
    char *address = address_from_path(path, NULL);
    const char *reply = NULL;
    if (address == NULL || (!sender && address[0] == '\0'))
        reply = sender ? "501 5.1.7 Bad sender address syntax" : "501 5.1.3 Bad recipient address syntax";
    else if (!smtputf8 && !utf8_is_ascii(address))
        reply = sender ? "553 5.6.7 Sender address needs SMTPUTF8" : "553 5.6.7 Recipient address needs SMTPUTF8";
    mem_free(&address);
    return reply;
}

static const char *check_mail_params(const struct smtpd_session *s, char *const *params, struct envelope *e)
{
    bool known = true;
    for (; *params != NULL; params++) {
        if (envelope_mail_param(e, *params, &known, NULL) != RESULT_OK)
            return "501 5.5.4 Bad MAIL parameter";
        if (!known)
            return "555 5.5.4 Unsupported MAIL parameter";
    }
    if (s->limits.max_size > 0 && e->size > s->limits.max_size)
        return "552 5.3.4 Message size exceeds fixed limit";
    return NULL;
}

static enum smtpd_next do_mail(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    struct envelope e;
    if (!s->hello)
        return smtpd_session_refuse(s, is_lmtp(s) ? "503 5.5.1 Say LHLO first" : "503 5.5.1 Say EHLO first", out);
    if (s->mail)
        return smtpd_session_refuse(s, "503 5.5.1 Nested MAIL command", out);
    envelope_init(&e);
    const char *refusal = check_mail_params(s, c->params, &e);
    bool smtputf8 = e.smtputf8;
    envelope_free(&e);
    if (refusal == NULL)
        refusal = check_path(c->path, smtputf8, true);
    if (refusal == NULL)
        refusal = s->taker.mail(s->taker.arg, c->path, c->params);
    if (refusal != NULL)
        return smtpd_session_refuse(s, refusal, out);
    s->mail = true;
    s->smtputf8 = smtputf8;
    say(out, "250 2.1.0 Ok");
    return SMTPD_NEXT_COMMAND;
}

static const char *check_rcpt_params(char *const *params)
{
    const char *refusal = NULL;
    struct envelope_rcpt r = {0};
    bool known = true;
    for (; *params != NULL && refusal == NULL; params++) {
        if (envelope_rcpt_param(&r, *params, &known, NULL) != RESULT_OK)
            refusal = "501 5.5.4 Bad RCPT parameter";
        else if (!known)
            refusal = "555 5.5.4 Unsupported RCPT parameter";
    }
    mem_free(&r.notify);
    mem_free(&r.orcpt);
    return refusal;
}

static enum smtpd_next do_rcpt(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    if (!s->mail)
        return smtpd_session_refuse(s, "503 5.5.1 Say MAIL first", out);
    if (s->nrcpts >=
        s->limits.max_rcpts) { /* no error: the client comes again with the rest (RFC 5321 section 4.5.3.1.10) */
        say(out, "452 4.5.3 Too many recipients");
        return SMTPD_NEXT_COMMAND;
    }
    const char *refusal = check_rcpt_params(c->params);
    if (refusal == NULL)
        refusal = check_path(c->path, s->smtputf8, false);
    if (refusal == NULL)
        refusal = s->taker.rcpt(s->taker.arg, c->path, c->params);
    if (refusal != NULL)
        return smtpd_session_refuse(s, refusal, out);
    s->nrcpts++;
    say(out, "250 2.1.5 Ok");
    return SMTPD_NEXT_COMMAND;
}

/* RFC 2033 section 4.2: without a recipient that was taken it must be refused. */
static enum smtpd_next do_data(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)c;
    if (s->nrcpts == 0)
        return smtpd_session_refuse(s, s->mail ? "503 5.5.1 No valid recipients" : "503 5.5.1 Say MAIL first", out);
    const char *refusal = s->taker.begin(s->taker.arg);
    if (refusal != NULL) {
        reset(s);
        return smtpd_session_refuse(s, refusal, out);
    }
    s->data = s->must_wait = true;
    say(out, "354 End data with <CR><LF>.<CR><LF>");
    return SMTPD_NEXT_DATA;
}

static enum smtpd_next do_rset(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)c;
    reset(s);
    say(out, "250 2.0.0 Ok");
    return SMTPD_NEXT_COMMAND;
}

static enum smtpd_next do_noop(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)s, (void)c;
    say(out, "250 2.0.0 Ok");
    return SMTPD_NEXT_COMMAND;
}

static enum smtpd_next do_quit(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)c;
    reset(s);
    say(out, "221 2.0.0 Bye");
    return SMTPD_NEXT_CLOSE;
}

static enum smtpd_next do_vrfy(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)s, (void)c;
    say(out, "252 2.0.0 Send some mail, I will see");
    return SMTPD_NEXT_COMMAND;
}

static enum smtpd_next do_help(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)c;
    say(out, is_lmtp(s) ? "214 2.0.0 LMTP, RFC 2033" : "214 2.0.0 SMTP, RFC 5321");
    return SMTPD_NEXT_COMMAND;
}

static enum smtpd_next do_helo(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    if (is_lmtp(s))
        return smtpd_session_refuse(s, "500 5.5.1 This is LMTP: say LHLO", out);
    greeted(s, c);
    buf_printf(out, "250 %.255s\r\n", s->limits.hostname);
    return SMTPD_NEXT_COMMAND;
}

static enum smtpd_next do_not_offered(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)c;
    return smtpd_session_refuse(s, "502 5.5.1 Command not implemented", out);
}

static enum smtpd_next do_unknown(struct smtpd_session *s, struct smtpd_command *c, struct buf *out)
{
    (void)c;
    return smtpd_session_refuse(s, "500 5.5.2 Command not recognized", out);
}

static enum smtpd_next (*const handlers[SMTPD_VERBS])(struct smtpd_session *s, struct smtpd_command *c,
                                                      struct buf *out) = {
    [SMTPD_LHLO] = do_hello,      [SMTPD_MAIL] = do_mail, [SMTPD_RCPT] = do_rcpt,  [SMTPD_DATA] = do_data,
    [SMTPD_RSET] = do_rset,       [SMTPD_NOOP] = do_noop, [SMTPD_QUIT] = do_quit,  [SMTPD_VRFY] = do_vrfy,
    [SMTPD_HELP] = do_help,       [SMTPD_HELO] = do_helo, [SMTPD_EHLO] = do_hello, [SMTPD_NOT_OFFERED] = do_not_offered,
    [SMTPD_UNKNOWN] = do_unknown,
};

enum smtpd_next smtpd_session_command(struct smtpd_session *s, char *line, size_t len, struct buf *out)
{
    struct smtpd_command c;
    assert(!s->data);
    s->must_wait = false;
    const char *error = smtpd_command_parse(line, len, &c);
    if (error != NULL)
        return smtpd_session_refuse(s, error, out);
    return handlers[c.verb](s, &c, out);
}

bool smtpd_session_must_wait(const struct smtpd_session *s)
{
    return s->must_wait;
}

/* ---- content ---- */

void smtpd_session_content(struct smtpd_session *s, const char *data, size_t len)
{
    assert(s->data);
    s->taker.content(s->taker.arg, data, len);
}

/* LMTP: a reply for each recipient that was taken, in the order of their RCPTs (RFC 2033 section 4.2). */
enum smtpd_next smtpd_session_end(struct smtpd_session *s, struct buf *out)
{
    assert(s->data);
    s->taker.end(s->taker.arg);
    for (size_t i = 0; i < (is_lmtp(s) ? s->nrcpts : 1); i++)
        say(out, s->taker.reply(s->taker.arg, i));
    reset(s);
    s->must_wait = false;
    return SMTPD_NEXT_COMMAND;
}

bool smtpd_session_is_idle(const struct smtpd_session *s)
{
    return !s->mail;
}
