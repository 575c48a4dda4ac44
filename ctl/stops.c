/* Drains and failing peers in words: see stops.h. */
#include "ctl/stops.h"

#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "lib/store_stops.h"

static const char *const breaker_words[] = {
    [STORE_BREAKER_CLOSED] = "closed", [STORE_BREAKER_OPEN] = "open", [STORE_BREAKER_TRIAL] = "trial"};

/* ---- for programs ---- */

json_t *stops_drains_json(struct store *store)
{
    struct store_stops *stops = NULL;
    struct error err;
    if (store == NULL)
        return json_null();
    if (store_stops_read(store, &stops, &err) != RESULT_OK) {
        ctl_result_error(&err);
        return json_null();
    }
    json_t *list = json_array();
    for (size_t i = 0; i < stops->n; i++) {
        const struct store_stop *s = &stops->list[i];
        if (s->kind == STORE_STOP_DRAIN)
            json_array_append_new(list,
                                  json_pack("{s:o, s:o}", "domain", s->domain[0] ? json_string(s->domain) : json_null(),
                                            "since", show_json_when(s->since)));
    }
    store_stops_free(&stops);
    return list;
}

static json_t *peer_json(const struct store_peer *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "domain", json_string(p->domain));
    json_object_set_new(o, "breaker", json_string(breaker_words[p->breaker]));
    json_object_set_new(o, "since", show_json_when(p->breaker != STORE_BREAKER_CLOSED ? p->changed : 0));
    json_object_set_new(o, "failures", json_integer(p->failures));
    json_object_set_new(o, "failing_since", show_json_when(p->failing));
    json_object_set_new(o, "probes", json_integer(p->probes));
    json_object_set_new(o, "next_probe", show_json_when(p->breaker == STORE_BREAKER_OPEN ? p->next_probe : 0));
    json_object_set_new(o, "error", show_json_text(p->error));
    return o;
}

json_t *stops_peers_json(struct store *store)
{
    struct store_peers *peers = NULL;
    struct error err;
    if (store == NULL)
        return json_null();
    if (store_peers_read(store, &peers, &err) != RESULT_OK) {
        ctl_result_error(&err);
        return json_null();
    }
    json_t *list = json_array();
    for (size_t i = 0; i < peers->n; i++)
        json_array_append_new(list, peer_json(&peers->list[i]));
    store_peers_free(&peers);
    return list;
}

/* ---- for people ---- */

static void print_drains(const struct store_stops *stops)
{
    char when[SHOW_WHEN_SIZE], age[SHOW_AGE_SIZE];
    for (size_t i = 0; i < stops->n; i++) {
        const struct store_stop *s = &stops->list[i];
        if (s->kind == STORE_STOP_DRAIN)
            printf("drain   %s since %s (%s): mail %sgoes by SMTP; `pontoon drain' shows what is left\n",
                   s->domain[0] ? s->domain : "everything", show_when(s->since, when),
                   show_age(clock_now() - s->since, age), s->domain[0] ? "to and from it " : "");
    }
}

static void print_peer(const struct store_peer *p)
{
    char when[SHOW_WHEN_SIZE], age[SHOW_AGE_SIZE], next[SHOW_AGE_SIZE];
    printf("peer    %s: %u request%s failed since %s (%s), breaker %s", p->domain, p->failures,
           p->failures == 1 ? "" : "s", show_when(p->failing, when), show_age(clock_now() - p->failing, age),
           breaker_words[p->breaker]);
    if (p->breaker == STORE_BREAKER_OPEN)
        printf(": mail to it goes by SMTP, next probe %s", show_next(p->next_probe, clock_now(), next));
    else if (p->breaker == STORE_BREAKER_TRIAL)
        printf(": it is there again, one more failure opens it");
    if (p->error != NULL) {
        fputs("\n        last: ", stdout);
        show_text(stdout, p->error);
    }
    putchar('\n');
}

void stops_print(struct store *store)
{
    struct store_stops *stops = NULL;
    struct store_peers *peers = NULL;
    struct error err;
    if (store_stops_read(store, &stops, &err) != RESULT_OK || store_peers_read(store, &peers, &err) != RESULT_OK) {
        ctl_result_error(&err);
    } else {
        print_drains(stops);
        for (size_t i = 0; i < peers->n; i++)
            print_peer(&peers->list[i]);
    }
    store_stops_free(&stops);
    store_peers_free(&peers);
}
