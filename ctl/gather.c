/* Gathering a message's way from the stores and bridge queues at hand: see trace.h. */
#include "ctl/trace.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* ---- which messages are meant ---- */

static void add_id(char *ids[], size_t *n, const char *id)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp(ids[i], id) == 0)
            return;
    }
    if (*n < TRACE_MESSAGES_MAX)
        ids[(*n)++] = mem_strdup(id);
}

static enum result ids_of_store(struct store *store, const char *what, char *ids[], size_t *n, struct error *err)
{
    struct store_entries *found = NULL;
    enum result r = store_find(store, what, TRACE_MESSAGES_MAX, &found, err);
    if (r != RESULT_OK)
        return r;
    for (size_t i = 0; i < found->n; i++)
        add_id(ids, n, found->entries[i].id);
    store_entries_free(&found);
    return RESULT_OK;
}

static enum result ids_of_jobs(struct jobs *jobs, const char *what, char *ids[], size_t *n, struct error *err)
{
    struct job_list *found = NULL;
    enum result r = jobs_search(jobs, what, TRACE_MESSAGES_MAX, &found, err);
    if (r != RESULT_OK)
        return r;
    for (size_t i = 0; i < found->n; i++)
        add_id(ids, n, found->jobs[i]->m.id);
    job_list_free(&found);
    return RESULT_OK;
}

enum result trace_find_ids(const struct site *sites, size_t nsites, const char *what, char *ids[TRACE_MESSAGES_MAX],
                           size_t *n_r, struct error *err)
{
    enum result r = RESULT_OK;
    *n_r = 0;
    for (size_t i = 0; i < nsites && r == RESULT_OK; i++) {
        if (sites[i].store != NULL)
            r = ids_of_store(sites[i].store, what, ids, n_r, err);
        if (r == RESULT_OK && sites[i].jobs != NULL)
            r = ids_of_jobs(sites[i].jobs, what, ids, n_r, err);
    }
    return r;
}

/* ---- one message ---- */

static struct trace_rcpt *add_rcpt(struct trace *t, const char *side, const char *address, const char *state)
{
    t->rcpts = mem_grow(t->rcpts, t->nrcpts + 1, sizeof *t->rcpts);
    struct trace_rcpt *r = &t->rcpts[t->nrcpts++];
    *r = (struct trace_rcpt){.side = side, .address = mem_strdup(address), .state = state};
    return r;
}

static void add_hops(struct trace *t, const char *side, const struct config *config, const struct store_event *events,
                     size_t n)
{
    t->hops = mem_grow(t->hops, t->nhops + n + 1, sizeof *t->hops);
    for (size_t i = 0; i < n; i++) {
        t->hops[t->nhops] = (struct trace_hop){.when = events[i].when,
                                               .order = t->nhops,
                                               .side = side,
                                               .host = mem_strdup(config_hostname(config)),
                                               .what = mem_strdup(events[i].what),
                                               .address = mem_strdup(events[i].address),
                                               .text = mem_strdup(events[i].text)};
        t->nhops++;
    }
}

/* The first who knows says it; the store comes before the bridge. */
static void learn(char **slot, const char *value)
{
    if (value == NULL || *value == '\0' || (*slot != NULL && **slot != '\0'))
        return;
    mem_free(slot);
    *slot = mem_strdup(value);
}

static void learn_entry(struct trace *t, const struct store_entry *e)
{
    learn(&t->queue_id, e->queue_id);
    learn(&t->message_id, e->message_id);
    learn(&t->sender, e->envelope.sender);
    if (t->iss == NULL)
        t->iss = mem_strdup(e->iss);
    t->size = e->size;
    t->arrived = e->created;
    for (size_t i = 0; i < e->nrcpts; i++) {
        const struct store_rcpt *from = &e->rcpts[i];
        struct trace_rcpt *to = add_rcpt(t, "store", from->address, rcpt_state_name(from->state));
        memcpy(to->dsn, from->dsn, sizeof to->dsn);
        to->text = mem_strdup(from->text);
        to->peer = mem_strdup(from->peer);
    }
}

static void learn_job(struct trace *t, const struct job *j)
{
    learn(&t->receiver_queue_id, j->queue_id);
    learn(&t->sender, j->m.envelope.sender);
    if (t->arrived == 0) {
        t->size = j->m.size;
        t->arrived = j->received;
    }
    for (size_t i = 0; i < j->nrcpts; i++) {
        const struct job_rcpt *from = &j->rcpts[i];
        struct trace_rcpt *to = add_rcpt(t, "bridge", from->address, job_outcome_name(j->shadow, from->state));
        memcpy(to->dsn, from->dsn, sizeof to->dsn);
        to->text = mem_strdup(from->text);
        to->peer = mem_strdup(from->relay);
    }
}

static enum result gather_store(struct trace *t, const struct site *site, struct error *err)
{
    struct store_entries *found = NULL;
    struct store_event *events = NULL;
    size_t n = 0;
    enum result r = store_find(site->store, t->id, TRACE_MESSAGES_MAX, &found, err);
    if (r != RESULT_OK)
        return r;
    for (size_t i = 0; i < found->n; i++) {
        if (strcmp(found->entries[i].id, t->id) == 0)
            learn_entry(t, &found->entries[i]);
    }
    store_entries_free(&found);
    r = store_events(site->store, t->id, &events, &n, err);
    if (r != RESULT_OK)
        return r;
    add_hops(t, "store", site->config, events, n);
    store_events_free(&events, n);
    return RESULT_OK;
}

/* Another domain may use the same id: if a store knows whose it is, only that domain's job is the one. */
static bool is_job_of(const struct trace *t, const struct job *j)
{
    return strcmp(j->m.id, t->id) == 0 && (t->iss == NULL || strcmp(j->iss, t->iss) == 0);
}

static enum result gather_jobs(struct trace *t, const struct site *site, struct error *err)
{
    struct job_list *found = NULL;
    enum result r = jobs_search(site->jobs, t->id, TRACE_MESSAGES_MAX, &found, err);
    if (r != RESULT_OK)
        return r;
    for (size_t i = 0; i < found->n && r == RESULT_OK; i++) {
        const struct job *j = found->jobs[i];
        struct store_event *events = NULL;
        size_t n = 0;
        if (!is_job_of(t, j))
            continue;
        learn_job(t, j);
        const struct job_name name = job_name(j);
        r = jobs_events(site->jobs, &name, &events, &n, err);
        if (r == RESULT_OK) {
            add_hops(t, "bridge", site->config, events, n);
            store_events_free(&events, n);
        }
    }
    job_list_free(&found);
    return r;
}

static int by_time(const void *a, const void *b)
{
    const struct trace_hop *x = a, *y = b;
    if (x->when != y->when)
        return x->when < y->when ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

enum result trace_gather(const struct site *sites, size_t nsites, const char *id, struct trace *trace_r,
                         struct error *err)
{
    enum result r = RESULT_OK;
    *trace_r = (struct trace){.id = mem_strdup(id),
                              .queue_id = mem_strdup(""),
                              .receiver_queue_id = mem_strdup(""),
                              .message_id = mem_strdup(""),
                              .sender = mem_strdup("")};
    for (size_t i = 0; i < nsites && r == RESULT_OK; i++) {
        if (sites[i].store != NULL)
            r = gather_store(trace_r, &sites[i], err);
    }
    for (size_t i = 0; i < nsites && r == RESULT_OK; i++) {
        if (sites[i].jobs != NULL)
            r = gather_jobs(trace_r, &sites[i], err);
    }
    if (r != RESULT_OK)
        trace_free(trace_r);
    else if (trace_r->nhops > 0)
        qsort(trace_r->hops, trace_r->nhops, sizeof *trace_r->hops, by_time);
    return r;
}

void trace_free(struct trace *t)
{
    for (size_t i = 0; i < t->nrcpts; i++) {
        mem_free(&t->rcpts[i].address);
        mem_free(&t->rcpts[i].text);
        mem_free(&t->rcpts[i].peer);
    }
    for (size_t i = 0; i < t->nhops; i++) {
        mem_free(&t->hops[i].host);
        mem_free(&t->hops[i].what);
        mem_free(&t->hops[i].address);
        mem_free(&t->hops[i].text);
    }
    mem_free(&t->rcpts);
    mem_free(&t->hops);
    mem_free(&t->id);
    mem_free(&t->queue_id);
    mem_free(&t->receiver_queue_id);
    mem_free(&t->message_id);
    mem_free(&t->sender);
    mem_free(&t->iss);
    *t = (struct trace){0};
}
