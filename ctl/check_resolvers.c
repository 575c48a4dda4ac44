/* Each of the DNS servers that pontoon asks: one that is silent makes every look-up wait, though the others answer. */
#include <stdio.h>
#include <string.h>

#include "ctl/check.h"
#include "lib/mem.h"

#define RESOLV_CONF "/etc/resolv.conf"

enum { RESOLVERS_MAX = 8, LINE_SIZE = 512, NAME_SIZE = 128 };

struct resolver {
    char name[NAME_SIZE]; /* "127.0.0.1:53" */
    struct config *config;
    struct dns *dns;
    bool answered; /* "it is not there" is an answer */
    struct error err;
    struct batch *batch;
};

struct batch {
    struct loop *loop;
    size_t left, n;
    struct resolver resolvers[RESOLVERS_MAX];
};

/* ---- which ---- */

static void add(struct batch *b, const char *name)
{
    if (b->n < RESOLVERS_MAX)
        snprintf(b->resolvers[b->n++].name, NAME_SIZE, "%s", name);
}

static void add_of_system(struct batch *b)
{
    char line[LINE_SIZE], address[64];
    FILE *f = fopen(RESOLV_CONF, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        char name[NAME_SIZE];
        if (sscanf(line, "nameserver %63s", address) != 1)
            continue;
        snprintf(name, sizeof name, strchr(address, ':') != NULL ? "[%s]:53" : "%s:53", address);
        add(b, name);
    }
    if (f != NULL)
        fclose(f);
    if (b->n == 0)
        add(b, "127.0.0.1:53");
}

/* ---- asking ---- */

static void answered(void *arg, enum result result, const struct dns_txt *records, size_t n, uint32_t ttl,
                     const struct error *err)
{
    (void)records, (void)n, (void)ttl;
    struct resolver *r = arg;
    r->answered = result != RESULT_TEMP;
    if (err != NULL)
        r->err = *err;
    if (--r->batch->left == 0)
        loop_stop(r->batch->loop);
}

/* A client of its own, which knows this server only. */
static bool ask(struct resolver *r, struct loop *loop, const char *domain)
{
    char *text = mem_printf("discovery { resolvers = {\"%s\"} dns-timeout = 3s }\n", r->name);
    enum result result = config_parse(text, "resolver", &r->config, &r->err);
    if (result == RESULT_OK)
        result = dns_new(loop, r->config, &r->dns, &r->err);
    mem_free(&text);
    if (result != RESULT_OK)
        return false;
    char *name = mem_printf("_sender-store.%s", domain);
    dns_txt(r->dns, name, answered, r);
    mem_free(&name);
    return true;
}

static void ask_all(struct check *c, struct batch *b)
{
    size_t n;
    const char *const *domains = config_list(c->config, "domains", &n);
    for (size_t i = 0; i < b->n; i++) {
        b->resolvers[i].batch = b;
        b->left += ask(&b->resolvers[i], b->loop, n > 0 ? domains[0] : "example.com");
    }
    if (b->left > 0)
        loop_run(b->loop);
    for (size_t i = 0; i < b->n; i++) {
        if (b->resolvers[i].dns != NULL)
            dns_free(&b->resolvers[i].dns);
        if (b->resolvers[i].config != NULL)
            config_free(&b->resolvers[i].config);
    }
}

void check_resolvers(struct check *c)
{
    size_t n, dead = 0;
    struct batch *b = mem_zero(1, sizeof *b);
    const char *const *own = config_list(c->config, "discovery.resolvers", &n);
    b->loop = c->net.loop;
    for (size_t i = 0; i < n; i++)
        add(b, own[i]);
    if (n == 0)
        add_of_system(b);
    ask_all(c, b);
    for (size_t i = 0; i < b->n; i++)
        dead += !b->resolvers[i].answered;
    for (size_t i = 0; i < b->n; i++) {
        const struct resolver *r = &b->resolvers[i];
        if (r->answered) {
            check_found(c->report, CHECK_OK, "resolver %s answers", r->name);
            continue;
        }
        check_found(c->report, dead == b->n ? CHECK_PROBLEM : CHECK_WARNING, "resolver %s: %s%s", r->name, r->err.text,
                    dead == b->n ? "" : "; look-ups wait for it before they ask another");
        check_advise(c->report, "mend it, or name others: %s", n > 0 ? "discovery.resolvers" : RESOLV_CONF);
    }
    mem_free(&b);
}
