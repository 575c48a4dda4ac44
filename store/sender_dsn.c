/* DSNs to the sender of a stored message: see sender_dsn.h. */
#include "store/sender_dsn.h"

#include <string.h>

#include "lib/mem.h"
#include "lib/utf8.h"

enum { DSN_TEXT_MAX = 8 << 20, HEADER_MAX = 65536 };

/* "bridge.b.test[127.0.0.3]:8443" -> "bridge.b.test", as Remote-MTA wants a name. */
static char *peer_name(const char *peer)
{
    return peer ? mem_strndup(peer, strcspn(peer, "[")) : NULL;
}

/* ---- recipients ---- */

static void fill_failed(struct dsn_rcpt *d, const struct store_rcpt *r)
{
    bool in_time = r->dsn[0] != '4';
    bool reply = r->text != NULL && strspn(r->text, "0123456789") == 3;
    d->action = DSN_FAILED;
    d->status = r->dsn[0] == '5' ? r->dsn : (in_time ? "5.0.0" : "5.4.7");
    d->reason = in_time ? (reply ? NULL : r->text) : "The message could not be delivered in time.";
}

static void fill_delayed(struct dsn_rcpt *d, const struct store_rcpt *r, const struct store_entry *entry)
{
    bool reply = r->text != NULL && strspn(r->text, "0123456789") == 3;
    d->action = DSN_DELAYED;
    d->status = r->dsn[0] == '4' ? r->dsn : "4.4.7";
    d->reason = reply ? NULL : r->text;
    d->will_retry_until = entry->expires;
}

static void fill_success(struct dsn_rcpt *d, const struct store_rcpt *r)
{
    d->action = r->report == STORE_REPORT_DELIVERED ? DSN_DELIVERED : DSN_RELAYED;
    d->status = r->dsn[0] == '2' ? r->dsn : "2.0.0";
    d->reason = d->action == DSN_RELAYED ? "It was handed on; nothing more will be heard of it." : NULL;
}

static size_t fill_rcpts(const struct store_entry *entry, enum dsn_action action, struct dsn_rcpt *list)
{
    size_t n = 0;
    for (size_t i = 0; i < entry->nrcpts; i++) {
        const struct store_rcpt *r = &entry->rcpts[i];
        if (!dsn_wanted(r->notify, action))
            continue;
        struct dsn_rcpt *d = &list[n++];
        *d = (struct dsn_rcpt){.address = r->address,
                               .orcpt = r->orcpt,
                               .diagnostic = r->text,
                               .remote_mta = peer_name(r->peer),
                               .last_attempt = r->since};
        switch (action) {
        case DSN_FAILED: fill_failed(d, r); break;
        case DSN_DELAYED: fill_delayed(d, r, entry); break;
        default: fill_success(d, r); break;
        }
    }
    return n;
}

/* ---- the original ---- */

/* Its header, up to and without its empty line; cut if it is absurdly long. Returns the length. */
static size_t read_header(struct store_body *body, char text[HEADER_MAX])
{
    struct error err;
    size_t have = 0;
    const char *end = NULL;
    for (long n = 1; n > 0 && have < HEADER_MAX && end == NULL; have += n > 0 ? (size_t)n : 0) { /* comes in pieces */
        n = store_body_read(body, have, text + have, HEADER_MAX - have, &err);
        end = memmem(text, have + (n > 0 ? (size_t)n : 0), "\r\n\r\n", 4);
    }
    size_t len = end ? (size_t)(end - text) + 2 : have;
    while (end == NULL && len > 0 && text[len - 1] != '\n')
        len--;
    return len;
}

static bool has_8bit(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] > 127)
            return true;
    }
    return false;
}

/* ---- the whole ---- */

static void fill_envelope(struct envelope *e, const char *sender, bool smtputf8, bool eight_bit)
{
    envelope_init(e);
    e->sender = mem_strdup("");
    e->body = eight_bit ? BODY_8BITMIME : BODY_UNSPECIFIED;
    e->smtputf8 = smtputf8;
    envelope_add_rcpt(e, sender, "NEVER", NULL);
}

/* What we know of the header of a message that can't be read. Returns the length. */
static size_t write_known_header(const char *message_id, char text[HEADER_MAX])
{
    int n = message_id[0] ? snprintf(text, HEADER_MAX, "Message-ID: %s\r\n", message_id) : 0;
    return n > 0 && n < HEADER_MAX ? (size_t)n : 0;
}

static void write_parts(struct local_mta_message *m, struct dsn *d, bool full, bool eight_bit, const char *message_id,
                        struct store_body **body)
{
    if (full) {
        dsn_write_begin(&m->head, d, true, eight_bit);
        m->body = *body;
        *body = NULL;
    } else {
        char *header = mem_alloc(HEADER_MAX);
        size_t len = *body != NULL ? read_header(*body, header) : write_known_header(message_id, header);
        eight_bit = has_8bit(header, len);
        dsn_write_begin(&m->head, d, false, eight_bit);
        dsn_write_header(&m->head, d, header, len);
        mem_free(&header);
    }
    dsn_write_end(&m->tail, d);
    fill_envelope(&m->envelope, d->sender, d->smtputf8 && !d->ascii, !d->ascii && (eight_bit || d->smtputf8));
}

bool sender_dsn_write(const struct config *config, const struct store_entry *entry, enum dsn_action action, bool ascii,
                      struct store_body *body, struct local_mta_message *m)
{
    struct dsn_rcpt *rcpts = mem_zero(entry->nrcpts, sizeof *rcpts);
    bool anybody = entry->envelope.sender[0] != '\0' && !entry->shadow;
    size_t n = anybody ? fill_rcpts(entry, action, rcpts) : 0;
    if (n > 0) {
        uint64_t limit = (uint64_t)config_number(config, "store.dsn-full-max");
        struct dsn d = {
            .hostname = config_hostname(config),
            .from = config_string(config, "postmaster"),
            .id = entry->id,
            .queue_id = entry->queue_id,
            .sender = entry->envelope.sender,
            .envid = entry->envelope.envid,
            .smtputf8 = entry->envelope.smtputf8,
            .ascii = ascii,
            .arrived = entry->created,
            .now = clock_now(),
            .rcpts = rcpts,
            .nrcpts = n,
        };
        memset(m, 0, sizeof *m);
        buf_init(&m->head, DSN_TEXT_MAX);
        buf_init(&m->tail, DSN_TEXT_MAX);
        bool full = body != NULL && !ascii && dsn_wants_full(action, entry->envelope.ret, entry->size, limit);
        write_parts(m, &d, full, entry->envelope.body == BODY_8BITMIME, entry->message_id, &body);
    }
    for (size_t i = 0; i < n; i++)
        mem_release((char *)(uintptr_t)rcpts[i].remote_mta);
    mem_free(&rcpts);
    store_body_close(&body);
    return n > 0;
}
