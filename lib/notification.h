/*
 * The wire documents of the protocol: notification, verdicts, receipt (doc/protocol.md). Pure
 * parsing and writing; signatures are lib/jws.h, what to do about them is the daemons' business.
 */
#ifndef PONTOON_NOTIFICATION_H
#define PONTOON_NOTIFICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/digest.h"
#include "lib/envelope.h"
#include "lib/result.h"
#include "lib/token.h"

#define NOTIFICATION_TYP          "ssmp-notification"
#define NOTIFICATION_SHADOW_TYP   "ssmp-shadow" /* the same payload: ask, fetch, compare, never deliver */
#define NOTIFICATION_CONTENT_TYPE "application/jose+json"

enum {
    NOTIFICATION_SIZE_MAX = 65536,   /* bytes of the whole JWS */
    NOTIFICATION_MESSAGES_MAX = 100, /* messages in one batch */
    NOTIFICATION_RCPTS_MAX = 1000,   /* recipients of one message in one batch */
    NOTIFICATION_SERIAL_MAX = 0x7fffffff,
    MESSAGE_ID_PEER_MAX = 64,
    REPLY_TEXT_MAX = 500, /* an MTA's reply as it travels in verdicts and receipts */
};

struct notification_message {
    char id[MESSAGE_ID_PEER_MAX + 1];
    char token[TOKEN_MAX + 1 + 160]; /* a peer's tokens may be of another shape: up to 457 bytes */
    uint64_t size;
    uint8_t digest[DIGEST_SIZE];
    int64_t serial; /* grows with every notification of this message; receipts say which one they answer. 0: none */
    int64_t age;    /* of a shadow: seconds, rounded up, since it was stored, at the time of signing; 0: not said */
    struct envelope envelope; /* sender, body, smtputf8, ret, envid, recipients */
};

struct notification {
    char iss[DOMAIN_MAX + 1]; /* normalized */
    char aud[DOMAIN_MAX + 1]; /* normalized */
    int64_t iat, exp;         /* seconds since 1970 */
    bool shadow;              /* not in the payload: the JWS's typ says it */
    struct notification_message *messages;
    size_t nmessages;
};

/*
 * Parses a payload and checks all that can be checked without a clock or a key: forms, bounds,
 * `iss` is the domain of every sender, `aud` that of every recipient, ids differ, no
 * recipient twice in a message, smtputf8 set where an address needs it.
 */
enum result notification_parse(const char *text, size_t len, struct notification **n_r, struct error *err);
void notification_free(struct notification **n);
/* The payload's JSON text, to mem_free(). */
char *notification_write(const struct notification *n);
/* Bytes that one message takes in a payload: for filling a batch below the limit. */
size_t notification_message_weight(const struct notification_message *m);
/* Messages whose weights add up to this or less always fit NOTIFICATION_SIZE_MAX, with iss and aud, once signed. */
size_t notification_payload_max(void);
/* Whether a peer's token can stand behind "Authorization: Bearer " (RFC 6750: token68). */
bool notification_token_valid(const char *token);

enum verdict_kind {
    VERDICT_DELIVERED,
    VERDICT_ACCEPTED,
    VERDICT_DEFERRED,
    VERDICT_REJECTED,
    VERDICT_USE_SMTP,
};
const char *verdict_name(enum verdict_kind kind); /* "delivered", "accepted", "deferred", "rejected", "use-smtp" */

/* Who makes the success DSN (RFC 3461) of a recipient that was delivered, if the sender asked for one. */
enum verdict_dsn {
    VERDICT_DSN_TAKEN,   /* the MTA that took it offers DSN and has the parameters, or nobody asked; not on the wire */
    VERDICT_DSN_RELAYED, /* the sender's site: "relayed", as the MTA has no DSN */
    VERDICT_DSN_DELIVERED, /* the sender's site: "delivered", as this was final delivery */
};

/* What became of one recipient: a verdict, or a line of a receipt. */
struct verdict {
    enum verdict_kind kind;
    char dsn[ERROR_DSN_MAX];       /* RFC 3463, or "" */
    char text[REPLY_TEXT_MAX + 1]; /* the MTA's reply or our words, no control characters */
    enum verdict_dsn success;      /* with DELIVERED */
    bool withheld;                 /* nothing can be said now: verdicts_write() leaves the recipient out */
    struct verdict_comparison {    /* of a shadow with its SMTP copy */
        bool known;                /* the member `shadow` is there */
        bool arrived;              /* else it was not seen */
        int64_t delta_ms;          /* how much later than the fetched copy; negative: earlier */
        char *differences;         /* lines, '\n' between them; NULL: none. Belongs to the verdicts it is in */
    } comparison;
};

struct verdict_message {
    char id[MESSAGE_ID_PEER_MAX + 1];
    int64_t serial; /* in a receipt: of the last notification that was heard, 0 if it had none */
    struct verdict_rcpt {
        char *address;
        struct verdict verdict;
    } * rcpts;
    size_t nrcpts;
};

/* The body of a 200 answer: {"messages":[{"id":…,"recipients":[{"address","verdict","status","text"}]}]}. */
struct verdicts {
    struct verdict_message *messages;
    size_t nmessages;
};

enum { VERDICTS_SIZE_MAX = 1 << 20 };

/*
 * Adders copy; what they return stays valid until the next one is added beside it. `dsn` may be NULL or "", `text`
 * too; the text is cut to fit, and control characters and malformed UTF-8 become '?'.
 */
struct verdict_message *verdicts_add(struct verdicts *v, const char *id);
struct verdict *verdict_message_add(struct verdict_message *m, const char *address, enum verdict_kind kind,
                                    const char *dsn, const char *text);
/* What the shadow's comparison gave: `differences` lines, '\n' between them, copied and cut to their bounds; or NULL. */
void verdict_compare(struct verdict *v, bool arrived, int64_t delta_ms, const char *differences);
/* To mem_free(). Leaves out the texts if VERDICTS_SIZE_MAX would be passed with them (so does receipt_write()). */
char *verdicts_write(const struct verdicts *v);
enum result verdicts_parse(const char *text, size_t len, struct verdicts **v_r, struct error *err);
void verdicts_clear(struct verdicts *v); /* frees what it holds */
void verdicts_free(struct verdicts **v); /* for what verdicts_parse() made */

/*
 * A receipt: {"serial":…,"recipients":[{"address","outcome":"delivered|failed|deferred","status","text"}]}; in memory a
 * verdict_message (id empty) whose kinds are DELIVERED, REJECTED (wire: "failed") and DEFERRED only.
 */
char *receipt_write(const struct verdict_message *m);                                              /* to mem_free() */
enum result receipt_parse(const char *text, size_t len, struct verdicts **v_r, struct error *err); /* one message */

#endif
