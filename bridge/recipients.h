/* Which recipients and senders take part, by the configuration. Pure decisions. */
#ifndef PONTOON_BRIDGE_RECIPIENTS_H
#define PONTOON_BRIDGE_RECIPIENTS_H

#include <stdbool.h>

#include "lib/config.h"

/* Why no recipient of this site takes part now, by what the site itself publishes (policy.mode, policy.inbound); NULL: they do. */
const char *recipients_closed(const struct config *config);
/* bridge.migrated without bridge.not-migrated. */
bool recipients_migrated(const struct config *config, const char *address);
/* bridge.senders without bridge.refuse-senders; `domain` is normalized. */
bool senders_allowed(const struct config *config, const char *domain);

#endif
