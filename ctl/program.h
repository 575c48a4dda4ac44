/* Running another program and reading what it says, bounded in time and size. */
#ifndef PONTOON_CTL_PROGRAM_H
#define PONTOON_CTL_PROGRAM_H

#include "lib/clock.h"
#include "lib/result.h"

enum { PROGRAM_OUTPUT_MAX = 512 * 1024 };

struct program {
    int code;     /* exit code, 127 + signal if one ended it */
    char *output; /* of standard output and standard error, with a NUL behind */
    char *errors;
};

/*
 * `argv[0]` without '/' is looked for in PATH and, after that, where system programs are. RESULT_PERM: it is not there or can't
 * be run; RESULT_TEMP: it took longer than `wait` or said too much, and was killed. program_free() only after RESULT_OK.
 */
enum result program_run(const char *const *argv, msec_t wait, struct program *p_r, struct error *err);
void program_free(struct program *p);

/* The path of a program of ours: beside the one that runs, or in the system's folders. To mem_free(); NULL: not there. */
char *program_of_ours(const char *name);

#endif
