/*
 * pontoon-bridge: takes notifications, asks the MTA about the envelope, fetches, hands over, sends receipts. This
 * file puts the parts together; each has a file of its own.
 */
#include <stdio.h>
#include <string.h>

#include "bridge/arrivals.h"
#include "bridge/batch.h"
#include "bridge/context.h"
#include "bridge/deliveries.h"
#include "bridge/intake.h"
#include "bridge/notifications.h"
#include "bridge/peer_name.h"
#include "bridge/receipts.h"
#include "bridge/recipients.h"
#include "bridge/slots.h"
#include "bridge/witness.h"
#include "lib/busy.h"
#include "lib/daemon.h"
#include "lib/figures.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sqlite_db.h"

enum {
    REQUEST_HEADER_MAX = 8192,
    CONNECT_TIMEOUT = 30000, /* ms, to the MTA */
    IDLE_TIMEOUT = 10000,    /* ms a kept connection to the MTA may idle */
    MAILS_PER_CONNECTION = 500,
    PURGE_EVERY = 60000, /* ms */
    PURGE_SOON = 200,
    PURGE_MAX = 500,
    DRAIN_LOOK = 50, /* ms between looks whether all is done */
    LISTENERS_MAX = 8,
};

struct main {
    struct daemon daemon;
    struct context ctx;
    struct tls_server *tls;
    struct http_server *server;
    struct figures *figures;
    struct loop_timer *purge_timer, *drain_timer;
    msec_t drain_until;
};

static const struct sandbox_profile sandbox = {
    .paths =
        (const struct sandbox_path[]){
            {"bridge.directory", SANDBOX_DATA},
            {"bridge.certificate", SANDBOX_FILE},
            {"bridge.key", SANDBOX_FILE},
            {"bridge.arrivals", SANDBOX_SOCKET},
            {"discovery.ca-file", SANDBOX_FILE},
            {NULL, 0},
        },
    .tables = "bridge",
    .connect = SANDBOX_ANY_PORT,
    .calls = SANDBOX_SERVE | SANDBOX_INTERNET | SANDBOX_CHILD,
};

/* ---- checks that the table of parameters can't make ---- */

static enum result check(const struct config *config, struct error *err)
{
    size_t n;
    config_list(config, "domains", &n);
    if (n == 0)
        return error_set(err, RESULT_PERM, "domains (%s): name the mail domains of this site",
                         config_where(config, "domains"));
    const char *const *list = config_list(config, "bridge.listen", &n);
    if (n == 0 || n > LISTENERS_MAX)
        return error_set(err, RESULT_PERM, "bridge.listen (%s): give 1 to %d addresses, such as \"*:8443\"",
                         config_where(config, "bridge.listen"), LISTENERS_MAX);
    for (size_t i = 0; i < n; i++) {
        struct netaddr a;
        if (netaddr_endpoint(list[i], &a, err) != RESULT_OK)
            return error_prefix(err, "bridge.listen (%s)", config_where(config, "bridge.listen"));
    }
    struct recipients *recipients;
    enum result r = recipients_new(config, &recipients, err);
    recipients_free(&recipients);
    if (r != RESULT_OK)
        return r;
    struct tls_server *tls = NULL;
    r = tls_server_new(config_string(config, "bridge.certificate"), config_string(config, "bridge.key"), &tls, err);
    tls_server_free(&tls);
    return r;
}

/* ---- discovery's database is the queue ---- */

static enum result policy_load(void *arg, const char *domain, struct policy_cache_entry **entry_r, struct error *err)
{
    return jobs_policy_load(arg, domain, entry_r, err);
}

static void policy_saved(void *arg, enum result result, const struct error *err)
{
    (void)arg;
    if (result != RESULT_OK)
        log_warning("can't keep a policy: %s", err->text);
}

static void policy_save(void *arg, const struct policy_cache_entry *entry)
{
    struct error err;
    if (jobs_policy_save(arg, entry, policy_saved, NULL, &err) != RESULT_OK)
        policy_saved(NULL, err.result, &err);
}

/* ---- upkeep ---- */

static void purge(void *arg)
{
    struct main *m = arg;
    bool more = false;
    struct error err;
    if (jobs_purge(m->ctx.jobs, config_time(m->ctx.config, "bridge.history"), PURGE_MAX, &more, &err) != RESULT_OK)
        log_error("can't tidy the queue: %s", err.text);
    loop_timer_set(m->purge_timer, more ? PURGE_SOON : PURGE_EVERY);
}

/* ---- start, reload, end ---- */

static void must(enum result r, const struct error *err)
{
    if (r != RESULT_OK)
        log_fatal("%s", err->text);
}

static void open_mta(struct context *ctx)
{
    const struct config *config = ctx->config;
    msec_t timeout = config_time(config, "bridge.mta-timeout");
    struct smtp_pool_options o = {
        .lmtp = strcmp(config_string(config, "bridge.mta-protocol"), "lmtp") == 0,
        .helo = config_hostname(config),
        .xclient_required = strcmp(config_string(config, "bridge.xclient"), "required") == 0,
        .max_connections = (unsigned)config_number(config, "bridge.mta-connections"),
        .max_waiting = (unsigned)config_number(config, "bridge.queue-max"),
        .max_per_connection = MAILS_PER_CONNECTION,
        .connect_timeout = CONNECT_TIMEOUT,
        .command_timeout = timeout,
        .data_timeout = timeout,
        .final_timeout = 2 * timeout,
        .idle_timeout = IDLE_TIMEOUT,
    };
    struct error err;
    if (netaddr_endpoint(config_string(config, "bridge.mta"), &o.server, &err) != RESULT_OK)
        log_fatal("bridge.mta (%s): %s", config_where(config, "bridge.mta"), err.text);
    char ip[NETADDR_TEXT_SIZE];
    netaddr_ip(&o.server, ip);
    o.server_name = ip;
    ctx->mta = smtp_pool_new(ctx->loop, &o);
}

static void listen_all(struct main *m)
{
    const struct config *config = m->ctx.config;
    struct error err;
    m->ctx.peers = peer_limits_new(m->ctx.loop, "bridge");
    peer_limits_configure(m->ctx.peers, config, "bridge");
    struct http_server_limits limits = {
        .peers = m->ctx.peers,
        .section = "bridge",
        .header_max = REQUEST_HEADER_MAX,
        .body_max = NOTIFICATION_SIZE_MAX,
        .idle_timeout = config_time(config, "bridge.idle-timeout"),
    };
    must(
        tls_server_new(config_string(config, "bridge.certificate"), config_string(config, "bridge.key"), &m->tls, &err),
        &err);
    m->server = http_server_new(m->ctx.loop, &limits, m->tls, notifications_handle, &m->ctx);
    size_t n;
    const char *const *list = config_list(config, "bridge.listen", &n);
    for (size_t i = 0; i < n; i++) {
        struct netaddr a;
        must(netaddr_endpoint(list[i], &a, &err), &err);
        must(http_server_listen(m->server, &a, &err), &err);
    }
}

/* Whoever forgot policy.inbound would wonder why nothing comes in. */
static void say_if_closed(const struct config *config)
{
    const char *closed = recipients_closed(config, false);
    if (closed != NULL)
        log_warning("policy (%s): every recipient is answered \"use-smtp\": %s", config_where(config, "policy.mode"),
                    closed);
}

/* Before there are threads and databases; it has a sandbox of its own. */
static void start_witness(struct context *ctx)
{
    struct error err;
    must(witness_start(ctx->config, &bridge_witness, &ctx->witness, &err), &err);
}

static json_t *figures(void *arg)
{
    const struct context *ctx = arg;
    return json_pack("{s:o, s:i, s:i, s:I}", "limits", limits_json(ctx->peers->all), "under_way",
                     (int)intake_count(ctx->intake, false), "shadows_under_way", (int)intake_count(ctx->intake, true),
                     "statements", (json_int_t)stmt_count());
}

static void open_parts(struct main *m)
{
    struct context *ctx = &m->ctx;
    const struct config *config = ctx->config;
    struct error err;
    must(recipients_new(config, &ctx->recipients, &err), &err);
    must(jobs_open(config, STORE_READ_WRITE, &ctx->jobs, &err), &err);
    must(dns_new(ctx->loop, config, &ctx->dns, &err), &err);
    must(http_client_new(ctx->loop, ctx->dns, config, &ctx->http, &err), &err);
    struct discovery_backing backing = {.load = policy_load, .save = policy_save, .arg = ctx->jobs};
    must(discovery_new(ctx->loop, ctx->dns, ctx->http, config, &backing, &ctx->discovery, &err), &err);
    open_mta(ctx);
    ctx->peer_names = peer_names_new(ctx->dns);
    ctx->slots = slots_new(ctx->loop);
    ctx->busy = busy_new();
    ctx->intake = intake_new(ctx);
    slots_set_limit(ctx->slots, (unsigned)config_number(config, "bridge.mta-connections-per-domain"));
    ctx->arrivals = arrivals_new(ctx->loop, config);
    ctx->notifications = notifications_new();
    ctx->batches = batches_new();
    ctx->deliveries = deliveries_new(ctx);
    ctx->receipts = receipts_new(ctx);
    must(deliveries_take_up(ctx->deliveries, &err), &err);
    say_if_closed(config);
    m->figures = figures_serve(ctx->loop, config_string(config, "bridge.directory"), figures, ctx);
    m->purge_timer = loop_timer_new(ctx->loop, purge, m);
    loop_timer_set(m->purge_timer, PURGE_SOON);
}

static void reload(struct daemon *d, const struct config *old, void *arg)
{
    (void)old;
    struct main *m = arg;
    struct error err;
    struct recipients *recipients;
    m->ctx.config = d->config;
    if (recipients_new(d->config, &recipients, &err) == RESULT_OK) {
        recipients_free(&m->ctx.recipients);
        m->ctx.recipients = recipients;
    } else { /* a table that the check could read is gone since */
        log_error("keeping the old recipients and senders: %s", err.text);
    }
    peer_limits_configure(m->ctx.peers, d->config, "bridge");
    intake_configure(m->ctx.intake, d->config);
    slots_set_limit(m->ctx.slots, (unsigned)config_number(d->config, "bridge.mta-connections-per-domain"));
    say_if_closed(d->config);
    if (tls_server_reload(m->tls, config_string(d->config, "bridge.certificate"),
                          config_string(d->config, "bridge.key"), &err) != RESULT_OK)
        log_error("keeping the old certificate: %s", err.text);
}

static void drain_look(void *arg)
{
    struct main *m = arg;
    unsigned left =
        intake_count(m->ctx.intake, false) + receipts_count(m->ctx.receipts) + http_server_requests(m->server);
    if (left > 0 && clock_mono() < m->drain_until) {
        loop_timer_set(m->drain_timer, DRAIN_LOOK);
        return;
    }
    if (left > 0)
        log_info("stopping with %u pieces of work under way; they are done again after the next start", left);
    loop_stop(m->ctx.loop);
}

static void drain(struct daemon *d, void *arg)
{
    struct main *m = arg;
    m->ctx.draining = true;
    m->drain_until = clock_mono() + config_time(d->config, "bridge.drain-timeout");
    http_server_drain(m->server);
    receipts_drain(m->ctx.receipts);
    m->drain_timer = loop_timer_new(m->ctx.loop, drain_look, m);
    loop_timer_set(m->drain_timer, 0);
}

static void close_parts(struct main *m)
{
    jobs_flush(m->ctx.jobs); /* who waits for the queue is told while it still is there to hear it */
    loop_run_posted(m->daemon.loop);
    loop_timer_free(&m->purge_timer);
    loop_timer_free(&m->drain_timer);
    http_server_free(&m->server);
    figures_free(&m->figures);
    deliveries_free(&m->ctx.deliveries);
    batches_free(&m->ctx.batches);
    notifications_free(&m->ctx.notifications);
    intake_free(&m->ctx.intake);
    arrivals_free(&m->ctx.arrivals);
    receipts_free(&m->ctx.receipts);
    slots_free(&m->ctx.slots);
    busy_free(&m->ctx.busy);
    smtp_pool_free(&m->ctx.mta);
    peer_names_free(&m->ctx.peer_names);
    discovery_free(&m->ctx.discovery);
    http_client_free(&m->ctx.http);
    dns_free(&m->ctx.dns);
    jobs_close(&m->ctx.jobs);
    recipients_free(&m->ctx.recipients);
    witness_stop(&m->ctx.witness);
    tls_server_free(&m->tls);
    peer_limits_free(&m->ctx.peers);
}

int main(int argc, char **argv)
{
    struct main m = {.daemon = {.program = "pontoon-bridge", .section = "bridge"}};
    const struct daemon_hooks hooks = {
        .check = check, .reload = reload, .drain = drain, .arg = &m, .sandbox = &sandbox};
    daemon_begin(&m.daemon, argc, argv, &hooks);
    m.ctx.config = m.daemon.config;
    m.ctx.loop = m.daemon.loop;
    listen_all(&m); /* while we may still bind low ports and read keys */
    daemon_drop_privileges(&m.daemon);
    start_witness(&m.ctx);
    daemon_guard_files(&m.daemon);
    open_parts(&m);
    daemon_guard_calls(&m.daemon);
    daemon_ready(&m.daemon);
    daemon_run(&m.daemon);
    close_parts(&m);
    daemon_end(&m.daemon);
    return 0;
}
