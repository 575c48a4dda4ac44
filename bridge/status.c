/*
 * The status resource: see status.h. Cheap on purpose: it looks at what is known and does no work, so that anybody may ask
 * as often as the limits on connections allow. It names no figures: how much is under way is nobody's business.
 */
#include "bridge/status.h"

#include "bridge/intake.h"

enum {
    MTA_TROUBLE_LASTS = 30000, /* ms: after that a new attempt has to show whether the MTA is still away */
    RETRY_AFTER_FULL = 60,     /* seconds */
    RETRY_AFTER_MTA = 30,
    RETRY_AFTER_STOP = 30,
};

/* Why not now, or NULL. */
static const char *trouble(const struct context *ctx, unsigned *retry_after_r)
{
    msec_t failed = smtp_pool_unreachable(ctx->mta);
    if (ctx->draining) {
        *retry_after_r = RETRY_AFTER_STOP;
        return "shutting down";
    }
    if (intake_count(ctx->intake, false) >= (unsigned)config_number(ctx->config, "bridge.queue-max")) {
        *retry_after_r = RETRY_AFTER_FULL;
        return "the queue is full";
    }
    if (failed != 0 && clock_mono() - failed < MTA_TROUBLE_LASTS) {
        *retry_after_r = RETRY_AFTER_MTA;
        return "the mail server behind this bridge can't be reached";
    }
    return NULL;
}

void status_answer(const struct context *ctx, struct http_request *req)
{
    unsigned retry_after = 0;
    const char *why = trouble(ctx, &retry_after);
    if (why != NULL)
        http_reply_problem(req, 503, why, retry_after);
    else
        http_reply_ready(req);
}
