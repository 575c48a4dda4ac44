/*
 * Maildirs that are watched: see maildir.h. A name that was seen is remembered by a hash of 8 bytes, in a set that grows: at most 32
 * bytes for each message.
 */
#include "ctl/replay/maildir.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/replay/whole_file.h"
#include "lib/buf.h"
#include "lib/digest.h"
#include "lib/header.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    FOLDERS_MAX = 10000,
    LOOK_EVERY = 1000, /* ms: inotify may lose events, and not every file system has it */
    LOOK_SHARE = 20,   /* a full folder takes long to look at: at most this part of the time goes there */
    EVENTS_SIZE = 65536,
};

struct maildirs {
    struct loop *loop;
    struct arrivals *arrivals;
    uint64_t max_size;
    bool resumed;
    bool adding;    /* what is found lay there before */
    char **folders; /* each a new/ or a cur/ */
    size_t nfolders;
    uint64_t *seen; /* open addressing; 0: empty */
    size_t nseen, cap;
    int inotify;
    size_t *watched; /* by inotify's number of a watch: which folder it is, and one */
    size_t nwatched;
    struct event *event;
    struct loop_timer *timer;
};

/* ---- what was seen ---- */

static void insert(uint64_t *table, size_t cap, uint64_t key)
{
    size_t i = (size_t)key & (cap - 1);
    while (table[i] != 0)
        i = (i + 1) & (cap - 1);
    table[i] = key;
}

static void grow(struct maildirs *m)
{
    size_t cap = m->cap != 0 ? 2 * m->cap : 1024;
    uint64_t *table = mem_zero(cap, sizeof *table);
    for (size_t i = 0; i < m->cap; i++) {
        if (m->seen[i] != 0)
            insert(table, cap, m->seen[i]);
    }
    mem_free(&m->seen);
    m->seen = table;
    m->cap = cap;
}

/* A message keeps the part of its name before ":2," when it moves from new/ to cur/. Never 0. */
static uint64_t key_of(const char *folder, const char *name)
{
    uint8_t digest[DIGEST_SIZE];
    uint64_t key;
    size_t base = strlen(folder) - 3; /* both folders have three letters */
    char *text = mem_printf("%.*s%.*s", (int)base, folder, (int)strcspn(name, ":"), name);
    digest_of(text, strlen(text), digest);
    mem_free(&text);
    memcpy(&key, digest, sizeof key);
    return key | 1;
}

static bool was_seen(const struct maildirs *m, uint64_t key)
{
    if (m->cap == 0)
        return false;
    for (size_t i = (size_t)key & (m->cap - 1); m->seen[i] != 0; i = (i + 1) & (m->cap - 1)) {
        if (m->seen[i] == key)
            return true;
    }
    return false;
}

static void see(struct maildirs *m, uint64_t key)
{
    if (was_seen(m, key))
        return;
    if (2 * (m->nseen + 1) > m->cap)
        grow(m);
    insert(m->seen, m->cap, key);
    m->nseen++;
}

/* ---- one file ---- */

/* Maildirs have LF lines; what was sent had CRLF. */
static void add_crlf(struct buf *out, const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const char *lf = memchr(data + at, '\n', len - at);
        size_t end = lf != NULL ? (size_t)(lf - data) : len;
        buf_add(out, data + at, end - at - (end > at && data[end - 1] == '\r'));
        if (lf != NULL)
            buf_add(out, "\r\n", 2);
        at = end + (lf != NULL);
    }
}

static void take_message(struct maildirs *m, const char *data, size_t len)
{
    char address[1000];
    struct buf wire = BUF_INIT(2 * len + 2);
    add_crlf(&wire, data, len);
    const char *rcpt = address;
    size_t above = token_above(data, len); /* below stands whom the message was for when it came first */
    bool known = header_find(data, above, "X-Original-To", address, sizeof address) ||
                 header_find(data, above, "Delivered-To", address, sizeof address) ||
                 header_find(data, above, "Envelope-To", address, sizeof address);
    (m->adding ? arrivals_take_late : arrivals_take_here)(m->arrivals, buf_str(&wire), wire.len, &rcpt, known ? 1 : 0);
    buf_free(&wire);
}

/* False: it isn't there any more, or not yet whole. */
static bool read_file(struct maildirs *m, const char *path)
{
    struct error err;
    char *data;
    size_t len;
    enum result r = whole_file_read(path, m->max_size, &data, &len, &err);
    if (r == RESULT_PERM)
        log_warning("%s; not looked at", err.text);
    if (r == RESULT_OK) {
        take_message(m, data, len);
        mem_free(&data);
    }
    return r != RESULT_TEMP;
}

/* ---- folders ---- */

static void look_at_file(struct maildirs *m, const char *folder, const char *name)
{
    uint64_t key = key_of(folder, name);
    if (name[0] == '.' || was_seen(m, key))
        return;
    char *path = mem_printf("%s/%s", folder, name);
    if (read_file(m, path)) /* else it is found when it is whole, or where it moved to */
        see(m, key);
    mem_free(&path);
}

void maildirs_look(struct maildirs *m)
{
    for (size_t i = 0; i < m->nfolders; i++) {
        DIR *dir = opendir(m->folders[i]);
        if (dir == NULL)
            continue;
        for (struct dirent *d; (d = readdir(dir)) != NULL;)
            look_at_file(m, m->folders[i], d->d_name);
        closedir(dir);
    }
}

static void on_timer(void *arg)
{
    struct maildirs *m = arg;
    msec_t begun = clock_mono();
    maildirs_look(m);
    msec_t pause = (clock_mono() - begun) * LOOK_SHARE;
    loop_timer_set(m->timer, pause > LOOK_EVERY ? pause : LOOK_EVERY);
}

static void take_event(struct maildirs *m, const struct inotify_event *e)
{
    if ((e->mask & IN_Q_OVERFLOW) != 0)
        loop_timer_set(m->timer, 0);
    else if (e->len > 0 && e->wd >= 0 && (size_t)e->wd < m->nwatched && m->watched[e->wd] > 0)
        look_at_file(m, m->folders[m->watched[e->wd] - 1], e->name);
}

static void on_inotify(evutil_socket_t fd, short what, void *arg)
{
    _Alignas(struct inotify_event) char events[EVENTS_SIZE];
    (void)what;
    ssize_t n = read(fd, events, sizeof events);
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const struct inotify_event *)(const void *)(events + at);
        take_event(arg, e);
        at += (ssize_t)(sizeof *e + e->len);
    }
}

/* What lies in it already is seen; only a resumed run has a use for it. */
static void pass_by(struct maildirs *m, const char *folder)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return;
    m->adding = true;
    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        if (m->resumed)
            look_at_file(m, folder, d->d_name);
        else if (d->d_name[0] != '.')
            see(m, key_of(folder, d->d_name));
    }
    m->adding = false;
    closedir(dir);
}

static void watch(struct maildirs *m, const char *folder)
{
    int wd = inotify_add_watch(m->inotify, folder, IN_MOVED_TO | IN_CREATE | IN_CLOSE_WRITE);
    if (wd < 0) /* looking at it now and then has to do */
        return;
    size_t before = m->nwatched;
    if ((size_t)wd >= before) {
        m->nwatched = (size_t)wd + 1;
        m->watched = mem_grow(m->watched, m->nwatched, sizeof *m->watched);
        memset(m->watched + before, 0, (m->nwatched - before) * sizeof *m->watched);
    }
    m->watched[wd] = m->nfolders;
}

static enum result add_folder(struct maildirs *m, const char *path, const char *name, struct error *err)
{
    if (m->nfolders == FOLDERS_MAX)
        return error_set(err, RESULT_PERM, "%s: more than %d folders to watch", path, FOLDERS_MAX);
    char *folder = mem_printf("%s/%s", path, name);
    m->folders = mem_grow(m->folders, m->nfolders + 1, sizeof *m->folders);
    m->folders[m->nfolders++] = folder;
    watch(m, folder);
    pass_by(m, folder);
    return RESULT_OK;
}

static bool is_maildir(const char *path)
{
    struct stat st;
    char *folder = mem_printf("%s/new", path);
    bool is = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
    mem_free(&folder);
    return is;
}

static enum result add_maildir(struct maildirs *m, const char *path, struct error *err)
{
    return add_folder(m, path, "new", err) == RESULT_OK ? add_folder(m, path, "cur", err) : err->result;
}

enum result maildirs_add(struct maildirs *m, const char *path, struct error *err)
{
    size_t before = m->nfolders;
    enum result r = RESULT_OK;
    if (is_maildir(path))
        r = add_maildir(m, path, err);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return error_set(err, RESULT_PERM, "%s: %s", path, strerror(errno));
    for (struct dirent *d; r == RESULT_OK && (d = readdir(dir)) != NULL;) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        char *below = mem_printf("%s/%s", path, d->d_name);
        if (is_maildir(below))
            r = add_maildir(m, below, err);
        mem_free(&below);
    }
    closedir(dir);
    if (r == RESULT_OK && m->nfolders == before)
        return error_set(err, RESULT_PERM, "%s: no Maildir: it has no folder new/, nor has any below it", path);
    return r;
}

struct maildirs *maildirs_new(struct loop *loop, struct arrivals *arrivals, uint64_t max_size, bool resumed)
{
    struct maildirs *m = mem_zero(1, sizeof *m);
    m->loop = loop;
    m->arrivals = arrivals;
    m->max_size = max_size;
    m->resumed = resumed;
    m->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    m->timer = loop_timer_new(loop, on_timer, m);
    loop_timer_set(m->timer, LOOK_EVERY);
    if (m->inotify >= 0) {
        m->event = event_new(loop_base(loop), m->inotify, EV_READ | EV_PERSIST, on_inotify, m);
        event_add(m->event, NULL);
    }
    return m;
}

void maildirs_free(struct maildirs **m)
{
    if (*m == NULL)
        return;
    if ((*m)->event != NULL)
        event_free((*m)->event);
    if ((*m)->inotify >= 0)
        close((*m)->inotify);
    loop_timer_free(&(*m)->timer);
    for (size_t i = 0; i < (*m)->nfolders; i++)
        mem_free(&(*m)->folders[i]);
    mem_free(&(*m)->folders);
    mem_free(&(*m)->watched);
    mem_free(&(*m)->seen);
    mem_free(m);
}
