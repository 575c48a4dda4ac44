/* The DSN about failed recipients: see bounce.h. */
#include "store/bounce.h"

#include <string.h>

#include "lib/dsn.h"
#include "lib/mem.h"

enum { DSN_TEXT_MAX = 8 << 20, HEADER_MAX = 65536 };

/* "bridge.b.test[127.0.0.3]:8443" -> "bridge.b.test", as Remote-MTA wants a name. */
static char *peer_name(const char *peer)
{
    return peer ? mem_strndup(peer, strcspn(peer, "[")) : NULL;
}

static size_t fill_rcpts(const struct store_entry *entry, struct dsn_rcpt *list)
{
    size_t n = 0;
    for (size_t i = 0; i < entry->nrcpts; i++) {
        const struct store_rcpt *r = &entry->rcpts[i];
        if (!dsn_wanted(r->notify, DSN_FAILED))
            continue;
        list[n++] = (struct dsn_rcpt){
            .address = r->address,
            .orcpt = r->orcpt,
            .action = DSN_FAILED,
            .status = r->dsn[0] == '5' ? r->dsn : (r->dsn[0] == '4' ? "5.4.7" : "5.0.0"),
            .diagnostic = r->text,
            .remote_mta = peer_name(r->peer),
            .reason = r->dsn[0] == '4' ? "the message could not be delivered in time" : r->text,
            .last_attempt = r->since,
        };
    }
    return n;
}

/* The original's header, up to and with its empty line; cut if it is absurdly long. */
static void add_header_only(struct buf *out, struct store_body *body)
{
    char *text = mem_alloc(HEADER_MAX);
    struct error err;
    long n = store_body_read(body, 0, text, HEADER_MAX, &err);
    if (n > 0) {
        const char *end = memmem(text, (size_t)n, "\r\n\r\n", 4);
        size_t len = end ? (size_t)(end - text) + 2 : (size_t)n;
        while (end == NULL && len > 0 && text[len - 1] != '\n')
            len--;
        buf_add(out, text, len);
    }
    mem_free(&text);
}

bool bounce_write(const struct config *config, const struct store_entry *entry, struct store_body *body,
                  struct local_mta_message *m)
{
    struct dsn_rcpt *rcpts = mem_zero(entry->nrcpts, sizeof *rcpts);
    size_t n = entry->envelope.sender[0] ? fill_rcpts(entry, rcpts) : 0;
    if (n > 0) {
        bool eight_bit = entry->envelope.body == BODY_8BITMIME;
        bool full =
            dsn_wants_full(entry->envelope.ret, entry->size, (uint64_t)config_number(config, "store.dsn-full-max"));
        struct dsn d = {
            .hostname = config_hostname(config),
            .id = entry->id,
            .queue_id = entry->queue_id,
            .sender = entry->envelope.sender,
            .envid = entry->envelope.envid,
            .smtputf8 = entry->envelope.smtputf8,
            .arrived = entry->created,
            .now = clock_now(),
            .rcpts = rcpts,
            .nrcpts = n,
        };
        memset(m, 0, sizeof *m);
        envelope_init(&m->envelope);
        m->envelope.sender = mem_strdup("");
        m->envelope.body = eight_bit ? BODY_8BITMIME : BODY_UNSPECIFIED;
        m->envelope.smtputf8 = entry->envelope.smtputf8;
        envelope_add_rcpt(&m->envelope, entry->envelope.sender, "NEVER", NULL);
        buf_init(&m->head, DSN_TEXT_MAX);
        buf_init(&m->tail, DSN_TEXT_MAX);
        dsn_write_begin(&m->head, &d, full, eight_bit);
        if (full) {
            m->body = body;
            body = NULL;
        } else {
            add_header_only(&m->head, body);
        }
        dsn_write_end(&m->tail, &d);
    }
    for (size_t i = 0; i < n; i++)
        mem_release((char *)(uintptr_t)rcpts[i].remote_mta);
    mem_free(&rcpts);
    store_body_close(&body);
    return n > 0;
}
