/* `pontoon policy`: looks up a domain's record and policy now, as the daemons would, and says what came of it. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/discovery.h"
#include "lib/dns.h"
#include "lib/http_client.h"
#include "lib/loop.h"
#include "lib/mem.h"

/* One look-up and what it found. */
struct lookup {
    char domain[DOMAIN_MAX + 1];
    struct loop *loop;
    struct dns *dns;
    struct http_client *http;
    struct discovery *discovery;
    enum result result;
    struct error err;
    struct policy_cache_entry found; /* as discovery would have saved it: record and document as they are */
};

static void keep_found(void *arg, const struct policy_cache_entry *entry)
{
    struct lookup *l = arg;
    mem_free(&l->found.policy);
    l->found = *entry;
    l->found.policy = mem_strdup(entry->policy);
}

static void looked_up(void *arg, enum result result, const struct policy *policy, const struct error *err)
{
    struct lookup *l = arg;
    (void)policy;
    l->result = result;
    if (result != RESULT_OK)
        l->err = *err;
    loop_stop(l->loop);
}

static void lookup_close(struct lookup *l)
{
    if (l->discovery != NULL)
        discovery_free(&l->discovery);
    if (l->http != NULL)
        http_client_free(&l->http);
    if (l->dns != NULL)
        dns_free(&l->dns);
    loop_free(&l->loop);
    mem_free(&l->found.policy);
}

static enum result lookup_run(struct lookup *l, const struct config *config, struct error *err)
{
    const struct discovery_backing backing = {.save = keep_found, .arg = l};
    l->loop = loop_new();
    enum result r = dns_new(l->loop, config, &l->dns, err);
    if (r == RESULT_OK)
        r = http_client_new(l->loop, l->dns, config, &l->http, err);
    if (r == RESULT_OK)
        r = discovery_new(l->loop, l->dns, l->http, config, &backing, &l->discovery, err);
    if (r != RESULT_OK)
        return r;
    discovery_get(l->discovery, l->domain, true, looked_up, l);
    loop_run(l->loop);
    return RESULT_OK;
}

static const char *result_word(enum result result)
{
    static const char *const words[] = {[RESULT_OK] = "takes-part", [RESULT_PERM] = "no", [RESULT_TEMP] = "unknown"};
    return result == RESULT_BUG ? "unknown" : words[result];
}

static void print_json(const struct lookup *l, json_t *document)
{
    json_t *o = json_object();
    json_object_set_new(o, "domain", json_string(l->domain));
    json_object_set_new(o, "result", json_string(result_word(l->result)));
    json_object_set_new(o, "error", show_json_text(l->result == RESULT_OK ? NULL : l->err.text));
    json_object_set_new(o, "record_id", show_json_text(l->found.txt_id));
    json_object_set_new(o, "policy", document != NULL ? json_incref(document) : json_null());
    show_json_document(stdout, o);
}

static void print_text(const struct lookup *l, json_t *document)
{
    if (l->found.txt_id[0] != '\0')
        printf("record  _sender-store.%s  id=%s\n", l->domain, l->found.txt_id);
    if (document != NULL) {
        printf("policy  https://sender-store.%s/.well-known/sender-store\n", l->domain);
        json_dumpf(document, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    if (l->result == RESULT_OK) {
        printf("%s takes part\n", l->domain);
    } else {
        printf("%s %s: ", l->domain,
               l->result == RESULT_PERM ? "takes no part, mail goes by SMTP" : "could not be looked up");
        show_text(stdout, l->err.text);
        putchar('\n');
    }
}

static int show(const struct ctl *ctl, const struct lookup *l)
{
    static const int codes[] = {
        [RESULT_OK] = EX_OK, [RESULT_TEMP] = EX_TEMPFAIL, [RESULT_PERM] = EX_UNAVAILABLE, [RESULT_BUG] = EX_SOFTWARE};
    json_t *document = l->found.policy != NULL ? json_loads(l->found.policy, 0, NULL) : NULL;
    (ctl->options & CTL_JSON ? print_json : print_text)(l, document);
    json_decref(document);
    return codes[l->result];
}

int ctl_policy(const struct ctl *ctl)
{
    struct lookup l = {0};
    struct config *config = NULL;
    struct error err;
    if (!domain_normalize(ctl->args[0], l.domain))
        return ctl_error(EX_USAGE, "\"%s\" is no domain name", ctl->args[0]);
    int code = site_config(ctl->config_files[0], &config);
    if (code != EX_OK)
        return code;
    if (lookup_run(&l, config, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    else
        code = show(ctl, &l);
    lookup_close(&l);
    config_free(&config);
    return code;
}
