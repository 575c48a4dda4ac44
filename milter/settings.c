/* What pontoon-milter takes from the configuration: see settings.h. */
#include "milter/settings.h"

#include <pthread.h>
#include <string.h>

#include "lib/mem.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings *current;

enum result settings_new(const struct config *config, struct settings **s_r, struct error *err)
{
    struct settings *s = mem_zero(1, sizeof *s);
    atomic_init(&s->references, 1);
    s->hostname = mem_strdup(config_hostname(config));
    s->spool_memory = (size_t)config_number(config, "milter.spool-memory");
    s->tempfail = strcmp(config_string(config, "milter.on-store-failure"), "tempfail") == 0;
    s->discard = config_bool(config, "milter.discard");
    s->discovery_wait = config_time(config, "milter.discovery-wait");
    s->notify_hold = config_time(config, "milter.notify-hold");
    s->resubmission_window = config_time(config, "milter.resubmission-window");
    s->queue = queue_limits(config);
    s->hop_limit = (unsigned)config_number(config, "hop-limit");
    s->expire_after = config_time(config, "store.expire-after");
    *s_r = s;
    enum result r = eligibility_new(config, &s->eligibility, err);
    if (r != RESULT_OK)
        settings_release(s_r);
    return r;
}

enum result settings_new_lmtp(const struct config *config, struct settings **s_r, struct error *err)
{
    enum result r = settings_new(config, s_r, err);
    if (r != RESULT_OK)
        return r;
    int64_t max_size = config_number(config, "lmtp.max-size");
    (*s_r)->lmtp_max_size = max_size > 0 ? (uint64_t)max_size : UINT64_MAX;
    (*s_r)->spool_memory = (size_t)config_number(config, "lmtp.spool-memory");
    (*s_r)->lmtp_loop_pause = config_time(config, "lmtp.loop-pause");
    (*s_r)->discovery_wait = config_time(config, "lmtp.discovery-wait");
    (*s_r)->resubmission_window = config_time(config, "lmtp.resubmission-window");
    return RESULT_OK;
}

void settings_release(struct settings **s_p)
{
    struct settings *s = *s_p;
    *s_p = NULL;
    if (s == NULL || atomic_fetch_sub(&s->references, 1) > 1)
        return;
    mem_free(&s->hostname);
    eligibility_free(&s->eligibility);
    mem_free(&s);
}

void settings_install(struct settings *s)
{
    pthread_mutex_lock(&lock);
    struct settings *old = current;
    current = s;
    pthread_mutex_unlock(&lock);
    settings_release(&old);
}

struct settings *settings_current(void)
{
    pthread_mutex_lock(&lock);
    struct settings *s = current;
    atomic_fetch_add(&s->references, 1);
    pthread_mutex_unlock(&lock);
    return s;
}
