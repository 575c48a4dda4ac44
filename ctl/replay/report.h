/*
 * What a replay proved, from its journal: how many recipients have each message once and unaltered, and who has not; how long it took; and
 * with --compare, what the two ways did differently.
 */
#ifndef PONTOON_REPLAY_REPORT_H
#define PONTOON_REPLAY_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl/latency.h"
#include "ctl/replay/comparison.h"
#include "ctl/replay/content.h"
#include "ctl/replay/ledger.h"
#include "ctl/replay/options.h"

enum {
    REPORT_LIST_MAX = 50, /* examples of each kind that are named */
    REPORT_HOPS_MAX = 16,
    REPORT_BUCKETS_MAX = 120, /* of the timeline */
    REPORT_BUCKET_MIN = 20,   /* ms */
};

struct report_way {
    const char *name;
    uint64_t copies, accepted, refused, unknown;              /* copies; refused: for all recipients */
    uint64_t rcpts, refused_rcpts, arrived, missing, doubled; /* recipients; arrived: at least once */
    uint64_t altered;                                         /* arrivals whose bytes differ */
    uint64_t bytes;                                           /* of what was accepted */
    struct latency accept;                                    /* from MAIL to the reply to the final dot */
    struct latency arrival;               /* from that reply to the first arrival of each recipient */
    struct latency whole;                 /* from MAIL to there */
    struct latency hops[REPORT_HOPS_MAX]; /* between Received: fields, in whole seconds */
    size_t nhops;
};

/* One thing that went wrong. */
struct report_finding {
    const char *kind; /* "missing", "doubled", "altered", "refused", "unknown", "unsendable", "stray", "different" */
    uint64_t copy;    /* 0: of none */
    char *way, *origin, *rcpt, *what; /* "" where there is none */
};

struct report_bucket {
    msec_t from;
    uint64_t sent, arrived;
};

struct report {
    bool watched; /* somebody looked for what arrives */
    struct report_way ways[SENDER_WAYS_MAX];
    size_t nways;
    uint64_t messages, unsendable, strays, skipped;
    uint64_t left_out;             /* recipients at domains that nobody named, to whom nothing was sent */
    uint64_t notes[CONTENT_NOTES]; /* messages with each of enum content_note, by bit */
    struct comparison comparison;  /* with two ways */
    msec_t begun, ended;
    struct report_bucket timeline[REPORT_BUCKETS_MAX];
    size_t nbuckets;
    msec_t bucket; /* ms each */
    struct report_finding *findings;
    size_t nfindings;
};

enum result report_make(struct ledger *ledger, const struct options *o, struct report *r_r, struct error *err);
void report_free(struct report *r);

/* Whoever finds something adds it; the strings are copied, NULL stands for "". */
void report_add(struct report *r, const struct report_finding *f);

/* Whether everything that can be sent was, and arrived once and unaltered where somebody looked. */
bool report_is_good(const struct report *r);

void report_show(const struct report *r, FILE *out);
json_t *report_json(const struct report *r); /* a new reference */
/* One page that needs nothing else: the JSON in a frame that draws it. */
void report_html(const struct report *r, FILE *out);

#endif
