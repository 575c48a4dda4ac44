/*
 * Failpoints: where a test makes a daemon die, fail or wait. Compiled in by ./configure --enable-failpoints only; otherwise
 * FAILPOINT() is the constant false, and neither names nor code are in the program.
 *
 * Armed by the environment: PONTOON_FAIL=NAME[@COUNT]:ACTION[,...], where COUNT is the pass at which it acts (1: the first), once.
 *   kill       SIGKILL to the process
 *   error      FAILPOINT() is true: the step fails as a full disk, a locked database or a broken connection would make it
 *   delay[:MS] sleeps (1000 ms), at this pass and all that follow
 * Names are those of lib/failpoint_table.h; `PROGRAM --failpoints` lists those of a daemon.
 */
#ifndef PONTOON_FAILPOINT_H
#define PONTOON_FAILPOINT_H

#include <stdbool.h>

#include "lib/result.h"

#ifdef FAILPOINTS

#include "lib/failpoint_table.h"

enum failpoint {
#define FAILPOINT_ID(name, daemons, error, text) FAILPOINT_##name,
    FAILPOINT_TABLE(FAILPOINT_ID)
#undef FAILPOINT_ID
        FAILPOINTS_COUNT
};

/* True: the step has failed (errno is EIO). From any thread. */
#define FAILPOINT(name) failpoint_pass(FAILPOINT_##name)
bool failpoint_pass(enum failpoint p);
/* Arms what PONTOON_FAIL names. RESULT_PERM: no such point in this program, no such action; `err` says which are there. */
enum result failpoint_arm(const char *program, struct error *err);
/* In the witness process, a fork of the daemon: only its own points remain. */
void failpoint_become_witness(void);

#else

#define FAILPOINT(name)            false
#define failpoint_become_witness() ((void)0)

#endif

/* For --failpoints: prints them, or says that there are none in this program. Returns the exit status. */
int failpoint_list(const char *program);

#endif
