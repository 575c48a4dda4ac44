/*
 * What a daemon may still do once it serves strangers, given as a list: files and TCP ports by Landlock, system calls by
 * seccomp. Who takes over a daemon has what is on its list, and no more.
 *
 * Landlock holds for the thread that enters it and for those that it starts, so sandbox_files() comes before there are others; what
 * is on the list can be opened after it. Seccomp holds for all threads, and sandbox_calls() comes when listening
 * sockets are bound and children forked, before the first byte of a stranger is read. Nothing lifts either again.
 *
 * A call that is not on the list ends the process (SIGSYS, and the kernel's audit names it). Calls that are younger than
 * this list answer ENOSYS, because a newer libc tries them first and then does without. A file that is not on it is answered EACCES.
 *
 * Files are replaced by renaming (certificates, tables that postmap makes, the configuration itself), so it is the folder of a file
 * that is opened to us, all below included. A reload may name other files there; for other folders it takes a restart, and
 * sandbox_covers() says so.
 */
#ifndef PONTOON_SANDBOX_H
#define PONTOON_SANDBOX_H

#include <stdbool.h>

#include "lib/config.h"
#include "lib/result.h"

enum sandbox_use {
    SANDBOX_FILE,   /* read */
    SANDBOX_FOLDER, /* read, with all below */
    SANDBOX_DATA,   /* a folder of our own: what is below is read, made, changed, moved, removed */
    SANDBOX_LOG,    /* appended to, made anew after its rotation */
    SANDBOX_SOCKET, /* a unix socket: made, removed */
};

/* A parameter whose value is a path ("": none; "unix:PATH" for sockets; other endpoints are no paths). */
struct sandbox_path {
    const char *key;
    enum sandbox_use use;
};

enum sandbox_ports {
    SANDBOX_NO_PORT,
    SANDBOX_LOOKUPS, /* TCP to the port of policies, and to resolvers */
    SANDBOX_ANY_PORT /* others' policies name them */
};

enum sandbox_call {
    SANDBOX_SERVE = 1,    /* accepts connections */
    SANDBOX_INTERNET = 2, /* makes sockets of IPv4 and IPv6; unix sockets are everybody's (syslog) */
    SANDBOX_CHILD = 4,    /* waits for a child */
};

struct sandbox_profile {
    const struct sandbox_path *paths; /* ends with key == NULL */
    const char *tables;               /* the section whose lists may name tables, or NULL */
    enum sandbox_ports connect;       /* nothing is bound but what is bound before */
    unsigned calls;                   /* enum sandbox_call */
};

/* Before there are threads. `pid_file`: or NULL. Fatal if the kernel has Landlock and refuses. */
void sandbox_files(const struct sandbox_profile *profile, const struct config *config, const char *pid_file);
/* With threads or without; also no core dumps, which would hold keys. Fatal as above. */
void sandbox_calls(const struct sandbox_profile *profile);
/* One line for the log: what holds. Warns of what is missing. */
void sandbox_describe(void);

/* Whether sandbox_files() left us the paths of another configuration: RESULT_PERM names the first that it did not. */
enum result sandbox_covers(const struct sandbox_profile *profile, const struct config *config, struct error *err);
/* Whether Landlock holds: then a file may be refused to us that our user could read. */
bool sandbox_guards_files(void);

#endif
