/* The witness process itself, and what it is told: keeps the list of what is open; when the daemon is gone, hears the answers. */
#ifndef PONTOON_WITNESS_PROCESS_H
#define PONTOON_WITNESS_PROCESS_H

#include "lib/witness.h"

enum {
    WITNESS_RECORD_MAX = 1 << 20,
    WITNESS_LISTEN = 60000, /* ms that answers are waited for after a crash */
    WITNESS_NO_DOT = 3000,  /* the same, where the dot may never have been sent */
    WITNESS_NOTE = 20000,   /* ms that noting them is tried */
};

enum { WITNESS_WATCH = 'W', WITNESS_DOT = 'D', WITNESS_ANSWER = 'A', WITNESS_FORGET = 'F' };

/* A datagram is this and what follows from its kind: WATCH: `what`; ANSWER: replies. Both ends are one program: structs travel as they are. */
struct witness_head {
    uint64_t number;
    uint32_t kind;
    uint32_t replies; /* of a WATCH: how many are awaited */
};

/* `socket` is the other end of the daemon's; `lock` is held until the end. */
void witness_process(const struct config *config, const struct witness_role *role, int socket, int lock)
    __attribute__((noreturn));

#endif
