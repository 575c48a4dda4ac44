/*
 * `pontoon recall`: takes back what has not been fetched yet, and says for each recipient what it could and could not
 * stop. Found by pontoon's id, the MTA's queue id or Message-ID; all messages that match.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/show.h"
#include "ctl/site.h"
#include "lib/mem.h"

enum { MATCHES_MAX = 100 };

struct recall {
    bool json;
    json_t *out; /* an array of messages */
    size_t recalled, kept;
};

/* What the store says of a recipient that could not be recalled. */
static const char *why_not(const struct store_rcpt *r)
{
    switch (r->state) {
    case RCPT_REPORTING:
    case RCPT_DELIVERED: return "delivered";
    case RCPT_RETURNING: return "is going back to SMTP";
    case RCPT_RETURNED: return "went back to SMTP";
    case RCPT_BOUNCING:
    case RCPT_BOUNCED: return "refused; the sender is told";
    case RCPT_RECALLED: return "recalled before";
    default: return r->fetched != 0 ? "fetched by the other site" : "being fetched by the other site";
    }
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

static void show_rcpt(struct recall *c, json_t *rcpts, const struct store_rcpt *r, bool changed)
{
    const char *what = changed ? "recalled" : why_not(r);
    c->recalled += changed;
    c->kept += !changed;
    if (c->json) {
        json_array_append_new(rcpts, json_pack("{s:o, s:b, s:s, s:s}", "address", show_json_text(r->address),
                                               "recalled", changed, "state",
                                               rcpt_state_name(changed ? RCPT_RECALLED : r->state), "text", what));
        return;
    }
    printf("    <");
    show_text(stdout, r->address);
    printf(">  %s%s\n", changed ? "" : "not recalled: ", what);
}

/* The states as they are after the try: what was known before may be out of date. */
static int recall_message(struct recall *c, struct store *store, const struct store_entry *e)
{
    struct error err;
    struct store_entries *after = NULL;
    bool *changed = mem_zero(e->nrcpts, sizeof *changed);
    enum result r = withdraw(store, e, changed, &err);
    if (r == RESULT_OK)
        r = store_find(store, e->id, 1, &after, &err);
    if (r == RESULT_OK && after->n == 1 && after->entries[0].nrcpts == e->nrcpts) {
        json_t *rcpts = json_array();
        if (!c->json)
            printf("message %s\n", e->id);
        for (size_t i = 0; i < e->nrcpts; i++)
            show_rcpt(c, rcpts, &after->entries[0].rcpts[i], changed[i]);
        json_array_append_new(c->out, json_pack("{s:s, s:o}", "id", e->id, "recipients", rcpts));
    }
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
    /* For scripts: nothing, or not all, could be stopped. */
    return code == EX_OK && c.kept > 0 ? EX_UNAVAILABLE : code;
}
