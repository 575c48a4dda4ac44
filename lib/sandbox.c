/* Entering the sandbox: see sandbox.h. */
#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/netaddr.h"
#include "lib/sandbox_rules.h"

enum { DNS_PORT = 53 };

static struct sandbox_rules entered; /* one sandbox a process */
static int abi;
static bool calls_guarded;

static void add_port(struct sandbox_ports_list *list, uint16_t port)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->port[i] == port)
            return;
    }
    if (list->n < SANDBOX_PORTS_MAX)
        list->port[list->n++] = port;
}

static void find_ports(const struct sandbox_profile *profile, const struct config *config,
                       struct sandbox_ports_list *list)
{
    struct netaddr a;
    size_t n;
    *list = (struct sandbox_ports_list){.any = profile->connect == SANDBOX_ANY_PORT};
    if (profile->connect != SANDBOX_LOOKUPS)
        return;
    const char *const *resolvers = config_list(config, "discovery.resolvers", &n);
    add_port(list, DNS_PORT);
    add_port(list, (uint16_t)config_number(config, "discovery.policy-port"));
    for (size_t i = 0; i < n; i++) {
        if (netaddr_endpoint(resolvers[i], &a, NULL) == RESULT_OK)
            add_port(list, (uint16_t)netaddr_port(&a));
    }
}

/* That it holds is seen, not believed. */
static void test_files(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 || errno != EACCES)
        log_fatal("sandbox: Landlock does not hold: / can be read");
}

static void debug_rules(const struct sandbox_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct sandbox_rule *rule = &rules->all[i];
        log_debug("sandbox: %s%s%s%s%s %s%s%s", rule->may & SANDBOX_MAY_READ ? "read" : "",
                  rule->may & SANDBOX_MAY_CHANGE ? " change" : "", rule->may & SANDBOX_MAY_APPEND ? " append" : "",
                  rule->may & SANDBOX_MAY_REMOVE ? " remove" : "", rule->may & SANDBOX_MAY_SOCKET ? " sockets" : "",
                  rule->path, rule->key[0] != '\0' ? ", for " : "", rule->key);
    }
}

void sandbox_files(const struct sandbox_profile *profile, const struct config *config, const char *pid_file)
{
    struct sandbox_ports_list ports;
    struct error err;
    abi = sandbox_landlock_abi();
    if (abi == 0)
        return;
    sandbox_rules_free(&entered);
    sandbox_rules_make(&entered, profile, config);
    sandbox_rules_add_pid_file(&entered, pid_file);
    sandbox_rules_add_system(&entered);
    debug_rules(&entered);
    find_ports(profile, config, &ports);
    if (sandbox_landlock_enter(abi, &entered, &ports, &err) != RESULT_OK)
        log_fatal("sandbox: %s (sandbox = no does without)", err.text);
    test_files();
}

/* clone3() is never allowed: whatever the kernel would say of no arguments, it is not this. */
static void test_calls(void)
{
    if (syscall(SYS_clone3, NULL, 0) != -1 || errno != ENOSYS)
        log_fatal("sandbox: seccomp does not hold");
}

void sandbox_calls(const struct sandbox_profile *profile)
{
    struct error err;
    /* Neither a core file nor a process of the same user gets at our keys. */
    if (!SANDBOX_SANITIZED && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        log_warning("sandbox: keep memory out of core files: %s", strerror(errno));
    if (!sandbox_seccomp_built())
        return;
    if (sandbox_seccomp_enter(profile->calls, &err) != RESULT_OK)
        log_fatal("sandbox: %s (sandbox = no does without)", err.text);
    test_calls();
    calls_guarded = true;
}

void sandbox_describe(void)
{
    if (abi > 0)
        log_info("sandbox: Landlock ABI %d guards %s%s", abi, sandbox_landlock_guards(abi),
                 calls_guarded ? "; seccomp guards system calls" : "");
    else if (calls_guarded)
        log_info("sandbox: seccomp guards system calls");
    if (abi == 0)
        log_warning("sandbox: this kernel has no Landlock (ABI 2, Linux 5.19): files are guarded by their rights only");
    if (!calls_guarded)
        log_warning("sandbox: pontoon was built without libseccomp: system calls are not guarded");
}

/* ---- reload ---- */

enum result sandbox_covers(const struct sandbox_profile *profile, const struct config *config, struct error *err)
{
    struct sandbox_rules wanted = {0};
    enum result r = RESULT_OK;
    if (!sandbox_guards_files())
        return RESULT_OK;
    sandbox_rules_make(&wanted, profile, config);
    for (size_t i = 0; r == RESULT_OK && i < wanted.n; i++) {
        const struct sandbox_rule *rule = &wanted.all[i];
        if (sandbox_rules_allow(&entered, rule->path, rule->may) != rule->may)
            r = error_set(err, RESULT_PERM,
                          "%s (%s): restart needed: %s is outside the folders that the sandbox was given at start",
                          rule->key, config_where(config, rule->key), rule->named);
    }
    sandbox_rules_free(&wanted);
    return r;
}

bool sandbox_guards_files(void)
{
    return abi > 0 && entered.n > 0;
}
