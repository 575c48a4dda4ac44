/*
 * pontoon-lmtp: takes outgoing mail by LMTP, for MTAs without milters and for mail that is routed to it after aliasing. A thread for
 * each client; this thread's loop accepts, looks domains up, and hears signals.
 */
#include <stdlib.h>

#include "lib/daemon.h"
#include "lib/log.h"
#include "milter/backend.h"
#include "milter/lmtp_listener.h"
#include "milter/settings.h"
#include "milter/socket_file.h"

struct lmtp {
    struct daemon daemon;
    struct backend backend;
    struct lmtp_listener *listener;
    struct loop_timer *drain_timer;
};

static const struct sandbox_profile sandbox = {
    .paths =
        (const struct sandbox_path[]){
            {"store.directory", SANDBOX_DATA},
            {"lmtp.listen", SANDBOX_SOCKET},
            {"discovery.ca-file", SANDBOX_FILE},
            {NULL, 0},
        },
    .tables = "rule",
    .connect = SANDBOX_LOOKUPS,
    .calls = SANDBOX_SERVE | SANDBOX_INTERNET,
};

/* ---- hooks ---- */

static enum result check(const struct config *config, struct error *err)
{
    struct settings *s;
    enum result r = settings_new_lmtp(config, &s, err);
    if (r != RESULT_OK)
        return r;
    settings_release(&s);
    return lmtp_listener_check(config, err);
}

/* False: a table that the check could read is gone since. */
static bool install_settings(const struct config *config, struct error *err)
{
    struct settings *s;
    if (settings_new_lmtp(config, &s, err) != RESULT_OK)
        return false;
    const char *off = eligibility_off(s->eligibility);
    if (off != NULL)
        log_warning("all mail goes back to SMTP: %s", off);
    settings_install(s);
    return true;
}

static void reload(struct daemon *d, const struct config *old, void *arg)
{
    struct lmtp *l = arg;
    struct error err;
    (void)old;
    if (!install_settings(d->config, &err)) {
        log_error("keeping the old settings: %s", err.text);
        return;
    }
    lmtp_listener_reload(l->listener, d->config);
}

static void all_gone(void *arg)
{
    struct lmtp *l = arg;
    loop_stop(l->daemon.loop);
}

static void drain_too_slow(void *arg)
{
    struct lmtp *l = arg;
    log_warning("%u clients are still there: they will be cut off, and their mail stays with the MTA",
                lmtp_listener_count(l->listener));
    loop_stop(l->daemon.loop);
}

static void drain(struct daemon *d, void *arg)
{
    struct lmtp *l = arg;
    loop_timer_set(l->drain_timer, config_time(d->config, "lmtp.drain-timeout"));
    lmtp_listener_drain(l->listener, all_gone, l);
}

int main(int argc, char **argv)
{
    static struct lmtp l = {.daemon = {.program = "pontoon-lmtp", .section = "lmtp"}};
    const struct daemon_hooks hooks = {
        .check = check, .reload = reload, .drain = drain, .arg = &l, .sandbox = &sandbox};
    struct daemon *d = &l.daemon;
    struct error err;
    daemon_begin(d, argc, argv, &hooks);
    l.drain_timer = loop_timer_new(d->loop, drain_too_slow, &l);
    if (lmtp_listener_open(d->loop, d->config, &l.listener, &err) != RESULT_OK)
        log_fatal("%s", err.text);
    daemon_drop_privileges(d);
    daemon_guard_files(d);
    if (!install_settings(d->config, &err))
        log_fatal("%s", err.text);
    if (backend_open(&l.backend, d->loop, d->config, "lmtp", &err) != RESULT_OK)
        log_fatal("%s", err.text);
    daemon_guard_calls(d);
    lmtp_listener_start(l.listener, &l.backend);
    daemon_ready(d);
    daemon_run(d);
    socket_file_remove();
    /* A client that would not go may still use any of this. */
    if (lmtp_listener_count(l.listener) > 0)
        return EXIT_SUCCESS;
    lmtp_listener_free(&l.listener);
    loop_timer_free(&l.drain_timer);
    backend_close(&l.backend);
    daemon_end(d);
    return EXIT_SUCCESS;
}
