/*
 * `pontoon queue`: every undecided recipient of the store, and of the bridge's queue what is pending or not yet told;
 * for people in the manner of postqueue -p, for programs one JSON object a message, as postqueue -j.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/mem.h"

enum { STORE_PAGE = 200, JOBS_MAX = 10000 };

/* One recipient of either database in the form that is shown. */
struct line {
    const char *address, *state, *status, *text, *peer;
    unsigned attempts;
    msec_t next, since;
};
struct message {
    const char *queue; /* "store" or "bridge" */
    const char *id, *queue_id, *sender;
    uint64_t size;
    msec_t arrived;
    bool shadow; /* the mail itself goes by SMTP */
};

struct queue {
    bool json;
    msec_t now;
    uint64_t messages, rcpts, bytes;
};

typedef bool get_line(const void *entry, size_t i, struct line *line_r); /* false: nothing undecided about it */

static json_t *line_json(const struct line *l)
{
    json_t *o = json_object();
    json_object_set_new(o, "address", show_json_text(l->address));
    json_object_set_new(o, "state", json_string(l->state));
    json_object_set_new(o, "since", show_json_when(l->since));
    json_object_set_new(o, "attempts", json_integer(l->attempts));
    json_object_set_new(o, "next", show_json_when(l->next));
    json_object_set_new(o, "status", show_json_text(l->status));
    json_object_set_new(o, "error", show_json_text(l->text));
    json_object_set_new(o, "peer", show_json_text(l->peer));
    return o;
}

static json_t *message_json(const struct message *m)
{
    json_t *o = json_object();
    json_object_set_new(o, "queue", json_string(m->queue));
    json_object_set_new(o, "shadow", json_boolean(m->shadow));
    json_object_set_new(o, "id", json_string(m->id));
    json_object_set_new(o, "queue_id", show_json_text(m->queue_id));
    json_object_set_new(o, "arrived", show_json_when(m->arrived));
    json_object_set_new(o, "size", json_integer((json_int_t)m->size));
    json_object_set_new(o, "sender", *m->sender ? show_json_text(m->sender) : json_string(""));
    return o;
}

static void print_line(const struct line *l, msec_t now)
{
    char next[SHOW_AGE_SIZE];
    printf("    %-9s to <", l->state);
    show_text(stdout, l->address);
    printf(">, attempts %u, next try %s\n", l->attempts, show_next(l->next, now, next));
    if (l->text == NULL || *l->text == '\0')
        return;
    printf("              ");
    show_text(stdout, l->text);
    if (l->peer != NULL && *l->peer != '\0') {
        fputs(" (said by ", stdout);
        show_text(stdout, l->peer);
        putchar(')');
    }
    putchar('\n');
}

static void print_message(const struct message *m, msec_t now)
{
    char age[SHOW_AGE_SIZE], when[SHOW_WHEN_SIZE], size[SHOW_SIZE_SIZE];
    printf("%-6s  %-26s  %-12s  %6s  %s  %s ago  <", m->shadow ? "shadow" : m->queue, m->id,
           *m->queue_id ? m->queue_id : "-", show_size(m->size, size), show_when(m->arrived, when),
           show_age(now - m->arrived, age));
    show_text(stdout, m->sender);
    puts(">");
}

/* Shows a message if any of its `n` recipients is undecided. */
static void show_message(struct queue *q, const struct message *m, size_t n, get_line *get, const void *entry)
{
    json_t *lines = json_array();
    uint64_t shown = 0;
    struct line l;
    for (size_t i = 0; i < n; i++) {
        if (!get(entry, i, &l))
            continue;
        if (q->json)
            json_array_append_new(lines, line_json(&l));
        else if (shown == 0)
            print_message(m, q->now);
        if (!q->json)
            print_line(&l, q->now);
        shown++;
    }
    if (q->json && shown > 0) {
        json_t *o = message_json(m);
        json_object_set(o, "recipients", lines);
        show_json_line(stdout, o);
    }
    json_decref(lines);
    q->messages += shown > 0;
    q->rcpts += shown;
    q->bytes += shown > 0 ? m->size : 0;
}

static bool store_line(const void *entry, size_t i, struct line *line_r)
{
    const struct store_rcpt *r = &((const struct store_entry *)entry)->rcpts[i];
    if (rcpt_state_final(r->state))
        return false;
    *line_r = (struct line){.address = r->address,
                            .state = rcpt_state_name(r->state),
                            .status = r->dsn,
                            .text = r->text,
                            .peer = r->peer,
                            .attempts = r->attempts,
                            .next = r->next,
                            .since = r->since};
    return true;
}

static bool job_line(const void *entry, size_t i, struct line *line_r)
{
    const struct job *job = entry;
    const struct job_rcpt *r = &job->rcpts[i];
    if (r->state != JOB_PENDING && r->told)
        return false;
    *line_r = (struct line){.address = r->address,
                            .state = job_outcome_name(job->shadow, r->state),
                            .status = r->dsn,
                            .text = r->text,
                            .peer = r->relay,
                            .attempts = job->attempts,
                            .next = job->next,
                            .since = r->since};
    return true;
}

static int show_store(struct queue *q, struct store *store)
{
    char *after = NULL;
    struct error err;
    for (bool more = true; more;) {
        struct store_entries *page = NULL;
        if (store_list(store, after, STORE_PAGE, &page, &err) != RESULT_OK) {
            mem_free(&after);
            return ctl_result_error(&err);
        }
        for (size_t i = 0; i < page->n; i++) {
            const struct store_entry *e = &page->entries[i];
            struct message m = {"store", e->id, e->queue_id, e->envelope.sender, e->size, e->created, e->shadow};
            show_message(q, &m, e->nrcpts, store_line, e);
        }
        mem_free(&after);
        more = page->n == STORE_PAGE;
        if (more)
            after = mem_strdup(page->entries[page->n - 1].id);
        store_entries_free(&page);
    }
    return EX_OK;
}

static int show_jobs(struct queue *q, struct jobs *jobs)
{
    struct job_list *list = NULL;
    struct error err;
    if (jobs_list(jobs, JOBS_MAX, &list, &err) != RESULT_OK)
        return ctl_result_error(&err);
    for (size_t i = 0; i < list->n; i++) {
        const struct job *j = list->jobs[i];
        struct message m = {"bridge", j->m.id, j->queue_id, j->m.envelope.sender, j->m.size, j->received, j->shadow};
        show_message(q, &m, j->nrcpts, job_line, j);
    }
    if (list->n == JOBS_MAX)
        ctl_error(EX_OK, "only the first %d messages of the bridge's queue are shown", JOBS_MAX);
    job_list_free(&list);
    return EX_OK;
}

static void print_total(const struct queue *q)
{
    char size[SHOW_SIZE_SIZE];
    if (q->messages == 0)
        puts("nothing is under way");
    else
        printf("-- %" PRIu64 " recipient%s of %" PRIu64 " message%s, %s bytes\n", q->rcpts, q->rcpts == 1 ? "" : "s",
               q->messages, q->messages == 1 ? "" : "s", show_size(q->bytes, size));
}

int ctl_queue(const struct ctl *ctl)
{
    struct site site;
    struct queue q = {.json = ctl->options & CTL_JSON, .now = clock_now()};
    int code = site_open_some(ctl->config_files[0], &site);
    if (code != EX_OK)
        return code;
    if (site.store != NULL)
        code = show_store(&q, site.store);
    if (code == EX_OK && site.jobs != NULL)
        code = show_jobs(&q, site.jobs);
    if (code == EX_OK && !q.json)
        print_total(&q);
    site_close(&site);
    return code;
}
