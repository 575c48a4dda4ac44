/*
 * pontoon-milter: diverts eligible outgoing mail from the MTA into the sender store. libmilter's threads carry
 * the messages; this thread's loop does look-ups and signals.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/daemon.h"
#include "lib/log.h"
#include "milter/backend.h"
#include "milter/callbacks.h"
#include "milter/gate.h"
#include "milter/listener.h"
#include "milter/observe.h"
#include "milter/settings.h"
#include "milter/socket_file.h"

struct milter {
    struct daemon daemon;
    struct backend backend;
    struct loop_timer *drain_timer;
    atomic_bool draining; /* read by libmilter's thread */
};

static const struct sandbox_profile sandbox = {
    .paths =
        (const struct sandbox_path[]){
            {"store.directory", SANDBOX_DATA},
            {"milter.socket", SANDBOX_SOCKET},
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
    enum result r = settings_new(config, &s, err);
    if (r == RESULT_OK)
        settings_release(&s);
    return r;
}

/* False: a table that the check could read is gone since. */
static bool install_settings(const struct config *config, struct error *err)
{
    struct settings *s;
    if (settings_new(config, &s, err) != RESULT_OK)
        return false;
    const char *off = eligibility_off(s->eligibility);
    if (off != NULL)
        log_warning("nothing is diverted: %s", off);
    settings_install(s);
    observe_configure(config);
    return true;
}

static void reload(struct daemon *d, const struct config *old, void *arg)
{
    struct error err;
    (void)old, (void)arg;
    if (!install_settings(d->config, &err))
        log_error("keeping the old settings: %s", err.text);
}

static void stop_loop(void *arg)
{
    struct milter *m = arg;
    loop_stop(m->daemon.loop);
}

static void all_messages_done(void *arg)
{
    struct milter *m = arg;
    loop_post(m->daemon.loop, stop_loop, m);
}

static void drain_too_slow(void *arg)
{
    struct milter *m = arg;
    log_warning("%u messages are still under way: the MTA will see them cut off", gate_count());
    loop_stop(m->daemon.loop);
}

/*
 * Messages under way come to their end; new ones are left to SMTP. libmilter goes on until then: once stopped, it
 * would not read from the connections that there are.
 */
static void drain(struct daemon *d, void *arg)
{
    struct milter *m = arg;
    m->draining = true;
    loop_timer_set(m->drain_timer, config_time(d->config, "milter.drain-timeout"));
    gate_close(all_messages_done, m);
}

static void libmilter_ended(void *arg)
{
    struct milter *m = arg;
    if (m->draining)
        return;
    log_error("libmilter stopped serving");
    exit(EXIT_FAILURE); /* to be restarted */
}

/* ---- start and end ---- */

int main(int argc, char **argv)
{
    static struct milter m = {.daemon = {.program = "pontoon-milter", .section = "milter"}};
    const struct daemon_hooks hooks = {
        .check = check, .reload = reload, .drain = drain, .arg = &m, .sandbox = &sandbox};
    struct error err;
    daemon_begin(&m.daemon, argc, argv, &hooks);
    m.drain_timer = loop_timer_new(m.daemon.loop, drain_too_slow, &m);
    if (listener_open(m.daemon.config, &err) != RESULT_OK)
        log_fatal("%s", err.text);
    daemon_drop_privileges(&m.daemon);
    daemon_guard_files(&m.daemon);
    if (!install_settings(m.daemon.config, &err))
        log_fatal("%s", err.text);
    if (backend_open(&m.backend, m.daemon.loop, m.daemon.config, "milter", &err) != RESULT_OK)
        log_fatal("%s", err.text);
    callbacks_init(&m.backend);
    observe_start(m.daemon.loop);
    daemon_guard_calls(&m.daemon);
    if (listener_start(libmilter_ended, &m, &err) != RESULT_OK)
        log_fatal("%s", err.text);
    daemon_ready(&m.daemon);
    daemon_run(&m.daemon);
    m.draining = true;
    socket_file_remove();
    /* With the gate closed and empty no session touches any of this; a message that would not end may. */
    if (gate_count() == 0) {
        loop_timer_free(&m.drain_timer);
        observe_stop();
        backend_close(&m.backend);
        daemon_end(&m.daemon);
    }
    return EXIT_SUCCESS;
}
