/*
 * A table's text file, line by line, as Postfix reads it (postmap(1)): empty lines and lines that begin with # don't
 * count, a line that begins with white space goes on with the line before.
 */
#ifndef PONTOON_LOOKUP_TEXT_H
#define PONTOON_LOOKUP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/result.h"

enum { LOOKUP_TEXT_MAX = 64 << 20 }; /* bytes of a file */

struct lookup_text {
    char *data; /* to lookup_text_free(): the lines are made in it */
    char *next;
    unsigned line; /* where the line that was given began */
    unsigned next_line;
};

enum result lookup_text_read(const char *path, struct lookup_text *t, struct error *err);
/* The next logical line, without white space at its ends; NULL at the end. It lives as long as the text, and may be changed. */
char *lookup_text_next(struct lookup_text *t);
void lookup_text_free(struct lookup_text *t);

/* The end of the word at `p`, a NUL put there; returns what follows it, without white space before. */
char *lookup_text_split(char *p);

#endif
