/*
 * What pontoon-milter tells pontoon-bridge of a message that arrives by SMTP at their MTA, so that it can be compared with its
 * shadow: a datagram with envelope and fingerprint. Nothing of the content travels, and nothing depends on it: a lost
 * datagram is a shadow without comparison.
 */
#ifndef PONTOON_ARRIVAL_H
#define PONTOON_ARRIVAL_H

#include <sys/un.h>

#include "lib/fingerprint.h"
#include "lib/result.h"

enum {
    ARRIVAL_SIZE_MAX = 120000, /* bytes of a datagram */
    ARRIVAL_RCPTS_MAX = 1000,
};

struct arrival {
    char *sender;
    char **rcpts;
    size_t nrcpts; /* 0: nothing has arrived, the milter only says that it looks on */
    struct fingerprint *fingerprint;
};

void arrival_add_rcpt(struct arrival *a, const char *address);
void arrival_clear(struct arrival *a); /* frees what it holds */

/* The datagram, to mem_free(); NULL if it can't be said in one: too long, or an envelope that is not UTF-8. */
char *arrival_write(const struct arrival *a);
/* *a_r is to be cleared in any case. */
enum result arrival_parse(const char *text, size_t len, struct arrival *a_r, struct error *err);

/* The address of the socket at `path`. RESULT_PERM: too long for one. */
enum result arrival_address(const char *path, struct sockaddr_un *sun_r, struct error *err);

#endif
