/* System calls by libseccomp: see sandbox.h for what becomes of the others. */
#include "lib/sandbox_rules.h"

#ifndef HAVE_SECCOMP

bool sandbox_seccomp_built(void)
{
    return false;
}

enum result sandbox_seccomp_enter(unsigned calls, struct error *err)
{
    (void)calls;
    return error_set(err, RESULT_BUG, "built without libseccomp");
}

#else

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41 /* malloc() names its memory */
#endif

/*
 * The youngest call that this list was made with (numbers are the same on all architectures since 424), and where those
 * that it can't know end.
 */
enum { NEWEST_CALL = 450, CALLS_END = 512 };

static const int always[] = {
    /* memory; mmap and mprotect below */
    SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mlock), SCMP_SYS(mremap), SCMP_SYS(msync), SCMP_SYS(munlock),
    SCMP_SYS(munmap),
    /* threads and signals; clone, kill, tgkill below */
    SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(get_robust_list), SCMP_SYS(gettid),
    SCMP_SYS(membarrier), SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigsuspend), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler), SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(sigaltstack),
    /* time */
    SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep), SCMP_SYS(time), SCMP_SYS(times),
    /* who and where we are */
    SCMP_SYS(getcwd), SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getgroups), SCMP_SYS(getpid),
    SCMP_SYS(getppid), SCMP_SYS(getrandom), SCMP_SYS(getresgid), SCMP_SYS(getresuid), SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage), SCMP_SYS(getuid), SCMP_SYS(sysinfo), SCMP_SYS(umask), SCMP_SYS(uname),
    /* descriptors; ioctl below */
    SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2), SCMP_SYS(dup3), SCMP_SYS(fcntl),
    SCMP_SYS(lseek), SCMP_SYS(pipe), SCMP_SYS(pipe2), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
    /* waiting */
    SCMP_SYS(epoll_create), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait), SCMP_SYS(eventfd), SCMP_SYS(eventfd2), SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(pselect6),
    SCMP_SYS(select), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_gettime), SCMP_SYS(timerfd_settime),
    /* files: which ones is Landlock's business, and that of their rights */
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(fadvise64), SCMP_SYS(flock), SCMP_SYS(fstat),
    SCMP_SYS(fstatfs), SCMP_SYS(getdents64), SCMP_SYS(lstat), SCMP_SYS(newfstatat), SCMP_SYS(open), SCMP_SYS(openat),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(stat), SCMP_SYS(statfs), SCMP_SYS(statx),
    /* files of our own */
    SCMP_SYS(chmod), SCMP_SYS(chown), SCMP_SYS(fallocate), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(fchown),
    SCMP_SYS(fchownat), SCMP_SYS(fdatasync), SCMP_SYS(fsync), SCMP_SYS(ftruncate), SCMP_SYS(lchown), SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(rmdir), SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    /* sockets that there are; socket below */
    SCMP_SYS(connect), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg), SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(setsockopt), SCMP_SYS(shutdown), SCMP_SYS(socketpair)};

static const int serve[] = {SCMP_SYS(accept), SCMP_SYS(accept4)};
static const int child[] = {SCMP_SYS(wait4), SCMP_SYS(waitid)};

/* LeakSanitizer stops the process from a child of its own and reads its memory. */
static const int sanitizers[] = {SCMP_SYS(clone),
                                 SCMP_SYS(fork),
                                 SCMP_SYS(vfork),
                                 SCMP_SYS(ptrace),
                                 SCMP_SYS(wait4),
                                 SCMP_SYS(prctl),
                                 SCMP_SYS(process_vm_readv),
                                 SCMP_SYS(tkill),
                                 SCMP_SYS(tgkill),
                                 SCMP_SYS(kill),
                                 SCMP_SYS(mprotect),
                                 SCMP_SYS(mmap),
                                 SCMP_SYS(prlimit64),
                                 SCMP_SYS(setrlimit),
                                 SCMP_SYS(personality),
                                 SCMP_SYS(mincore),
                                 SCMP_SYS(arch_prctl),
                                 SCMP_SYS(sched_setaffinity),
                                 SCMP_SYS(getdents),
                                 SCMP_SYS(getpgrp)};

/* ---- one rule ---- */

/* The first error stays; calls that this architecture does not have are none. */
struct filter {
    scmp_filter_ctx ctx;
    int failed;
};

static void note(struct filter *f, int rc)
{
    if (rc < 0 && rc != -EDOM && f->failed == 0)
        f->failed = rc;
}

static void allow(struct filter *f, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        note(f, seccomp_rule_add(f->ctx, SCMP_ACT_ALLOW, calls[i], 0));
}

/* Where one argument, masked, has the value. */
static void allow_if(struct filter *f, int call, unsigned argument, scmp_datum_t mask, scmp_datum_t value)
{
    struct scmp_arg_cmp cmp = SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, mask, value);
    note(f, seccomp_rule_add_array(f->ctx, SCMP_ACT_ALLOW, call, 1, &cmp));
}

/* ---- calls that depend on their arguments ---- */

/* Code comes from files: no memory is both written and run, or made to run. */
static void memory(struct filter *f)
{
    const scmp_datum_t wx = PROT_WRITE | PROT_EXEC;
    allow_if(f, SCMP_SYS(mmap), 2, wx, 0);
    allow_if(f, SCMP_SYS(mmap), 2, wx, PROT_WRITE);
    allow_if(f, SCMP_SYS(mmap), 2, wx, PROT_EXEC);
    allow_if(f, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

/* Threads, no processes. The arguments of clone3() can't be seen, and libc does without it. */
static void threads(struct filter *f)
{
    allow_if(f, SCMP_SYS(clone), 0, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD);
    note(f, seccomp_rule_add(f->ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
}

static void own_process(struct filter *f)
{
    const scmp_datum_t self = (scmp_datum_t)getpid();
    allow_if(f, SCMP_SYS(kill), 0, UINT32_MAX, self);
    allow_if(f, SCMP_SYS(tgkill), 0, UINT32_MAX, self);
}

static void sockets(struct filter *f, unsigned calls)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (size_t i = 0; i < ((calls & SANDBOX_INTERNET) ? 3 : 1); i++) {
        for (size_t j = 0; j < 2; j++)
            note(f, seccomp_rule_add(f->ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0),
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (scmp_datum_t)types[j])));
    }
    /* libc asks it about addresses, and does without. */
    note(f, seccomp_rule_add(f->ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                             SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0)));
}

static void small_ones(struct filter *f)
{
    static const scmp_datum_t ioctls[] = {FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, TCGETS};
    static const scmp_datum_t prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA};
    for (size_t i = 0; i < sizeof ioctls / sizeof *ioctls; i++)
        allow_if(f, SCMP_SYS(ioctl), 1, UINT32_MAX, ioctls[i]);
    for (size_t i = 0; i < sizeof prctls / sizeof *prctls; i++)
        allow_if(f, SCMP_SYS(prctl), 0, UINT32_MAX, prctls[i]);
    allow_if(f, SCMP_SYS(prlimit64), 2, UINT64_MAX, 0); /* reading */
}

static void younger(struct filter *f)
{
    for (int call = NEWEST_CALL + 1; call < CALLS_END; call++)
        note(f, seccomp_rule_add(f->ctx, SCMP_ACT_ERRNO(ENOSYS), call, 0));
}

/* ---- all together ---- */

static void add_rules(struct filter *f, unsigned calls)
{
    allow(f, always, sizeof always / sizeof *always);
    if (calls & SANDBOX_SERVE)
        allow(f, serve, sizeof serve / sizeof *serve);
    if (calls & SANDBOX_CHILD)
        allow(f, child, sizeof child / sizeof *child);
    if (SANDBOX_SANITIZED)
        allow(f, sanitizers, sizeof sanitizers / sizeof *sanitizers);
    memory(f);
    threads(f);
    own_process(f);
    sockets(f, calls);
    small_ones(f);
    younger(f);
}

bool sandbox_seccomp_built(void)
{
    return true;
}

enum result sandbox_seccomp_enter(unsigned calls, struct error *err)
{
    struct filter f = {.ctx = seccomp_init(SCMP_ACT_KILL_PROCESS)};
    if (f.ctx == NULL)
        return error_set(err, RESULT_PERM, "seccomp: can't begin a filter");
    note(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    note(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_TSYNC, 1));
    note(&f, seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2)); /* a tree, not a line */
    add_rules(&f, calls);
    if (f.failed == 0)
        note(&f, seccomp_load(f.ctx));
    seccomp_release(f.ctx);
    return f.failed == 0 ? RESULT_OK : error_set(err, RESULT_PERM, "seccomp: %s", strerror(-f.failed));
}

#endif
