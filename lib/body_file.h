/*
 * Bodies too large for the database: one file each, DIR/bodies/XX/NAME, with a name that is never used twice. A file is
 * durable before its name is written to the database, and removed after the name is gone from it; what a crash leaves
 * in between is an orphan.
 */
#ifndef PONTOON_BODY_FILE_H
#define PONTOON_BODY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/clock.h"
#include "lib/result.h"

enum { BODY_FILE_NAME_MAX = 32 }; /* "XX/NAME" with the NUL */

/* Makes DIR/bodies with its folders. */
enum result body_file_make_dirs(const char *dir, struct error *err);
/* Moves a file that has been fsynced in here; it is durable under name_r when this returns. */
enum result body_file_adopt(const char *dir, const char *path, char name_r[BODY_FILE_NAME_MAX], struct error *err);
/* An open file descriptor, or -1; *missing_r tells "no such file" from trouble. */
int body_file_open(const char *dir, const char *name, bool *missing_r, struct error *err);
/* Failure is logged: the file is an orphan then. */
void body_file_remove(const char *dir, const char *name);

/* A walk in pieces over all body files, to find orphans. Zero it to begin. */
struct body_file_sweep {
    unsigned folder;
    bool done;
};
/*
 * Goes on by some folders; removes files that were put there before `before` and that nobody knows, at most `max`.
 * known() answers RESULT_OK with *known_r set, or fails and so ends this piece.
 */
typedef enum result body_file_known(void *arg, const char *name, bool *known_r, struct error *err);
enum result body_file_sweep(const char *dir, struct body_file_sweep *sweep, msec_t before, size_t max,
                            body_file_known *known, void *arg, struct error *err);
/* Removes what was last changed before `before` in a flat directory (DIR/incoming: spools of dead processes). */
void body_file_clear_stale(const char *incoming, msec_t before);

#endif
