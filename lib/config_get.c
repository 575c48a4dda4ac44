/* Answers from the configuration: see config.h. */
#include <string.h>

#include "lib/config_private.h"
#include "lib/log.h"

bool config_find_entry(const char *section, const char *name, size_t *i_r)
{
    for (size_t i = 0; config_table[i].name != NULL; i++) {
        const struct config_entry *e = &config_table[i];
        /* The first letter rules out most: this is asked dozens of times for each message. */
        if (e->name[0] == name[0] && strcmp(e->name, name) == 0 && strcmp(e->section, section) == 0) {
            *i_r = i;
            return true;
        }
    }
    return false;
}

/* ---- getters ---- */

static const struct entry_value *get(const struct config *c, const char *key, unsigned types)
{
    char section[64] = "";
    const char *name = strchr(key, '.');
    size_t i;
    if (name != NULL)
        snprintf(section, sizeof section, "%.*s", (int)(name - key), key);
    if (!config_find_entry(section, name != NULL ? name + 1 : key, &i))
        log_panic("config: no parameter \"%s\"", key);
    if ((types & 1U << config_table[i].type) == 0)
        log_panic("config: parameter \"%s\" has another type", key);
    if (i < c->first || i >= c->first + c->n)
        log_panic("config: parameter \"%s\" is not in this section", key);
    return &c->values[i - c->first];
}

enum {
    TEXTS = 1 << CONFIG_STRING | 1 << CONFIG_CHOICE | 1 << CONFIG_PATH | 1 << CONFIG_ENDPOINT | 1 << CONFIG_ADDRESS,
    NUMBERS = 1 << CONFIG_COUNT | 1 << CONFIG_SIZE | 1 << CONFIG_MODE | 1 << CONFIG_PERCENT,
};

const char *config_path(const struct config *c)
{
    return c->path;
}

const char *const *config_files(const struct config *c, size_t *n_r)
{
    *n_r = c->nfiles;
    return (const char *const *)c->files;
}

const char *config_string(const struct config *c, const char *key)
{
    return get(c, key, TEXTS)->v.text;
}

const char *const *config_list(const struct config *c, const char *key, size_t *n_r)
{
    const struct entry_value *v = get(c, key, 1 << CONFIG_LIST);
    *n_r = v->v.n;
    return (const char *const *)v->v.list;
}

bool config_bool(const struct config *c, const char *key)
{
    return get(c, key, 1 << CONFIG_BOOL)->v.number != 0;
}

int64_t config_number(const struct config *c, const char *key)
{
    return get(c, key, NUMBERS)->v.number;
}

msec_t config_time(const struct config *c, const char *key)
{
    return get(c, key, 1 << CONFIG_TIME)->v.number;
}

const char *config_where(const struct config *c, const char *key)
{
    const char *where = get(c, key, ~0U)->where;
    return where != NULL ? where : "default";
}

size_t config_count(const struct config *c, const char *section)
{
    size_t n = 0;
    for (size_t i = 0; i < c->ntitled; i++)
        n += strcmp(c->titled[i]->section->name, section) == 0;
    return n;
}

const struct config *config_nth(const struct config *c, const char *section, size_t nth)
{
    for (size_t i = 0; i < c->ntitled; i++) {
        if (strcmp(c->titled[i]->section->name, section) == 0 && nth-- == 0)
            return c->titled[i];
    }
    log_panic("config: no such section %s", section);
}

const char *config_title(const struct config *nth)
{
    return nth->title;
}

const char *config_title_where(const struct config *nth)
{
    return nth->where;
}

bool config_is_our_domain(const struct config *c, const char *domain)
{
    size_t n;
    const char *const *domains = config_list(c, "domains", &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(domains[i], domain) == 0)
            return true;
    }
    return false;
}

const char *config_hostname(const struct config *c)
{
    return c->hostname;
}
