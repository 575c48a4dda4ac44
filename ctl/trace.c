/*
 * `pontoon trace`: the way of one message, with the time at every hop and the time between hops. With more than one -c
 * the databases of several sites are laid together (two sites on one machine, as in the tests).
 */
#include "ctl/trace.h"

#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "lib/mem.h"

static msec_t hop_delta(const struct trace *t, size_t i)
{
    return i == 0 ? 0 : t->hops[i].when - t->hops[i - 1].when;
}

static msec_t duration(const struct trace *t)
{
    return t->nhops == 0 ? 0 : t->hops[t->nhops - 1].when - t->hops[0].when;
}

/* ---- for programs ---- */

static json_t *rcpts_json(const struct trace *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->nrcpts; i++) {
        const struct trace_rcpt *r = &t->rcpts[i];
        json_t *o = json_object();
        json_object_set_new(o, "side", json_string(r->side));
        json_object_set_new(o, "address", show_json_text(r->address));
        json_object_set_new(o, "state", json_string(r->state));
        json_object_set_new(o, "status", show_json_text(r->dsn));
        json_object_set_new(o, "text", show_json_text(r->text));
        json_object_set_new(o, "peer", show_json_text(r->peer));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *hops_json(const struct trace *t)
{
    json_t *a = json_array();
    for (size_t i = 0; i < t->nhops; i++) {
        const struct trace_hop *h = &t->hops[i];
        json_t *o = json_object();
        json_object_set_new(o, "time", show_json_when(h->when));
        json_object_set_new(o, "delta_ms", json_integer(hop_delta(t, i)));
        json_object_set_new(o, "side", json_string(h->side));
        json_object_set_new(o, "host", show_json_text(h->host));
        json_object_set_new(o, "event", show_json_text(h->what));
        json_object_set_new(o, "address", show_json_text(h->address));
        json_object_set_new(o, "text", show_json_text(h->text));
        json_array_append_new(a, o);
    }
    return a;
}

static json_t *trace_json(const struct trace *t)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(t->id));
    json_object_set_new(o, "queue_id", show_json_text(t->queue_id));
    json_object_set_new(o, "receiver_queue_id", show_json_text(t->receiver_queue_id));
    json_object_set_new(o, "message_id", show_json_text(t->message_id));
    json_object_set_new(o, "sender", *t->sender ? show_json_text(t->sender) : json_string(""));
    json_object_set_new(o, "size", json_integer((json_int_t)t->size));
    json_object_set_new(o, "arrived", show_json_when(t->arrived));
    json_object_set_new(o, "recipients", rcpts_json(t));
    json_object_set_new(o, "hops", hops_json(t));
    json_object_set_new(o, "duration_ms", json_integer(duration(t)));
    return o;
}

/* ---- for people ---- */

static void print_field(const char *name, const char *value)
{
    if (*value == '\0')
        return;
    printf("  %-12s ", name);
    show_text(stdout, value);
    putchar('\n');
}

static void print_rcpts(const struct trace *t)
{
    struct show_table *table = show_table_new(5);
    for (size_t i = 0; i < t->nrcpts; i++) {
        const struct trace_rcpt *r = &t->rcpts[i];
        char *address = mem_printf("<%s>", r->address);
        char *peer = r->peer != NULL ? mem_printf("at %s", r->peer) : NULL;
        show_table_add(table, (const char *[]){r->side, address, r->state, r->text, peer});
        mem_free(&address);
        mem_free(&peer);
    }
    puts("\n  recipients, as each side sees them");
    show_table_print(&table, stdout, 4);
}

/* A recipient, or the domain that fetched. */
static char *hop_address(const struct trace_hop *h)
{
    if (h->address == NULL)
        return mem_strdup("-");
    return strchr(h->address, '@') != NULL ? mem_printf("<%s>", h->address) : mem_strdup(h->address);
}

static void print_hops(const struct trace *t)
{
    char when[SHOW_WHEN_SIZE], age[SHOW_AGE_SIZE];
    struct show_table *table = show_table_new(6);
    for (size_t i = 0; i < t->nhops; i++) {
        const struct trace_hop *h = &t->hops[i];
        char *delta =
            i == 0 ? NULL : mem_printf("%s%s", hop_delta(t, i) < 0 ? "" : "+", show_age(hop_delta(t, i), age));
        char *where = mem_printf("%s@%s", h->side, h->host);
        char *address = hop_address(h);
        show_table_add(table, (const char *[]){show_when(h->when, when), delta, where, h->what, address, h->text});
        mem_free(&delta);
        mem_free(&where);
        mem_free(&address);
    }
    puts("\n  hops");
    show_table_print(&table, stdout, 4);
    printf("    %s from first to last\n", show_age(duration(t), age));
}

static void print_trace(const struct trace *t)
{
    char when[SHOW_WHEN_SIZE], age[SHOW_AGE_SIZE], size[SHOW_SIZE_SIZE];
    printf("message %s\n", t->id);
    print_field("queue id", t->queue_id);
    print_field("delivered as", t->receiver_queue_id);
    print_field("Message-ID", t->message_id);
    char *sender = mem_printf("<%s>", t->sender);
    print_field("sender", sender);
    mem_free(&sender);
    printf("  %-12s %s (%s ago), %s bytes\n", "arrived", show_when(t->arrived, when),
           show_age(clock_now() - t->arrived, age), show_size(t->size, size));
    print_rcpts(t);
    print_hops(t);
}

/* ---- all that were found ---- */

static int show_ids(const struct ctl *ctl, const struct site *sites, char *ids[], size_t n)
{
    bool json = ctl->options & CTL_JSON;
    json_t *list = json_array();
    int code = EX_OK;
    for (size_t i = 0; i < n && code == EX_OK; i++) {
        struct trace t;
        struct error err;
        if (trace_gather(sites, ctl->nconfig_files, ids[i], &t, &err) != RESULT_OK) {
            code = ctl_result_error(&err);
            break;
        }
        if (json)
            json_array_append_new(list, trace_json(&t));
        else
            print_trace(&t);
        if (!json && i + 1 < n)
            putchar('\n');
        trace_free(&t);
    }
    if (json && code == EX_OK)
        show_json_document(stdout, list);
    else
        json_decref(list);
    return code;
}

static int find_and_show(const struct ctl *ctl, const struct site *sites)
{
    char *ids[TRACE_MESSAGES_MAX];
    size_t n = 0;
    struct error err;
    int code;
    if (trace_find_ids(sites, ctl->nconfig_files, ctl->args[0], ids, &n, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    else if (n == 0)
        code = ctl_error(EX_NOINPUT,
                         "no message \"%s\" is known here: give a pontoon id, a queue id of the MTA or a Message-ID; "
                         "settled messages are forgotten after store.history and bridge.history",
                         ctl->args[0]);
    else
        code = show_ids(ctl, sites, ids, n);
    for (size_t i = 0; i < n; i++)
        mem_free(&ids[i]);
    return code;
}

int ctl_trace(const struct ctl *ctl)
{
    struct site sites[CTL_CONFIGS_MAX];
    size_t open = 0;
    int code = EX_OK;
    while (open < ctl->nconfig_files && (code = site_open_some(ctl->config_files[open], &sites[open])) == EX_OK)
        open++;
    if (code == EX_OK)
        code = find_and_show(ctl, sites);
    while (open > 0)
        site_close(&sites[--open]);
    return code;
}
