/*
 * The two listeners of Postfix that are meant for pontoon, setting by setting, as conf/postfix-master.cf.snippet has them: where
 * pontoon-bridge asks and delivers (what comes from outside: trusted by nobody), and where pontoon-store hands mail back (ours, and filtered
 * already).
 */
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/check_postfix.h"
#include "lib/mem.h"

enum { FEW_ERRORS = 100 };

struct listener {
    const struct postfix_service *service;
    const char *key;                /* "bridge.mta" */
    bool back;                      /* store.mta */
    struct netaddr address, client; /* where it listens, and as whom we come */
    unsigned connections;           /* that we may open */
};

static const char *value(const struct check *c, const struct listener *l, const char *name)
{
    return postfix_config_value(c->postfix, l->service, name);
}

static unsigned long number(const struct check *c, const struct listener *l, const char *name)
{
    return strtoul(value(c, l, name), NULL, 10);
}

static bool has_word(const struct check *c, const struct listener *l, const char *name, const char *word)
{
    return postfix_text_has_word(value(c, l, name), word);
}

static enum postfix_match match_client(const struct check *c, const struct listener *l, const char *name)
{
    return postfix_text_match(value(c, l, name), &l->client);
}

/* ---- both ---- */

static void look_at_tls(struct check *c, const struct listener *l)
{
    bool wraps = postfix_text_yes(value(c, l, "smtpd_tls_wrappermode"));
    if (!wraps && strcmp(value(c, l, "smtpd_tls_security_level"), "encrypt") != 0)
        return;
    check_found(c->report, CHECK_PROBLEM,
                "the listener at %s (%s) wants TLS, which pontoon does not speak with its own MTA", l->service->name,
                l->key);
    check_postfix_advise(c, l->service, wraps ? "smtpd_tls_wrappermode=no" : "smtpd_tls_security_level=none");
}

static void look_at_rewriting(struct check *c, const struct listener *l)
{
    if (*value(c, l, "local_header_rewrite_clients") == '\0')
        return;
    check_found(c->report, CHECK_WARNING,
                "the listener at %s (%s) completes and rewrites headers as for local clients, which "
                "breaks signatures",
                l->service->name, l->key);
    check_postfix_advise(c, l->service, "local_header_rewrite_clients=");
}

static bool loopback(const struct netaddr *a)
{
    return postfix_text_match("127.0.0.0/8, ::1/128", a) == POSTFIX_YES;
}

/* Whether others than this machine can connect to it. */
static bool public(const struct check *c, const struct listener *l)
{
    char host[POSTFIX_HOST_SIZE];
    uint16_t port;
    if (!postfix_text_inet(l->service->name, host, &port))
        return false;
    if (*host == '\0')
        return strcmp(value(c, l, "inet_interfaces"), "loopback-only") != 0;
    return !loopback(&l->address);
}

static void look_at_reach(struct check *c, const struct listener *l)
{
    if (!public(c, l))
        return;
    check_found(c->report, l->back ? CHECK_WARNING : CHECK_NOTE,
                "the listener \"%s inet\" (%s), meant for this machine only, can "
                "be reached by others",
                l->service->name, l->key);
    check_advise(c->report, "name it 127.0.0.1:%u in %s/master.cf; then: postfix stop, postfix start",
                 netaddr_port(&l->address), c->postfix->directory);
}

static void look_at_processes(struct check *c, const struct listener *l)
{
    unsigned processes = postfix_config_processes(c->postfix, l->service);
    if (processes == 0 || processes >= l->connections)
        return;
    check_found(c->report, CHECK_WARNING,
                "the listener at %s has %u processes at most, %s-connections is %u: the others wait", l->service->name,
                processes, l->key, l->connections);
    check_advise(c->report, "in %s/master.cf, the column maxproc of \"%s inet\": %u; then: postfix reload",
                 c->postfix->directory, l->service->name, l->connections);
}

static void look_at_milters(struct check *c, const struct listener *l)
{
    struct postfix_milter *list;
    size_t n = check_postfix_asks(c, l->service, &list);
    if (check_postfix_asks_ours(c, l->service)) {
        check_found(c->report, CHECK_PROBLEM,
                    "the listener at %s (%s) asks pontoon-milter about mail that comes from pontoon: it "
                    "would run in a circle",
                    l->service->name, l->key);
        check_postfix_advise(c, l->service, "smtpd_milters=%s",
                             l->back || n == 1 ? "" : "all but pontoon-milter, for incoming mail");
    } else if (l->back && n > 0) {
        check_found(c->report, CHECK_WARNING,
                    "the listener at %s (%s) asks %s about mail that has passed all milters: it is "
                    "filtered and signed twice",
                    l->service->name, l->key, list[0].endpoint);
        check_postfix_advise(c, l->service, "smtpd_milters=");
    }
    postfix_milters_free(&list, n);
}

/* ---- bridge.mta ---- */

static void look_at_xclient(struct check *c, const struct listener *l)
{
    const char *want = config_string(c->config, "bridge.xclient");
    char client[NETADDR_TEXT_SIZE];
    netaddr_ip(&l->client, client);
    if (strcmp(want, "no") == 0 || match_client(c, l, "smtpd_authorized_xclient_hosts") != POSTFIX_NO)
        return;
    check_found(c->report, strcmp(want, "required") == 0 ? CHECK_PROBLEM : CHECK_WARNING,
                "the listener at %s (bridge.mta) does not let %s use XCLIENT: %s", l->service->name, client,
                strcmp(want, "required") == 0 ? "nothing is delivered"
                                              : "filters take others' mail for mail of this machine");
    check_postfix_advise(c, l->service, "smtpd_authorized_xclient_hosts=%s",
                         loopback(&l->client) ? "127.0.0.0/8" : client);
    c->mta_said |= MTA_SAID_XCLIENT;
}

static void look_at_trust(struct check *c, const struct listener *l)
{
    bool always = strcmp(config_string(c->config, "bridge.xclient"), "required") == 0;
    if (match_client(c, l, "mynetworks") != POSTFIX_YES)
        return;
    check_found(c->report, always ? CHECK_WARNING : CHECK_PROBLEM,
                "the listener at %s (bridge.mta) has this machine in mynetworks: %s", l->service->name,
                always ? "a site that notifies from such an address would be trusted"
                       : "what others send is trusted as our own, and may be relayed");
    check_postfix_advise(c, l->service, "mynetworks=");
}

static void look_at_relaying(struct check *c, const struct listener *l)
{
    if (!postfix_text_lets_all_in(value(c, l, "smtpd_relay_restrictions")) ||
        !postfix_text_lets_all_in(value(c, l, "smtpd_recipient_restrictions")))
        return;
    check_found(c->report, CHECK_PROBLEM,
                "the listener at %s (bridge.mta) has nothing that refuses mail for other domains: Postfix does not "
                "start it, or pontoon-bridge would be an open relay",
                l->service->name);
    check_postfix_advise(c, l->service, "smtpd_relay_restrictions=reject_unauth_destination");
}

/* Who takes everybody at RCPT sends bounces to forged senders. */
static void look_at_unknown_recipients(struct check *c, const struct listener *l)
{
    bool off = has_word(c, l, "receive_override_options", "no_unknown_recipient_checks");
    if (!off && postfix_text_yes(value(c, l, "smtpd_reject_unlisted_recipient")))
        return;
    check_found(c->report, CHECK_WARNING,
                "the listener at %s (bridge.mta) takes mail for unknown users and bounces it later, "
                "instead of letting the sender's site know",
                l->service->name);
    check_postfix_advise(c, l->service, off ? "receive_override_options=" : "smtpd_reject_unlisted_recipient=yes");
}

static void look_at_limits(struct check *c, const struct listener *l)
{
    static const char *const rates[] = {"smtpd_client_connection_rate_limit", "smtpd_client_message_rate_limit",
                                        "smtpd_client_recipient_rate_limit"};
    if (match_client(c, l, "smtpd_client_event_limit_exceptions") == POSTFIX_YES)
        return;
    unsigned long limit = number(c, l, "smtpd_client_connection_count_limit");
    if (limit > 0 && limit < l->connections) {
        check_found(c->report, CHECK_WARNING,
                    "the listener at %s (bridge.mta) takes %lu connections of one client, "
                    "bridge.mta-connections is %u",
                    l->service->name, limit, l->connections);
        check_postfix_advise(c, l->service, "smtpd_client_connection_count_limit=0");
    }
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        if (number(c, l, rates[i]) == 0)
            continue;
        check_found(c->report, CHECK_WARNING,
                    "the listener at %s (bridge.mta) counts all mail of pontoon-bridge as one client's: %s "
                    "is %s",
                    l->service->name, rates[i], value(c, l, rates[i]));
        check_postfix_advise(c, l->service, "%s=0", rates[i]);
    }
}

static void look_at_errors(struct check *c, const struct listener *l)
{
    unsigned long soft = number(c, l, "smtpd_soft_error_limit"), hard = number(c, l, "smtpd_hard_error_limit");
    if (soft >= FEW_ERRORS && hard >= FEW_ERRORS)
        return;
    check_found(c->report, CHECK_NOTE,
                "the listener at %s (bridge.mta) slows down or hangs up after %lu errors: a message for more "
                "unknown users is put off again and again",
                l->service->name, soft < hard ? soft : hard);
    check_postfix_advise(c, l->service, "%s",
                         soft < FEW_ERRORS ? hard < FEW_ERRORS ? "smtpd_soft_error_limit=1000 -o "
                                                                 "smtpd_hard_error_limit=1000"
                                                               : "smtpd_soft_error_limit=1000"
                                           : "smtpd_hard_error_limit=1000");
}

/* What comes by SMTP passes a spam filter, and what the bridge brings should, too. */
static void look_at_filters(struct check *c, const struct listener *l)
{
    struct postfix_milter *front = NULL, *here;
    struct netaddr smtp = l->address;
    netaddr_set_port(&smtp, 25);
    const struct postfix_service *s = postfix_config_listener(c->postfix, &smtp);
    size_t nfront = s != NULL && s != l->service ? check_postfix_asks(c, s, &front) : 0;
    size_t nhere = check_postfix_asks(c, l->service, &here);
    bool others = false;
    for (size_t i = 0; i < nfront; i++)
        others = others || !check_postfix_is_ours(c, front[i].endpoint, postfix_config_chrooted(c->postfix, s));
    if (others && nhere == 0) {
        check_found(c->report, CHECK_NOTE, "mail by SMTP (%s) passes milters, mail of the bridge (%s) passes none",
                    s->name, l->service->name);
        check_postfix_advise(
            c, l->service, "smtpd_milters=those for incoming mail (a spam filter), without signers and pontoon-milter");
    }
    postfix_milters_free(&front, nfront);
    postfix_milters_free(&here, nhere);
}

static void look_at_soft_bounce(struct check *c, const struct listener *l)
{
    if (!postfix_text_yes(value(c, l, "soft_bounce")))
        return;
    check_found(c->report, CHECK_WARNING,
                "soft_bounce: what the listener at %s (bridge.mta) refuses for good is asked again for days",
                l->service->name);
    check_postfix_advise(c, l->service, "soft_bounce=no");
}

/* Who may use XCLIENT may pretend to be any client. */
static void look_at_strangers(struct check *c)
{
    struct netaddr stranger;
    netaddr_parse("192.0.2.1", 0, &stranger);
    for (size_t i = 0; i < c->postfix->services.n; i++) {
        const struct postfix_service *s = &c->postfix->services.items[i];
        if (strcmp(s->command, "smtpd") != 0 ||
            postfix_text_match(postfix_config_value(c->postfix, s, "smtpd_authorized_xclient_hosts"), &stranger) !=
                POSTFIX_YES)
            continue;
        check_found(c->report, CHECK_PROBLEM,
                    "\"%s %s\" lets everybody use XCLIENT: any client may pretend to be one of yours", s->name,
                    s->type);
        check_postfix_advise(c, s, "smtpd_authorized_xclient_hosts=%s", s == c->mta_in ? "127.0.0.0/8" : "");
    }
}

/* ---- store.mta ---- */

static void look_at_permission(struct check *c, const struct listener *l)
{
    char client[NETADDR_TEXT_SIZE];
    const char *relay = value(c, l, "smtpd_relay_restrictions");
    netaddr_ip(&l->client, client);
    if (match_client(c, l, "mynetworks") != POSTFIX_NO || postfix_text_has_word(relay, "permit") ||
        postfix_text_has_word(relay, "permit_inet_interfaces"))
        return;
    check_found(c->report, CHECK_PROBLEM,
                "the listener at %s (store.mta) does not have %s in mynetworks: what goes back to SMTP is "
                "refused",
                l->service->name, client);
    check_postfix_advise(c, l->service, "mynetworks=%s", loopback(&l->client) ? "127.0.0.0/8" : client);
}

static void look_at_second_filters(struct check *c, const struct listener *l)
{
    static const char *const filters[] = {"content_filter", "smtpd_proxy_filter"};
    static const char *const checks[] = {"header_checks", "mime_header_checks", "nested_header_checks", "body_checks"};
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (*value(c, l, filters[i]) == '\0')
            continue;
        check_found(c->report, CHECK_WARNING, "the listener at %s (store.mta) sends mail through %s again",
                    l->service->name, filters[i]);
        check_postfix_advise(c, l->service, "%s=", filters[i]);
    }
    if (has_word(c, l, "receive_override_options", "no_header_body_checks"))
        return;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (*value(c, l, checks[i]) == '\0')
            continue;
        check_found(c->report, CHECK_WARNING, "the listener at %s (store.mta) applies %s to mail a second time",
                    l->service->name, checks[i]);
        check_postfix_advise(c, l->service, "receive_override_options=no_header_body_checks");
        return;
    }
}

static void look_at_copies(struct check *c, const struct listener *l)
{
    const char *copier;
    for (size_t at = 0; (copier = check_postfix_copier(c, l->service, &at)) != NULL;) {
        check_found(c->report, CHECK_WARNING, "%s: mail that goes back to SMTP (%s) is copied a second time", copier,
                    l->service->name);
        check_advise(
            c->report,
            "below \"%s inet\" in %s/master.cf: -o cleanup_service_name=pontoon_cleanup, and a service of that "
            "name: pontoon_cleanup unix n - n - 0 cleanup -o %s= ; then: postfix reload",
            l->service->name, c->postfix->directory, copier);
    }
}

/* ---- which listeners ---- */

/* Those of conf/postfix-master.cf.snippet. */
static const char bridge_settings[] =
    "-o syslog_name=postfix/pontoon-in -o smtpd_authorized_xclient_hosts=127.0.0.0/8 -o mynetworks= "
    "-o local_header_rewrite_clients= -o smtpd_sasl_auth_enable=no -o smtpd_tls_security_level=none -o smtpd_milters= "
    "-o smtpd_client_connection_count_limit=0 -o smtpd_error_sleep_time=0 -o smtpd_soft_error_limit=1000 "
    "-o smtpd_hard_error_limit=1000";
static const char return_settings[] =
    "-o syslog_name=postfix/pontoon-return -o mynetworks=127.0.0.0/8 -o local_header_rewrite_clients= "
    "-o smtpd_relay_restrictions=permit_mynetworks,reject -o smtpd_recipient_restrictions=permit_mynetworks,reject "
    "-o smtpd_sasl_auth_enable=no -o smtpd_tls_security_level=none -o smtpd_milters= "
    "-o receive_override_options=no_header_body_checks -o smtpd_client_connection_count_limit=0";

static bool is_ours(const struct netaddr *a)
{
    struct ifaddrs *all = NULL;
    bool found = loopback(a);
    if (!found && getifaddrs(&all) == 0) {
        for (const struct ifaddrs *i = all; !found && i != NULL; i = i->ifa_next) {
            struct netaddr own = {0};
            if (i->ifa_addr == NULL || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
                continue;
            own.len = i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
            memcpy(&own.sa, i->ifa_addr, own.len);
            found = netaddr_equal_ip(&own, a);
        }
        freeifaddrs(all);
    }
    return found;
}

/* As whom we connect there; nothing is sent for this. */
static void find_client(const struct netaddr *server, struct netaddr *client_r)
{
    int fd = socket(server->sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    *client_r = (struct netaddr){.len = sizeof client_r->sa};
    if (fd < 0 || connect(fd, (const struct sockaddr *)&server->sa, server->len) != 0 ||
        getsockname(fd, (struct sockaddr *)&client_r->sa, &client_r->len) != 0)
        *client_r = *server;
    if (fd >= 0)
        close(fd);
}

/* False: there is no listener to look at, and why is said. */
static bool find(struct check *c, struct listener *l)
{
    const char *endpoint = config_string(c->config, l->key);
    char connections[32];
    if (netaddr_endpoint(endpoint, &l->address, NULL) != RESULT_OK || l->address.sa.ss_family == AF_UNIX)
        return false;
    if (!is_ours(&l->address)) {
        check_found(c->report, CHECK_NOTE, "%s %s is on another machine: its settings are not looked at", l->key,
                    endpoint);
        return false;
    }
    if (l->service == NULL) {
        check_found(c->report, CHECK_PROBLEM, "no service in %s/master.cf listens at %s (%s)", c->postfix->directory,
                    endpoint, l->key);
        check_advise(c->report, "add to it, in one line: %s inet n - y - - smtpd %s; then: postfix reload", endpoint,
                     l->back ? return_settings : bridge_settings);
        c->mta_said |= l->back ? MTA_SAID_NO_RETURN : MTA_SAID_NO_BRIDGE;
        return false;
    }
    if (strcmp(l->service->command, "smtpd") != 0) {
        check_found(c->report, CHECK_PROBLEM, "the listener at %s (%s) is %s, not smtpd", l->service->name, l->key,
                    l->service->command);
        check_advise(c->report, "give pontoon a listener of its own: conf/postfix-master.cf.snippet");
        return false;
    }
    snprintf(connections, sizeof connections, "%s-connections", l->key);
    l->connections = (unsigned)config_number(c->config, connections);
    find_client(&l->address, &l->client);
    return true;
}

static void look_at(struct check *c, struct listener *l)
{
    static void (*const both[])(struct check *, const struct listener *) = {
        look_at_tls, look_at_rewriting, look_at_reach, look_at_processes, look_at_milters};
    static void (*const in[])(struct check *, const struct listener *) = {
        look_at_xclient, look_at_trust,  look_at_relaying, look_at_unknown_recipients,
        look_at_limits,  look_at_errors, look_at_filters,  look_at_soft_bounce};
    static void (*const back[])(struct check *, const struct listener *) = {look_at_permission, look_at_second_filters,
                                                                            look_at_copies};
    unsigned before = check_report_count(c->report, CHECK_PROBLEM) + check_report_count(c->report, CHECK_WARNING);
    if (!find(c, l))
        return;
    for (size_t i = 0; i < sizeof both / sizeof *both; i++)
        both[i](c, l);
    for (size_t i = 0; !l->back && i < sizeof in / sizeof *in; i++)
        in[i](c, l);
    for (size_t i = 0; l->back && i < sizeof back / sizeof *back; i++)
        back[i](c, l);
    if (check_report_count(c->report, CHECK_PROBLEM) + check_report_count(c->report, CHECK_WARNING) == before)
        check_found(c->report, CHECK_OK, "\"%s inet\" is as %s needs it", l->service->name, l->key);
}

void check_postfix_listeners(struct check *c)
{
    if (c->postfix == NULL)
        return;
    look_at_strangers(c);
    bool in = check_is_set(c, "bridge.listen") && strcmp(config_string(c->config, "bridge.mta-protocol"), "smtp") == 0;
    bool back = check_is_set(c, "store.listen");
    if (in && back && c->mta_in != NULL && c->mta_in == c->mta_return) {
        check_found(c->report, CHECK_PROBLEM,
                    "bridge.mta and store.mta are one listener, \"%s inet\": either what comes from outside "
                    "is trusted, or what goes back is refused",
                    c->mta_in->name);
        check_advise(c->report, "two listeners, as in conf/postfix-master.cf.snippet");
    }
    if (in)
        look_at(c, &(struct listener){.service = c->mta_in, .key = "bridge.mta"});
    if (back)
        look_at(c, &(struct listener){.service = c->mta_return, .key = "store.mta", .back = true});
}
