/* `pontoon check [DOMAIN]`: which checks there are, and what is shown of them. */
#include "ctl/check.h"

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/mem.h"

enum { EXIT_PROBLEMS = 1 };

struct check_entry {
    const char *name; /* stands before each of its findings */
    void (*look)(struct check *c);
};

static const struct check_entry site_checks[] = {
    {"configuration", check_config_daemons},
    {"settings", check_config_settings},
    {"signing-key", check_keys_signing},
    {"published-keys", check_keys_published},
    {"token-secret", check_keys_token_secret},
    {"certificate", check_certificates},
    {"record", check_discovery_record},
    {"policy", check_discovery_policy},
    {"endpoint", check_endpoints},
    {"daemon", check_machine_daemons},
    {"disk", check_machine_disk},
    {"queue", check_machine_queue},
    {"postfix", check_postfix},
    {"milter", check_postfix_milters},
    {"listener", check_postfix_listeners},
    {"mta-settings", check_postfix_mail},
    {"sendmail", check_sendmail},
    {"milter", check_mta_milter},
    {"mta", check_mta},
    {"socket", check_rights_sockets},
    {"directory", check_rights_directories},
    {"secret", check_rights_secrets},
    {"process", check_processes},
    {"clock", check_clock},
    {"resolver", check_resolvers},
    {"database", check_database},
};

static const struct check_entry peer_checks[] = {
    {"record", check_peer_record}, {"policy", check_peer_policy}, {"endpoint", check_peer_endpoints},
    {"known", check_peer_known},   {"clock", check_peer_clock},
};

bool check_is_set(const struct check *c, const char *key)
{
    size_t n;
    config_list(c->config, key, &n);
    return n > 0;
}

static void look(struct check *c, const struct check_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        check_report_begin(c->report, entries[i].name);
        entries[i].look(c);
    }
}

static void print_json(const struct check *c, const char *about)
{
    json_t *o = json_object();
    json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
    json_object_set_new(o, "time", show_json_when(clock_now()));
    json_object_set_new(o, "config", show_json_text(config_path(c->config)));
    json_object_set_new(o, "domain", show_json_text(about));
    for (int level = CHECK_PROBLEM; level >= CHECK_OK; level--) {
        char name[16];
        snprintf(name, sizeof name, "%ss", check_level_name((enum check_level)level));
        json_object_set_new(o, level == CHECK_OK ? "ok" : name,
                            json_integer(check_report_count(c->report, (enum check_level)level)));
    }
    json_object_set_new(o, "findings", check_report_json(c->report));
    show_json_document(stdout, o);
}

static void free_lookups(struct check *c)
{
    for (size_t i = 0; i < c->nlookups; i++)
        net_lookup_free(&c->lookups[i]);
    mem_free(&c->lookups);
}

static void look_at_all(struct check *c, const char *domain)
{
    if (domain == NULL) {
        look(c, site_checks, sizeof site_checks / sizeof *site_checks);
        return;
    }
    c->nlookups = 1;
    c->lookups = mem_zero(1, sizeof *c->lookups);
    snprintf(c->lookups[0].domain, sizeof c->lookups[0].domain, "%s", domain);
    look(c, peer_checks, sizeof peer_checks / sizeof *peer_checks);
}

static int run(const struct ctl *ctl, struct check *c, const char *domain)
{
    struct error err;
    if (net_open(c->config, &c->net, &err) != RESULT_OK) {
        net_close(&c->net);
        return ctl_result_error(&err);
    }
    c->report = check_report_new();
    look_at_all(c, domain);
    if (ctl->options & CTL_JSON)
        print_json(c, domain);
    else
        check_report_print(c->report, stdout);
    int code = check_report_count(c->report, CHECK_PROBLEM) > 0 ? EXIT_PROBLEMS : EX_OK;
    check_report_free(&c->report);
    free_lookups(c);
    postfix_config_free(&c->postfix);
    mem_free(&c->own_policy);
    net_close(&c->net);
    return code;
}

int ctl_check(const struct ctl *ctl)
{
    struct config *config = NULL;
    char domain[DOMAIN_MAX + 1];
    if (ctl->nargs > 0 && !domain_normalize(ctl->args[0], domain))
        return ctl_error(EX_USAGE, "\"%s\" is no domain name", ctl->args[0]);
    int code = site_config(ctl->config_files[0], &config);
    if (code != EX_OK)
        return code;
    struct check c = {.config = config, .postfix_directory = ctl->postfix_directory, .sendmail_cf = ctl->sendmail_cf};
    code = run(ctl, &c, ctl->nargs > 0 ? domain : NULL);
    config_free(&config);
    return code;
}
