/* What else Postfix does to mail, beside what pontoon does: sizes, times, transports, and what touches mail behind the milters. */
#include <stdlib.h>
#include <string.h>

#include "ctl/check_postfix.h"
#include "ctl/show.h"

static const char *value(const struct check *c, const struct postfix_service *s, const char *name)
{
    return postfix_config_value(c->postfix, s, name);
}

/* ---- sizes ---- */

static uint64_t size_limit(const struct check *c, const struct postfix_service *s)
{
    return strtoull(value(c, s, "message_size_limit"), NULL, 10);
}

static void compare_size(struct check *c, const char *key, uint64_t limit, enum check_level level, const char *means)
{
    uint64_t own = (uint64_t)config_number(c->config, key);
    if (own == 0 || limit == 0 || own <= limit)
        return;
    check_found(c->report, level, "%s (%s), %llu bytes, is more than the MTA takes, %llu: %s", key,
                config_where(c->config, key), (unsigned long long)own, (unsigned long long)limit, means);
    check_advise(c->report, "%s = %llu in %s, or a larger message_size_limit in Postfix", key,
                 (unsigned long long)limit, config_path(c->config));
}

/* The largest message that a listener for clients takes; 0: any. */
static uint64_t largest_taken(const struct check *c)
{
    uint64_t largest = size_limit(c, NULL);
    for (size_t i = 0; i < c->postfix->services.n; i++) {
        const struct postfix_service *s = &c->postfix->services.items[i];
        if (strcmp(s->command, "smtpd") != 0 || s == c->mta_in || s == c->mta_return)
            continue;
        uint64_t limit = size_limit(c, s);
        if (limit == 0 || largest == 0)
            return 0;
        largest = limit > largest ? limit : largest;
    }
    return largest;
}

static void look_at_sizes(struct check *c)
{
    uint64_t in = size_limit(c, c->mta_in), back = size_limit(c, c->mta_return), taken = largest_taken(c);
    compare_size(c, "policy.max-size", in, CHECK_WARNING, "others send larger messages this way, and get them refused");
    compare_size(c, "bridge.max-size", in, CHECK_NOTE, "the MTA's limit holds");
    if (c->mta_return != NULL && back != 0 && (taken == 0 || taken > back)) {
        check_found(c->report, CHECK_PROBLEM,
                    "the listener at %s (store.mta) takes %llu bytes at most, others take larger messages: "
                    "those could not go back to SMTP",
                    c->mta_return->name, (unsigned long long)back);
        check_postfix_advise(c, c->mta_return, "message_size_limit=%llu", (unsigned long long)taken);
    }
}

/* ---- ways ---- */

static void look_at_transport(struct check *c, const char *name)
{
    size_t n;
    const char *transport = value(c, NULL, name);
    size_t len = strcspn(transport, ":");
    const char *const *known = config_list(c->config, "milter.transports", &n);
    for (size_t i = 0; i < n; i++) {
        if (strlen(known[i]) == len && strncmp(known[i], transport, len) == 0)
            return;
    }
    if (n == 0 || len == 0)
        return;
    check_found(c->report, CHECK_PROBLEM,
                "%s is %s, which is not among milter.transports (%s): such mail is never diverted", name, transport,
                config_where(c->config, "milter.transports"));
    check_advise(c->report, "add \"%.*s\" to milter.transports in %s; then: systemctl reload pontoon-milter", (int)len,
                 transport, config_path(c->config));
}

static void look_at_relayhost(struct check *c)
{
    const char *host = value(c, NULL, "relayhost");
    if (*host == '\0')
        return;
    check_found(c->report, CHECK_NOTE, "relayhost is %s: mail that is diverted does not pass it", host);
    check_advise(c->report,
                 "if it signs, filters or archives what goes out, let this machine do so, before pontoon-milter");
}

/* ---- what comes behind the milters ---- */

static void look_at_content_filter(struct check *c)
{
    for (size_t i = 0; i < c->postfix->services.n; i++) {
        const struct postfix_service *s = &c->postfix->services.items[i];
        if (!check_postfix_asks_ours(c, s) || *value(c, s, "content_filter") == '\0')
            continue;
        check_found(c->report, CHECK_WARNING,
                    "content_filter %s (%s) comes behind pontoon-milter: what is diverted has not passed it",
                    value(c, s, "content_filter"), s->name);
        check_advise(
            c->report,
            "name pontoon-milter in smtpd_milters of the listener by which the filter hands mail back, and nowhere "
            "before it");
        return;
    }
}

static void look_at_smtp_client(struct check *c)
{
    static const char *const parameters[] = {"smtp_generic_maps", "smtp_header_checks", "smtp_mime_header_checks",
                                             "smtp_nested_header_checks", "smtp_body_checks"};
    const struct postfix_service *smtp = postfix_config_service(c->postfix, "smtp");
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        const char *set = value(c, smtp, parameters[i]);
        if (*set == '\0')
            continue;
        check_found(c->report, CHECK_WARNING,
                    "%s (%s) changes mail while it is sent by SMTP: what is diverted leaves without that",
                    parameters[i], set);
        check_advise(
            c->report,
            "do it before pontoon-milter (canonical_maps, header_checks, a milter), or leave the senders concerned to "
            "SMTP by a rule");
    }
}

/* ---- times ---- */

static void compare_time(struct check *c, const char *parameter, const char *key, const char *means)
{
    char theirs[SHOW_AGE_SIZE], own[SHOW_AGE_SIZE];
    msec_t a = postfix_text_time(value(c, NULL, parameter)), b = config_time(c->config, key);
    if (a < 0 || a == b)
        return;
    show_age(a, theirs);
    show_age(b, own);
    check_found(c->report, CHECK_NOTE, "%s is %s, %s (%s) is %s: %s", parameter, theirs, key,
                config_where(c->config, key), own, means);
    check_advise(c->report, "give both the same value");
}

static void look_at_hops(struct check *c)
{
    long theirs = strtol(value(c, NULL, "hopcount_limit"), NULL, 10);
    long long own = config_number(c->config, "hop-limit");
    if (theirs == own)
        return;
    check_found(c->report, CHECK_NOTE, "hopcount_limit is %ld, hop-limit (%s) is %lld", theirs,
                config_where(c->config, "hop-limit"), own);
    check_advise(c->report, "hop-limit = %ld in %s", theirs, config_path(c->config));
}

void check_postfix_mail(struct check *c)
{
    if (c->postfix == NULL)
        return;
    look_at_sizes(c);
    look_at_transport(c, "default_transport");
    look_at_transport(c, "relay_transport");
    look_at_relayhost(c);
    look_at_content_filter(c);
    look_at_smtp_client(c);
    look_at_hops(c);
    compare_time(c, "maximal_queue_lifetime", "store.expire-after",
                 "senders are told sooner or later, depending on the way their mail took");
    compare_time(c, "delay_warning_time", "store.delay-warning", "only one of the two ways warns the sender then");
}
