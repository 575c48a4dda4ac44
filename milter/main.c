/*
 * pontoon-milter: diverts eligible outgoing mail from the MTA into the sender store. libmilter's threads carry
 * the messages; this thread's loop does look-ups and signals.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/daemon.h"
#include "lib/discovery.h"
#include "lib/dns.h"
#include "lib/http_client.h"
#include "lib/log.h"
#include "lib/stops.h"
#include "lib/store.h"
#include "milter/callbacks.h"
#include "milter/gate.h"
#include "milter/listener.h"
#include "milter/observe.h"
#include "milter/settings.h"

enum { DRAIN_TIMEOUT = 30 * 1000 };

struct milter {
    struct daemon daemon;
    struct store *store;
    struct dns *dns;
    struct http_client *http;
    struct discovery *discovery;
    struct stops *stops;
    struct loop_timer *drain_timer;
    atomic_bool draining; /* read by libmilter's thread */
};

/* ---- the policy cache is the store's ---- */

static enum result load_policy(void *arg, const char *domain, struct policy_cache_entry **entry_r, struct error *err)
{
    struct milter *m = arg;
    return store_policy_load(m->store, domain, entry_r, err);
}

static void policy_saved(void *arg, enum result result, const struct error *err)
{
    (void)arg;
    if (result != RESULT_OK)
        log_warning("remember a policy: %s", err->text);
}

static void save_policy(void *arg, const struct policy_cache_entry *entry)
{
    struct milter *m = arg;
    store_policy_save(m->store, entry, policy_saved, m, NULL);
}

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
    (void)d;
    m->draining = true;
    loop_timer_set(m->drain_timer, DRAIN_TIMEOUT);
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

static enum result open_all(struct milter *m, struct error *err)
{
    struct daemon *d = &m->daemon;
    struct discovery_backing backing = {load_policy, save_policy, m};
    enum result r = store_open(d->config, STORE_READ_WRITE, "milter", &m->store, err);
    if (r == RESULT_OK)
        r = dns_new(d->loop, d->config, &m->dns, err);
    if (r == RESULT_OK)
        r = http_client_new(d->loop, m->dns, d->config, &m->http, err);
    if (r == RESULT_OK)
        r = discovery_new(d->loop, m->dns, m->http, d->config, &backing, &m->discovery, err);
    if (r == RESULT_OK)
        m->stops = stops_new(m->store);
    return r;
}

static void close_all(struct milter *m)
{
    loop_timer_free(&m->drain_timer);
    stops_free(&m->stops);
    observe_stop();
    discovery_free(&m->discovery);
    http_client_free(&m->http);
    dns_free(&m->dns);
    store_close(&m->store);
}

int main(int argc, char **argv)
{
    static struct milter m = {.daemon = {.program = "pontoon-milter", .section = "milter"}};
    const struct daemon_hooks hooks = {.check = check, .reload = reload, .drain = drain, .arg = &m};
    struct error err;
    daemon_begin(&m.daemon, argc, argv, &hooks);
    m.drain_timer = loop_timer_new(m.daemon.loop, drain_too_slow, &m);
    if (listener_open(m.daemon.config, &err) != RESULT_OK)
        log_fatal("%s", err.text);
    daemon_drop_privileges(&m.daemon);
    if (!install_settings(m.daemon.config, &err))
        log_fatal("%s", err.text);
    if (open_all(&m, &err) != RESULT_OK)
        log_fatal("%s", err.text);
    callbacks_init(m.store, m.discovery, m.stops);
    observe_start(m.daemon.loop);
    if (listener_start(libmilter_ended, &m, &err) != RESULT_OK)
        log_fatal("%s", err.text);
    daemon_ready(&m.daemon);
    daemon_run(&m.daemon);
    m.draining = true;
    listener_remove();
    /* With the gate closed and empty no session touches any of this; a message that would not end may. */
    if (gate_count() == 0) {
        close_all(&m);
        daemon_end(&m.daemon);
    }
    return EXIT_SUCCESS;
}
