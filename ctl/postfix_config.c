/* Asking postconf(1): see postfix_config.h. */
#include "ctl/postfix_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/program.h"
#include "lib/mem.h"

enum {
    POSTCONF_WAIT = 5000, /* ms; it takes some, unless it sleeps before it says that something is wrong */
    EXPANDED_MAX = 64,    /* services whose values are asked for */
    ARGUMENTS_MAX = 400,
};

/* What the checks want to know. */
static const char *const names[] = {
    "always_bcc",
    "body_checks",
    "cleanup_service_name",
    "compatibility_level",
    "content_filter",
    "default_process_limit",
    "default_transport",
    "delay_warning_time",
    "header_checks",
    "hopcount_limit",
    "inet_interfaces",
    "local_header_rewrite_clients",
    "mail_owner",
    "mail_version",
    "maximal_queue_lifetime",
    "message_size_limit",
    "milter_command_timeout",
    "milter_content_timeout",
    "milter_default_action",
    "milter_protocol",
    "mime_header_checks",
    "mynetworks",
    "nested_header_checks",
    "non_smtpd_milters",
    "queue_directory",
    "receive_override_options",
    "recipient_bcc_maps",
    "relay_transport",
    "relayhost",
    "sender_bcc_maps",
    "smtp_body_checks",
    "smtp_generic_maps",
    "smtp_header_checks",
    "smtp_mime_header_checks",
    "smtp_nested_header_checks",
    "smtpd_authorized_xclient_hosts",
    "smtpd_client_connection_count_limit",
    "smtpd_client_connection_rate_limit",
    "smtpd_client_event_limit_exceptions",
    "smtpd_client_message_rate_limit",
    "smtpd_client_recipient_rate_limit",
    "smtpd_hard_error_limit",
    "smtpd_milter_maps",
    "smtpd_milters",
    "smtpd_proxy_filter",
    "smtpd_recipient_restrictions",
    "smtpd_reject_unlisted_recipient",
    "smtpd_relay_restrictions",
    "smtpd_soft_error_limit",
    "smtpd_tls_security_level",
    "smtpd_tls_wrappermode",
    "soft_bounce",
};
enum { NAMES = sizeof names / sizeof *names };

struct arguments {
    const char *argv[ARGUMENTS_MAX + 1];
    size_t n;
};

static void add(struct arguments *a, const char *text)
{
    if (a->n < ARGUMENTS_MAX)
        a->argv[a->n++] = text;
}

static struct arguments postconf(const char *directory, const char *option)
{
    struct arguments a = {0};
    add(&a, "postconf");
    if (directory != NULL) {
        add(&a, "-c");
        add(&a, directory);
    }
    add(&a, option);
    return a;
}

/* postconf's last word, "postconf: fatal: …", without its name. */
static void refused(const char *errors, struct error *err)
{
    const char *fatal = strstr(errors, "fatal: ");
    const char *text = fatal != NULL ? fatal + strlen("fatal: ") : errors;
    error_set(err, RESULT_TEMP, "%.*s", (int)strcspn(text, "\n"), text);
}

/* What it prints, to mem_free(); NULL: err says why not. */
static char *run(const struct arguments *a, struct error *err)
{
    struct program p;
    char *output = NULL;
    if (program_run(a->argv, POSTCONF_WAIT, &p, err) != RESULT_OK)
        return NULL;
    if (p.code != 0)
        refused(p.errors, err);
    else
        output = mem_strdup(p.output);
    program_free(&p);
    return output;
}

/* ---- where ---- */

/* To mem_free(); NULL: err says why not. */
static char *system_directory(struct error *err)
{
    const char *environment = getenv("MAIL_CONFIG"); /* as Postfix's own programs do */
    if (environment != NULL && *environment != '\0')
        return mem_strdup(environment);
    struct arguments a = postconf(NULL, "-dh");
    add(&a, "config_directory");
    char *output = run(&a, err);
    if (output != NULL)
        output[strcspn(output, "\n")] = '\0';
    return output;
}

static enum result find(const char *directory, char **found_r, struct error *err)
{
    *found_r = directory != NULL ? mem_strdup(directory) : system_directory(err);
    if (*found_r == NULL)
        return err->result;
    enum result r = RESULT_OK;
    char *main_cf = mem_printf("%s/main.cf", *found_r);
    if (access(main_cf, R_OK) != 0)
        r = error_set(err, errno == ENOENT || errno == ENOTDIR ? RESULT_PERM : RESULT_TEMP, "%s: %s", main_cf,
                      strerror(errno));
    mem_free(&main_cf);
    return r;
}

/* ---- values ---- */

/* main.cf's values as they are under these settings. */
static enum result expand(const char *directory, const struct postfix_settings *own, struct postfix_settings *values_r,
                          struct error *err)
{
    struct arguments a = postconf(directory, "-x");
    char *output = NULL, **settings = mem_zero(own->n + 1, sizeof *settings);
    for (size_t i = 0; i < own->n; i++) {
        settings[i] = mem_printf("%s=%s", own->items[i].name, own->items[i].value);
        add(&a, "-o");
        add(&a, settings[i]);
    }
    for (size_t i = 0; i < NAMES; i++)
        add(&a, names[i]);
    enum result r;
    if (a.n == ARGUMENTS_MAX)
        r = error_set(err, RESULT_TEMP, "more than %d settings", ARGUMENTS_MAX);
    else
        r = (output = run(&a, err)) != NULL ? postfix_text_settings(output, values_r, err) : err->result;
    for (size_t i = 0; i < own->n; i++)
        mem_free(&settings[i]);
    mem_free(&settings);
    mem_free(&output);
    return r;
}

static bool is_expanded(const struct postfix_service *s)
{
    static const char *const commands[] = {"smtpd", "cleanup", "smtp"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(s->command, commands[i]) == 0)
            return s->own.n > 0;
    }
    return false;
}

static enum result expand_services(struct postfix_config *c, struct error *err)
{
    unsigned n = 0;
    enum result r = RESULT_OK;
    for (size_t i = 0; r == RESULT_OK && i < c->services.n; i++) {
        struct postfix_service *s = &c->services.items[i];
        if (!is_expanded(s))
            continue;
        if (n++ == EXPANDED_MAX)
            return error_set(err, RESULT_TEMP, "more than %d services with settings of their own", EXPANDED_MAX);
        r = expand(c->directory, &s->own, &s->main, err);
        if (r != RESULT_OK)
            error_prefix(err, "service %s/%s", s->name, s->type);
    }
    return r;
}

/* ---- both files ---- */

static enum result read_services(struct postfix_config *c, struct error *err)
{
    struct arguments m = postconf(c->directory, "-M"), p = postconf(c->directory, "-P");
    char *services = run(&m, err), *own = services != NULL ? run(&p, err) : NULL;
    enum result r = own != NULL ? postfix_text_services(services, &c->services, err) : err->result;
    if (r == RESULT_OK)
        r = postfix_text_own(own, &c->services, err);
    mem_free(&services);
    mem_free(&own);
    return r;
}

enum result postfix_config_read(const char *directory, struct postfix_config **c_r, struct error *err)
{
    static const struct postfix_settings none;
    struct postfix_config *c = mem_zero(1, sizeof *c);
    enum result r = find(directory, &c->directory, err);
    if (r == RESULT_OK) {
        r = expand(c->directory, &none, &c->main, err);
        if (r == RESULT_OK)
            r = read_services(c, err);
        if (r == RESULT_OK)
            r = expand_services(c, err);
        if (r == RESULT_PERM) /* it is there, and can't be made sense of */
            r = err->result = RESULT_TEMP;
    }
    if (r != RESULT_OK)
        postfix_config_free(&c);
    *c_r = c;
    return r;
}

void postfix_config_free(struct postfix_config **c)
{
    if (*c == NULL)
        return;
    postfix_services_free(&(*c)->services);
    postfix_settings_free(&(*c)->main);
    mem_free(&(*c)->directory);
    mem_free(c);
}

const char *postfix_config_value(const struct postfix_config *c, const struct postfix_service *s, const char *name)
{
    return postfix_settings_get(s != NULL && s->main.n > 0 ? &s->main : &c->main, name);
}

bool postfix_config_chrooted(const struct postfix_config *c, const struct postfix_service *s)
{
    const char *level = postfix_settings_get(&c->main, "compatibility_level");
    return s->chroot == 'y' || (s->chroot == '-' && strtod(level, NULL) < 1);
}

unsigned postfix_config_processes(const struct postfix_config *c, const struct postfix_service *s)
{
    if (s->processes >= 0)
        return (unsigned)s->processes;
    return (unsigned)strtoul(postfix_settings_get(&c->main, "default_process_limit"), NULL, 10);
}

const struct postfix_service *postfix_config_service(const struct postfix_config *c, const char *name)
{
    for (size_t i = 0; i < c->services.n; i++) {
        if (strcmp(c->services.items[i].name, name) == 0 && strcmp(c->services.items[i].type, "unix") == 0)
            return &c->services.items[i];
    }
    return NULL;
}

static bool listens(const struct postfix_service *s, const struct netaddr *a, bool exactly)
{
    char host[POSTFIX_HOST_SIZE];
    uint16_t port;
    struct netaddr own;
    if (strcmp(s->type, "inet") != 0 || !postfix_text_inet(s->name, host, &port) || port != netaddr_port(a))
        return false;
    if (*host == '\0')
        return !exactly;
    if (strcmp(host, "localhost") == 0)
        snprintf(host, sizeof host, "%s", a->sa.ss_family == AF_INET6 ? "::1" : "127.0.0.1");
    return netaddr_parse(host, port, &own) && netaddr_equal_ip(&own, a);
}

/* One that names the address comes before one that has all of them. */
const struct postfix_service *postfix_config_listener(const struct postfix_config *c, const struct netaddr *a)
{
    for (int exactly = 1; exactly >= 0; exactly--) {
        for (size_t i = 0; i < c->services.n; i++) {
            if (listens(&c->services.items[i], a, exactly != 0))
                return &c->services.items[i];
        }
    }
    return NULL;
}
