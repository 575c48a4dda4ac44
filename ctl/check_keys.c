/* The secrets: signing key, the keys that are published, the token secret: there, readable by their daemon, by nobody else. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "lib/jws.h"
#include "lib/mem.h"
#include "lib/own_policy.h"

/* ---- rights ---- */

/* Others may read or write it: the secret is lost. The group: pontoon-store refuses it (lib/secret_file.h). */
static bool too_open(struct check *c, const char *path, const struct stat *st, const char *replace)
{
    unsigned mode = st->st_mode & 07777;
    if (mode & (S_IROTH | S_IWOTH)) {
        check_found(c->report, CHECK_PROBLEM, "%s: mode %04o lets everybody at it", path, mode);
        check_advise(c->report, "chmod 600 %s, then replace it, as it may be known: %s", path, replace);
        return true;
    }
    if (mode & (S_IRGRP | S_IWGRP)) {
        check_found(c->report, CHECK_PROBLEM, "%s: mode %04o lets its group at it", path, mode);
        check_advise(c->report, "chmod 600 %s", path);
        return true;
    }
    return false;
}

/* pontoon-store reads it after it has become its user, and so may nobody else. */
static bool wrong_owner(struct check *c, const char *path, const struct stat *st)
{
    struct access_user user;
    struct error err;
    access_daemon_user(c->config, "store", &user);
    if (!user.known)
        return false;
    if (access_as(&user, path, R_OK, &err) == RESULT_PERM) {
        check_found(c->report, CHECK_PROBLEM, "pontoon-store can't read it: %s", err.text);
        check_advise(c->report, "chown %s %s, and let that user into the folder", user.name, path);
        return true;
    }
    if (st->st_uid != user.uid && st->st_uid != 0) {
        check_found(c->report, CHECK_WARNING, "%s belongs to user %u, not to %s", path, (unsigned)st->st_uid,
                    user.name);
        check_advise(c->report, "chown %s %s", user.name, path);
        return true;
    }
    return false;
}

/* False: reported. */
static bool look_at_file(struct check *c, const char *path, const char *missing, const char *replace)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        bool gone = errno == ENOENT;
        check_found(c->report, gone ? CHECK_PROBLEM : CHECK_NOTE, "%s: %s", path, strerror(errno));
        check_advise(c->report, "%s", gone ? missing : "to have it looked at, run this as root");
        return false;
    }
    bool open = too_open(c, path, &st, replace);
    return !wrong_owner(c, path, &st) && !open;
}

/* ---- the checks ---- */

void check_keys_signing(struct check *c)
{
    const char *path = config_string(c->config, "store.signing-key");
    struct jws_key *key = NULL;
    struct error err;
    if (!look_at_file(c, path, "pontoon keys make", "pontoon keys make, and rotate as it says"))
        return;
    if (access(path, R_OK) != 0) {
        check_found(c->report, CHECK_NOTE, "%s is there; only its user and root can look into it", path);
        return;
    }
    if (jws_key_load(path, &key, &err) != RESULT_OK) {
        check_found(c->report, CHECK_PROBLEM, "%s", err.text);
        check_advise(c->report, "move it away, and: pontoon keys make");
        return;
    }
    check_found(c->report, CHECK_OK, "%s signs, key id %s", path, jws_key_kid(key));
    jws_key_free(&key);
}

static bool is_key_name(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && name[0] != '.' && strcmp(name + n - 4, ".pem") == 0;
}

void check_keys_published(struct check *c)
{
    const char *folder = config_string(c->config, "store.published-keys");
    const char *signing = config_string(c->config, "store.signing-key");
    DIR *d = opendir(folder);
    unsigned good = 0, bad = 0;
    if (d == NULL) {
        check_found(c->report, CHECK_NOTE, "store.published-keys %s: %s", folder, strerror(errno));
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (!is_key_name(e->d_name))
            continue;
        char *path = mem_printf("%s/%s", folder, e->d_name);
        bool fine = strcmp(path, signing) == 0 || /* looked at already */
                    look_at_file(c, path, "it went while we looked", "pontoon keys make, and rotate as it says");
        good += fine;
        bad += !fine;
        mem_free(&path);
    }
    closedir(d);
    if (bad == 0)
        check_found(c->report, CHECK_OK, "%u key%s in %s", good, good == 1 ? "" : "s", folder);
}

void check_keys_token_secret(struct check *c)
{
    const char *path = config_string(c->config, "store.token-secret");
    if (look_at_file(c, path, "pontoon-store makes it when it starts first: start it, and see its log",
                     "remove it, and restart pontoon-store (fetches under way are tried again)"))
        check_found(c->report, CHECK_OK, "%s", path);
}
