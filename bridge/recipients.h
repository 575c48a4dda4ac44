/* Which recipients and senders take part, by the configuration and the tables that it names. */
#ifndef PONTOON_BRIDGE_RECIPIENTS_H
#define PONTOON_BRIDGE_RECIPIENTS_H

#include <stdbool.h>

#include "lib/config.h"

/* Why no recipient of this site takes part now, by what the site itself publishes (policy.mode, policy.inbound); NULL: they do.
   A site that tests takes shadows. */
const char *recipients_closed(const struct config *config, bool shadow);
/* The lists and tables of who takes part, made once for a configuration. */
struct recipients;
/* RESULT_PERM: a malformed pattern, RESULT_TEMP: a table that can't be read; with the place in the file. */
enum result recipients_new(const struct config *config, struct recipients **r_r, struct error *err);
void recipients_free(struct recipients **r);

/*
 * bridge.migrated without bridge.not-migrated. False too when a table can't be read (which is logged): the mail then
 * comes by SMTP.
 */
bool recipients_migrated(const struct recipients *r, const char *address);
/* bridge.senders without bridge.refuse-senders; `domain` is normalized. False as above. */
bool senders_allowed(const struct recipients *r, const char *domain);

#endif
