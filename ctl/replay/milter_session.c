/* One message through a milter: see milter_session.h. */
#include "ctl/replay/milter_session.h"

#include <arpa/inet.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "lib/mem.h"

struct session {
    struct milter_client *client;
    const struct milter_script *script;
    const struct milter_message *m;
    struct milter_outcome *o;
    struct milter_answer answer;
    struct error *err;
    char queue_id[32];
    bool over;     /* the message was decided before its end: nothing more is told of it */
    bool all_over; /* so was the connection */
    bool closed;
    size_t rcpts; /* of the message, that were taken */
};

static const char *const step_names[MILTER_VERBS] = {
    [MILTER_DO_CONNECT] = "connect", [MILTER_DO_HELO] = "helo", [MILTER_DO_MAIL] = "mail",
    [MILTER_DO_RCPT] = "rcpt",       [MILTER_DO_DATA] = "data", [MILTER_DO_HEADER] = "header",
    [MILTER_DO_EOH] = "eoh",         [MILTER_DO_BODY] = "body", [MILTER_DO_END] = "end",
    [MILTER_DO_UNKNOWN] = "unknown",
};

/* ---- telling ---- */

/* What a verdict means for what follows, as Postfix and Sendmail take it. */
static void judge(struct session *s, enum milter_verb verb)
{
    enum milter_verdict v = s->answer.verdict;
    if (v == MILTER_CONTINUE || v == MILTER_SKIP)
        return;
    bool about_rcpt = verb == MILTER_DO_RCPT && (v == MILTER_REJECT || v == MILTER_TEMPFAIL);
    if (about_rcpt) {
        s->o->refused_rcpts++;
        s->rcpts--;
        if (s->rcpts > 0)
            return;
    }
    s->over = true;
    s->all_over = s->all_over || verb == MILTER_DO_CONNECT || verb == MILTER_DO_HELO;
    s->o->verdict = v;
    s->o->step = step_names[verb];
    snprintf(s->o->reply, sizeof s->o->reply, "%s", s->answer.reply);
}

static bool tell(struct session *s, enum milter_verb verb, char command, const void *data, size_t len)
{
    if (milter_client_command(s->client, command, data, len, false, &s->answer, s->err) != RESULT_OK)
        return false;
    judge(s, verb);
    return true;
}

/* Which values go before a command: those that the MTA's defaults name, as far as there is something to say. */
static bool tell_macros(struct session *s, enum milter_verb verb, const char *address)
{
    bool sendmail = s->script->mta == MILTER_SENDMAIL;
    const char *pairs[24];
    size_t n = 0;
    char command = 0;
    switch (verb) {
    case MILTER_DO_CONNECT:
        command = SMFIC_CONNECT;
        pairs[n++] = "j", pairs[n++] = "mx.replay.test", pairs[n++] = "{daemon_name}";
        pairs[n++] = sendmail ? "MTA" : "mx.replay.test";
        pairs[n++] = sendmail ? "{if_name}" : "v";
        pairs[n++] = sendmail ? "localhost" : "Postfix";
        break;
    case MILTER_DO_HELO: command = SMFIC_HELO; break;
    case MILTER_DO_MAIL:
        command = SMFIC_MAIL;
        if (sendmail) /* it has given the message its id by then */
            pairs[n++] = "i", pairs[n++] = s->queue_id;
        pairs[n++] = "{mail_addr}", pairs[n++] = address;
        pairs[n++] = "{mail_host}", pairs[n++] = address_domain(address);
        pairs[n++] = "{mail_mailer}", pairs[n++] = sendmail ? "esmtp" : "smtp";
        break;
    case MILTER_DO_RCPT:
        command = SMFIC_RCPT;
        pairs[n++] = "{rcpt_addr}", pairs[n++] = address;
        pairs[n++] = "{rcpt_host}", pairs[n++] = address_domain(address);
        pairs[n++] = "{rcpt_mailer}", pairs[n++] = sendmail ? "esmtp" : "smtp";
        break;
    case MILTER_DO_DATA: command = SMFIC_DATA; break;
    case MILTER_DO_EOH: command = SMFIC_EOH; break;
    case MILTER_DO_END: command = SMFIC_BODYEOB; break;
    default: return true;
    }
    if (verb == MILTER_DO_DATA || verb == MILTER_DO_EOH || verb == MILTER_DO_END)
        pairs[n++] = "i", pairs[n++] = s->queue_id;
    pairs[n] = NULL;
    return milter_client_macros(s->client, command, pairs, s->err) == RESULT_OK;
}

/* ---- steps ---- */

/* NAME, and an address that says what family it is of. */
static bool do_connect(struct session *s, const struct milter_step *step)
{
    struct buf data = BUF_INIT(4096);
    const char *name = step->arguments[0], *address = step->arguments[1];
    if (strcmp(address, "-") == 0)
        address = s->m->client;
    bool ipv6 = strncmp(address, "IPv6:", 5) == 0, local = strncmp(address, "unix:", 5) == 0;
    buf_add(&data, name, strlen(name) + 1);
    if (strcmp(address, "unknown") == 0) {
        buf_add_char(&data, SMFIA_UNKNOWN);
    } else {
        uint16_t port = htons((uint16_t)(step->n > 2 ? strtoul(step->arguments[2], NULL, 10) : 0));
        buf_add_char(&data, local ? SMFIA_UNIX : ipv6 ? SMFIA_INET6 : SMFIA_INET);
        buf_add(&data, &port, sizeof port);
        address += local || ipv6 ? 5 : 0;
        buf_add(&data, address, strlen(address) + 1);
    }
    bool good =
        tell_macros(s, MILTER_DO_CONNECT, NULL) && tell(s, MILTER_DO_CONNECT, SMFIC_CONNECT, data.data, data.len);
    buf_free(&data);
    return good;
}

static bool do_helo(struct session *s, const char *name)
{
    return tell_macros(s, MILTER_DO_HELO, NULL) && tell(s, MILTER_DO_HELO, SMFIC_HELO, name, strlen(name) + 1);
}

/* MAIL or RCPT with its parameters. */
static bool do_path(struct session *s, enum milter_verb verb, const char *address, char *const *parameters, size_t n)
{
    struct buf data = BUF_INIT(16384);
    buf_printf(&data, "<%s>", address);
    buf_add_char(&data, '\0');
    for (size_t i = 0; i < n; i++)
        buf_add(&data, parameters[i], strlen(parameters[i]) + 1);
    s->rcpts += verb == MILTER_DO_RCPT;
    bool good = tell_macros(s, verb, address) &&
                tell(s, verb, verb == MILTER_DO_MAIL ? SMFIC_MAIL : SMFIC_RCPT, data.data, data.len);
    buf_free(&data);
    return good;
}

/* As both MTAs tell it: the mailer is "error", and the filter's answer is of no use to them. */
static bool do_rejected(struct session *s, const char *path)
{
    static const char *const pairs[] = {"{rcpt_mailer}",      "error", "{rcpt_host}", "5.1.1", "{rcpt_addr}",
                                        "5.1.1 User unknown", NULL};
    if ((milter_client_protocol(s->client) & SMFIP_RCPT_REJ) == 0)
        return true;
    return milter_client_macros(s->client, SMFIC_RCPT, pairs, s->err) == RESULT_OK &&
           milter_client_command(s->client, SMFIC_RCPT, path, strlen(path) + 1, false, &s->answer, s->err) == RESULT_OK;
}

static bool do_told_path(struct session *s, const struct milter_step *step)
{
    char *address = address_from_path(step->arguments[0], s->err);
    bool good = address != NULL && do_path(s, step->verb, address, step->arguments + 1, step->n - 1);
    mem_free(&address);
    return good;
}

static bool do_mail(struct session *s)
{
    s->over = s->all_over;
    s->rcpts = 0;
    return s->over || do_path(s, MILTER_DO_MAIL, s->m->envelope->sender, NULL, 0);
}

static bool do_rcpts(struct session *s)
{
    for (size_t i = 0; i < s->m->envelope->nrcpts && !s->over; i++) {
        s->rcpts++; /* those that come yet: a refusal of the first is no end */
        bool good = do_path(s, MILTER_DO_RCPT, s->m->envelope->rcpts[i].address, NULL, 0);
        s->rcpts--;
        if (!good)
            return false;
    }
    if (!s->over && s->rcpts == 0) {
        s->over = true;
        s->o->verdict = s->answer.verdict;
        s->o->step = "rcpt";
    }
    return true;
}

static bool tell_header(struct session *s, const char *name, size_t name_len, const char *value, size_t value_len)
{
    bool space = (milter_client_protocol(s->client) & SMFIP_HDR_LEADSPC) != 0;
    struct buf data = BUF_INIT(MILTER_PACKET_MAX - 1);
    if (!space && value_len > 0 && *value == ' ') {
        value++;
        value_len--;
    }
    buf_add(&data, name, name_len);
    buf_add_char(&data, '\0');
    for (size_t i = 0; i < value_len; i++) { /* folded lines are joined by LF */
        if (value[i] != '\r' && value[i] != '\0')
            buf_add_char(&data, value[i]);
    }
    buf_add_char(&data, '\0');
    bool good = data.overflow || tell(s, MILTER_DO_HEADER, SMFIC_HEADER, data.data, data.len);
    buf_free(&data);
    return good;
}

/* Bytes of the header with the empty line behind it, telling each field if `tell_all`. */
static size_t walk_header(struct session *s, bool tell_all, bool *good_r)
{
    const char *p = s->m->bytes, *end = p + s->m->len;
    *good_r = true;
    while (p < end && *good_r) {
        const char *colon = p;
        while (colon<end && * colon> ' ' && *colon < 0x7f && *colon != ':')
            colon++;
        if (colon == p || colon == end || *colon != ':')
            break;
        const char *line = p;
        do {
            const char *lf = memchr(line, '\n', (size_t)(end - line));
            line = lf != NULL ? lf + 1 : end;
        } while (line < end && (*line == ' ' || *line == '\t'));
        size_t len = (size_t)(line - colon - 1);
        while (len > 0 && (colon[len] == '\n' || colon[len] == '\r'))
            len--;
        if (tell_all && !s->over)
            *good_r = tell_header(s, p, (size_t)(colon - p), colon + 1, len);
        p = line;
    }
    if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
        p += 2;
    return (size_t)(p - s->m->bytes);
}

static bool do_headers(struct session *s)
{
    bool good;
    walk_header(s, true, &good);
    return good;
}

static bool do_told_header(struct session *s, const struct milter_step *step)
{
    struct buf value = BUF_INIT(8192);
    for (size_t i = 1; i < step->n; i++)
        buf_printf(&value, " %s", step->arguments[i]);
    bool good = tell_header(s, step->arguments[0], strlen(step->arguments[0]), buf_str(&value), value.len);
    buf_free(&value);
    return good;
}

static bool do_body(struct session *s)
{
    bool good, skip = false;
    size_t at = walk_header(s, false, &good);
    while (at < s->m->len && good && !s->over && !skip) {
        size_t n = s->m->len - at < MILTER_BODY_MAX ? s->m->len - at : MILTER_BODY_MAX;
        good = tell(s, MILTER_DO_BODY, SMFIC_BODY, s->m->bytes + at, n);
        skip = s->answer.verdict == MILTER_SKIP;
        at += n;
    }
    return good;
}

static bool do_end(struct session *s)
{
    milter_answer_free(&s->answer);
    milter_answer_init(&s->answer);
    if (!tell_macros(s, MILTER_DO_END, NULL) || !tell(s, MILTER_DO_END, SMFIC_BODYEOB, NULL, 0))
        return false;
    s->o->messages++;
    s->o->nchanges += s->answer.nchanges;
    s->o->step = "end";
    mem_free(&s->o->changes);
    s->o->changes = mem_strdup(buf_str(&s->answer.changes));
    s->over = true; /* told to its end */
    return true;
}

static bool do_plain(struct session *s, enum milter_verb verb, char command)
{
    return tell_macros(s, verb, NULL) && tell(s, verb, command, NULL, 0);
}

static bool do_unknown(struct session *s, const struct milter_step *step)
{
    struct buf line = BUF_INIT(8192);
    for (size_t i = 0; i < step->n; i++)
        buf_printf(&line, "%s%s", i > 0 ? " " : "", step->arguments[i]);
    bool good = tell(s, MILTER_DO_UNKNOWN, SMFIC_UNKNOWN, buf_str(&line), line.len + 1);
    buf_free(&line);
    return good;
}

static bool do_told_macros(struct session *s, const struct milter_step *step)
{
    const char *pairs[2 * MILTER_ARGUMENTS_MAX + 1];
    char *names[MILTER_ARGUMENTS_MAX];
    size_t n = 0;
    for (size_t i = 1; i < step->n; i++) {
        const char *equals = strchr(step->arguments[i], '=');
        size_t len = equals != NULL ? (size_t)(equals - step->arguments[i]) : strlen(step->arguments[i]);
        names[i] = mem_strndup(step->arguments[i], len);
        pairs[n++] = names[i];
        pairs[n++] = equals != NULL ? equals + 1 : "";
    }
    pairs[n] = NULL;
    bool good = milter_client_macros(s->client, step->arguments[0][0], pairs, s->err) == RESULT_OK;
    for (size_t i = 1; i < step->n; i++)
        mem_free(&names[i]);
    return good;
}

static bool do_message(struct session *s)
{
    bool good = do_mail(s);
    if (good && !s->over)
        good = do_rcpts(s);
    if (good && !s->over)
        good = do_plain(s, MILTER_DO_DATA, SMFIC_DATA);
    if (good && !s->over)
        good = do_headers(s);
    if (good && !s->over)
        good = do_plain(s, MILTER_DO_EOH, SMFIC_EOH);
    if (good && !s->over)
        good = do_body(s);
    if (good && !s->over)
        good = do_end(s);
    return good;
}

static bool do_leave(struct session *s, char command)
{
    s->over = s->all_over = s->all_over && command != SMFIC_QUIT_NC;
    s->closed = command == SMFIC_QUIT;
    return milter_client_command(s->client, command, NULL, 0, false, &s->answer, s->err) == RESULT_OK;
}

static bool do_step(struct session *s, const struct milter_step *step)
{
    switch (step->verb) { /* those that end something, or begin it, are told whatever was said before */
    case MILTER_DO_ABORT: return do_leave(s, SMFIC_ABORT);
    case MILTER_DO_QUIT_NC: s->all_over = false; return do_leave(s, SMFIC_QUIT_NC);
    case MILTER_DO_QUIT: return do_leave(s, SMFIC_QUIT);
    case MILTER_DO_CLOSE: s->closed = true; return true;
    case MILTER_DO_MAIL: return step->n > 0 ? (s->over = s->all_over, s->rcpts = 0, do_told_path(s, step)) : do_mail(s);
    case MILTER_DO_MESSAGE: return do_message(s);
    default: break;
    }
    if (s->over)
        return true;
    switch (step->verb) {
    case MILTER_DO_CONNECT: return do_connect(s, step);
    case MILTER_DO_HELO: return do_helo(s, step->arguments[0]);
    case MILTER_DO_MACROS: return do_told_macros(s, step);
    case MILTER_DO_RCPT: return step->n > 0 ? do_told_path(s, step) : do_rcpts(s);
    case MILTER_DO_REJECTED: return do_rejected(s, step->arguments[0]);
    case MILTER_DO_DATA: return do_plain(s, MILTER_DO_DATA, SMFIC_DATA);
    case MILTER_DO_HEADER: return step->n > 0 ? do_told_header(s, step) : do_headers(s);
    case MILTER_DO_EOH: return do_plain(s, MILTER_DO_EOH, SMFIC_EOH);
    case MILTER_DO_BODY: return do_body(s);
    case MILTER_DO_END: return do_end(s);
    default: return do_unknown(s, step);
    }
}

enum result milter_session_run(const char *socket, msec_t timeout, const struct milter_script *script,
                               const struct milter_message *message, struct milter_outcome *o_r, struct error *err)
{
    struct session s = {.script = script, .m = message, .o = o_r, .err = err};
    msec_t start = clock_mono();
    *o_r = (struct milter_outcome){.step = ""};
    snprintf(s.queue_id, sizeof s.queue_id, "4R%09llX", (unsigned long long)message->number);
    if (milter_client_open(socket, timeout, &s.client, err) != RESULT_OK)
        return err->result;
    milter_answer_init(&s.answer);
    bool good = true;
    for (size_t i = 0; i < script->n && good && !s.closed; i++) {
        good = do_step(&s, &script->steps[i]);
        if (!good)
            error_prefix(err, "%s, step %zu", script->name, i + 1);
    }
    o_r->took = clock_mono() - start;
    milter_answer_free(&s.answer);
    milter_client_close(&s.client);
    return good ? RESULT_OK : err->result;
}
