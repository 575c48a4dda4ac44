/* Record, then document: see discovery_lookup.h, and doc/protocol.md, "Discovery". */
#include "lib/discovery_lookup.h"

#include <stdio.h>
#include <string.h>

#include "lib/mem.h"

struct discovery_lookup {
    struct discovery_net net;
    char *domain;
    char known_id[POLICY_TXT_ID_MAX + 1];
    bool cancelled;
    struct http_call *call; /* under way, or NULL */
    struct discovery_found found;
    discovery_lookup_done *done;
    void *arg;
};

static void lookup_free(struct discovery_lookup *l)
{
    mem_free(&l->domain);
    mem_free(&l);
}

static void finish(struct discovery_lookup *l, enum result result)
{
    l->found.result = result;
    l->done(l->arg, &l->found);
    policy_free(&l->found.policy);
    lookup_free(l);
}

static void on_document(void *arg, enum result result, const struct http_response *r, const struct error *err)
{
    struct discovery_lookup *l = arg;
    l->call = NULL;
    if (result != RESULT_OK) {
        /* An address that we may not connect to is as good as none: others may see it otherwise. */
        finish(l, error_set(&l->found.err, RESULT_TEMP, "policy: %s", err->text));
        return;
    }
    if (r->status != 200) {
        finish(l, error_set(&l->found.err, RESULT_TEMP, "policy: %s answered %d", r->peer, r->status));
        return;
    }
    result = policy_parse(r->body, r->len, &l->found.policy, &l->found.err);
    if (result == RESULT_OK)
        l->found.document = r->body;
    else
        error_prefix(&l->found.err, "policy from %s", r->peer);
    finish(l, result);
}

static void fetch_document(struct discovery_lookup *l)
{
    char port[8] = "";
    if (l->net.policy_port != 443)
        snprintf(port, sizeof port, ":%u", l->net.policy_port);
    char *url = mem_printf("https://sender-store.%s%s/.well-known/sender-store", l->domain, port);
    struct http_call_options o = {
        .method = "GET",
        .url = url,
        .max_body = POLICY_SIZE_MAX,
        .connect_timeout = l->net.timeout,
        .timeout = l->net.timeout,
        .done = on_document,
        .arg = l,
    };
    l->call = http_client_start(l->net.http, &o);
    mem_free(&url);
}

/* The one record with our version; other TXT records may stand beside it. */
static enum result pick_record(struct discovery_lookup *l, const struct dns_txt *records, size_t n)
{
    struct error err;
    unsigned ours = 0;
    enum result picked = RESULT_PERM;
    l->found.absent = true;
    error_set(&l->found.err, RESULT_PERM, "no sender-store record among the TXT records of _sender-store.%s",
              l->domain);
    for (size_t i = 0; i < n; i++) {
        char id[POLICY_TXT_ID_MAX + 1] = "";
        enum result r = policy_txt_parse(records[i].text, records[i].len, id, &err);
        if (r == RESULT_TEMP)
            continue;
        ours++;
        picked = r;
        l->found.absent = false;
        if (r == RESULT_OK)
            snprintf(l->found.txt_id, sizeof l->found.txt_id, "%s", id);
        else
            error_set(&l->found.err, r, "_sender-store.%s: %s", l->domain, err.text);
    }
    if (ours > 1)
        picked = error_set(&l->found.err, RESULT_PERM, "_sender-store.%s has %u sender-store records", l->domain, ours);
    return picked;
}

static void on_record(void *arg, enum result result, const struct dns_txt *records, size_t n, uint32_t ttl,
                      const struct error *err)
{
    struct discovery_lookup *l = arg;
    if (l->cancelled) {
        lookup_free(l);
        return;
    }
    if (result == RESULT_OK) {
        result = pick_record(l, records, n);
    } else {
        l->found.absent = result == RESULT_PERM;
        l->found.err = *err;
    }
    l->found.ttl = ttl;
    if (result != RESULT_OK) {
        l->found.no_record = result == RESULT_PERM;
        l->found.txt_id[0] = '\0';
        finish(l, result);
    } else if (strcmp(l->known_id, l->found.txt_id) == 0) {
        finish(l, RESULT_OK);
    } else {
        fetch_document(l);
    }
}

struct discovery_lookup *discovery_lookup_start(const struct discovery_net *net, const char *domain,
                                                const char *known_id, discovery_lookup_done *done, void *arg)
{
    struct discovery_lookup *l = mem_zero(1, sizeof *l);
    l->net = *net;
    l->domain = mem_strdup(domain);
    snprintf(l->known_id, sizeof l->known_id, "%s", known_id);
    l->done = done;
    l->arg = arg;
    char *name = mem_printf("_sender-store.%s", domain);
    dns_txt(net->dns, name, on_record, l);
    mem_free(&name);
    return l;
}

void discovery_lookup_cancel(struct discovery_lookup **lookup)
{
    struct discovery_lookup *l = *lookup;
    *lookup = NULL;
    if (l == NULL)
        return;
    if (l->call == NULL) {
        l->cancelled = true; /* the record's look-up will come back */
        return;
    }
    http_call_cancel(l->call);
    lookup_free(l);
}
