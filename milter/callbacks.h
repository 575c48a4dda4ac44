/* libmilter's callbacks: each hands what the MTA says to the session and answers with what the session decides. */
#ifndef PONTOON_MILTER_CALLBACKS_H
#define PONTOON_MILTER_CALLBACKS_H

#include "milter/backend.h"

/* What they work with; set once, before libmilter runs. Borrowed. */
void callbacks_init(struct backend *backend);

struct smfiDesc;
extern struct smfiDesc callbacks_description;

#endif
