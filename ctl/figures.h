/* What running daemons say of their limits and of the pacer (lib/figures.h), for `pontoon status`. */
#ifndef PONTOON_CTL_FIGURES_H
#define PONTOON_CTL_FIGURES_H

#include "lib/figures.h"

/* Both take what figures_ask() gave, which may be NULL or malformed, and keep nothing of it. */
json_t *figures_member(const json_t *figures, const char *name); /* a new reference; null if it is not there */
void figures_print(const json_t *figures);

#endif
