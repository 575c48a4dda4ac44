/*
 * Who may use the sockets, the directories and the secrets: those who must, and nobody else. What a daemon's user may is asked
 * of modes and groups (access.h), for daemons whose user is known.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "lib/mem.h"
#include "lib/netaddr.h"

/* A user who has nothing to do with us. */
static const struct access_user nobody = {.known = true, .name = "nobody", .uid = 65534};

static bool may(const struct access_user *u, const char *path, int want)
{
    struct error err;
    return access_as(u, path, want, &err) == RESULT_OK;
}

static bool is_there(const char *path)
{
    struct stat st;
    return *path != '\0' && stat(path, &st) == 0;
}

/* ---- sockets ---- */

static void look_at_socket(struct check *c, const char *section, const char *key, const char *means)
{
    const char *endpoint = config_string(c->config, key);
    struct netaddr a;
    if (netaddr_endpoint(endpoint, &a, NULL) != RESULT_OK)
        return;
    if (a.sa.ss_family != AF_UNIX) {
        char ip[NETADDR_TEXT_SIZE];
        netaddr_ip(&a, ip);
        if (strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0)
            return;
        check_found(c->report, CHECK_WARNING, "%s (%s) is %s: whoever can connect there %s", key,
                    config_where(c->config, key), endpoint, means);
        check_advise(c->report,
                     "use a unix socket or a loopback address, or see that a firewall lets only the MTA connect");
        return;
    }
    const char *path = endpoint + strlen("unix:");
    if (!is_there(path))
        return;
    if (may(&nobody, path, W_OK)) {
        check_found(c->report, CHECK_PROBLEM, "%s: everybody on this machine can connect, and %s", path, means);
        check_advise(
            c->report,
            "%s { socket-mode = 0660 socket-group = GROUP } with the MTA's group, in %s; then: systemctl restart "
            "pontoon-%s",
            section, config_path(c->config), section);
    } else {
        check_found(c->report, CHECK_OK, "%s is open to its group only", path);
    }
}

static void look_at_arrivals(struct check *c)
{
    const char *path = config_string(c->config, "bridge.arrivals");
    struct access_user milter;
    struct error err;
    if (!config_bool(c->config, "milter.observe") || !is_there(path))
        return;
    access_daemon_user(c->config, "milter", &milter);
    if (!milter.known || access_as(&milter, path, W_OK, &err) != RESULT_PERM)
        return;
    check_found(c->report, CHECK_WARNING, "pontoon-milter can't tell pontoon-bridge what arrives (milter.observe): %s",
                err.text);
    check_advise(c->report,
                 "put %s into the group of that socket's directory (SupplementaryGroups= of the unit), and restart it",
                 milter.name);
}

void check_rights_sockets(struct check *c)
{
    look_at_socket(c, "milter", "milter.socket", "may put mail into the store in anybody's name");
    look_at_socket(c, "lmtp", "lmtp.listen", "may send mail in the name of our users");
    look_at_arrivals(c);
}

/* ---- directories ---- */

static void need(struct check *c, const char *section, const char *path, int want)
{
    struct access_user user;
    struct error err;
    access_daemon_user(c->config, section, &user);
    if (!user.known || !is_there(path) || access_as(&user, path, want, &err) != RESULT_PERM)
        return;
    check_found(c->report, CHECK_PROBLEM, "pontoon-%s can't work: %s", section, err.text);
    check_advise(
        c->report,
        "give it owner, group and mode as packaging/systemd/pontoon.tmpfiles has them (systemd-tmpfiles --create)");
}

static void look_at_directory(struct check *c, const char *key, const char *database, const char *const *users)
{
    const char *dir = config_string(c->config, key);
    char *file = mem_printf("%s/%s", dir, database);
    if (is_there(dir)) {
        for (; *users != NULL; users++) {
            need(c, *users, dir, R_OK | W_OK | X_OK);
            need(c, *users, file, R_OK | W_OK);
        }
        if (is_there(file) && may(&nobody, file, R_OK)) {
            check_found(c->report, CHECK_PROBLEM, "%s: everybody on this machine can read the mail in it", file);
            check_advise(c->report, "chmod o-rwx %s %s/*", dir, dir);
        } else if (may(&nobody, dir, R_OK | X_OK)) {
            check_found(c->report, CHECK_WARNING, "%s: everybody on this machine can list it", dir);
            check_advise(c->report, "chmod o-rwx %s", dir);
        } else {
            check_found(c->report, CHECK_OK, "%s is closed to others", dir);
        }
    }
    mem_free(&file);
}

void check_rights_directories(struct check *c)
{
    static const char *const of_store[] = {"store", "milter", NULL}, *const of_bridge[] = {"bridge", NULL};
    look_at_directory(c, "store.directory", "store.db", of_store);
    look_at_directory(c, "bridge.directory", "jobs.db", of_bridge);
}

/* ---- secrets ---- */

/* The owner's daemon needs it, the others have no business with it. Root can read everything, which the check of processes says. */
static void keep_from(struct check *c, const char *key, const char *section, const struct access_user *owner)
{
    struct access_user other;
    const char *path = config_string(c->config, key);
    access_daemon_user(c->config, section, &other);
    if (!other.known || other.uid == 0 || !may(&other, path, R_OK))
        return;
    bool same = owner->known && owner->uid == other.uid;
    check_found(c->report, same ? CHECK_WARNING : CHECK_PROBLEM,
                "%s (%s) can be read by pontoon-%s (user %s), which %s", path, key, section, other.name,
                same ? "runs as the same user as its owner" : "has no business with it");
    if (same)
        check_advise(c->report, "give each daemon a user of its own: packaging/systemd/pontoon.sysusers");
    else
        check_advise(c->report, "chmod 600 %s, and chown it to %s", path,
                     owner->known ? owner->name : "its daemon's user");
}

static void look_at_tls_key(struct check *c, const char *key)
{
    const char *path = config_string(c->config, key);
    if (!is_there(path) || !may(&nobody, path, R_OK))
        return;
    check_found(c->report, CHECK_PROBLEM, "%s (%s): everybody on this machine can read it", path, key);
    check_advise(c->report, "chmod o-rwx %s, and get a new certificate with a new key, as this one may be known", path);
}

void check_rights_secrets(struct check *c)
{
    static const char *const of_store[] = {"store.signing-key", "store.token-secret"};
    static const char *const others[] = {"milter", "bridge"};
    struct access_user store;
    unsigned before = check_report_count(c->report, CHECK_PROBLEM) + check_report_count(c->report, CHECK_WARNING);
    access_daemon_user(c->config, "store", &store);
    for (size_t i = 0; i < sizeof of_store / sizeof *of_store; i++) {
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            keep_from(c, of_store[i], others[k], &store);
    }
    look_at_tls_key(c, "store.key");
    look_at_tls_key(c, "bridge.key");
    if (check_report_count(c->report, CHECK_PROBLEM) + check_report_count(c->report, CHECK_WARNING) == before)
        check_found(c->report, CHECK_OK, "keys and secrets are kept from daemons and users that don't need them");
}
