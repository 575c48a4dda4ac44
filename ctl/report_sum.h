/*
 * What `pontoon report` sums up: for each destination domain, what became of its shadows and of its diverted mail. Pure; bounded in memory:
 * domains beyond REPORT_DOMAINS_MAX go into one sum without a name, reasons beyond their bound into "other reasons".
 */
#ifndef PONTOON_CTL_REPORT_SUM_H
#define PONTOON_CTL_REPORT_SUM_H

#include <stddef.h>

#include "ctl/latency.h"
#include "lib/address.h"
#include "lib/digest.h"
#include "lib/store.h"

enum {
    REPORT_DOMAINS_MAX = 2000,
    REPORT_GROUPS_MAX = 20, /* distinct reasons, or differences, of one kind */
    REPORT_EXAMPLES = 3,
    REPORT_TEXT_MAX = 160,
};

/* Recipients with the same reason, or the same difference. */
struct report_group {
    char text[REPORT_TEXT_MAX + 1]; /* what stands in <> left out, so that addresses don't keep reasons apart */
    char dsn[ERROR_DSN_MAX];        /* or "" */
    uint64_t n;
    char examples[REPORT_EXAMPLES][MESSAGE_ID_LEN + 1]; /* pontoon ids; "" behind the last */
};
struct report_groups {
    struct report_group *list; /* most frequent first, after report_finish() */
    size_t n;
    uint64_t others; /* recipients whose reason had no place any more */
};

struct report_shadows {
    uint64_t n;
    uint64_t delivered;                  /* would have been */
    uint64_t refused, refused_addresses; /* the latter of the former: 5.1.x, as SMTP would have been */
    uint64_t use_smtp, unreached, recalled, under_way;
    uint64_t same, differing, altered; /* compared; altered, of differing: more than fields added */
    uint64_t unseen;                   /* delivered, but not seen by SMTP */
    struct report_groups refusals, failures, differences;
    struct latency *ssmp, *smtp; /* NULL: none */
};

struct report_diverted {
    uint64_t n;
    uint64_t delivered, returned, returned_use_smtp, bounced, bounced_addresses, recalled, under_way, deferred;
    struct report_groups returns, bounces;
    struct latency *ssmp;
};

struct report_domain {
    char domain[DOMAIN_MAX + 1]; /* "": all that found no place of their own */
    struct report_shadows shadows;
    struct report_diverted diverted;
};

struct report {
    struct report_domain **domains; /* by name, after report_finish() */
    size_t n;
    void *tree; /* tsearch(3) */
    struct report_domain *rest;
};

/* A store_history_fn; arg: struct report, begun with {0}. */
void report_add(void *arg, const struct store_history_row *row);
void report_finish(struct report *r);
void report_clear(struct report *r);

enum { REPORT_VERDICT_SIZE = 800 };
/*
 * One plain sentence: whether anything stands against going on with this domain, and what. Returns whether nothing does. With few
 * recipients it says how few.
 */
bool report_verdict(const struct report_domain *d, char out[REPORT_VERDICT_SIZE]);

#endif
