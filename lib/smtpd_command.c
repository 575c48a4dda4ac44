/* Cutting up command lines: see smtpd_command.h. */
#include "lib/smtpd_command.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "lib/utf8.h"

static const struct {
    const char *name;
    enum smtpd_verb verb;
} verbs[] = {
    {"LHLO", SMTPD_LHLO},
    {"MAIL", SMTPD_MAIL},
    {"RCPT", SMTPD_RCPT},
    {"DATA", SMTPD_DATA},
    {"RSET", SMTPD_RSET},
    {"NOOP", SMTPD_NOOP},
    {"QUIT", SMTPD_QUIT},
    {"VRFY", SMTPD_VRFY},
    {"HELP", SMTPD_HELP},
    {"HELO", SMTPD_HELO},
    {"EHLO", SMTPD_EHLO},
    {"EXPN", SMTPD_NOT_OFFERED},
    {"BDAT", SMTPD_NOT_OFFERED},
    {"AUTH", SMTPD_NOT_OFFERED},
    {"STARTTLS", SMTPD_NOT_OFFERED},
    {"ETRN", SMTPD_NOT_OFFERED},
    {"TURN", SMTPD_NOT_OFFERED},
    {"XCLIENT", SMTPD_NOT_OFFERED},
    {"SEND", SMTPD_NOT_OFFERED},
    {"SOML", SMTPD_NOT_OFFERED},
    {"SAML", SMTPD_NOT_OFFERED},
    {"XFORWARD", SMTPD_NOT_OFFERED},
};

static enum smtpd_verb find_verb(const char *word, size_t len)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strlen(verbs[i].name) == len && strncasecmp(verbs[i].name, word, len) == 0)
            return verbs[i].verb;
    }
    return SMTPD_UNKNOWN;
}

static bool has_control(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            return true;
    }
    return false;
}

static char *skip_blanks(char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* Behind the path that begins at `p` with "<"; a quoted local part may hold anything. NULL: it has no end. */
static char *skip_path(char *p)
{
    bool quoted = false;
    for (p++; *p != '\0'; p++) {
        if (quoted && *p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && *p == '>')
            return p + 1;
        else if (!quoted && (*p == '<' || *p == ' '))
            return NULL;
    }
    return NULL;
}

static bool take_params(char *p, struct smtpd_command *c)
{
    size_t n = 0;
    for (p = skip_blanks(p); *p != '\0'; p = skip_blanks(p)) {
        if (n == SMTPD_PARAMS_MAX)
            return false;
        c->params[n++] = p;
        p += strcspn(p, " ");
        if (*p != '\0')
            *p++ = '\0';
    }
    c->params[n] = NULL;
    return true;
}

/* "FROM:<path> params". Blanks behind the colon are an old mistake that everybody takes. */
static const char *parse_path(struct smtpd_command *c, const char *keyword, const char *syntax)
{
    size_t len = strlen(keyword);
    char *path = strncasecmp(c->argument, keyword, len) == 0 ? skip_blanks(c->argument + len) : NULL;
    char *end = path != NULL && *path == '<' ? skip_path(path) : NULL;
    if (end == NULL || (*end != '\0' && *end != ' '))
        return syntax;
    if (*end != '\0')
        *end++ = '\0';
    c->path = path;
    return take_params(end, c) ? NULL : "501 5.5.4 Too many parameters";
}

const char *smtpd_command_parse(char *line, size_t len, struct smtpd_command *c_r)
{
    *c_r = (struct smtpd_command){.verb = SMTPD_UNKNOWN, .argument = line + len};
    if (has_control(line, len))
        return "500 5.5.2 Syntax error: control character in command";
    if (!utf8_valid(line))
        return "500 5.5.2 Syntax error: malformed UTF-8 in command";
    while (len > 0 && line[len - 1] == ' ')
        line[--len] = '\0';
    size_t word = strcspn(line, " ");
    c_r->verb = find_verb(line, word);
    c_r->argument = skip_blanks(line + word);
    switch (c_r->verb) {
    case SMTPD_MAIL: return parse_path(c_r, "FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>");
    case SMTPD_RCPT: return parse_path(c_r, "TO:", "501 5.5.4 Syntax: RCPT TO:<address>");
    case SMTPD_LHLO:
    case SMTPD_EHLO:
    case SMTPD_HELO: return c_r->argument[0] != '\0' ? NULL : "501 5.5.4 Syntax: this command takes your host name";
    case SMTPD_DATA:
    case SMTPD_RSET:
    case SMTPD_QUIT: return c_r->argument[0] == '\0' ? NULL : "501 5.5.4 Syntax: this command has no arguments";
    default: return NULL;
    }
}
