/*
 * `pontoon report`: for each destination domain, what became of its shadows and of its diverted mail, how long both ways took, and
 * whether anything stands against going on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/ctl.h"
#include "ctl/report_show.h"
#include "ctl/show.h"
#include "ctl/site.h"

/* "90m", "2h", "7d": so long ago. */
static bool parse_ago(const char *text, msec_t *since_r)
{
    static const struct unit {
        char name;
        msec_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
    char *end;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; end != text && n >= 0 && n < 100000 && i < sizeof units / sizeof *units; i++) {
        if (end[0] == units[i].name && end[1] == '\0') {
            *since_r = clock_now() - n * units[i].ms;
            return true;
        }
    }
    return false;
}

/* "2026-11-25" or "2026-11-25 14:05", local time. */
static bool parse_date(const char *text, msec_t *since_r)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &tm);
        if (end != NULL && *end == '\0') {
            *since_r = (msec_t)mktime(&tm) * 1000;
            return true;
        }
    }
    return false;
}

static void show(const struct ctl *ctl, const struct report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n; i++) {
        if (ctl->options & CTL_JSON)
            json_array_append_new(list, report_json(r->domains[i]));
        else
            report_print(stdout, r->domains[i]);
        if (!(ctl->options & CTL_JSON) && i + 1 < r->n)
            putchar('\n');
    }
    if (ctl->options & CTL_JSON) {
        show_json_document(stdout, list);
        return;
    }
    if (r->n == 0)
        puts("nothing was diverted or shadowed, as far as the store remembers (store.history)");
    json_decref(list);
}

static int report(const struct ctl *ctl, const struct site *site, const char *domain, msec_t since)
{
    struct report r = {0};
    struct error err;
    int code = EX_OK;
    if (site->store != NULL && store_history(site->store, domain, since, report_add, &r, &err) != RESULT_OK) {
        code = ctl_result_error(&err);
    } else {
        report_finish(&r);
        show(ctl, &r);
    }
    report_clear(&r);
    return code;
}

int ctl_report(const struct ctl *ctl)
{
    struct site site;
    char domain[DOMAIN_MAX + 1];
    msec_t since = 0;
    if (ctl->domain != NULL && !domain_normalize(ctl->domain, domain))
        return ctl_error(EX_USAGE, "--domain: \"%s\" is no domain name", ctl->domain);
    if (ctl->since != NULL && !parse_ago(ctl->since, &since) && !parse_date(ctl->since, &since))
        return ctl_error(EX_USAGE,
                         "--since: \"%s\" is neither a date (2026-11-25, \"2026-11-25 14:05\") nor a time ago (7d)",
                         ctl->since);
    int code = site_open(ctl->config_files[0], &site);
    if (code != EX_OK)
        return code;
    code = report(ctl, &site, ctl->domain != NULL ? domain : NULL, since);
    site_close(&site);
    return code;
}
