/*
 * The hops of a message: its Received: fields (RFC 5321 section 6.3), counted while it comes in pieces. Pure. Only the header is
 * looked at; its length needs no bound here, as nothing of it is kept.
 */
#ifndef PONTOON_HOPS_H
#define PONTOON_HOPS_H

#include <stdbool.h>
#include <stddef.h>

struct hops {
    unsigned received; /* so far */
    unsigned column;   /* bytes of the line so far, while it may still be a Received: field; HOPS_OTHER: it is not */
    bool empty;        /* nothing but CR in the line so far */
    bool in_body;
};

void hops_init(struct hops *h);
void hops_scan(struct hops *h, const char *data, size_t len);

#endif
