/*
 * What postconf(1) prints, and the values in it: pure parsers, for ctl/postfix_config.h and the checks. Everything is
 * bounded; what goes beyond, or is not of this form, is RESULT_PERM with the line in err.
 */
#ifndef PONTOON_CTL_POSTFIX_TEXT_H
#define PONTOON_CTL_POSTFIX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/netaddr.h"
#include "lib/result.h"

enum { POSTFIX_SERVICES_MAX = 500, POSTFIX_SETTINGS_MAX = 2000, POSTFIX_LIST_MAX = 200 };

struct postfix_setting {
    char *name, *value;
};
struct postfix_settings {
    struct postfix_setting *items;
    size_t n;
};
/* "" where there is none. */
const char *postfix_settings_get(const struct postfix_settings *s, const char *name);
bool postfix_settings_have(const struct postfix_settings *s, const char *name);
void postfix_settings_free(struct postfix_settings *s);

/* A line of master.cf. */
struct postfix_service {
    char *name;                   /* "smtp", "127.0.0.1:10025", "cleanup" */
    char *type;                   /* "inet", "unix", "pass", … */
    char chroot;                  /* 'y', 'n' or '-': the default */
    int processes;                /* 0: no limit, -1: the default */
    char *command;                /* "smtpd", without arguments */
    struct postfix_settings own;  /* its -o settings, as written */
    struct postfix_settings main; /* for ctl/postfix_config.c: what holds for it; own and main.cf's, expanded */
};
struct postfix_services {
    struct postfix_service *items;
    size_t n;
};
/* The free functions also after an error. */
enum result postfix_text_services(const char *m, struct postfix_services *s_r, struct error *err); /* postconf -M */
enum result postfix_text_own(const char *p, struct postfix_services *s, struct error *err); /* -P, into their `own` */
void postfix_services_free(struct postfix_services *s);
/* "name = value" lines. */
enum result postfix_text_settings(const char *text, struct postfix_settings *s_r, struct error *err);

/*
 * The next element of a list, to mem_free(), or NULL at its end: elements are separated by commas and white space, and what
 * stands in { } is one, with its braces.
 */
char *postfix_text_next(const char **list);
/* Whether a list of words has this one; case does not count. */
bool postfix_text_has_word(const char *list, const char *word);
bool postfix_text_yes(const char *value);
/* "30s", "5d", "100" (in seconds) to ms; -1: no such time. */
msec_t postfix_text_time(const char *value);

/* One of smtpd_milters: "unix:path", or "{ unix:path, default_action=accept }". */
struct postfix_milter {
    char *endpoint;
    struct postfix_settings own;
};
/* To postfix_milters_free(); at most POSTFIX_LIST_MAX, the rest is left out. */
size_t postfix_text_milters(const char *value, struct postfix_milter **list_r);
void postfix_milters_free(struct postfix_milter **list, size_t n);

/* Whether an address is in a list such as mynetworks has: networks, addresses, "localhost", "!" before what is not. */
enum postfix_match { POSTFIX_NO, POSTFIX_YES, POSTFIX_UNKNOWN /* tables and host names, which are not looked into */ };
enum postfix_match postfix_text_match(const char *list, const struct netaddr *address);

/*
 * What a list of smtpd's restrictions comes to for a recipient that is not ours and a client that nobody knows. Empty: open.
 * Tables and policy services are passed over.
 */
bool postfix_text_lets_all_in(const char *restrictions);

/*
 * The name of an inet service: its port (also a name of /etc/services), and host, which may be "" (all that inet_interfaces has).
 * False: it is none.
 */
enum { POSTFIX_HOST_SIZE = 256 };
bool postfix_text_inet(const char *name, char host_r[POSTFIX_HOST_SIZE], uint16_t *port_r);

#endif
