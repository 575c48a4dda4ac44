/*
 * Sendmail, where there is no Postfix: does sendmail.cf ask pontoon-milter, last, where it listens, and are the two listeners there,
 * without it. Only lines that m4 made are read: "O Name=Value" and "XNAME, S=…, F=…".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "ctl/check.h"
#include "lib/buf.h"
#include "lib/mem.h"

#define SYSTEM_CF "/etc/mail/sendmail.cf"

enum { LINE_SIZE = 4096, LISTENERS_MAX = 50, CF_LINES_MAX = 100000 };

struct sendmail {
    char *filters; /* InputMailFilters, "" none */
    char *ours;    /* the name of our X line, NULL: none has our socket */
    char *flags;   /* its F= */
    char *listeners[LISTENERS_MAX];
    size_t nlisteners;
};

static const char *cf_path(const struct check *c)
{
    return c->sendmail_cf != NULL ? c->sendmail_cf : SYSTEM_CF;
}

bool check_sendmail_is_here(const struct check *c)
{
    return access(cf_path(c), F_OK) == 0;
}

/* ---- reading ---- */

/* The value of "NAME=" among comma-separated fields, to mem_free(); NULL: not there. */
static char *field(const char *line, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = line; *p != '\0'; p += *p == ',') {
        p += strspn(p, " \t");
        size_t n = strcspn(p, ",");
        if (n > len && strncasecmp(p, name, len) == 0 && p[len] == '=')
            return mem_strndup(p + len + 1, n - len - 1);
        p += n;
    }
    return NULL;
}

/* "local:/path", "unix:/path" or "inet:PORT@HOST" of an X line. */
static bool is_our_socket(const struct check *c, const char *socket)
{
    const char *own = config_string(c->config, "milter.socket"), *at = strchr(socket, '@');
    const char *colon = strchr(socket, ':');
    if (colon == NULL)
        return false;
    if (at == NULL)
        return strncmp(own, "unix:", 5) == 0 && strcmp(own + 5, colon + 1) == 0;
    char *theirs = mem_printf("%s:%.*s", at + 1, (int)(at - colon - 1), colon + 1);
    bool same = strcmp(strncmp(own, "inet:", 5) == 0 ? own + 5 : own, theirs) == 0;
    mem_free(&theirs);
    return same;
}

static void take_filter(const struct check *c, const char *line, struct sendmail *s)
{
    char *socket = field(line, "S");
    if (socket != NULL && s->ours == NULL && is_our_socket(c, socket)) {
        s->ours = mem_strndup(line + 1, strcspn(line + 1, ", \t"));
        s->flags = field(line, "F");
    }
    mem_free(&socket);
}

static void take_line(const struct check *c, char *line, struct sendmail *s)
{
    static const char filters[] = "O InputMailFilters=", daemon[] = "O DaemonPortOptions=";
    line[strcspn(line, "\n")] = '\0';
    if (line[0] == 'X') {
        take_filter(c, line, s);
    } else if (strncasecmp(line, filters, strlen(filters)) == 0) {
        mem_free(&s->filters);
        s->filters = mem_strdup(line + strlen(filters));
    } else if (strncasecmp(line, daemon, strlen(daemon)) == 0 && s->nlisteners < LISTENERS_MAX) {
        s->listeners[s->nlisteners++] = mem_strdup(line + strlen(daemon));
    }
}

static bool read_cf(struct check *c, struct sendmail *s)
{
    char line[LINE_SIZE];
    FILE *f = fopen(cf_path(c), "re");
    if (f == NULL) {
        check_found(c->report, CHECK_NOTE, "%s: %s", cf_path(c), strerror(errno));
        check_advise(c->report, "to have it looked at, run this as root");
        return false;
    }
    s->filters = mem_strdup("");
    for (int i = 0; i < CF_LINES_MAX && fgets(line, sizeof line, f) != NULL; i++)
        take_line(c, line, s);
    fclose(f);
    return true;
}

/* ---- the milter ---- */

/* The name of the last filter of a list, and whether ours is among them. */
static bool has_ours(const struct sendmail *s, const char *list, bool *last_r)
{
    bool has = false;
    *last_r = false;
    for (const char *p = list; s->ours != NULL && *p != '\0';) {
        p += strspn(p, " \t,;");
        size_t n = strcspn(p, " \t,;");
        bool is = n > 0 && strlen(s->ours) == n && strncmp(s->ours, p, n) == 0;
        has = has || is;
        if (n > 0)
            *last_r = is;
        p += n;
    }
    return has;
}

static void look_at_filter(struct check *c, const struct sendmail *s)
{
    bool last;
    size_t outbound;
    config_list(c->config, "policy.outbound", &outbound);
    if (!has_ours(s, s->filters, &last)) {
        check_found(c->report, outbound > 0 ? CHECK_PROBLEM : CHECK_NOTE,
                    "%s does not ask pontoon-milter at %s: nothing is diverted", cf_path(c),
                    config_string(c->config, "milter.socket"));
        check_advise(c->report,
                     "in sendmail.mc, behind all other filters: INPUT_MAIL_FILTER(`pontoon', `S=local:%s, F=T, "
                     "T=C:30s;S:30s;R:1m;E:10m'); make %s from it and restart Sendmail",
                     strncmp(config_string(c->config, "milter.socket"), "unix:", 5) == 0
                         ? config_string(c->config, "milter.socket") + 5
                         : "SOCKET",
                     cf_path(c));
        return;
    }
    if (!last) {
        check_found(c->report, CHECK_PROBLEM,
                    "pontoon-milter (%s) is not the last of InputMailFilters=%s: what is diverted goes out "
                    "unsigned or unchecked",
                    s->ours, s->filters);
        check_advise(
            c->report,
            "in sendmail.mc, put its INPUT_MAIL_FILTER line behind all others; make %s from it and restart Sendmail",
            cf_path(c));
    } else {
        check_found(c->report, CHECK_OK, "InputMailFilters=%s has pontoon-milter last", s->filters);
    }
    if (s->flags != NULL && *s->flags == 'R') {
        check_found(c->report, CHECK_PROBLEM,
                    "F=R of filter %s: while pontoon-milter is down, clients are refused for good", s->ours);
        check_advise(c->report, "F=T in its INPUT_MAIL_FILTER line");
    } else if (s->flags == NULL || *s->flags == '\0') {
        check_found(c->report, CHECK_NOTE,
                    "filter %s has no F=: while pontoon-milter is down mail goes by plain SMTP, and one whose "
                    "milter dies between its commit and its answer may arrive twice",
                    s->ours);
        check_advise(c->report, "F=T in its INPUT_MAIL_FILTER line lets clients try again");
    }
}

/* ---- the listeners ---- */

static const char *find_listener(const struct sendmail *s, const struct netaddr *a)
{
    const char *found = NULL;
    for (size_t i = 0; found == NULL && i < s->nlisteners; i++) {
        char *port = field(s->listeners[i], "Port"), *host = field(s->listeners[i], "Addr");
        struct netaddr own;
        if (port != NULL && strtoul(port, NULL, 10) == netaddr_port(a) &&
            (host == NULL || (netaddr_parse(host, 0, &own) && netaddr_equal_ip(&own, a))))
            found = s->listeners[i];
        mem_free(&port);
        mem_free(&host);
    }
    return found;
}

static void look_at_listener(struct check *c, const struct sendmail *s, const char *key, const char *name)
{
    struct netaddr a;
    bool last;
    const char *endpoint = config_string(c->config, key);
    if (netaddr_endpoint(endpoint, &a, NULL) != RESULT_OK || a.sa.ss_family == AF_UNIX)
        return;
    const char *listener = find_listener(s, &a);
    if (listener == NULL) {
        check_found(c->report, CHECK_PROBLEM, "no DaemonPortOptions of %s listens at %s (%s)", cf_path(c), endpoint,
                    key);
        check_advise(c->report,
                     "the line for %s in conf/sendmail.mc.snippet: DAEMON_OPTIONS(`Name=%s, …, InputMailFilters=')",
                     key, name);
        return;
    }
    char *filters = field(listener, "InputMailFilters");
    if (has_ours(s, filters != NULL ? filters : s->filters, &last)) {
        check_found(c->report, CHECK_PROBLEM,
                    "the listener at %s (%s) asks pontoon-milter about mail that comes from pontoon: it would "
                    "run in a circle",
                    endpoint, key);
        check_advise(c->report, "InputMailFilters= in its DAEMON_OPTIONS line");
    } else {
        check_found(c->report, CHECK_OK, "%s has a listener at %s (%s)", cf_path(c), endpoint, key);
    }
    mem_free(&filters);
}

static void look_at(struct check *c, const struct sendmail *s)
{
    look_at_filter(c, s);
    if (check_is_set(c, "store.listen"))
        look_at_listener(c, s, "store.mta", "pontoon-return");
    if (!check_is_set(c, "bridge.listen") || strcmp(config_string(c->config, "bridge.mta-protocol"), "smtp") != 0)
        return;
    look_at_listener(c, s, "bridge.mta", "pontoon-in");
    if (strcmp(config_string(c->config, "bridge.xclient"), "required") == 0) {
        check_found(c->report, CHECK_PROBLEM,
                    "bridge.xclient (%s) is \"required\", and Sendmail has no XCLIENT: nothing is delivered",
                    config_where(c->config, "bridge.xclient"));
        check_advise(c->report, "bridge { xclient = no } in %s; then: systemctl restart pontoon-bridge",
                     config_path(c->config));
        c->mta_said |= MTA_SAID_XCLIENT;
    }
}

void check_sendmail(struct check *c)
{
    struct sendmail s = {0};
    if (c->sendmail_cf == NULL && (c->postfix != NULL || !check_sendmail_is_here(c)))
        return;
    if (read_cf(c, &s))
        look_at(c, &s);
    mem_free(&s.filters);
    mem_free(&s.ours);
    mem_free(&s.flags);
    for (size_t i = 0; i < s.nlisteners; i++)
        mem_free(&s.listeners[i]);
}
