/*
 * What the bridge tells its witness: datagrams of a head and what follows from its kind. Both ends are the
 * same program, so structs travel as they are; a job travels as the notification it came from, and is parsed as one.
 */
#ifndef PONTOON_BRIDGE_WITNESS_RECORD_H
#define PONTOON_BRIDGE_WITNESS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/jobs.h"

enum {
    WITNESS_RECORD_MAX = 1 << 20,
    WITNESS_LISTEN = 60000, /* ms that answers are waited for after a crash */
    WITNESS_NO_DOT = 3000,  /* the same, where the dot may never have been sent */
};

enum { WITNESS_WATCH = 'W', WITNESS_DOT = 'D', WITNESS_ANSWER = 'A', WITNESS_FORGET = 'F' };

struct witness_head {
    uint64_t number;
    char kind;
    bool lmtp, promised;
    enum verdict_dsn success; /* of those that asked for a success DSN */
    msec_t received;
    char peer[64];
};

/* Appends a WATCH record: head, then the handed recipients' notification as JSON. */
void witness_record_watch(struct buf *out, uint64_t number, const struct job *job, const size_t *handed, size_t n,
                          bool lmtp, bool promised);
/* The job of a WATCH record, its recipients in the order they were handed; NULL if it can't be read (a bug). */
struct job *witness_record_job(const struct witness_head *head, const char *text, size_t len, struct error *err);

#endif
