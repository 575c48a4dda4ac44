/* In which order a milter is told things: see milter_script.h. */
#include "ctl/replay/milter_script.h"

#include <string.h>

#include "lib/mem.h"

enum { LINE_BYTES_MAX = 4000 };

static const struct {
    const char *name;
    size_t min, max; /* arguments */
} verbs[MILTER_VERBS] = {
    [MILTER_DO_CONNECT] = {"connect", 2, 3},
    [MILTER_DO_HELO] = {"helo", 1, 1},
    [MILTER_DO_MACROS] = {"macros", 1, MILTER_ARGUMENTS_MAX},
    [MILTER_DO_MAIL] = {"mail", 0, MILTER_ARGUMENTS_MAX},
    [MILTER_DO_RCPT] = {"rcpt", 0, MILTER_ARGUMENTS_MAX},
    [MILTER_DO_REJECTED] = {"rejected", 1, 1},
    [MILTER_DO_DATA] = {"data", 0, 0},
    [MILTER_DO_HEADER] = {"header", 0, MILTER_ARGUMENTS_MAX},
    [MILTER_DO_EOH] = {"eoh", 0, 0},
    [MILTER_DO_BODY] = {"body", 0, 0},
    [MILTER_DO_END] = {"end", 0, 0},
    [MILTER_DO_MESSAGE] = {"message", 0, 0},
    [MILTER_DO_UNKNOWN] = {"unknown", 1, MILTER_ARGUMENTS_MAX},
    [MILTER_DO_ABORT] = {"abort", 0, 0},
    [MILTER_DO_QUIT_NC] = {"quit-nc", 0, 0},
    [MILTER_DO_QUIT] = {"quit", 0, 0},
    [MILTER_DO_CLOSE] = {"close", 0, 0},
};

#define HELLO "connect client.test - 40025\nhelo client.test\n"
static const struct {
    const char *name, *text;
} built_in[] = {
    {"postfix", HELLO "message\nquit"},
    {"sendmail", "mta sendmail\n" HELLO "message\nquit"},
    /* Several messages of one client; Postfix says ABORT after each, Sendmail before the next MAIL only when one was open. */
    {"postfix-session", HELLO "message\nabort\nmessage\nabort\nmessage\nabort\nquit"},
    {"sendmail-session", "mta sendmail\n" HELLO "message\nmessage\nmessage\nquit"},
    {"sendmail-reuse", "mta sendmail\n" HELLO "message\nquit-nc\n" HELLO "message\nquit"},
    {"rset-after-mail", HELLO "mail\nabort\nmessage\nquit"},
    {"rset-after-rcpt", HELLO "mail\nrcpt\nabort\nmessage\nquit"},
    {"lost-after-connect", "connect client.test - 40025\nquit"},
    {"lost-after-data", HELLO "mail\nrcpt\ndata\nabort\nquit"},
    {"lost-in-header", HELLO "mail\nrcpt\ndata\nheader\nabort\nmessage\nquit"},
    {"lost-in-body", HELLO "mail\nrcpt\ndata\nheader\neoh\nbody\nabort\nmessage\nquit"},
    {"starttls", HELLO "helo client.test\nmessage\nquit"},               /* EHLO again, with nothing said in between */
    {"helo-again", HELLO "mail\nabort\nhelo again.test\nmessage\nquit"}, /* EHLO as RSET */
    {"no-helo", "connect client.test - 40025\nmessage\nquit"},
    {"rejected-rcpt",
     HELLO "mail\nrejected <nobody@b.test>\nrcpt\nrejected <none@b.test>\ndata\nheader\neoh\nbody\nend\nquit"},
    {"only-rejected", HELLO "mail\nrejected <nobody@b.test>\nabort\nmessage\nquit"},
    {"sendmail-rejected",
     "mta sendmail\n" HELLO "mail\nrejected <nobody@b.test>\nrcpt\ndata\nheader\neoh\nbody\nend\nquit"},
    {"not-by-smtp",
     "connect localhost 127.0.0.1\nhelo localhost\nmessage\nabort\nquit"}, /* sendmail(1), by Postfix's cleanup */
    {"unknown-client", "connect [client] unknown\nhelo client.test\nmessage\nquit"},
    {"ipv6-client", "connect client.test IPv6:2001:db8::25 40025\nhelo client.test\nmessage\nquit"},
    {"local-client", "connect localhost unix:/run/client\nhelo localhost\nmessage\nquit"},
    {"unknown-command", HELLO "unknown XYZZY\nmail\nunknown NOOP x\nrcpt\nunknown VRFY\nabort\nmessage\nquit"},
    {"no-body", HELLO "mail\nrcpt\ndata\nheader\neoh\nend\nquit"},
    {"no-header", HELLO "mail\nrcpt\ndata\neoh\nbody\nend\nquit"},
    {"null-sender", HELLO "mail <>\nrcpt\ndata\nheader\neoh\nbody\nend\nquit"},
    {"parameters",
     HELLO "mail <a@a.test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x\n"
           "rcpt <b@b.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@b.test\ndata\nheader\neoh\nbody\nend\nquit"},
    {"no-goodbye", HELLO "message\nclose"},
    {"gone-in-body", HELLO "mail\nrcpt\ndata\nheader\neoh\nbody\nclose"},
};
enum { BUILT_IN = sizeof built_in / sizeof *built_in };

const char *milter_script_name(size_t i)
{
    return i < BUILT_IN ? built_in[i].name : NULL;
}

const char *milter_script_text(const char *name)
{
    for (size_t i = 0; i < BUILT_IN; i++) {
        if (strcmp(built_in[i].name, name) == 0)
            return built_in[i].text;
    }
    return NULL;
}

static void cut_words(char *line, struct milter_step *step)
{
    char *rest, *word;
    for (word = strtok_r(line, " \t\r", &rest); word != NULL && step->n < MILTER_ARGUMENTS_MAX;
         word = strtok_r(NULL, " \t\r", &rest))
        step->arguments[step->n++] = mem_strdup(word);
}

static enum result add_step(struct milter_script *s, char *line, unsigned number, struct error *err)
{
    size_t word = strcspn(line, " \t\r");
    char *rest = line + word + (line[word] != '\0');
    line[word] = '\0';
    if (strcmp(line, "mta") == 0) {
        s->mta = strncmp(rest, "sendmail", 8) == 0 ? MILTER_SENDMAIL : MILTER_POSTFIX;
        return RESULT_OK;
    }
    for (int i = 0; i < MILTER_VERBS; i++) {
        if (strcmp(verbs[i].name, line) != 0)
            continue;
        if (s->n == MILTER_STEPS_MAX)
            return error_set(err, RESULT_PERM, "%s:%u: more than %d steps", s->name, number, MILTER_STEPS_MAX);
        struct milter_step *step = &s->steps[s->n++];
        step->verb = (enum milter_verb)i;
        cut_words(rest, step);
        if (step->n < verbs[i].min || step->n > verbs[i].max)
            return error_set(err, RESULT_PERM, "%s:%u: \"%s\" takes %zu to %zu arguments", s->name, number,
                             verbs[i].name, verbs[i].min, verbs[i].max);
        return RESULT_OK;
    }
    return error_set(err, RESULT_PERM, "%s:%u: no step \"%s\"", s->name, number, line);
}

enum result milter_script_parse(const char *name, const char *text, struct milter_script **s_r, struct error *err)
{
    struct milter_script *s = mem_zero(1, sizeof *s);
    enum result r = RESULT_OK;
    s->name = mem_strdup(name);
    unsigned number = 0;
    while (*text != '\0' && r == RESULT_OK) {
        char line[LINE_BYTES_MAX + 1];
        size_t n = strcspn(text, "\n");
        number++;
        if (n > LINE_BYTES_MAX) {
            r = error_set(err, RESULT_PERM, "%s:%u: a line of more than %d bytes", name, number, LINE_BYTES_MAX);
            break;
        }
        memcpy(line, text, n);
        line[n] = '\0';
        line[strcspn(line, "#")] = '\0';
        char *begin = line + strspn(line, " \t\r");
        if (*begin != '\0')
            r = add_step(s, begin, number, err);
        text += n + (text[n] == '\n');
    }
    if (r == RESULT_OK && s->n == 0)
        r = error_set(err, RESULT_PERM, "%s: no steps", name);
    if (r != RESULT_OK)
        milter_script_free(&s);
    else
        *s_r = s;
    return r;
}

void milter_script_free(struct milter_script **s)
{
    if (*s == NULL)
        return;
    for (size_t i = 0; i < (*s)->n; i++) {
        for (size_t k = 0; k < (*s)->steps[i].n; k++)
            mem_free(&(*s)->steps[i].arguments[k]);
    }
    mem_free(&(*s)->name);
    mem_free(s);
}
