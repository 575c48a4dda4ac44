/*
 * The end of a message that is to be diverted: first it is durable in the store, then its recipients are
 * deleted at the MTA, or it is told to discard the message, then the store may notify. At no moment is a recipient in neither.
 */
#ifndef PONTOON_MILTER_DIVERT_H
#define PONTOON_MILTER_DIVERT_H

#include <stdbool.h>

#include "lib/store.h"
#include "milter/session.h"

/* How the MTA is told; false: it did not get it. */
struct divert_mta {
    bool (*delete_rcpt)(void *arg, char *path); /* forget a recipient, named as it named him */
    bool (*progress)(void *arg);                /* nothing, but wait */
    void *arg;
};

enum divert_end {
    DIVERT_CONTINUE, /* the MTA goes on with the recipients it still has */
    DIVERT_DISCARD,  /* it has none left, and no copies to make: it may forget the message (milter.discard) */
    DIVERT_TEMPFAIL, /* the client must come again */
};

/* All content was given to the session. Logs what became of the message; the caller resets the session. */
enum divert_end divert_message(struct session *s, struct store *store, const struct divert_mta *mta);

/* ---- steps, for those who end messages in another way ---- */

/* The envelope of the recipients that go one way, each once; to envelope_free(). */
void divert_envelope(const struct session *s, enum rules_action way, struct envelope *e_r);

struct divert_copy {
    const char *id;
    const struct envelope *envelope;
    const char *const *returning; /* see struct store_message */
    bool shadow;
    bool unique_bytes;
    bool new_for_sure; /* no resubmission: don't look */
};
/* One store_put() of the session's finished content. */
enum result divert_store(struct session *s, struct store *store, const struct divert_copy *copy,
                         struct store_put_result *put_r, struct error *err);
/* The line that says what became of it: recipients that were diverted and shadowed, the others went by SMTP; `note` may be NULL. */
void divert_log(const struct session *s, size_t diverted, size_t shadow, const char *note);

/* The line for a message of which nothing is diverted. */
void divert_log_untouched(const struct session *s);

#endif
