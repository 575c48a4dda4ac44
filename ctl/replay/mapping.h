/*
 * Whom a replayed message is from and to: what its header says, or what is told, through maps, and never at a domain
 * that the user did not name. Pure.
 */
#ifndef PONTOON_REPLAY_MAPPING_H
#define PONTOON_REPLAY_MAPPING_H

#include <stddef.h>
#include <stdint.h>

#include "lib/envelope.h"
#include "lib/result.h"

enum { MAPPING_RCPTS_MAX = 1000 }; /* of one message; more are left out */

struct mapping;
struct mapping *mapping_new(void);
void mapping_free(struct mapping **m);

/* "b.test" (a domain) or ".b.test" (all below it): mail may be sent there. RESULT_PERM: no domain. */
enum result mapping_allow(struct mapping *m, const char *domain, struct error *err);
/* The sender of all messages; "<>" or "" is the null sender. */
enum result mapping_set_sender(struct mapping *m, const char *address, struct error *err);
/* A recipient of all messages, instead of those in the header. Its domain is named thereby. */
enum result mapping_add_rcpt(struct mapping *m, const char *address, struct error *err);
/*
 * "LEFT=RIGHT": LEFT is an address, a domain, or "*" (any); RIGHT an address, a domain that the local part is kept before, or ".DOMAIN",
 * which goes behind the domain that is there. RIGHT's domain is named thereby. The first that fits is taken.
 */
enum result mapping_add(struct mapping *m, const char *text, bool senders, struct error *err);
/* "100=d%.b.test": recipients go to d1.b.test ... d100.b.test, message by message. */
enum result mapping_spread(struct mapping *m, const char *text, struct error *err);
/* The most recipients of one message; the first ones stay. 0: all. */
void mapping_set_max_rcpts(struct mapping *m, size_t n);

/*
 * Fills an empty envelope (sender, recipients; the rest is the caller's) for message `number`. `from_sender`: of the mbox's From_ line, or "".
 * RESULT_PERM: it can't be sent, and why. *left_out_r: recipients at domains that nobody named. Nor is an address named whose local part
 * may be a route to another domain ("user%elsewhere@here"), unless it was told as a whole.
 */
enum result mapping_envelope(const struct mapping *m, const char *bytes, size_t len, const char *from_sender,
                             uint64_t number, struct envelope *e_r, size_t *left_out_r, struct error *err);

#endif
