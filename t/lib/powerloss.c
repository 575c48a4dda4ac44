/*
 * A disk whose power can be cut: preloaded into unchanged daemons (LD_PRELOAD), it writes a journal of all that they do to files below
 * certain folders: writes, truncations, names made, moved and removed, and fsyncs. From it t/lib/Pontoon/Test/DiskJournal.pm makes what
 * a disk may hold after a loss of power at any point: what was fsynced, and of all else whatever a seed says.
 *
 *     PONTOON_POWER_JOURNAL  the journal: a file that is there, of the size that it may grow to
 *     PONTOON_POWER_FOLDERS  folders that are there, with a ':' between
 *
 * All processes of a site share one journal, mapped before any sandbox. It begins with struct head; when its `count` reaches `off_at`,
 * the power is off: no process gets an answer from this disk any more, it ends instead. The fsyncs are not real: the disk is this one.
 *
 * Not seen: modes and owners; the contents of SQLite's -shm, which nobody needs after a start; mappings that write to other files (they
 * end the process). What else is missed shows when the whole journal, played back, is not what the real folders hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FD_MAX = 65536, DIRS_MAX = 2048, LOST = 3 /* exit status when the power goes */ };

struct head {
    _Atomic uint64_t end;    /* bytes in use, with this head */
    _Atomic uint64_t count;  /* records */
    _Atomic uint64_t off_at; /* the power goes with this record; 0: it stays */
    _Atomic uint64_t off;    /* it is gone */
    _Atomic uint64_t making; /* somebody opens or makes something: others see it only when it is in the journal */
};

enum kind { MADE = 1, MADE_DIR, WRITTEN, CUT, SYNC_BEGINS, SYNCED, LINKED, REMOVED, MOVED };

/* `size` is written first and `kind` last: 0 for a record that its process did not live to finish. */
struct record {
    _Atomic uint32_t size; /* with the data, a multiple of 8 */
    _Atomic uint32_t kind;
    uint64_t inode; /* the file; SYNC_BEGINS, SYNCED: what is synced */
    uint64_t folder;
    uint64_t at; /* WRITTEN, CUT: offset; SYNCED: where its SYNC_BEGINS is; MOVED: the folder it goes to */
    uint32_t data_len, name_len; /* WRITTEN: bytes; else a name, MOVED: two with a NUL between */
};

static struct head *journal;
static uint64_t journal_max;
static dev_t device;
static _Atomic uint64_t folders[DIRS_MAX]; /* inodes */
static _Atomic unsigned nfolders;
static _Atomic unsigned char watched[FD_MAX]; /* by descriptor */

enum watch { NOT_OURS, CONTENT };

static void fail(const char *what)
{
    dprintf(STDERR_FILENO, "powerloss: %s: %s\n", what, strerror(errno));
    _exit(LOST);
}

/* ---- the journal ---- */

/* Where the record is. */
static uint64_t put(enum kind kind, uint64_t inode, uint64_t folder, uint64_t at, const void *data, size_t len)
{
    int e = errno;
    uint64_t size = (sizeof(struct record) + len + 7) & ~UINT64_C(7);
    uint64_t n = atomic_fetch_add(&journal->count, 1) + 1, off_at = atomic_load(&journal->off_at);
    if (atomic_load(&journal->off) || (off_at != 0 && n >= off_at)) {
        atomic_store(&journal->off, 1);
        _exit(LOST);
    }
    uint64_t where = atomic_fetch_add(&journal->end, size);
    if (where + size > journal_max)
        fail("the journal is full");
    struct record *r = (struct record *)((char *)journal + where);
    atomic_store(&r->size, (uint32_t)size);
    r->inode = inode;
    r->folder = folder;
    r->at = at;
    r->data_len = (uint32_t)len;
    if (len > 0)
        memcpy(r + 1, data, len);
    atomic_store(&r->kind, kind);
    errno = e;
    return where;
}

static void check_power(void)
{
    if (journal != NULL && atomic_load(&journal->off))
        _exit(LOST);
}

/* Whoever was killed with it was so when the power went. */
static void lock(bool inside)
{
    check_power();
    while (inside && atomic_exchange(&journal->making, 1)) {
        check_power();
        sched_yield();
    }
}

static void unlock(bool inside)
{
    if (inside)
        atomic_store(&journal->making, 0);
}

/* ---- what is ours ---- */

static void add_folder(uint64_t inode)
{
    unsigned n = atomic_fetch_add(&nfolders, 1);
    if (n >= DIRS_MAX)
        fail("too many folders");
    atomic_store(&folders[n], inode);
}

static bool is_folder(uint64_t inode)
{
    unsigned n = atomic_load(&nfolders);
    for (unsigned i = 0; i < n; i++) {
        if (atomic_load(&folders[i]) == inode)
            return true;
    }
    return false;
}

/* The inode of the folder, if it is one of ours, and the last part of the path. */
static bool locate(int dirfd, const char *path, uint64_t *folder_r, const char **name_r)
{
    char folder[PATH_MAX] = ".";
    struct stat st;
    if (journal == NULL)
        return false;
    const char *slash = strrchr(path, '/');
    *name_r = slash != NULL ? slash + 1 : path;
    if (slash != NULL)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int e = errno;
    bool found = syscall(SYS_newfstatat, dirfd, folder, &st, 0) == 0 && st.st_dev == device && is_folder(st.st_ino);
    errno = e;
    *folder_r = found ? st.st_ino : 0;
    return found;
}

static uint64_t inode_of(int fd)
{
    struct stat st;
    return syscall(SYS_fstat, fd, &st) == 0 ? st.st_ino : 0;
}

static bool ours(int fd)
{
    return journal != NULL && fd >= 0 && fd < FD_MAX && atomic_load(&watched[fd]) == CONTENT;
}

static bool is_shm(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, "-shm") == 0;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path, (void)ftw;
    device = st->st_dev;
    if (type == FTW_D)
        add_folder(st->st_ino);
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("PONTOON_POWER_JOURNAL"), *list = getenv("PONTOON_POWER_FOLDERS");
    struct stat st;
    if (file == NULL || list == NULL)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        fail(file);
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        fail(file);
    close(fd);
    char *copy = strdup(list), *rest = copy;
    for (const char *folder; (folder = strsep(&rest, ":")) != NULL;)
        if (nftw(folder, visit, 16, FTW_PHYS) != 0)
            fail(folder);
    free(copy);
    journal_max = (uint64_t)st.st_size;
    journal = at;
}

/* ---- names ---- */

/* *made_r: this call made it, not another process at the same time. */
static int open_inside(int dirfd, const char *path, int flags, mode_t mode, bool *made_r)
{
    int fd;
    *made_r = false;
    if (!(flags & O_CREAT))
        return (int)syscall(SYS_openat, dirfd, path, flags, mode);
    do {
        fd = (int)syscall(SYS_openat, dirfd, path, flags | O_EXCL, mode);
        *made_r = fd >= 0;
        if (fd < 0 && errno == EEXIST && !(flags & O_EXCL))
            fd = (int)syscall(SYS_openat, dirfd, path, flags & ~O_CREAT, mode);
    } while (fd < 0 && errno == ENOENT &&
             !(flags & O_EXCL)); /* removed in between; a missing folder we'd not call inside */
    return fd;
}

static int open_it(int dirfd, const char *path, int flags, mode_t mode)
{
    uint64_t folder = 0;
    const char *name;
    bool made = false, inside = locate(dirfd, path, &folder, &name);
    lock(inside);
    int fd = inside ? open_inside(dirfd, path, flags, mode, &made) : (int)syscall(SYS_openat, dirfd, path, flags, mode);
    if (fd >= FD_MAX)
        fail("too many descriptors");
    if (fd >= 0 && journal != NULL) {
        bool watch = inside ? !is_shm(name) : is_folder(inode_of(fd)); /* outside: one of the folders themselves */
        atomic_store(&watched[fd], watch ? CONTENT : NOT_OURS);
        if (watch && made)
            put(MADE, inode_of(fd), folder, 0, name, strlen(name));
        else if (watch && (flags & O_TRUNC))
            put(CUT, inode_of(fd), 0, 0, NULL, 0);
    }
    unlock(inside);
    return fd;
}

static mode_t mode_of(int flags, va_list *list)
{
    return (flags & (O_CREAT | __O_TMPFILE)) != 0 ? (mode_t)va_arg(*list, int) : 0;
}

#define OPEN(function)                               \
    int function(const char *path, int flags, ...)   \
    {                                                \
        va_list list;                                \
        va_start(list, flags);                       \
        mode_t mode = mode_of(flags, &list);         \
        va_end(list);                                \
        return open_it(AT_FDCWD, path, flags, mode); \
    }
#define OPENAT(function)                                      \
    int function(int dirfd, const char *path, int flags, ...) \
    {                                                         \
        va_list list;                                         \
        va_start(list, flags);                                \
        mode_t mode = mode_of(flags, &list);                  \
        va_end(list);                                         \
        return open_it(dirfd, path, flags, mode);             \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

/* glibc's form of open() with _FORTIFY_SOURCE. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open_it(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return open_it(AT_FDCWD, path, flags, 0);
}
/* NOLINTEND(bugprone-reserved-identifier) */

int mkostemp(char *template, int flags)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
    char *end = template + strlen(template) - 6;
    unsigned char random[6];
    int fd;
    do {
        if (getrandom(random, sizeof random, 0) != sizeof random)
            fail("getrandom");
        for (size_t i = 0; i < sizeof random; i++)
            end[i] = letters[random[i] % 32];
        fd = open_it(AT_FDCWD, template, flags | O_RDWR | O_CREAT | O_EXCL, 0600);
    } while (fd < 0 && errno == EEXIST);
    return fd;
}

int close(int fd)
{
    if (fd >= 0 && fd < FD_MAX)
        atomic_store(&watched[fd], NOT_OURS);
    return (int)syscall(SYS_close, fd);
}

int mkdir(const char *path, mode_t mode)
{
    uint64_t folder;
    const char *name;
    struct stat st;
    bool inside = locate(AT_FDCWD, path, &folder, &name);
    lock(inside);
    int rc = (int)syscall(SYS_mkdir, path, mode), e = errno;
    if (inside && (rc == 0 || e == EEXIST) && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!is_folder(st.st_ino))
            add_folder(st.st_ino);
        if (rc == 0)
            put(MADE_DIR, st.st_ino, folder, 0, name, strlen(name));
    }
    unlock(inside);
    errno = e;
    return rc;
}

static int remove_it(int dirfd, const char *path, int flags)
{
    uint64_t folder;
    const char *name;
    bool inside = locate(dirfd, path, &folder, &name);
    check_power();
    int rc = (int)syscall(SYS_unlinkat, dirfd, path, flags);
    if (rc == 0 && inside && !is_shm(name))
        put(REMOVED, 0, folder, 0, name, strlen(name));
    return rc;
}

int unlink(const char *path)
{
    return remove_it(AT_FDCWD, path, 0);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    return remove_it(dirfd, path, flags);
}

int rmdir(const char *path)
{
    return remove_it(AT_FDCWD, path, AT_REMOVEDIR);
}

int link(const char *from, const char *to)
{
    uint64_t folder;
    const char *name;
    struct stat st;
    bool inside = locate(AT_FDCWD, to, &folder, &name);
    check_power();
    int rc = (int)syscall(SYS_link, from, to);
    if (rc == 0 && inside && stat(to, &st) == 0)
        put(LINKED, st.st_ino, folder, 0, name, strlen(name));
    return rc;
}

int rename(const char *from, const char *to)
{
    uint64_t folder = 0, to_folder = 0;
    const char *name, *to_name;
    char names[2 * NAME_MAX + 2];
    bool inside = locate(AT_FDCWD, from, &folder, &name), to_inside = locate(AT_FDCWD, to, &to_folder, &to_name);
    if (inside != to_inside)
        fail("a rename into or out of the folders");
    check_power();
    int rc = (int)syscall(SYS_rename, from, to);
    if (rc == 0 && inside) {
        int len = snprintf(names, sizeof names, "%s%c%s", name, '\0', to_name);
        put(MOVED, 0, folder, to_folder, names, (size_t)len);
    }
    return rc;
}

/* ---- contents ---- */

static ssize_t written(int fd, const void *data, ssize_t n, off_t at)
{
    if (n > 0 && ours(fd))
        put(WRITTEN, inode_of(fd), 0, (uint64_t)at, data, (size_t)n);
    return n;
}

ssize_t write(int fd, const void *data, size_t len)
{
    if (!ours(fd))
        return syscall(SYS_write, fd, data, len);
    check_power();
    ssize_t n = syscall(SYS_write, fd, data, len);
    return written(fd, data, n, (n > 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) - n : 0));
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (ours(fd))
        check_power();
    return written(fd, data, syscall(SYS_pwrite64, fd, data, len, at), at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    return pwrite(fd, data, len, at);
}

/* Piece by piece; a short write ends it. */
ssize_t writev(int fd, const struct iovec *iov, int n)
{
    if (!ours(fd))
        return syscall(SYS_writev, fd, iov, n);
    ssize_t sum = 0;
    for (int i = 0; i < n; i++) {
        ssize_t done = write(fd, iov[i].iov_base, iov[i].iov_len);
        if (done < 0)
            return sum > 0 ? sum : -1;
        sum += done;
        if ((size_t)done < iov[i].iov_len)
            break;
    }
    return sum;
}

static int cut(int fd, off_t size)
{
    if (ours(fd))
        check_power();
    int rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0 && ours(fd))
        put(CUT, inode_of(fd), 0, (uint64_t)size, NULL, 0);
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return cut(fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return cut(fd, size);
}

static void *map(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    if (ours(fd) && (prot & PROT_WRITE) && (flags & MAP_SHARED))
        fail("a mapping that writes to a file");
    return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    return map(at, len, prot, flags, fd, offset);
}

void *mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    return map(at, len, prot, flags, fd, offset);
}

/* ---- fsync ---- */

static int sync_it(int fd, long call)
{
    if (!ours(fd))
        return (int)syscall(call, fd);
    uint64_t inode = inode_of(fd);
    put(SYNCED, inode, 0, put(SYNC_BEGINS, inode, 0, 0, NULL, 0), NULL, 0);
    return 0;
}

int fsync(int fd)
{
    return sync_it(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_it(fd, SYS_fdatasync);
}
