/*
 * The SMTP envelope: MAIL and RCPT with their ESMTP parameters (RFC 5321, 1870, 6152, 6531, 3461).
 * One struct for what a milter is told, what the store keeps, what a notification carries and
 * what the SMTP client says.
 */
#ifndef PONTOON_ENVELOPE_H
#define PONTOON_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/result.h"

enum body_type { BODY_UNSPECIFIED, BODY_7BIT, BODY_8BITMIME };

struct envelope_rcpt {
    char *address; /* without brackets */
    char *notify;  /* RFC 3461 NOTIFY= value in upper case, or NULL */
    char *orcpt;   /* RFC 3461 ORCPT= value as given, "rfc822;x+40y", or NULL */
};

struct envelope {
    char *sender; /* without brackets; "" is the null reverse-path */
    enum body_type body;
    bool smtputf8;
    uint64_t size; /* SIZE= as declared, 0 if none */
    char *ret;     /* "FULL", "HDRS" or NULL */
    char *envid;   /* xtext as given, or NULL */
    struct envelope_rcpt *rcpts;
    size_t nrcpts;
};

void envelope_init(struct envelope *e);
void envelope_free(struct envelope *e); /* frees what it holds, not `e`; leaves it as after init */

/* Copies the strings. The pointer holds until the next recipient is added or removed. */
struct envelope_rcpt *envelope_add_rcpt(struct envelope *e, const char *address, const char *notify, const char *orcpt);
/* Removes recipient `i`, keeping the order of the others. */
void envelope_remove_rcpt(struct envelope *e, size_t i);
/* A deep copy of everything but the recipients into `to`, which must be empty. */
void envelope_copy_sender(struct envelope *to, const struct envelope *from);

/*
 * One ESMTP parameter of MAIL ("BODY=8BITMIME") or RCPT ("NOTIFY=NEVER"). The value is checked.
 * *known_r says whether it is one that we can carry; an unknown one is RESULT_OK with *known_r false
 * (the caller decides, since silently dropping it would change the mail: AUTH= is known and ignored).
 * RESULT_PERM: malformed.
 */
enum result envelope_mail_param(struct envelope *e, const char *param, bool *known_r, struct error *err);
enum result envelope_rcpt_param(struct envelope_rcpt *r, const char *param, bool *known_r, struct error *err);

/* Checks of single values, also for what comes by the wire. */
bool envelope_notify_valid(const char *notify); /* NEVER, or a list of SUCCESS,FAILURE,DELAY; upper case */
bool envelope_orcpt_valid(const char *orcpt);   /* "addr-type;xtext", or "utf-8;" (RFC 6533) */

const char *body_type_name(enum body_type b); /* "7bit", "8bitmime", "" */
bool body_type_parse(const char *name, enum body_type *b_r);

#endif
