/* `pontoon status`: how much is under way in the databases, and whether the daemons take connections. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/figures.h"
#include "ctl/full.h"
#include "ctl/probe.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "ctl/stops.h"
#include "lib/mem.h"

#define PROBE_WAIT 2000

/* The endpoints that this configuration gives the daemons. */
struct daemon_socket {
    const char *program;
    const char *endpoint;
    bool answers;
    struct error err;
};
struct daemon_sockets {
    struct daemon_socket *list;
    size_t n;
};

/* What there is to say. */
struct facts {
    struct store_stats store;
    struct jobs_stats jobs;
    json_t *store_figures, *bridge_figures; /* of running daemons, or NULL */
    struct daemon_sockets sockets;
};

static void look_at(struct daemon_sockets *s, const char *program, const char *endpoint)
{
    s->list = mem_grow(s->list, s->n + 1, sizeof *s->list);
    struct daemon_socket *d = &s->list[s->n++];
    *d = (struct daemon_socket){.program = program, .endpoint = endpoint};
    d->answers = probe_endpoint(endpoint, PROBE_WAIT, &d->err);
}

static void look_at_all(struct daemon_sockets *s, const struct config *config, const char *program, const char *key)
{
    size_t n;
    const char *const *endpoints = config_list(config, key, &n);
    for (size_t i = 0; i < n; i++)
        look_at(s, program, endpoints[i]);
}

static void look_at_daemons(struct daemon_sockets *s, const struct config *config)
{
    const char *milter = config_string(config, "milter.socket");
    if (*milter != '\0')
        look_at(s, "pontoon-milter", milter);
    look_at_all(s, config, "pontoon-store", "store.listen");
    look_at_all(s, config, "pontoon-bridge", "bridge.listen");
}

/* ---- for programs ---- */

static json_t *rcpts_json(const uint64_t rcpts[RCPT_STATES])
{
    json_t *o = json_object();
    for (int i = 0; i < RCPT_STATES; i++)
        json_object_set_new(o, rcpt_state_name((enum rcpt_state)i), json_integer((json_int_t)rcpts[i]));
    return o;
}

static json_t *store_json(const struct site *site, const struct store_stats *stats)
{
    if (site->store == NULL)
        return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "directory", show_json_text(config_string(site->config, "store.directory")));
    json_object_set_new(o, "messages", json_integer((json_int_t)stats->messages));
    json_object_set_new(o, "oldest", show_json_when(stats->oldest));
    json_object_set_new(o, "recipients", rcpts_json(stats->rcpts));
    json_object_set_new(o, "shadow_messages", json_integer((json_int_t)stats->shadow_messages));
    json_object_set_new(o, "shadow_recipients", rcpts_json(stats->shadow_rcpts));
    json_object_set_new(o, "bodies", json_integer((json_int_t)stats->bodies));
    json_object_set_new(o, "body_bytes", json_integer((json_int_t)stats->body_bytes));
    return o;
}

static json_t *bridge_json(const struct site *site, const struct jobs_stats *stats)
{
    if (site->jobs == NULL)
        return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "directory", show_json_text(config_string(site->config, "bridge.directory")));
    json_object_set_new(o, "pending", json_integer((json_int_t)stats->pending));
    json_object_set_new(o, "untold", json_integer((json_int_t)stats->untold));
    json_object_set_new(o, "known", json_integer((json_int_t)stats->known));
    return o;
}

static json_t *sockets_json(const struct daemon_sockets *s)
{
    json_t *a = json_array();
    for (size_t i = 0; i < s->n; i++) {
        json_t *o = json_object();
        json_object_set_new(o, "program", json_string(s->list[i].program));
        json_object_set_new(o, "endpoint", show_json_text(s->list[i].endpoint));
        json_object_set_new(o, "answers", json_boolean(s->list[i].answers));
        json_object_set_new(o, "error", show_json_text(s->list[i].answers ? NULL : s->list[i].err.text));
        json_array_append_new(a, o);
    }
    return a;
}

static void print_json(const struct site *site, const struct facts *f)
{
    json_t *o = json_object();
    json_object_set_new(o, "version", json_string(PACKAGE_VERSION));
    json_object_set_new(o, "time", show_json_when(clock_now()));
    json_object_set_new(o, "config", show_json_text(config_path(site->config)));
    json_object_set_new(o, "store", store_json(site, &f->store));
    json_object_set_new(o, "bridge", bridge_json(site, &f->jobs));
    json_object_set_new(o, "pacer", figures_member(f->store_figures, "pacer"));
    json_object_set_new(o, "limits",
                        json_pack("{s:o, s:o}", "store", figures_member(f->store_figures, "limits"), "bridge",
                                  figures_member(f->bridge_figures, "limits")));
    json_object_set_new(o, "statements",
                        json_pack("{s:o, s:o}", "store", figures_member(f->store_figures, "statements"), "bridge",
                                  figures_member(f->bridge_figures, "statements")));
    json_object_set_new(o, "full", full_json(site->store, site->config));
    json_object_set_new(o, "drains", stops_drains_json(site->store));
    json_object_set_new(o, "peers", stops_peers_json(site->store));
    json_object_set_new(o, "daemons", sockets_json(&f->sockets));
    show_json_document(stdout, o);
}

/* ---- for people ---- */

static void print_rcpts(const char *title, const uint64_t rcpts[RCPT_STATES], bool all)
{
    bool some = false;
    for (int i = 0; i < RCPT_STATES; i++) {
        if (rcpts[i] == 0 && (!all || i == RCPT_SHADOWED))
            continue;
        if (!some)
            printf("        %s:", title);
        printf("%s %s %" PRIu64, some ? "," : "", rcpt_state_name((enum rcpt_state)i), rcpts[i]);
        some = true;
    }
    if (some)
        putchar('\n');
}

static void print_store(const struct site *site, const struct store_stats *stats)
{
    char age[SHOW_AGE_SIZE], when[SHOW_WHEN_SIZE], size[SHOW_SIZE_SIZE];
    printf("store   %s\n", config_string(site->config, "store.directory"));
    if (stats->messages == 0)
        printf("        nothing under way");
    else
        printf("        messages under way: %" PRIu64 ", the oldest from %s (%s ago)", stats->messages,
               show_when(stats->oldest, when), show_age(clock_now() - stats->oldest, age));
    printf("\n        bodies: %" PRIu64 ", %s bytes\n", stats->bodies, show_size(stats->body_bytes, size));
    print_rcpts("recipients", stats->rcpts, true);
    print_rcpts("shadows (their mail goes by SMTP)", stats->shadow_rcpts, false);
}

static void print_bridge(const struct site *site, const struct jobs_stats *stats)
{
    printf("bridge  %s\n        recipients: pending %" PRIu64 ", settled but not yet told %" PRIu64
           "; messages remembered: %" PRIu64 "\n",
           config_string(site->config, "bridge.directory"), stats->pending, stats->untold, stats->known);
}

static void print_sockets(const struct daemon_sockets *s)
{
    struct show_table *t = show_table_new(3);
    for (size_t i = 0; i < s->n; i++) {
        const struct daemon_socket *d = &s->list[i];
        char *answer = d->answers ? mem_strdup("answers") : mem_printf("does not answer: %s", d->err.text);
        show_table_add(t, (const char *[]){d->program, d->endpoint, answer});
        mem_free(&answer);
    }
    puts("daemons");
    show_table_print(&t, stdout, 8);
}

static void print_text(const struct site *site, const struct facts *f)
{
    if (site->store != NULL) {
        print_store(site, &f->store);
        figures_print(f->store_figures);
        json_t *full = full_json(site->store, site->config);
        full_print(full);
        json_decref(full);
        stops_print(site->store);
    }
    if (site->jobs != NULL) {
        print_bridge(site, &f->jobs);
        figures_print(f->bridge_figures);
    }
    if (site->store == NULL && site->jobs == NULL)
        puts("neither a store nor a bridge queue has been made yet");
    print_sockets(&f->sockets);
}

int ctl_status(const struct ctl *ctl)
{
    struct site site;
    int code = site_open(ctl->config_files[0], &site);
    if (code != EX_OK)
        return code;
    struct facts f = {0};
    struct error err;
    if ((site.store != NULL && store_stats(site.store, &f.store, &err) != RESULT_OK) ||
        (site.jobs != NULL && jobs_stats(site.jobs, &f.jobs, &err) != RESULT_OK)) {
        code = ctl_result_error(&err);
    } else {
        look_at_daemons(&f.sockets, site.config);
        f.store_figures = figures_ask(config_string(site.config, "store.directory"), PROBE_WAIT);
        f.bridge_figures = figures_ask(config_string(site.config, "bridge.directory"), PROBE_WAIT);
        (ctl->options & CTL_JSON ? print_json : print_text)(&site, &f);
        json_decref(f.store_figures);
        json_decref(f.bridge_figures);
        mem_free(&f.sockets.list);
    }
    site_close(&site);
    return code;
}
