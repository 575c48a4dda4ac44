/*
 * What the three daemons' mains have in common: options, configuration, log, signals, privilege, readiness.
 *
 * Options: -c FILE (default SYSCONFDIR/pontoon/pontoon.conf), -t (test the configuration and exit), -v (verbose),
 * -p FILE (write our pid there once ready; removed at exit), -V (version), --failpoints (lib/failpoint.h). They stay in the foreground.
 */
#ifndef PONTOON_DAEMON_H
#define PONTOON_DAEMON_H

#include "lib/config.h"
#include "lib/loop.h"
#include "lib/sandbox.h"

struct daemon {
    const char *program; /* "pontoon-store" */
    const char *section; /* "store": names the log lines and section.user */
    struct config *config;
    struct loop *loop;
    char *config_file;
    char *pid_file; /* or NULL */
};

struct daemon_hooks {
    /* -t and every start and reload: deeper checks than the table can make. RESULT_PERM refuses. */
    enum result (*check)(const struct config *config, struct error *err);
    /* SIGHUP with a configuration that passed check(): the hook takes it over (d->config is already the new one; `old` is
       freed after the call). */
    void (*reload)(struct daemon *d, const struct config *old, void *arg);
    /* SIGTERM, SIGINT: finish and then loop_stop(). A second signal stops at once. */
    void (*drain)(struct daemon *d, void *arg);
    void *arg;
    /* What we need while we serve; it is given up what is not on it, unless sandbox = no. */
    const struct sandbox_profile *sandbox;
};

/* Parses options, loads, opens the log; exits by itself for -t, -V, usage and errors (sysexits: 64 usage, 78 configuration). */
void daemon_begin(struct daemon *d, int argc, char **argv, const struct daemon_hooks *hooks);
/* Ports are bound, keys that only root can read are read: becomes section.user, if root, and gives up all capabilities. */
void daemon_drop_privileges(struct daemon *d);
/* Children are forked, there are no threads yet: from here on only the files and ports of the profile can be opened. */
void daemon_guard_files(struct daemon *d);
/* Everything is open, nothing of a stranger has been read: from here on only the profile's system calls. */
void daemon_guard_calls(struct daemon *d);
/* Writes the pid file, tells systemd (NOTIFY_SOCKET), logs "daemon started -- version V". */
void daemon_ready(struct daemon *d);
void daemon_run(struct daemon *d); /* the loop, until drained; then removes the pid file */
void daemon_end(struct daemon *d); /* last: frees loop and configuration */

#endif
