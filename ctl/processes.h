/* The daemons as running processes, found in /proc. */
#ifndef PONTOON_CTL_PROCESSES_H
#define PONTOON_CTL_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    uid_t uid;
    bool replaced;       /* the program's file was replaced since it started */
    uint64_t open_files; /* its limit; 0 unknown */
};

/* A process of this program that has this configuration; false: none can be seen. */
bool process_find(const char *program, const char *config_file, struct process *p_r);
/* Its groups, at most `max`. */
void process_groups(const struct process *p, gid_t *groups, int max, int *n_r);

#endif
