/* The daemons as processes: of the program that is installed, not as root, and with room for the connections that they may take. */
#include <stdio.h>
#include <string.h>

#include "ctl/access.h"
#include "ctl/check_postfix.h"
#include "ctl/processes.h"

enum {
    OTHER_FILES = 64,      /* databases, log, sockets, event queues */
    NOTIFIED_DOMAINS = 100 /* at one time, roughly */
};

static uint64_t number(const struct check *c, const char *key)
{
    return (uint64_t)config_number(c->config, key);
}

/* A fetch holds a connection to the store and one to the MTA; answers to notifications one more. */
static uint64_t files_of_bridge(const struct check *c)
{
    return number(c, "bridge.connections") + 3 * number(c, "bridge.mta-connections") + OTHER_FILES;
}

static uint64_t files_of_store(const struct check *c)
{
    return number(c, "store.connections") + number(c, "store.mta-connections") + NOTIFIED_DOMAINS + OTHER_FILES;
}

/* A connection and a spool file each. */
static uint64_t files_of_lmtp(const struct check *c)
{
    return 2 * number(c, "lmtp.connections") + OTHER_FILES;
}

/* The same, for as many sessions as Postfix may have. */
static uint64_t files_of_milter(const struct check *c)
{
    uint64_t sessions = 0;
    for (size_t i = 0; c->postfix != NULL && i < c->postfix->services.n; i++) {
        const struct postfix_service *s = &c->postfix->services.items[i];
        sessions += check_postfix_asks_ours(c, s) ? postfix_config_processes(c->postfix, s) : 0;
    }
    return 2 * sessions + OTHER_FILES;
}

static const struct {
    const char *program;
    uint64_t (*files)(const struct check *c);
    const char *parameter; /* that asks for them */
} daemons[] = {
    {"pontoon-milter", files_of_milter, "Postfix's process limit"},
    {"pontoon-lmtp", files_of_lmtp, "lmtp.connections"},
    {"pontoon-store", files_of_store, "store.connections"},
    {"pontoon-bridge", files_of_bridge, "bridge.connections"},
};

static void look_at(struct check *c, const char *program, const struct process *p, uint64_t files,
                    const char *parameter)
{
    if (p->replaced) {
        check_found(c->report, CHECK_NOTE, "%s (process %d): its program was replaced since it started", program,
                    (int)p->pid);
        check_advise(c->report, "systemctl restart %s", program);
    }
    if (p->uid == 0) {
        check_found(c->report, CHECK_NOTE, "%s (process %d) runs as root", program, (int)p->pid);
        check_advise(c->report, "give it a user of its own: packaging/systemd has users and units, or set %s.user",
                     strchr(program, '-') + 1);
    }
    if (p->open_files == 0)
        return;
    if (p->open_files < files) {
        check_found(c->report, CHECK_WARNING,
                    "%s (process %d) may open %llu files, and %s asks for %llu: beyond that connections are refused",
                    program, (int)p->pid, (unsigned long long)p->open_files, parameter, (unsigned long long)files);
        check_advise(
            c->report,
            "LimitNOFILE=%llu in its unit (systemctl edit %s), or fewer connections; then: systemctl restart %s",
            (unsigned long long)files, program, program);
    } else {
        check_found(c->report, CHECK_OK, "%s (process %d) may open %llu files, and needs %llu", program, (int)p->pid,
                    (unsigned long long)p->open_files, (unsigned long long)files);
    }
}

void check_processes(struct check *c)
{
    struct process p;
    for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++) {
        if (process_find(daemons[i].program, config_path(c->config), &p))
            look_at(c, daemons[i].program, &p, daemons[i].files(c), daemons[i].parameter);
    }
}
