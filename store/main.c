/*
 * pontoon-store: serves what the milter stored, publishes our policy, notifies, takes receipts, gives back to
 * SMTP, writes DSNs, forgets what is old. This file puts the parts together; each has a file of its own.
 */
#include <stdio.h>
#include <string.h>

#include "lib/daemon.h"
#include "lib/figures.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sqlite_db.h"
#include "lib/stops.h"
#include "store/breaker.h"
#include "store/context.h"
#include "store/give_back.h"
#include "store/notifier.h"
#include "store/pacing.h"
#include "store/publish.h"
#include "store/routes.h"
#include "store/serve.h"
#include "store/witness.h"

enum {
    REQUEST_HEADER_MAX = 8192,
    PURGE_EVERY = 60000, /* ms */
    PURGE_SOON = 200,
    PURGE_MAX = 500,
    DRAIN_LOOK = 50, /* ms between looks whether all is done */
    DRAIN_PEERS = 5000,
    FIRST_LISTENERS = 8,
};

struct main {
    struct daemon daemon;
    struct context ctx;
    struct tls_server *tls;
    struct http_server *server;
    struct figures *figures;
    struct loop_timer *purge_timer, *drain_timer, *alive_timer;
    msec_t drain_until, drain_peers_until;
};

/* The token secret is not among them: it is read before. */
static const struct sandbox_profile sandbox = {
    .paths =
        (const struct sandbox_path[]){
            {"store.directory", SANDBOX_DATA},
            {"store.certificate", SANDBOX_FILE},
            {"store.key", SANDBOX_FILE},
            {"store.signing-key", SANDBOX_FILE},
            {"store.published-keys", SANDBOX_FOLDER},
            {"discovery.ca-file", SANDBOX_FILE},
            {NULL, 0},
        },
    .connect = SANDBOX_ANY_PORT,
    .calls = SANDBOX_SERVE | SANDBOX_INTERNET | SANDBOX_CHILD,
};

/* ---- checks that the table of parameters can't make ---- */

static enum result check_listeners(const struct config *config, struct error *err)
{
    size_t n;
    const char *const *list = config_list(config, "store.listen", &n);
    if (n == 0 || n > FIRST_LISTENERS)
        return error_set(err, RESULT_PERM, "store.listen (%s): give 1 to %d addresses, such as \"*:443\"",
                         config_where(config, "store.listen"), FIRST_LISTENERS);
    for (size_t i = 0; i < n; i++) {
        struct netaddr a;
        if (netaddr_endpoint(list[i], &a, err) != RESULT_OK)
            return error_prefix(err, "store.listen (%s)", config_where(config, "store.listen"));
    }
    return RESULT_OK;
}

static enum result check(const struct config *config, struct error *err)
{
    size_t n;
    config_list(config, "domains", &n);
    if (n == 0)
        return error_set(err, RESULT_PERM, "domains (%s): name the mail domains of this site",
                         config_where(config, "domains"));
    enum result r = check_listeners(config, err);
    struct tls_server *tls = NULL;
    if (r == RESULT_OK)
        r = tls_server_new(config_string(config, "store.certificate"), config_string(config, "store.key"), &tls, err);
    tls_server_free(&tls);
    struct publish *publish = NULL;
    if (r == RESULT_OK)
        r = publish_new(config, &publish, err);
    publish_free(&publish);
    return r;
}

/* ---- discovery's database is the store ---- */

static enum result policy_load(void *arg, const char *domain, struct policy_cache_entry **entry_r, struct error *err)
{
    return store_policy_load(arg, domain, entry_r, err);
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
    if (store_policy_save(arg, entry, policy_saved, NULL, &err) != RESULT_OK)
        policy_saved(NULL, err.result, &err);
}

/* ---- upkeep ---- */

static void purge(void *arg)
{
    struct main *m = arg;
    bool more = false;
    struct error err;
    if (store_purge(m->ctx.store, config_time(m->ctx.config, "store.history"), PURGE_MAX, &more, &err) != RESULT_OK)
        log_error("can't tidy the store: %s", err.text);
    loop_timer_set(m->purge_timer, more ? PURGE_SOON : PURGE_EVERY);
}

static void must(enum result r, const struct error *err)
{
    if (r != RESULT_OK)
        log_fatal("%s", err->text);
}

static void alive(void *arg)
{
    struct main *m = arg;
    struct error err;
    (void)wall_clock_look(&m->ctx.clock, m->ctx.store); /* sets all right before somebody asks */
    if (store_alive(m->ctx.store, false, &err) != RESULT_OK)
        log_error("can't note that the store is in use: %s", err.text);
    loop_timer_set(m->alive_timer, STORE_ALIVE_EVERY);
}

static void resume(struct main *m)
{
    struct store_pause pause;
    struct error err;
    must(store_resume(m->ctx.store, &pause, &err), &err);
    if (pause.doubted > 0)
        log_warning(
            "the store was last in use %lld s ago: it was down, or restored from a backup; the other sites are asked what "
            "became of %llu recipients before anything goes by SMTP",
            (long long)(clock_now() - pause.since) / 1000, (unsigned long long)pause.doubted);
    (void)wall_clock_look(&m->ctx.clock, m->ctx.store); /* from here on */
    m->alive_timer = loop_timer_new(m->ctx.loop, alive, m);
    loop_timer_set(m->alive_timer, STORE_ALIVE_EVERY);
}

/* ---- start, reload, end ---- */

static void listen_all(struct main *m)
{
    const struct config *config = m->ctx.config;
    struct error err;
    m->ctx.peers = peer_limits_new(m->ctx.loop, "store");
    peer_limits_configure(m->ctx.peers, config, "store");
    struct http_server_limits limits = {
        .peers = m->ctx.peers,
        .section = "store",
        .header_max = REQUEST_HEADER_MAX,
        .body_max = VERDICTS_SIZE_MAX,
        .idle_timeout = config_time(config, "store.idle-timeout"),
    };
    must(tls_server_new(config_string(config, "store.certificate"), config_string(config, "store.key"), &m->tls, &err),
         &err);
    m->server = http_server_new(m->ctx.loop, &limits, m->tls, routes_handle, &m->ctx);
    size_t n;
    const char *const *list = config_list(config, "store.listen", &n);
    for (size_t i = 0; i < n; i++) {
        struct netaddr a;
        must(netaddr_endpoint(list[i], &a, &err), &err);
        must(http_server_listen(m->server, &a, &err), &err);
    }
}

/* Before there are threads, databases and keys; it has a sandbox of its own. */
static void start_witness(struct context *ctx)
{
    struct error err;
    must(witness_start(ctx->config, &store_witness, &ctx->witness, &err), &err);
}

static void read_secrets(struct context *ctx)
{
    struct error err;
    must(jws_key_load(config_string(ctx->config, "store.signing-key"), &ctx->key, &err), &err);
    must(token_secret_load(config_string(ctx->config, "store.token-secret"), &ctx->secret, &err), &err);
}

static json_t *figures(void *arg)
{
    const struct context *ctx = arg;
    return json_pack("{s:o, s:o, s:I}", "limits", limits_json(ctx->peers->all), "pacer", pacing_json(ctx->pacing),
                     "statements", (json_int_t)stmt_count());
}

static void open_parts(struct main *m)
{
    struct context *ctx = &m->ctx;
    const struct config *config = ctx->config;
    struct error err;
    must(publish_new(config, &ctx->publish, &err), &err);
    char *node = mem_printf("store@%s", config_hostname(config));
    must(store_open(config, STORE_READ_WRITE, node, &ctx->store, &err), &err);
    mem_free(&node);
    resume(m);
    must(dns_new(ctx->loop, config, &ctx->dns, &err), &err);
    must(http_client_new(ctx->loop, ctx->dns, config, &ctx->http, &err), &err);
    struct discovery_backing backing = {.load = policy_load, .save = policy_save, .arg = ctx->store};
    must(discovery_new(ctx->loop, ctx->dns, ctx->http, config, &backing, &ctx->discovery, &err), &err);
    ctx->stops = stops_new(ctx->store);
    ctx->breaker = breaker_new(ctx);
    ctx->serve = serve_new(ctx);
    ctx->pacing = pacing_new(ctx);
    must(give_back_new(ctx, &ctx->give_back, &err), &err);
    must(notifier_new(ctx, &ctx->notifier, &err), &err);
    m->figures = figures_serve(ctx->loop, config_string(config, "store.directory"), figures, ctx);
    m->purge_timer = loop_timer_new(ctx->loop, purge, m);
    loop_timer_set(m->purge_timer, PURGE_SOON);
}

static void reload(struct daemon *d, const struct config *old, void *arg)
{
    (void)old;
    struct main *m = arg;
    m->ctx.config = d->config;
    peer_limits_configure(m->ctx.peers, d->config, "store");
    pacing_configure(m->ctx.pacing);
    serve_configure(m->ctx.serve, d->config);
    struct error err;
    struct publish *publish = NULL;
    struct jws_key *key = NULL;
    if (tls_server_reload(m->tls, config_string(d->config, "store.certificate"), config_string(d->config, "store.key"),
                          &err) != RESULT_OK)
        log_error("keeping the old certificate: %s", err.text);
    if (jws_key_load(config_string(d->config, "store.signing-key"), &key, &err) != RESULT_OK ||
        publish_new(d->config, &publish, &err) != RESULT_OK) {
        log_error("keeping the old keys and policy: %s", err.text);
        jws_key_free(&key);
    } else {
        jws_key_free(&m->ctx.key);
        m->ctx.key = key;
        publish_free(&m->ctx.publish);
        m->ctx.publish = publish;
    }
    notifier_kick(m->ctx.notifier);
}

/*
 * Peers ask and are asked again, so one that stalls must not keep us from coming back for the others. Our own MTA may be about to take a
 * message, which would go to it twice.
 */
static void drain_look(void *arg)
{
    struct main *m = arg;
    msec_t now = clock_mono();
    unsigned returns = give_back_count(m->ctx.give_back);
    unsigned left = returns + notifier_count(m->ctx.notifier) + http_server_requests(m->server);
    if (left > 0 && now < (returns > 0 ? m->drain_until : m->drain_peers_until)) {
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
    msec_t now = clock_mono(), most = config_time(d->config, "store.drain-timeout");
    m->drain_until = now + most;
    m->drain_peers_until = now + (most < DRAIN_PEERS ? most : DRAIN_PEERS);
    http_server_drain(m->server);
    notifier_drain(m->ctx.notifier);
    give_back_drain(m->ctx.give_back);
    m->drain_timer = loop_timer_new(m->ctx.loop, drain_look, m);
    loop_timer_set(m->drain_timer, 0);
}

static void close_parts(struct main *m)
{
    store_flush(m->ctx.store); /* who waits for the store is told while it still is there to hear it */
    loop_run_posted(m->daemon.loop);
    loop_timer_free(&m->purge_timer);
    loop_timer_free(&m->alive_timer);
    loop_timer_free(&m->drain_timer);
    http_server_free(&m->server);
    figures_free(&m->figures);
    notifier_free(&m->ctx.notifier);
    pacing_free(&m->ctx.pacing);
    breaker_free(&m->ctx.breaker);
    stops_free(&m->ctx.stops);
    give_back_free(&m->ctx.give_back);
    serve_free(&m->ctx.serve);
    discovery_free(&m->ctx.discovery);
    http_client_free(&m->ctx.http);
    dns_free(&m->ctx.dns);
    struct error err;
    if (store_alive(m->ctx.store, true, &err) != RESULT_OK)
        log_warning("can't note an orderly end: %s", err.text);
    store_close(&m->ctx.store);
    witness_stop(&m->ctx.witness);
    publish_free(&m->ctx.publish);
    token_secret_free(&m->ctx.secret);
    jws_key_free(&m->ctx.key);
    tls_server_free(&m->tls);
    peer_limits_free(&m->ctx.peers);
}

int main(int argc, char **argv)
{
    struct main m = {.daemon = {.program = "pontoon-store", .section = "store"}};
    const struct daemon_hooks hooks = {
        .check = check, .reload = reload, .drain = drain, .arg = &m, .sandbox = &sandbox};
    daemon_begin(&m.daemon, argc, argv, &hooks);
    m.ctx.config = m.daemon.config;
    m.ctx.loop = m.daemon.loop;
    listen_all(&m); /* while we may still bind low ports and read keys */
    daemon_drop_privileges(&m.daemon);
    start_witness(&m.ctx);
    read_secrets(&m.ctx);
    daemon_guard_files(&m.daemon);
    open_parts(&m);
    daemon_guard_calls(&m.daemon);
    daemon_ready(&m.daemon);
    daemon_run(&m.daemon);
    close_parts(&m);
    daemon_end(&m.daemon);
    return 0;
}
