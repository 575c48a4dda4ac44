/*
 * `pontoon recall`: takes back what has not been fetched yet, and says for each recipient what it could and could not
 * stop. Found by pontoon's id, the MTA's queue id or Message-ID; all messages that match.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/mem.h"

enum {
    MATCHES_MAX = 100,
    SOME_RECALLED = 1, /* exit code, for scripts: some could be stopped, others not; none: EX_UNAVAILABLE */
};

struct recall {
    bool json;
    json_t *out; /* an array of messages */
    uint64_t recalled, kept;
};

/* Why a recipient could not be recalled: what happened, when (0: does not matter), and the answer that decided. */
struct obstacle {
    const char *what; /* also for programs: words are only ever added */
    msec_t when;
    const char *text; /* or NULL */
};

static struct obstacle find_obstacle(const struct store_entry *e, const struct store_rcpt *r)
{
    if (e->shadow)
        return (struct obstacle){.what = "went by SMTP, what is here is a copy for comparison"};
    switch (r->state) {
    case RCPT_REPORTING:
    case RCPT_DELIVERED: return (struct obstacle){"delivered", r->since, r->text};
    case RCPT_RETURNING: return (struct obstacle){"going back to SMTP through our own MTA", r->since, r->text};
    case RCPT_RETURNED: return (struct obstacle){"went back to SMTP, our own MTA has it", r->since, r->text};
    case RCPT_BOUNCING:
    case RCPT_BOUNCED: return (struct obstacle){"refused, the sender is told", r->since, r->text};
    case RCPT_RECALLED: return (struct obstacle){.what = "recalled before", .when = r->since};
    default: break;
    }
    if (r->fetched != 0)
        return (struct obstacle){"fetched by the other site, which has not said yet what became of it", r->fetched,
                                 r->text};
    return (struct obstacle){.what = "being fetched by the other site", .when = r->fetching};
}

static enum result withdraw(struct store *store, const struct store_entry *e, bool *changed, struct error *err)
{
    struct store_settlement *list = mem_zero(e->nrcpts, sizeof *list);
    for (size_t i = 0; i < e->nrcpts; i++)
        list[i] = (struct store_settlement){.rid = e->rcpts[i].rid,
                                            .event = RCPT_EV_RECALL,
                                            .dsn = "5.7.0",
                                            .text = "recalled by the administrator",
                                            .unless_fetched = true};
    enum result r = store_settle(store, list, e->nrcpts, changed, NULL, NULL, err);
    mem_free(&list);
    return r;
}

static json_t *rcpt_json(const struct store_rcpt *r, const struct obstacle *o)
{
    json_t *j = json_object();
    json_object_set_new(j, "address", show_json_text(r->address));
    json_object_set_new(j, "recalled", json_boolean(o == NULL));
    json_object_set_new(j, "state", json_string(rcpt_state_name(r->state)));
    json_object_set_new(j, "reason", show_json_text(o ? o->what : NULL));
    json_object_set_new(j, "when", show_json_when(o ? o->when : 0));
    json_object_set_new(j, "peer", show_json_text(o ? r->peer : NULL));
    json_object_set_new(j, "text", show_json_text(o ? o->text : NULL));
    return j;
}

static void print_rcpt(const struct store_rcpt *r, const struct obstacle *o)
{
    char when[SHOW_WHEN_SIZE];
    printf("    <");
    show_text(stdout, r->address);
    if (o == NULL) {
        puts(">  recalled");
        return;
    }
    printf(">  not recalled: %s", o->what);
    if (o->when != 0)
        printf(", %s", show_when(o->when, when));
    if (o->text != NULL && *o->text != '\0') {
        fputs(" (", stdout);
        show_text(stdout, o->text);
        putchar(')');
    }
    putchar('\n');
}

static void print_message(const struct store_entry *e)
{
    printf("message %s", e->id);
    if (e->queue_id[0] != '\0')
        printf(", queue id %s", e->queue_id);
    fputs(", from <", stdout);
    show_text(stdout, e->envelope.sender);
    puts(e->shadow ? ">, a shadow" : ">");
}

static json_t *message_json(const struct store_entry *e, json_t *rcpts)
{
    json_t *o = json_object();
    json_object_set_new(o, "id", json_string(e->id));
    json_object_set_new(o, "queue_id", show_json_text(e->queue_id));
    json_object_set_new(o, "message_id", show_json_text(e->message_id));
    json_object_set_new(o, "shadow", json_boolean(e->shadow));
    json_object_set_new(o, "recipients", rcpts);
    json_object_set_new(o, "by_smtp", json_integer((json_int_t)e->by_smtp));
    return o;
}

/* The entry is as it is after the try. `changed`: whom the recall has reached. */
static void show_message(struct recall *c, const struct store_entry *e, const bool *changed)
{
    json_t *rcpts = json_array();
    if (!c->json)
        print_message(e);
    for (size_t i = 0; i < e->nrcpts; i++) {
        const struct obstacle found = find_obstacle(e, &e->rcpts[i]), *o = changed[i] ? NULL : &found;
        c->recalled += changed[i];
        c->kept += !changed[i];
        if (c->json)
            json_array_append_new(rcpts, rcpt_json(&e->rcpts[i], o));
        else
            print_rcpt(&e->rcpts[i], o);
    }
    if (!e->shadow && e->by_smtp > 0) {
        c->kept += e->by_smtp;
        if (!c->json)
            printf("    %" PRIu64 " more recipient%s went by SMTP: out of reach here, see the MTA's queue and log\n",
                   e->by_smtp, e->by_smtp == 1 ? "" : "s");
    }
    json_array_append_new(c->out, message_json(e, rcpts));
}

/* The states as they are after the try: what was known before may be out of date. */
static int recall_message(struct recall *c, struct store *store, const struct store_entry *e)
{
    struct error err;
    struct store_entries *after = NULL;
    bool *changed = mem_zero(e->nrcpts, sizeof *changed);
    enum result r = e->shadow ? RESULT_OK : withdraw(store, e, changed, &err);
    if (r == RESULT_OK)
        r = store_find(store, e->id, 1, &after, &err);
    if (r == RESULT_OK && after->n == 1 && after->entries[0].nrcpts == e->nrcpts)
        show_message(c, &after->entries[0], changed);
    store_entries_free(&after);
    mem_free(&changed);
    return r == RESULT_OK ? EX_OK : ctl_result_error(&err);
}

static int recall_all(struct recall *c, struct store *store, const char *what)
{
    struct error err;
    struct store_entries *found = NULL;
    if (store_find(store, what, MATCHES_MAX, &found, &err) != RESULT_OK)
        return ctl_result_error(&err);
    int code =
        found->n == 0
            ? ctl_error(EX_DATAERR, "no message \"%s\" in this store: an id, queue id or Message-ID is needed", what)
            : EX_OK;
    for (size_t i = 0; i < found->n && code == EX_OK; i++)
        code = recall_message(c, store, &found->entries[i]);
    if (code == EX_OK && found->n == MATCHES_MAX)
        code = ctl_error(EX_TEMPFAIL, "only the newest %d messages of \"%s\" were looked at", MATCHES_MAX, what);
    store_entries_free(&found);
    return code;
}

int ctl_recall(const struct ctl *ctl)
{
    struct config *config = NULL;
    struct store *store = NULL;
    struct error err;
    struct recall c = {.json = ctl->options & CTL_JSON};
    int code = site_config(ctl->config_files[0], &config);
    if (code != EX_OK)
        return code;
    c.out = json_array();
    if (store_open(config, STORE_READ_WRITE, "ctl", &store, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    else
        code = recall_all(&c, store, ctl->args[0]);
    if (code == EX_OK && c.json)
        show_json_line(stdout, json_incref(c.out));
    json_decref(c.out);
    store_close(&store);
    config_free(&config);
    if (code != EX_OK || c.kept == 0)
        return code;
    return c.recalled > 0 ? SOME_RECALLED : EX_UNAVAILABLE;
}
