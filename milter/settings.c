/* What pontoon-milter takes from the configuration: see settings.h. */
#include "milter/settings.h"

#include <pthread.h>
#include <string.h>

#include "lib/mem.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings *current;

static void copy_list(struct settings_list *to, const struct config *config, const char *key)
{
    const char *const *from = config_list(config, key, &to->n);
    to->words = mem_zero(to->n, sizeof *to->words);
    for (size_t i = 0; i < to->n; i++)
        to->words[i] = mem_strdup(from[i]);
}

static void free_list(struct settings_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        mem_free(&l->words[i]);
    mem_free(&l->words);
}

/* milter.divert-clients: three words, and networks. */
static enum result read_clients(struct settings *s, const struct config *config, struct error *err)
{
    size_t n, nblocks = 0;
    const char *const *clients = config_list(config, "milter.divert-clients", &n);
    const char **blocks = mem_zero(n, sizeof *blocks);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(clients[i], "any") == 0)
            s->any_client = true;
        else if (strcmp(clients[i], "authenticated") == 0)
            s->authenticated_clients = true;
        else if (strcmp(clients[i], "local") == 0)
            s->local_clients = true;
        else
            blocks[nblocks++] = clients[i];
    }
    enum result r = nblocks > 0 ? netaddr_list_parse(blocks, nblocks, &s->networks, err) : RESULT_OK;
    mem_free(&blocks);
    if (r != RESULT_OK)
        return error_prefix(err, "%s: divert-clients", config_where(config, "milter.divert-clients"));
    return RESULT_OK;
}

/* Nothing may be stored that nobody could be told to fetch. */
static const char *why_off(const struct config *config)
{
    size_t n;
    if (!config_bool(config, "milter.divert"))
        return "milter.divert is off";
    if (strcmp(config_string(config, "policy.mode"), "none") == 0)
        return "policy.mode is none";
    config_list(config, "policy.outbound", &n);
    if (n == 0)
        return "policy.outbound is empty";
    return NULL;
}

enum result settings_new(const struct config *config, struct settings **s_r, struct error *err)
{
    struct settings *s = mem_zero(1, sizeof *s);
    atomic_init(&s->references, 1);
    s->off = why_off(config);
    s->hostname = mem_strdup(config_hostname(config));
    copy_list(&s->domains, config, "domains");
    copy_list(&s->transports, config, "milter.transports");
    copy_list(&s->divert_recipients, config, "milter.divert-recipients");
    copy_list(&s->keep_recipients, config, "milter.keep-recipients");
    int64_t max_size = config_number(config, "milter.max-size");
    s->max_size = max_size > 0 ? (uint64_t)max_size : UINT64_MAX;
    s->spool_memory = (size_t)config_number(config, "milter.spool-memory");
    s->tempfail = strcmp(config_string(config, "milter.on-store-failure"), "tempfail") == 0;
    s->discovery_wait = config_time(config, "milter.discovery-wait");
    s->notify_hold = config_time(config, "milter.notify-hold");
    s->resubmission_window = config_time(config, "milter.resubmission-window");
    s->expire_after = config_time(config, "store.expire-after");
    *s_r = s;
    enum result r = read_clients(s, config, err);
    if (r != RESULT_OK)
        settings_release(s_r);
    return r;
}

void settings_release(struct settings **s_p)
{
    struct settings *s = *s_p;
    *s_p = NULL;
    if (s == NULL || atomic_fetch_sub(&s->references, 1) > 1)
        return;
    mem_free(&s->hostname);
    free_list(&s->domains);
    free_list(&s->transports);
    free_list(&s->divert_recipients);
    free_list(&s->keep_recipients);
    netaddr_list_free(&s->networks);
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
