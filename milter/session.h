/*
 * A milter connection and the message it is carrying: what the MTA told us, step by step, and what was
 * decided from it. Knows neither libmilter nor the network: callbacks.c feeds it, divert.c ends it.
 */
#ifndef PONTOON_MILTER_SESSION_H
#define PONTOON_MILTER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/address.h"
#include "lib/buf.h"
#include "lib/digest.h"
#include "lib/eligibility.h"
#include "lib/envelope.h"
#include "milter/content.h"
#include "milter/settings.h"

enum { QUEUE_ID_MAX = 64, MESSAGE_ID_HEADER_MAX = 990 };

struct observation;

struct message_rcpt {
    char *path;                       /* exactly as the MTA gave it */
    char *normal;                     /* for comparing; NULL: malformed */
    const char *reason;               /* why by SMTP, whatever rules say; or NULL */
    struct eligibility_policy policy; /* of the domain, once known */
    struct rules_decision decision;   /* of the rules */
    size_t same_as;                   /* an earlier recipient with the same address, or itself */
};

struct message {
    struct settings *settings; /* NULL: no message is open */
    struct envelope envelope;  /* with all recipients, in step with `rcpts` */
    struct message_rcpt *rcpts;
    char id[MESSAGE_ID_LEN + 1];
    char queue_id[QUEUE_ID_MAX + 1]; /* "" while the MTA hasn't told */
    char message_id[MESSAGE_ID_HEADER_MAX + 1];
    char *login; /* or NULL */
    bool tls;
    bool mta_adds_headers; /* see struct session_mail */
    bool has_date, has_from, has_message_id;
    const char *reason;            /* why the whole message goes by SMTP, or NULL */
    unsigned hops;                 /* Received: fields so far */
    msec_t wait_left;              /* of discovery-wait */
    unsigned minute;               /* of the week, for rules */
    struct rules_headers *headers; /* that rules ask for, seen so far */
    bool complete;                 /* all content was seen: size and headers are known */
    struct buf trace;
    struct content *content; /* NULL before the headers */
    struct error failed;     /* content that can't be taken, or not be stored */
    unsigned own_traces;     /* how often it was here before */
};

struct session {
    unsigned magic;
    bool lmtp;       /* not a milter's: all recipients are given over to us, and there is no client to know */
    bool can_divert; /* negotiated: recipients can be deleted, header values come with their leading space */
    bool has_address;
    struct netaddr address;
    char *name;                   /* verified, or NULL */
    char *helo;                   /* or NULL */
    struct observation *observed; /* the message, if what arrives is observed: callbacks.c's */
    struct message m;
};

struct session *session_new(void);
void session_free(struct session **s);
/* Asserts that `p`, which libmilter kept for us, is a session. */
struct session *session_check(void *p);

void session_connect(struct session *s, const char *name, const struct sockaddr *address);
void session_helo(struct session *s, const char *helo);

struct session_mail {
    struct settings *settings; /* a reference, which the session takes over */
    const char *path;          /* "<alice@a.test>" */
    char *const *params;       /* NULL-terminated */
    const char *login;         /* {auth_authen}, or NULL */
    bool tls;
    bool mta_adds_headers; /* a missing Date, From or Message-ID, but only when it sends: we don't see them */
};
/* Begins a message. False: all of it goes by SMTP (message.reason says why), no more need be told. */
bool session_mail(struct session *s, const struct session_mail *mail);
/* Ends the message, whatever came of it. */
void session_reset(struct session *s);
bool session_has_message(const struct session *s);

void session_set_queue_id(struct session *s, const char *queue_id); /* NULL: still unknown */

/*
 * Adds a recipient. True: `domain` (normalized) must be looked up, and the answer given to session_judge();
 * false: it is decided.
 */
bool session_rcpt(struct session *s, const char *path, char *const *params, const char *mailer,
                  char domain_r[DOMAIN_MAX + 1]);
void session_judge(struct session *s, const struct eligibility_policy *policy);

/*
 * Where recipient `i` goes. While rules are open (until session_finish_content()) it is what may come of it at most:
 * RULES_DIVERT before RULES_SHADOW before RULES_SMTP.
 */
enum rules_action session_rcpt_way(const struct session *s, size_t i);
/* Of a recipient that goes by SMTP: why, if it is for another reason than a rule. */
const char *session_rcpt_reason(const struct session *s, size_t i);
/* The rule that decided about it, "default", or NULL: none was asked, or it is open. */
const char *session_rcpt_rule(const struct session *s, size_t i);
/* How many recipients go that way; copies of one address count. */
size_t session_count(const struct session *s, enum rules_action way);

/* The envelope is complete. False: everybody's goes by SMTP (LMTP: never). `dir`: of the spool. */
bool session_begin_content(struct session *s, const char *dir);
/* What a header says about the message. */
void session_see_header(struct session *s, const char *name, const char *value);
/* False: all of it goes by SMTP, or nothing more can be taken (message.failed). */
bool session_header(struct session *s, const char *name, const char *value);
bool session_body(struct session *s, const void *data, size_t len);
/* LMTP's way: headers are seen, and all bytes are given here, whatever becomes of them. False: message.failed. */
bool session_raw(struct session *s, const void *data, size_t len);
/*
 * False as above; else size and digest are fixed, and what was open is decided: rules by size and header, recipients whose
 * policy has a smaller max_size are left to SMTP.
 */
bool session_finish_content(struct session *s);

#endif
