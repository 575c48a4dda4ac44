/*
 * What pontoon-milter takes from the configuration, as one immutable, counted snapshot: a message keeps the
 * settings it began with, whatever SIGHUP brings meanwhile.
 */
#ifndef PONTOON_MILTER_SETTINGS_H
#define PONTOON_MILTER_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/clock.h"
#include "lib/config.h"
#include "lib/eligibility.h"
#include "lib/queue_bounds.h"
#include "lib/result.h"

struct settings {
    atomic_uint references;
    struct eligibility *eligibility;
    char *hostname;
    struct queue_limits queue;
    unsigned hop_limit;
    size_t spool_memory;
    uint64_t lmtp_max_size; /* of what comes by LMTP; UINT64_MAX: no limit */
    bool tempfail;          /* on-store-failure */
    bool discard;           /* milter.discard */
    msec_t lmtp_loop_pause; /* how long a message that runs in a circle waits before each further round */
    msec_t discovery_wait, notify_hold, resubmission_window, expire_after;
};

/* Also the daemon's check of a configuration. One reference, for the caller. */
enum result settings_new(const struct config *config, struct settings **s_r, struct error *err);
/* The same for what pontoon-lmtp has parameters of its own for (section lmtp). */
enum result settings_new_lmtp(const struct config *config, struct settings **s_r, struct error *err);
void settings_release(struct settings **s);

/* What new messages use. settings_install() takes over the caller's reference; both from any thread. */
void settings_install(struct settings *s);
struct settings *settings_current(void); /* a new reference */

#endif
