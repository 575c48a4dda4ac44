/*
 * What goes back through our own MTA: recipients that return to SMTP with their original envelope, and
 * DSNs about those that failed.
 */
#ifndef PONTOON_STORE_GIVE_BACK_H
#define PONTOON_STORE_GIVE_BACK_H

#include "store/context.h"

struct give_back;

enum result give_back_new(struct context *ctx, struct give_back **g_r, struct error *err);
void give_back_free(struct give_back **g);
void give_back_kick(struct give_back *g);
void give_back_drain(struct give_back *g);
unsigned give_back_count(const struct give_back *g); /* messages under way */

#endif
