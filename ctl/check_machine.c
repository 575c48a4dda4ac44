/* This machine: do the daemons answer, is there room on the disks, and does anything wait for long. */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "ctl/access.h"
#include "ctl/check.h"
#include "ctl/probe.h"
#include "ctl/show.h"
#include "lib/mem.h"
#include "lib/store.h"

enum {
    DAEMON_WAIT = 2000, /* ms */
    ROOM_LOW = 5,       /* percent that is free */
    ROOM_LITTLE = 10,
    OLD = 60 * 60 * 1000, /* ms */
};

static void look_at_daemon(struct check *c, const char *program, const char *endpoint)
{
    struct error err;
    if (probe_endpoint(endpoint, DAEMON_WAIT, &err)) {
        check_found(c->report, CHECK_OK, "%s answers at %s", program, endpoint);
        return;
    }
    if (access_was_denied(err.text)) {
        check_found(c->report, CHECK_NOTE, "%s at %s can't be asked by this user: %s", program, endpoint, err.text);
        check_advise(c->report, "run this as root");
        return;
    }
    check_found(c->report, CHECK_PROBLEM, "%s does not answer at %s: %s", program, endpoint, err.text);
    check_advise(c->report, "systemctl status %s, and see its log; %s -t tests its configuration", program, program);
}

void check_machine_daemons(struct check *c)
{
    size_t n = 0;
    if (check_runs_here(c, "milter"))
        look_at_daemon(c, "pontoon-milter", config_string(c->config, "milter.socket"));
    const char *const *list = config_list(c->config, "store.listen", &n);
    n = check_runs_here(c, "store") ? n : 0;
    for (size_t i = 0; i < n; i++)
        look_at_daemon(c, "pontoon-store", list[i]);
    list = config_list(c->config, "bridge.listen", &n);
    n = check_runs_here(c, "bridge") ? n : 0;
    for (size_t i = 0; i < n; i++)
        look_at_daemon(c, "pontoon-bridge", list[i]);
}

/* `left` of `all` blocks or inodes; a file system without a count of them has none to run out of. */
static void look_at_room(struct check *c, const char *dir, const char *what, unsigned long long left,
                         unsigned long long all)
{
    if (all == 0)
        return;
    unsigned percent = (unsigned)(100 * left / all);
    enum check_level level = percent < ROOM_LOW ? CHECK_PROBLEM : (percent < ROOM_LITTLE ? CHECK_WARNING : CHECK_OK);
    check_found(c->report, level, "%s: %u%% of the %s are free", dir, percent, what);
    if (level != CHECK_OK)
        check_advise(c->report,
                     "make room on that file system: when it is full, mail goes by SMTP and others are put off");
}

static void look_at_disk(struct check *c, const char *dir)
{
    struct statvfs s;
    if (statvfs(dir, &s) != 0) {
        check_found(c->report, errno == EACCES ? CHECK_NOTE : CHECK_PROBLEM, "%s: %s", dir, strerror(errno));
        check_advise(c->report, "%s", errno == EACCES ? "run this as root" : "the daemon makes it when it starts");
        return;
    }
    look_at_room(c, dir, "blocks", s.f_bavail, s.f_blocks);
    look_at_room(c, dir, "inodes", s.f_favail, s.f_files);
}

void check_machine_disk(struct check *c)
{
    look_at_disk(c, config_string(c->config, "store.directory"));
    look_at_disk(c, config_string(c->config, "bridge.directory"));
}

void check_machine_queue(struct check *c)
{
    struct store *store = NULL;
    struct store_stats stats = {0};
    struct error err;
    enum result r = store_open(c->config, STORE_READ_ONLY, "check", &store, &err);
    if (r == RESULT_OK)
        r = store_stats(store, &stats, &err);
    store_close(&store);
    if (r != RESULT_OK && access_was_denied(err.text)) {
        check_found(c->report, CHECK_NOTE, "the store can't be read by this user: %s", err.text);
        check_advise(c->report, "run this as root");
    } else if (r != RESULT_OK) {
        check_found(c->report, CHECK_PROBLEM, "the store can't be read: %s", err.text);
        check_advise(c->report, "if pontoon-store can't read it either, see its log");
    } else if (stats.oldest != 0 && clock_now() - stats.oldest > OLD) {
        check_found(c->report, CHECK_WARNING, "the oldest of %llu messages under way waits for more than an hour",
                    (unsigned long long)stats.messages);
        check_advise(c->report, "pontoon queue says for whom and why");
    } else {
        check_found(c->report, CHECK_OK, "%llu messages under way, none older than an hour",
                    (unsigned long long)stats.messages);
    }
}
