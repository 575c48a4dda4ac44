/* What a profile and a configuration open to us, folder by folder: between sandbox.c and its two halves. */
#ifndef PONTOON_SANDBOX_RULES_H
#define PONTOON_SANDBOX_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/sandbox.h"

/* AddressSanitizer and ThreadSanitizer look around in their own process, and at its end start a process that does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

enum sandbox_may {
    SANDBOX_MAY_READ = 1,
    SANDBOX_MAY_CHANGE = 2, /* files and folders below: made, changed, moved, removed */
    SANDBOX_MAY_APPEND = 4, /* files below: made and written to */
    SANDBOX_MAY_REMOVE = 8, /* files below: removed, emptied */
    SANDBOX_MAY_SOCKET = 16 /* sockets below: made */
};

struct sandbox_rule {
    char *path; /* canonical: a folder and all below it, or one file */
    unsigned may;
    const char *key; /* the parameter that it comes from; "" for what every program needs */
    char *named;     /* as the parameter names it, for messages */
};

struct sandbox_rules {
    struct sandbox_rule *all;
    size_t n;
};

/* Paths that are not there open nothing. Data folders that are missing are made. */
void sandbox_rules_make(struct sandbox_rules *r, const struct sandbox_profile *profile, const struct config *config);
void sandbox_rules_add_pid_file(struct sandbox_rules *r, const char *pid_file);
/* What libc, OpenSSL and libcurl read: resolver, time zone, CAs, libraries. */
void sandbox_rules_add_system(struct sandbox_rules *r);
/* What of `may` the rules leave open for `path`. */
unsigned sandbox_rules_allow(const struct sandbox_rules *r, const char *path, unsigned may);
void sandbox_rules_free(struct sandbox_rules *r);

/* ---- Landlock ---- */

enum { SANDBOX_PORTS_MAX = 64 };

struct sandbox_ports_list {
    bool any;
    uint16_t port[SANDBOX_PORTS_MAX];
    size_t n;
};

/* 0: this kernel has none, or none that lets files move between folders. */
int sandbox_landlock_abi(void);
/* What it guards, for the log: "files, TCP ports". */
const char *sandbox_landlock_guards(int abi);
/* RESULT_PERM: the kernel refuses. */
enum result sandbox_landlock_enter(int abi, const struct sandbox_rules *rules, const struct sandbox_ports_list *connect,
                                   struct error *err);

/* ---- seccomp ---- */

/* Whether it was built in. */
bool sandbox_seccomp_built(void);
/* `calls`: enum sandbox_call. For all threads. */
enum result sandbox_seccomp_enter(unsigned calls, struct error *err);

#endif
