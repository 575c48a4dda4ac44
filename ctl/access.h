/*
 * Who may read and write a file: what a daemon's user can reach, asked from outside (the command runs as root or as
 * another user). Owner, group, modes and supplementary groups count, of every folder on the way too; ACLs don't.
 */
#ifndef PONTOON_CTL_ACCESS_H
#define PONTOON_CTL_ACCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/config.h"
#include "lib/result.h"

enum { ACCESS_GROUPS_MAX = 64 };

struct access_user {
    bool known;
    char name[64]; /* or the number */
    uid_t uid;
    gid_t groups[ACCESS_GROUPS_MAX];
    int ngroups;
};

/* By name ("USER" or "USER:GROUP") or number; false: no such user. */
bool access_user_named(const char *name, struct access_user *u_r);
bool access_user_numbered(uid_t uid, struct access_user *u_r);
/*
 * Whom a daemon runs as: SECTION.user, or, where the service manager decides, the user that the running daemon has; failing
 * that the owner of its directory. `known` is false if nothing tells.
 */
void access_daemon_user(const struct config *config, const char *section, struct access_user *u_r);

/* `want`: of R_OK, W_OK, X_OK. RESULT_PERM says at which folder or file it fails; RESULT_TEMP: could not be looked at. */
enum result access_as(const struct access_user *u, const char *path, int want, struct error *err);

/* Whether what was said when something failed means that this command, not run as root, may not do it. */
bool access_was_denied(const char *text);

#endif
