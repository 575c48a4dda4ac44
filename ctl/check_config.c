/* The configuration: what the daemons' own tests say, and settings that are right but worth a word. */
#include <string.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "ctl/probe.h"
#include "ctl/program.h"
#include "lib/mem.h"
#include "lib/own_policy.h"

static const char *const sections[] = {"milter", "lmtp", "store", "bridge"};
enum { DAEMONS = sizeof sections / sizeof *sections };

/*
 * A store and a bridge need a certificate; of the two that take outgoing mail, a site may have either. What is not
 * installed does not run.
 */
bool check_runs_here(const struct check *c, const char *section)
{
    struct error err;
    char *program = mem_printf("pontoon-%s", section), *path = program_of_ours(program);
    bool runs = path != NULL;
    mem_free(&path);
    mem_free(&program);
    if (strcmp(section, "store") == 0 || strcmp(section, "bridge") == 0) {
        char *key = mem_printf("%s.certificate", section);
        runs = runs && config_string(c->config, key)[0] != '\0';
        mem_free(&key);
    } else {
        bool milter = probe_endpoint(config_string(c->config, "milter.socket"), CHECK_WAIT, &err);
        bool lmtp = probe_endpoint(config_string(c->config, "lmtp.listen"), CHECK_WAIT, &err);
        runs = runs && (strcmp(section, "lmtp") == 0 ? lmtp : milter || !lmtp);
    }
    return runs;
}

/* ---- the daemons' own tests ---- */

/* The last line, without its end: the program's own prefix and warnings stand before. */
static const char *last_line(char *text)
{
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '\n')
        text[--n] = '\0';
    char *line = strrchr(text, '\n');
    return line != NULL ? line + 1 : text;
}

static void test_daemon(struct check *c, const char *name)
{
    struct program p;
    struct error err;
    char *path = program_of_ours(name);
    if (path == NULL) {
        check_found(c->report, CHECK_NOTE, "%s is not installed here: its own test of the configuration is left out",
                    name);
        return;
    }
    if (program_run((const char *const[]){path, "-t", "-c", config_path(c->config), NULL}, CHECK_WAIT, &p, &err) !=
        RESULT_OK) {
        check_found(c->report, CHECK_WARNING, "%s -t could not be run: %s", name, err.text);
        check_advise(c->report, "run it by hand: %s -t -c %s", path, config_path(c->config));
    } else {
        if (p.code == 0) {
            check_found(c->report, CHECK_OK, "%s takes %s", name, config_path(c->config));
        } else if (access_was_denied(p.errors)) {
            check_found(c->report, CHECK_NOTE, "%s can't be asked by this user: %s", name, last_line(p.errors));
            check_advise(c->report, "run this as root");
        } else {
            check_found(c->report, CHECK_PROBLEM, "%s refuses the configuration: %s", name, last_line(p.errors));
            check_advise(c->report, "mend it, then: %s -t -c %s", path, config_path(c->config));
        }
        program_free(&p);
    }
    mem_free(&path);
}

/* Two versions beside each other are usually half an update. */
static void compare_version(struct check *c, const char *name)
{
    struct program p;
    struct error err;
    char *path = program_of_ours(name);
    if (path == NULL)
        return;
    if (program_run((const char *const[]){path, "-V", NULL}, CHECK_WAIT, &p, &err) == RESULT_OK) {
        char *expected = mem_printf("%s %s\n", name, PACKAGE_VERSION);
        if (strcmp(p.output, expected) != 0) {
            check_found(c->report, CHECK_WARNING, "%s says that it is %s, this command is of %s", path,
                        last_line(p.output), PACKAGE_VERSION);
            check_advise(c->report, "install one version of all programs, and restart the daemons");
        }
        mem_free(&expected);
        program_free(&p);
    }
    mem_free(&path);
}

void check_config_daemons(struct check *c)
{
    for (int i = 0; i < DAEMONS; i++) {
        char *program = mem_printf("pontoon-%s", sections[i]);
        if (check_runs_here(c, sections[i]))
            test_daemon(c, program);
        else
            check_found(c->report, CHECK_OK, "%s does not run here", program);
        compare_version(c, program);
        mem_free(&program);
    }
}

/* ---- settings ---- */

static bool empty_list(const struct config *config, const char *key)
{
    size_t n;
    config_list(config, key, &n);
    return n == 0;
}

static void look_at_discovery(struct check *c)
{
    if (!empty_list(c->config, "discovery.allow-addresses")) {
        check_found(c->report, CHECK_NOTE,
                    "discovery.allow-addresses (%s): strangers' policies can make pontoon connect to these networks",
                    config_where(c->config, "discovery.allow-addresses"));
        check_advise(c->report, "name only networks of partners, and no host that trusts this machine by its address");
    }
    if (config_number(c->config, "discovery.policy-port") != 443) {
        check_found(c->report, CHECK_NOTE, "discovery.policy-port (%s) is not 443: other sites' policies are not found",
                    config_where(c->config, "discovery.policy-port"));
        check_advise(c->report, "leave it out unless this is a test");
    }
}

static void look_at_switches(struct check *c)
{
    enum policy_mode mode = own_policy_mode(c->config);
    if (mode != POLICY_ENFORCE)
        check_found(c->report, CHECK_NOTE, "policy.mode (%s) is %s: others' mail comes by SMTP",
                    config_where(c->config, "policy.mode"), policy_mode_name(mode));
    if (!config_bool(c->config, "milter.divert"))
        check_found(c->report, CHECK_NOTE, "milter.divert (%s) is off: our own mail goes by SMTP",
                    config_where(c->config, "milter.divert"));
    if (mode != POLICY_NONE && empty_list(c->config, "policy.outbound")) {
        check_found(c->report, CHECK_NOTE, "policy.outbound is empty: our own mail goes by SMTP");
        check_advise(c->report, "to send, name the base URL of pontoon-store");
    }
    if (mode != POLICY_NONE && empty_list(c->config, "policy.inbound")) {
        check_found(c->report, CHECK_NOTE, "policy.inbound is empty: others' mail comes by SMTP");
        check_advise(c->report, "to receive, name the base URL of pontoon-bridge");
    }
}

static void look_at_hostname(struct check *c)
{
    const char *name = config_hostname(c->config);
    char normalized[DOMAIN_MAX + 1];
    if (domain_normalize(name, normalized))
        return;
    check_found(c->report, CHECK_WARNING,
                "our name is \"%s\", which is no fully qualified host name: MTAs may refuse the greeting, and trace "
                "headers say little",
                name);
    check_advise(c->report, "set hostname in %s", config_path(c->config));
}

/* Times that contradict each other: each is in its range. */
static void look_at_times(struct check *c)
{
    msec_t max_age = config_time(c->config, "policy.max-age");
    msec_t expire = config_time(c->config, "store.expire-after");
    if (max_age < 3600 * 1000LL) {
        check_found(c->report, CHECK_WARNING,
                    "policy.max-age (%s) is below an hour: the others fetch the policy often, "
                    "and an outage of pontoon-store soon makes their mail go by SMTP",
                    config_where(c->config, "policy.max-age"));
        check_advise(c->report, "a day or more, once all is well");
    }
    if (config_time(c->config, "bridge.history") < expire) {
        check_found(c->report, CHECK_WARNING,
                    "bridge.history (%s) is shorter than store.expire-after: a site that asks "
                    "as long as we do may be forgotten, and its message delivered twice",
                    config_where(c->config, "bridge.history"));
        check_advise(c->report, "leave bridge.history at its default, or above");
    }
}

void check_config_settings(struct check *c)
{
    look_at_hostname(c);
    look_at_discovery(c);
    look_at_switches(c);
    look_at_times(c);
}
