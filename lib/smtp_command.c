/* MAIL, RCPT and XCLIENT with their parameters, and what may stand in them: see smtp_internal.h. */
#include <inttypes.h>
#include <string.h>

#include "lib/address.h"
#include "lib/mem.h"
#include "lib/smtp_internal.h"

/*
 * Whether "<path>" is one argument: no control characters, and outside a quoted string no space or angle bracket,
 * which would begin another command or parameter. Everything else is for the server to judge.
 */
static bool path_is_safe(const char *path)
{
    bool quoted = false;
    for (const unsigned char *p = (const unsigned char *)path; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f)
            return false;
        if (quoted && *p == '\\') {
            if (p[1] < 0x20 || p[1] == 0x7f)
                return false;
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && strchr(" <>", *p) != NULL) {
            return false;
        }
    }
    return !quoted && strlen(path) <= ADDRESS_MAX;
}

static bool value_is_safe(const char *value)
{
    if (value == NULL)
        return true;
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if (*p <= 0x20 || *p == 0x7f)
            return false;
    }
    return *value != '\0' && strlen(value) <= XTEXT_MAX;
}

enum result smtp_envelope_check(const struct envelope *e, struct error *err)
{
    if (!path_is_safe(e->sender))
        return error_set_dsn(err, RESULT_PERM, "5.1.7", "sender <%s> can't stand in a MAIL command", e->sender);
    if (!value_is_safe(e->ret) || !value_is_safe(e->envid))
        return error_set_dsn(err, RESULT_PERM, "5.5.4", "RET or ENVID can't stand in a MAIL command");
    if (e->nrcpts == 0 || e->nrcpts > SMTP_RCPTS_MAX)
        return error_set_dsn(err, RESULT_PERM, "5.5.3", "%zu recipients: there must be 1 to %d", e->nrcpts,
                             SMTP_RCPTS_MAX);
    for (size_t i = 0; i < e->nrcpts; i++) {
        const struct envelope_rcpt *r = &e->rcpts[i];
        if (r->address[0] == '\0' || !path_is_safe(r->address))
            return error_set_dsn(err, RESULT_PERM, "5.1.3", "recipient <%s> can't stand in an RCPT command",
                                 r->address);
        if (!value_is_safe(r->notify) || !value_is_safe(r->orcpt))
            return error_set_dsn(err, RESULT_PERM, "5.5.4", "NOTIFY or ORCPT of <%s> can't stand in an RCPT command",
                                 r->address);
    }
    return RESULT_OK;
}

enum result smtp_envelope_fits(const struct envelope *e, const struct smtp_offer *offer, struct error *err)
{
    if (e->smtputf8 && !offer->smtputf8)
        return error_set_dsn(err, RESULT_PERM, "5.6.7", "the message needs SMTPUTF8, which the server does not offer");
    if (e->body == BODY_8BITMIME && !offer->eight_bit_mime)
        return error_set_dsn(err, RESULT_PERM, "5.6.3", "the message is 8BITMIME, which the server does not offer");
    if (offer->size_limit > 0 && e->size > offer->size_limit)
        return error_set_dsn(err, RESULT_PERM, "5.3.4",
                             "message size %" PRIu64 " exceeds the server's limit of %" PRIu64, e->size,
                             offer->size_limit);
    return RESULT_OK;
}

void smtp_write_mail(struct buf *out, const struct envelope *e, const struct smtp_offer *offer)
{
    buf_printf(out, "MAIL FROM:<%s>", e->sender);
    if (offer->size && e->size > 0)
        buf_printf(out, " SIZE=%" PRIu64, e->size);
    if (offer->eight_bit_mime && e->body != BODY_UNSPECIFIED)
        buf_add_str(out, e->body == BODY_8BITMIME ? " BODY=8BITMIME" : " BODY=7BIT");
    if (e->smtputf8)
        buf_add_str(out, " SMTPUTF8");
    if (offer->dsn && e->ret != NULL)
        buf_printf(out, " RET=%s", e->ret);
    if (offer->dsn && e->envid != NULL)
        buf_printf(out, " ENVID=%s", e->envid);
    buf_add_str(out, "\r\n");
}

void smtp_write_rcpt(struct buf *out, const struct envelope_rcpt *r, const struct smtp_offer *offer)
{
    buf_printf(out, "RCPT TO:<%s>", r->address);
    if (offer->dsn && r->notify != NULL)
        buf_printf(out, " NOTIFY=%s", r->notify);
    if (offer->dsn && r->orcpt != NULL)
        buf_printf(out, " ORCPT=%s", r->orcpt);
    buf_add_str(out, "\r\n");
}

bool smtp_helo_valid(const char *helo)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]";
    return helo[0] != '\0' && helo[strspn(helo, allowed)] == '\0';
}

static void write_attribute(struct buf *out, const char *name, const char *prefix, const char *value)
{
    char *encoded = xtext_encode(*value != '\0' ? value : "[UNAVAILABLE]");
    buf_printf(out, " %s=%s%s", name, prefix, encoded);
    mem_free(&encoded);
}

void smtp_write_xclient(struct buf *out, const struct smtp_peer *peer, const struct smtp_offer *offer)
{
    buf_add_str(out, "XCLIENT");
    if (offer->xclient & XCLIENT_NAME)
        write_attribute(out, "NAME", "", peer->name);
    if (offer->xclient & XCLIENT_ADDR)
        write_attribute(out, "ADDR", strchr(peer->address, ':') ? "IPV6:" : "", peer->address);
    if (offer->xclient & XCLIENT_PROTO)
        write_attribute(out, "PROTO", "", "ESMTP");
    if (offer->xclient & XCLIENT_HELO)
        write_attribute(out, "HELO", "", peer->helo);
    buf_add_str(out, "\r\n");
}
