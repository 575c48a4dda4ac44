/* What went wrong, in the words that admins know from Postfix's log: see smtp_internal.h. */
#include <string.h>

#include "lib/smtp_internal.h"

enum { REPLY_TEXT_SIZE = sizeof((struct smtp_reply *)NULL)->text + 20 };

void smtp_failure_said(struct error *err, enum result result, const char *relay, const char *step,
                       const struct smtp_reply *r)
{
    char text[REPLY_TEXT_SIZE];
    smtp_reply_text(r, text, sizeof text);
    error_set_dsn(err, result, smtp_reply_dsn(r), "host %s said: %s (in reply to %s)", relay, text, step);
    if (result == RESULT_TEMP && err->dsn[0] == '5') /* a refusal, but not of the mail */
        err->dsn[0] = '4';
}

void smtp_failure_lost(struct error *err, const char *relay, const char *step, enum smtp_loss loss,
                       const struct smtp_reply *stray, const char *why)
{
    char text[REPLY_TEXT_SIZE] = "";
    if (stray != NULL)
        smtp_reply_text(stray, text, sizeof text);
    if (loss == SMTP_LOST)
        error_set_dsn(err, RESULT_TEMP, "4.4.2", "lost connection with %s while sending %s: %s", relay, step, why);
    else if (loss == SMTP_TIMEOUT)
        error_set_dsn(err, RESULT_TEMP, "4.4.2", "conversation with %s timed out while sending %s", relay, step);
    else
        error_set_dsn(err, RESULT_TEMP, "4.5.0", "protocol error: host %s, during %s: %s%s%.200s", relay, step, why,
                      stray != NULL ? ": " : "", text);
}

void smtp_failure_xclient(struct error *err, const char *relay, const char *us, const struct smtp_peer *peer,
                          const struct smtp_reply *r)
{
    char text[REPLY_TEXT_SIZE] = "offers no XCLIENT ADDR";
    if (r != NULL)
        smtp_reply_text(r, text, sizeof text);
    if (r != NULL && r->code == 501 && strchr(peer->address, ':') != NULL)
        error_set_dsn(err, RESULT_TEMP, "4.3.5", "host %s: %.250s; if it is Postfix, set inet_protocols = all", relay,
                      text);
    else
        error_set_dsn(err, RESULT_TEMP, "4.3.5",
                      "host %s: %.250s; add %s to Postfix's smtpd_authorized_xclient_hosts (of this listener) or to "
                      "Dovecot's login_trusted_networks, or set xclient to what this server can",
                      relay, text, us);
}
