/* Several requests at once, and their end: see net.h. */
#include "ctl/net.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"
#include "lib/problem.h"

enum result net_open(const struct config *config, struct net *n_r, struct error *err)
{
    *n_r = (struct net){.loop = loop_new()};
    enum result r = dns_new(n_r->loop, config, &n_r->dns, err);
    if (r == RESULT_OK)
        r = http_client_new(n_r->loop, n_r->dns, config, &n_r->http, err);
    n_r->discovery = (struct discovery_net){
        .dns = n_r->dns,
        .http = n_r->http,
        .policy_port = (uint16_t)config_number(config, "discovery.policy-port"),
        .timeout = config_time(config, "discovery.timeout"),
    };
    return r;
}

void net_close(struct net *n)
{
    if (n->http != NULL)
        http_client_free(&n->http);
    if (n->dns != NULL)
        dns_free(&n->dns);
    if (n->loop != NULL)
        loop_free(&n->loop);
}

/* What is under way: the loop stops with the last of it. */
struct batch {
    struct loop *loop;
    size_t left;
};

static void one_done(struct batch *b)
{
    if (--b->left == 0)
        loop_stop(b->loop);
}

/* ---- requests ---- */

struct getting {
    struct batch *batch;
    struct net_get *get;
};

static void got(void *arg, enum result result, const struct http_response *response, const struct error *err)
{
    struct getting *g = arg;
    struct net_get *get = g->get;
    get->result = result;
    get->response = *response;
    if (result != RESULT_OK) {
        get->err = *err;
    } else {
        problem_text(response, get->text, sizeof get->text);
        snprintf(get->type, sizeof get->type, "%s", response->content_type != NULL ? response->content_type : "");
        snprintf(get->body, sizeof get->body, "%s", (const char *)response->body);
    }
    one_done(g->batch);
}

void net_get_all(struct net *n, struct net_get *gets, size_t count, msec_t timeout)
{
    struct batch batch = {.loop = n->loop, .left = count};
    struct getting *getting = mem_zero(count, sizeof *getting);
    for (size_t i = 0; i < count; i++) {
        getting[i] = (struct getting){.batch = &batch, .get = &gets[i]};
        http_client_start(n->http, &(struct http_call_options){
                                       .method = "GET",
                                       .url = gets[i].url,
                                       .max_body = NET_BODY_MAX,
                                       .connect_timeout = timeout,
                                       .timeout = timeout,
                                       .done = got,
                                       .arg = &getting[i],
                                   });
    }
    if (count > 0)
        loop_run(n->loop);
    mem_free(&getting);
}

/* ---- records and policies ---- */

struct looking {
    struct batch *batch;
    struct net_lookup *lookup;
};

static void looked(void *arg, struct discovery_found *found)
{
    struct looking *g = arg;
    struct net_lookup *l = g->lookup;
    l->result = found->result;
    if (found->result != RESULT_OK)
        l->err = found->err;
    l->no_record = found->no_record;
    l->absent = found->absent;
    memcpy(l->txt_id, found->txt_id, sizeof l->txt_id);
    l->ttl = found->ttl;
    l->policy = found->policy;
    found->policy = NULL;
    l->document = found->document != NULL ? mem_strdup(found->document) : NULL;
    one_done(g->batch);
}

void net_lookup_all(struct net *n, struct net_lookup *lookups, size_t count)
{
    struct batch batch = {.loop = n->loop, .left = count};
    struct looking *looking = mem_zero(count, sizeof *looking);
    for (size_t i = 0; i < count; i++) {
        looking[i] = (struct looking){.batch = &batch, .lookup = &lookups[i]};
        discovery_lookup_start(&n->discovery, lookups[i].domain, "", looked, &looking[i]);
    }
    if (count > 0)
        loop_run(n->loop);
    mem_free(&looking);
}

void net_lookup_free(struct net_lookup *l)
{
    policy_free(&l->policy);
    mem_free(&l->document);
}
