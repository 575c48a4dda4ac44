/*
 * Landlock (landlock(7)), by its system calls. The kernel that runs us may be newer than the headers that built us, so
 * numbers and structures are those of the kernel's documentation, written down here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/sandbox_rules.h"

#ifndef SYS_landlock_create_ruleset /* the same on all architectures */
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum { ABI_REFER = 2, ABI_TRUNCATE = 3, ABI_NET = 4, ABI_IOCTL = 5, ABI_SCOPE = 6 };
enum { CREATE_VERSION = 1, RULE_PATH = 1, RULE_PORT = 2 };

enum fs_access {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,     /* ABI 2: files may move to another folder */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
};
enum net_access { NET_BIND_TCP = 1, NET_CONNECT_TCP = 2 };
enum scope { SCOPE_ABSTRACT_UNIX_SOCKET = 1, SCOPE_SIGNAL = 2 };

struct ruleset_attributes {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t folder;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return abi >= ABI_REFER ? (int)abi : 0; /* ABI 1 forbids every move; bodies are moved */
}

const char *sandbox_landlock_guards(int abi)
{
    if (abi >= ABI_SCOPE)
        return "files, devices, TCP ports, signals";
    if (abi >= ABI_IOCTL)
        return "files, devices, TCP ports";
    return abi >= ABI_NET ? "files, TCP ports" : "files";
}

static uint64_t handled(int abi)
{
    uint64_t all = 2 * FS_IOCTL_DEV - 1;
    if (abi < ABI_IOCTL)
        all &= ~(uint64_t)FS_IOCTL_DEV;
    if (abi < ABI_TRUNCATE)
        all &= ~(uint64_t)FS_TRUNCATE;
    return all;
}

static uint64_t access_of(unsigned may)
{
    uint64_t a = 0;
    if (may & SANDBOX_MAY_READ)
        a |= FS_READ_FILE | FS_READ_DIR;
    if (may & SANDBOX_MAY_CHANGE)
        a |= FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_MAKE_DIR | FS_MAKE_SOCK | FS_REMOVE_FILE | FS_REMOVE_DIR |
             FS_REFER;
    if (may & SANDBOX_MAY_APPEND)
        a |= FS_WRITE_FILE | FS_MAKE_REG;
    if (may & SANDBOX_MAY_REMOVE)
        a |= FS_REMOVE_FILE | FS_TRUNCATE;
    if (may & SANDBOX_MAY_SOCKET)
        a |= FS_MAKE_SOCK;
    return a;
}

static enum result fail(struct error *err, const char *what, const char *name)
{
    return error_set(err, RESULT_PERM, "Landlock: %s %s: %s", what, name, strerror(errno));
}

/* A folder that our user can't reach is closed to us anyway. */
static enum result open_path(int set, uint64_t all, const struct sandbox_rule *rule, struct error *err)
{
    struct stat st;
    struct path_rule p = {.folder = open(rule->path, O_PATH | O_CLOEXEC)};
    if (p.folder < 0)
        return RESULT_OK;
    p.allowed = access_of(rule->may) & all;
    if (fstat(p.folder, &st) == 0 && !S_ISDIR(st.st_mode))
        p.allowed &= FS_OF_FILES;
    enum result r = RESULT_OK;
    if (syscall(SYS_landlock_add_rule, set, RULE_PATH, &p, 0) != 0)
        r = fail(err, "open to us", rule->path);
    close(p.folder);
    return r;
}

static enum result open_ports(int set, const struct sandbox_ports_list *connect, struct error *err)
{
    for (size_t i = 0; i < connect->n; i++) {
        struct port_rule p = {.allowed = NET_CONNECT_TCP, .port = connect->port[i]};
        if (syscall(SYS_landlock_add_rule, set, RULE_PORT, &p, 0) != 0)
            return fail(err, "open to us", "a TCP port");
    }
    return RESULT_OK;
}

/* systemd may want to be told in the abstract name space (sd_notify(3)). */
static uint64_t scopes(void)
{
    const char *manager = getenv("NOTIFY_SOCKET");
    return SCOPE_SIGNAL | (manager != NULL && manager[0] == '@' ? 0 : SCOPE_ABSTRACT_UNIX_SOCKET);
}

/* The structure has grown with the ABI, and older kernels refuse longer ones. */
static int make_set(int abi, const struct sandbox_ports_list *connect)
{
    struct ruleset_attributes a = {.fs = handled(abi), .net = NET_BIND_TCP, .scoped = scopes()};
    if (!connect->any)
        a.net |= NET_CONNECT_TCP;
    size_t size = (abi >= ABI_SCOPE ? 3 : (abi >= ABI_NET ? 2 : 1)) * sizeof(uint64_t);
    return (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
}

enum result sandbox_landlock_enter(int abi, const struct sandbox_rules *rules, const struct sandbox_ports_list *connect,
                                   struct error *err)
{
    enum result r = RESULT_OK;
    int set = make_set(abi, connect);
    if (set < 0)
        return fail(err, "make", "a set of rules");
    for (size_t i = 0; r == RESULT_OK && i < rules->n; i++)
        r = open_path(set, handled(abi), &rules->all[i], err);
    if (r == RESULT_OK && abi >= ABI_NET)
        r = open_ports(set, connect, err);
    if (r == RESULT_OK &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, set, 0) != 0))
        r = fail(err, "enter", "it");
    close(set);
    return r;
}
