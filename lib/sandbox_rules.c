/* From a profile and a configuration to folders: see sandbox_rules.h. */
#include "lib/sandbox_rules.h"

#include <limits.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/data_dir.h"
#include "lib/lookup.h"
#include "lib/mem.h"

static const unsigned may_of[] = {
    [SANDBOX_FILE] = SANDBOX_MAY_READ,
    [SANDBOX_FOLDER] = SANDBOX_MAY_READ,
    [SANDBOX_DATA] = SANDBOX_MAY_READ | SANDBOX_MAY_CHANGE,
    [SANDBOX_LOG] = SANDBOX_MAY_APPEND,
    [SANDBOX_SOCKET] = SANDBOX_MAY_SOCKET | SANDBOX_MAY_REMOVE,
};

/* ---- the list ---- */

static void add(struct sandbox_rules *r, const char *path, unsigned may, const char *key, const char *named)
{
    char *real = realpath(path, NULL);
    if (real == NULL)
        return;
    r->all = mem_grow(r->all, r->n + 1, sizeof *r->all);
    r->all[r->n++] =
        (struct sandbox_rule){.path = mem_strdup(real), .may = may, .key = key, .named = mem_strdup(named)};
    free(real);
}

static void add_folder_of(struct sandbox_rules *r, const char *path, unsigned may, const char *key, const char *named)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? mem_strdup(".") : mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
    add(r, folder, may, key, named);
    mem_free(&folder);
}

/* And where a link leads: certificates that ACME clients renew are links into an archive. */
static void add_file(struct sandbox_rules *r, const char *path, unsigned may, const char *key)
{
    add_folder_of(r, path, may, key, path);
    char *real = realpath(path, NULL);
    if (real != NULL)
        add_folder_of(r, real, may, key, path);
    free(real);
}

void sandbox_rules_free(struct sandbox_rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        mem_free(&r->all[i].path);
        mem_free(&r->all[i].named);
    }
    mem_free(&r->all);
    r->n = 0;
}

/* ---- what the configuration names ---- */

static void add_parameter(struct sandbox_rules *r, const struct sandbox_path *p, const struct config *config)
{
    const char *path = config_string(config, p->key);
    struct error err;
    if (strncmp(path, "unix:", 5) == 0)
        path += 5;
    if (path[0] != '/')
        return;
    if (p->use == SANDBOX_DATA)
        data_dir_make(path, &err); /* whoever opens it will say what is wrong */
    if (p->use == SANDBOX_DATA || p->use == SANDBOX_FOLDER)
        add(r, path, may_of[p->use], p->key, path);
    else
        add_file(r, path, may_of[p->use], p->key);
}

static void add_tables(struct sandbox_rules *r, const struct config *config, const struct config_entry *e)
{
    char key[64];
    size_t n;
    snprintf(key, sizeof key, "%s.%s", e->section, e->name);
    const char *const *words = config_list(config, key, &n);
    for (size_t i = 0; i < n; i++) {
        const char *word = words[i] + strspn(words[i], "!");
        if (lookup_is_table(word))
            add_file(r, strchr(word, '/'), SANDBOX_MAY_READ, e->name);
    }
}

static void add_section(struct sandbox_rules *r, const struct config *config, const char *section)
{
    size_t n = config_count(config, section);
    for (const struct config_entry *e = config_table; e->name != NULL; e++) {
        if (e->type != CONFIG_LIST || strcmp(e->section, section) != 0)
            continue;
        for (size_t i = 0; i < n; i++)
            add_tables(r, config_nth(config, section, i), e);
        if (n == 0)
            add_tables(r, config, e);
    }
}

void sandbox_rules_make(struct sandbox_rules *r, const struct sandbox_profile *profile, const struct config *config)
{
    size_t n;
    const char *const *files = config_files(config, &n);
    for (size_t i = 0; i < n; i++)
        add_file(r, files[i], SANDBOX_MAY_READ, "");
    add_parameter(r, &(struct sandbox_path){"log.target", SANDBOX_LOG}, config);
    for (const struct sandbox_path *p = profile->paths; p->key != NULL; p++)
        add_parameter(r, p, config);
    if (profile->tables != NULL)
        add_section(r, config, profile->tables);
}

void sandbox_rules_add_pid_file(struct sandbox_rules *r, const char *pid_file)
{
    if (pid_file != NULL)
        add_folder_of(r, pid_file, SANDBOX_MAY_APPEND | SANDBOX_MAY_REMOVE, "", pid_file);
}

unsigned sandbox_rules_allow(const struct sandbox_rules *r, const char *path, unsigned may)
{
    unsigned allowed = 0;
    for (size_t i = 0; i < r->n; i++) {
        size_t len = strlen(r->all[i].path);
        if (strncmp(path, r->all[i].path, len) == 0 && (path[len] == '\0' || path[len] == '/' || len == 1))
            allowed |= r->all[i].may;
    }
    return allowed & may;
}

/* ---- what every program needs ---- */

void sandbox_rules_add_system(struct sandbox_rules *r)
{
    /* Folders where packages replace files; single files elsewhere in /etc. */
    static const char *const paths[] = {
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/usr/share/zoneinfo",
        "/etc/ld.so.cache", /* libc */
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/hosts",
        "/etc/host.conf",
        "/etc/resolv.conf",
        "/etc/gai.conf",
        "/etc/services",
        "/etc/passwd",
        "/etc/group",
        "/proc/sys/vm/overcommit_memory",
        "/sys/devices/system/cpu",
        "/dev/urandom",
        "/dev/random",
        "/dev/null", /* SQLite, OpenSSL */
        "/etc/ssl",
        "/etc/pki",
        "/etc/ca-certificates",
        "/usr/share/ca-certificates",
        "/usr/local/share/ca-certificates",
        NULL /* CAs */
    };
    for (size_t i = 0; paths[i] != NULL; i++)
        add(r, paths[i], SANDBOX_MAY_READ, "", paths[i]);
    add(r, X509_get_default_cert_area(), SANDBOX_MAY_READ, "", "OpenSSL's folder");
    if (SANDBOX_SANITIZED) { /* for the names in their reports */
        char self[PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
        self[n > 0 ? n : 0] = '\0';
        add(r, "/proc", SANDBOX_MAY_READ, "", "/proc");
        add_folder_of(r, self, SANDBOX_MAY_READ, "", self);
    }
}
