/* Opening what a configuration names: see site.h. */
#include "ctl/site.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ctl/ctl.h"

int site_config(const char *config_file, struct config **config_r)
{
    struct error err; /* was logged, with all that followed */
    return config_load(config_file, config_r, &err) == RESULT_OK ? EX_OK : EX_CONFIG;
}

/* EX_OK with *there_r, or the exit code after an error. */
static int look_for(const struct config *config, const char *key, bool *there_r)
{
    const char *dir = config_string(config, key);
    *there_r = access(dir, R_OK | X_OK) == 0;
    if (*there_r || errno == ENOENT)
        return EX_OK;
    return ctl_error(EX_NOPERM, "%s %s: %s; run this as root or as the daemon's user", key, dir, strerror(errno));
}

static int open_store(struct site *site)
{
    bool there;
    struct error err;
    int code = look_for(site->config, "store.directory", &there);
    if (code == EX_OK && there && store_open(site->config, STORE_READ_ONLY, "ctl", &site->store, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    return code;
}

static int open_jobs(struct site *site)
{
    bool there;
    struct error err;
    int code = look_for(site->config, "bridge.directory", &there);
    if (code == EX_OK && there && jobs_open(site->config, STORE_READ_ONLY, &site->jobs, &err) != RESULT_OK)
        code = ctl_result_error(&err);
    return code;
}

int site_open(const char *config_file, struct site *site)
{
    *site = (struct site){0};
    int code = site_config(config_file, &site->config);
    if (code == EX_OK)
        code = open_store(site);
    if (code == EX_OK)
        code = open_jobs(site);
    if (code != EX_OK)
        site_close(site);
    return code;
}

int site_open_some(const char *config_file, struct site *site)
{
    int code = site_open(config_file, site);
    if (code != EX_OK || site->store != NULL || site->jobs != NULL)
        return code;
    code = ctl_error(EX_UNAVAILABLE,
                     "neither store.directory %s nor bridge.directory %s exists: has a daemon run with %s yet?",
                     config_string(site->config, "store.directory"), config_string(site->config, "bridge.directory"),
                     config_path(site->config));
    site_close(site);
    return code;
}

void site_close(struct site *site)
{
    if (site->jobs != NULL)
        jobs_close(&site->jobs);
    if (site->store != NULL)
        store_close(&site->store);
    if (site->config != NULL)
        config_free(&site->config);
}
