/* Rights of another user, from modes and groups: see access.h. */
#include "ctl/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/processes.h"
#include "lib/mem.h"

/* ---- users ---- */

static void fill(const struct passwd *pw, gid_t gid, struct access_user *u)
{
    *u = (struct access_user){.known = true, .uid = pw->pw_uid, .ngroups = ACCESS_GROUPS_MAX};
    snprintf(u->name, sizeof u->name, "%s", pw->pw_name);
    if (getgrouplist(pw->pw_name, gid, u->groups, &u->ngroups) < 0)
        u->ngroups = ACCESS_GROUPS_MAX; /* has more: the first ones count */
}

bool access_user_named(const char *name, struct access_user *u_r)
{
    size_t len = strcspn(name, ":");
    char *user = mem_strndup(name, len);
    const struct passwd *pw = getpwnam(user);
    const struct group *gr = name[len] == ':' ? getgrnam(name + len + 1) : NULL;
    bool found = pw != NULL && (name[len] == '\0' || gr != NULL);
    *u_r = (struct access_user){0};
    if (found)
        fill(pw, gr != NULL ? gr->gr_gid : pw->pw_gid, u_r);
    mem_free(&user);
    return found;
}

bool access_user_numbered(uid_t uid, struct access_user *u_r)
{
    const struct passwd *pw = getpwuid(uid);
    *u_r = (struct access_user){0};
    if (pw != NULL)
        fill(pw, pw->pw_gid, u_r);
    return pw != NULL;
}

void access_daemon_user(const struct config *config, const char *section, struct access_user *u_r)
{
    char key[64];
    struct process process;
    struct stat st;
    snprintf(key, sizeof key, "%s.user", section);
    const char *name = config_string(config, key);
    *u_r = (struct access_user){0};
    if (*name != '\0') {
        access_user_named(name, u_r);
        return;
    }
    char *program = mem_printf("pontoon-%s", section);
    bool running = process_find(program, config_path(config), &process);
    mem_free(&program);
    if (running) {
        access_user_numbered(process.uid, u_r);
        process_groups(&process, u_r->groups, ACCESS_GROUPS_MAX, &u_r->ngroups);
        return;
    }
    if (strcmp(section, "milter") == 0)
        return; /* its directory is the store's */
    snprintf(key, sizeof key, "%s.directory", section);
    if (stat(config_string(config, key), &st) == 0)
        access_user_numbered(st.st_uid, u_r);
}

/* ---- rights ---- */

static bool in_group(const struct access_user *u, gid_t gid)
{
    for (int i = 0; i < u->ngroups; i++) {
        if (u->groups[i] == gid)
            return true;
    }
    return false;
}

static bool allowed(const struct access_user *u, const struct stat *st, int want)
{
    if (u->uid == 0)
        return true;
    unsigned shift = u->uid == st->st_uid ? 6 : in_group(u, st->st_gid) ? 3 : 0;
    unsigned bits = (st->st_mode >> shift) & 7; /* R_OK, W_OK and X_OK have the values of the mode's bits */
    return (bits & (unsigned)want) == (unsigned)want;
}

static enum result check_one(const struct access_user *u, const char *path, int want, struct error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_set(err, errno == ENOENT ? RESULT_PERM : RESULT_TEMP, "%s: %s", path, strerror(errno));
    if (allowed(u, &st, want))
        return RESULT_OK;
    return error_set(err, RESULT_PERM, "user %s may not %s %s (owner %u, group %u, mode %04o)", u->name,
                     want & W_OK   ? "write"
                     : want & R_OK ? "read"
                                   : "pass through",
                     path, (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)st.st_mode & 07777);
}

enum result access_as(const struct access_user *u, const char *path, int want, struct error *err)
{
    enum result r = RESULT_OK;
    char *folder = mem_strdup(path);
    for (char *p = strchr(folder + 1, '/'); r == RESULT_OK && p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        r = check_one(u, folder, X_OK, err);
        *p = '/';
    }
    mem_free(&folder);
    return r == RESULT_OK ? check_one(u, path, want, err) : r;
}

bool access_was_denied(const char *text)
{
    return geteuid() != 0 && strstr(text, strerror(EACCES)) != NULL;
}
