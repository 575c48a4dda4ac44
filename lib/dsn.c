/* Delivery status notifications: see dsn.h. */
#include "lib/dsn.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "lib/digest.h"
#include "lib/header.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum {
    FOLD_AT = 76,
    BASE64_LINE = 54, /* bytes of a line of base64 */
    LINE_LIMIT = 900, /* words longer than that are broken: RFC 5322 allows 998 */
};

static const struct {
    const char *name, *subject, *status, *what;
} actions[] = {
    [DSN_FAILED] = {"failed", "Your message could not be delivered", "5.0.0",
                    "could not be delivered to the recipients below. Nothing more will be tried for them"},
    [DSN_DELAYED] = {"delayed", "Your message is delayed", "4.0.0",
                     "has not been delivered yet to the recipients below. This is a warning only: there is no need "
                     "to send it again, delivery is still being tried"},
    [DSN_DELIVERED] = {"delivered", "Your message was delivered", "2.0.0", "was delivered to the recipients below"},
    [DSN_RELAYED] = {"relayed", "Your message was handed on", "2.0.0",
                     "was handed to a mail system that may not send further reports, for the recipients below"},
};

/* ---- lines ---- */

/* The bytes of the next character that may stand in our text; *plain_r is what stands for it. */
static size_t next_char(const char *p, bool utf8, const char **plain_r)
{
    size_t len = utf8_printable_len(p);
    *plain_r = len == 1 || (len > 1 && utf8) ? p : "?";
    return len > 0 ? len : 1;
}

/*
 * Appends words to a line that has `column` bytes, on further lines beginning with `indent` where needed. What comes
 * from peers is made harmless: no control characters, and nothing outside ASCII unless `utf8`.
 */
static void add_folded(struct buf *out, size_t column, const char *indent, const char *text, bool utf8)
{
    while (*text != '\0') {
        size_t word = strcspn(text + 1, " ") + 1; /* with the space before it */
        if (column + word > FOLD_AT && column > strlen(indent) && *text == ' ') {
            buf_printf(out, "\r\n%s", indent);
            column = strlen(indent);
            text++;
            word--;
        }
        for (const char *end = text + word; text < end;) {
            const char *plain;
            size_t len = next_char(text, utf8, &plain);
            size_t n = plain == text ? len : 1;
            if (column + n > LINE_LIMIT) {
                buf_printf(out, "\r\n%s", indent);
                column = strlen(indent);
            }
            buf_add(out, plain, n);
            column += n;
            text += len;
        }
    }
}

static void add_field(struct buf *out, const char *name, const char *type, const char *value, bool utf8)
{
    buf_printf(out, "%s:%s", name, type);
    char *spaced = mem_printf(" %s", value);
    add_folded(out, strlen(name) + 1 + strlen(type), " ", spaced, utf8);
    mem_free(&spaced);
    buf_add_str(out, "\r\n");
}

static void add_date(struct buf *out, const char *name, msec_t when)
{
    char date[HEADER_DATE_SIZE];
    if (when == 0)
        return;
    header_date(when, date);
    add_field(out, name, "", date, false);
}

/* An address for people; where UTF-8 can't stand, in the form of RFC 6533 rather than as question marks. */
static char *utf8_address(const char *address, bool utf8, const char *before, const char *after)
{
    char *plain = utf8 || utf8_is_ascii(address) ? mem_strdup(address) : utf8_escape(address);
    char *text = mem_printf("%s%s%s", before, plain, after);
    mem_free(&plain);
    return text;
}

/* ---- the parts ---- */

/* Whether the whole may have bytes over 127. */
static bool may_use_utf8(const struct dsn *d)
{
    return d->smtputf8 && !d->ascii;
}

static bool any_utf8_rcpt(const struct dsn *d)
{
    for (size_t i = 0; i < d->nrcpts; i++) {
        const char *orcpt = d->rcpts[i].orcpt;
        if (!utf8_is_ascii(d->rcpts[i].address) || (orcpt != NULL && strncasecmp(orcpt, "utf-8;", 6) == 0))
            return true;
    }
    return false;
}

static void make_boundary(struct dsn *d)
{
    uint8_t random[18];
    random_bytes(random, sizeof random);
    char *text = base64url_encode(random, sizeof random);
    /* "=_" stands in no base64 and no quoted-printable; the rest nobody can guess. */
    snprintf(d->boundary, sizeof d->boundary, "=_%s", text);
    mem_free(&text);
}

static void write_header(struct buf *out, const struct dsn *d, bool eight_bit)
{
    char id[MESSAGE_ID_LEN + 1];
    char *to = mem_printf("<%s>", d->sender);
    message_id_new(id);
    if (d->from[0] != '\0')
        buf_printf(out, "From: Mail Delivery System <%s>\r\n", d->from);
    else
        buf_printf(out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", d->hostname);
    add_field(out, "To", "", to, may_use_utf8(d));
    add_field(out, "Subject", "", actions[d->rcpts[0].action].subject, false);
    add_date(out, "Date", d->now);
    buf_printf(out, "Message-ID: <%s@%s>\r\n", id, d->hostname);
    buf_add_str(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
    buf_printf(out, "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"%s\"\r\n",
               d->boundary);
    if (eight_bit)
        buf_add_str(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_add_str(out, "\r\nThis is a MIME message in the form of RFC 3464.\r\n");
    mem_free(&to);
}

/* `encoding`: of its content, NULL for plain ASCII. */
static void begin_part(struct buf *out, const struct dsn *d, const char *description, const char *type,
                       const char *encoding)
{
    buf_printf(out, "\r\n--%s\r\nContent-Description: %s\r\nContent-Type: %s\r\n", d->boundary, description, type);
    if (encoding != NULL)
        buf_printf(out, "Content-Transfer-Encoding: %s\r\n", encoding);
    buf_add_str(out, "\r\n");
}

static void add_paragraph(struct buf *out, const char *indent, const char *text, bool utf8)
{
    buf_add_str(out, indent);
    add_folded(out, strlen(indent), indent, text, utf8);
    buf_add_str(out, "\r\n");
}

/* A reply begins with its code; other words are ours. */
static bool is_smtp_reply(const char *text)
{
    return text != NULL && strspn(text, "0123456789") == 3 && (text[3] == ' ' || text[3] == '-' || text[3] == '\0');
}

static void write_rcpt_text(struct buf *out, const struct dsn_rcpt *r, bool utf8)
{
    char *line = utf8_address(r->address, utf8, "  <", ">");
    buf_add_str(out, "\r\n");
    add_paragraph(out, "", line, utf8);
    mem_free(&line);
    if (r->reason != NULL && r->reason[0] != '\0')
        add_paragraph(out, "    ", r->reason, utf8);
    if (is_smtp_reply(r->diagnostic)) {
        line = mem_printf("%s said: %s", r->remote_mta ? r->remote_mta : "The mail system there", r->diagnostic);
        add_paragraph(out, "    ", line, utf8);
        mem_free(&line);
    }
    if (r->action == DSN_DELAYED && r->will_retry_until != 0) {
        char date[HEADER_DATE_SIZE];
        header_date(r->will_retry_until, date);
        buf_printf(out, "    It will be tried until %s.\r\n", date);
    }
}

static void write_text(struct buf *out, const struct dsn *d, bool full, bool utf8)
{
    char date[HEADER_DATE_SIZE];
    header_date(d->arrived, date);
    begin_part(out, d, "Report for people", utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
               utf8 ? "8bit" : NULL);
    char *line = mem_printf("This is the mail system at %s. A message that you sent on %s %s.", d->hostname, date,
                            actions[d->rcpts[0].action].what);
    add_paragraph(out, "", line, utf8);
    mem_free(&line);
    for (size_t i = 0; i < d->nrcpts; i++)
        write_rcpt_text(out, &d->rcpts[i], utf8);
    line = mem_printf("If you ask your postmaster for help, quote this report, or these numbers: %s%s%s.",
                      d->queue_id ? d->queue_id : "", d->queue_id && d->queue_id[0] ? ", " : "", d->id);
    buf_add_str(out, "\r\n");
    add_paragraph(out, "", line, utf8);
    mem_free(&line);
    buf_add_str(out, "\r\n");
    add_paragraph(out, "", full ? "Your message follows." : "The header of your message follows.", false);
}

/* "rfc822;x+40y" as it was before it was encoded for SMTP; utf-8 addresses have an encoding of their own. */
static void add_original_rcpt(struct buf *out, const char *orcpt, bool utf8)
{
    const char *semicolon = strchr(orcpt, ';');
    if (!envelope_orcpt_valid(orcpt) || semicolon == NULL)
        return;
    char *type = mem_printf(" %.*s;", (int)(semicolon - orcpt), orcpt);
    bool is_utf8 = strncasecmp(orcpt, "utf-8;", 6) == 0;
    char *decoded = NULL;
    if (is_utf8)
        decoded = utf8 ? utf8_unescape(semicolon + 1) : utf8_escape(semicolon + 1);
    else
        decoded = xtext_decode(semicolon + 1);
    add_field(out, "Original-Recipient", type, decoded ? decoded : semicolon + 1, utf8);
    mem_free(&type);
    mem_free(&decoded);
}

static void write_rcpt_status(struct buf *out, const struct dsn_rcpt *r, bool utf8)
{
    const char *status = r->status != NULL && r->status[0] != '\0' ? r->status : actions[r->action].status;
    bool is_utf8 = !utf8_is_ascii(r->address);
    char *address = is_utf8 && !utf8 ? utf8_escape(r->address) : mem_strdup(r->address);
    buf_add_str(out, "\r\n");
    if (r->orcpt != NULL)
        add_original_rcpt(out, r->orcpt, utf8);
    add_field(out, "Final-Recipient", is_utf8 ? " utf-8;" : " rfc822;", address, utf8);
    add_field(out, "Action", "", actions[r->action].name, false);
    add_field(out, "Status", "", status, false);
    if (r->remote_mta != NULL && r->remote_mta[0] != '\0')
        add_field(out, "Remote-MTA", " dns;", r->remote_mta, false);
    if (r->diagnostic != NULL && r->diagnostic[0] != '\0')
        add_field(out, "Diagnostic-Code", is_smtp_reply(r->diagnostic) ? " smtp;" : " x-pontoon;", r->diagnostic, utf8);
    add_date(out, "Last-Attempt-Date", r->last_attempt);
    if (r->action == DSN_DELAYED)
        add_date(out, "Will-Retry-Until", r->will_retry_until);
    mem_free(&address);
}

static void write_status(struct buf *out, const struct dsn *d)
{
    bool utf8 = may_use_utf8(d) && any_utf8_rcpt(d);
    begin_part(out, d, "Report for programs", utf8 ? "message/global-delivery-status" : "message/delivery-status",
               utf8 ? "8bit" : NULL);
    add_field(out, "Reporting-MTA", " dns;", d->hostname, false);
    if (d->envid != NULL) {
        char *envid = xtext_decode(d->envid);
        add_field(out, "Original-Envelope-Id", "", envid ? envid : d->envid, false);
        mem_free(&envid);
    }
    add_field(out, "X-Pontoon-Id", "", d->id, false);
    if (d->queue_id != NULL && d->queue_id[0] != '\0')
        add_field(out, "X-Pontoon-Queue-Id", "", d->queue_id, false);
    add_date(out, "Arrival-Date", d->arrived);
    for (size_t i = 0; i < d->nrcpts; i++)
        write_rcpt_status(out, &d->rcpts[i], utf8);
}

static const char *original_type(const struct dsn *d, bool full)
{
    if (full)
        return d->smtputf8 ? "message/global" : "message/rfc822";
    return d->smtputf8 ? "message/global-headers" : "text/rfc822-headers";
}

void dsn_write_begin(struct buf *out, struct dsn *d, bool full, bool eight_bit)
{
    bool encoded = d->ascii && !full;
    bool utf8 = (eight_bit && !encoded) || may_use_utf8(d); /* the whole may have bytes over 127 */
    make_boundary(d);
    write_header(out, d, utf8);
    write_text(out, d, full, may_use_utf8(d));
    write_status(out, d);
    begin_part(out, d, full ? "Your message" : "Header of your message", original_type(d, full),
               encoded ? "base64" : (utf8 ? "8bit" : NULL));
}

void dsn_write_header(struct buf *out, const struct dsn *d, const char *header, size_t len)
{
    if (!d->ascii) {
        buf_add(out, header, len);
        return;
    }
    for (size_t n; len > 0; header += n, len -= n) {
        n = len < BASE64_LINE ? len : BASE64_LINE;
        char *line = base64_encode(header, n);
        buf_printf(out, "%s\r\n", line);
        mem_free(&line);
    }
}

void dsn_write_end(struct buf *out, const struct dsn *d)
{
    buf_printf(out, "\r\n--%s--\r\n", d->boundary);
}

/* ---- what is wanted ---- */

bool dsn_wants_full(enum dsn_action action, const char *ret, uint64_t size, uint64_t limit)
{
    if (action != DSN_FAILED)
        return false;
    return ret != NULL ? strcasecmp(ret, "FULL") == 0 : size <= limit;
}

bool dsn_wanted(const char *notify, enum dsn_action action)
{
    static const char *const words[] = {
        [DSN_FAILED] = "FAILURE", [DSN_DELAYED] = "DELAY", [DSN_DELIVERED] = "SUCCESS", [DSN_RELAYED] = "SUCCESS"};
    if (notify == NULL)
        return action == DSN_FAILED || action == DSN_DELAYED;
    for (const char *p = notify; *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len == strlen(words[action]) && strncasecmp(p, words[action], len) == 0)
            return true;
        p += len + (p[len] == ',');
    }
    return false;
}
