/*
 * The MTA as pontoon's daemons meet it: what its listeners offer, and what they say to envelopes: our own domain's, and such as would make us
 * an open relay. Also pontoon's own listeners as the MTA meets them: pontoon-milter and pontoon-lmtp.
 */
#include <errno.h>
#include <libmilter/mfapi.h>
#include <string.h>

#include "ctl/check.h"
#include "ctl/milter_client.h"
#include "ctl/mta_ask.h"
#include "ctl/probe.h"
#include "lib/mem.h"
#include "lib/smtp_hello.h"

/* Nobody's address and domain (RFC 5737, RFC 2606). */
#define STRANGER  "192.0.2.1"
#define ELSEWHERE "pontoon-check@example.com"

/* ---- what a listener offers ---- */

struct answer {
    struct loop *loop;
    enum result result;
    struct smtp_offer offer;
    struct error err;
};

static void on_hello(void *arg, enum result result, const struct smtp_offer *offer, const struct error *err)
{
    struct answer *a = arg;
    a->result = result;
    if (result == RESULT_OK)
        a->offer = *offer;
    else
        a->err = *err;
    loop_stop(a->loop);
}

static struct answer say_hello(struct check *c, const struct netaddr *server, bool lmtp)
{
    struct answer a = {.loop = c->net.loop};
    smtp_hello(c->net.loop, server, lmtp, config_hostname(c->config), CHECK_WAIT, on_hello, &a);
    loop_run(c->net.loop);
    return a;
}

struct listener {
    const char *key; /* "bridge.mta" */
    const char *endpoint;
    struct netaddr address;
    bool lmtp, back; /* store.mta */
    const struct postfix_service *service;
    struct smtp_offer offer;
};

static void find_missing(struct check *c, const struct listener *l, enum check_level level, const char *what,
                         const char *means)
{
    check_found(c->report, level, "%s %s does not offer %s: %s", l->key, l->endpoint, what, means);
    if (l->service != NULL)
        check_advise(c->report, "see smtpd_discard_ehlo_keywords and smtputf8_enable of Postfix, for \"%s inet\"",
                     l->service->name);
    else
        check_advise(c->report, "turn it on in that server");
}

static void look_at_xclient(struct check *c, const struct listener *l)
{
    const char *want = config_string(c->config, "bridge.xclient");
    bool required = strcmp(want, "required") == 0;
    if (l->back || strcmp(want, "no") == 0 || l->offer.xclient & XCLIENT_ADDR || c->mta_said & MTA_SAID_XCLIENT)
        return;
    /* By LMTP mail passes no filters that could mistake it. */
    check_found(c->report, required ? CHECK_PROBLEM : (l->lmtp ? CHECK_NOTE : CHECK_WARNING),
                "%s %s does not offer XCLIENT: %s", l->key, l->endpoint,
                required ? "nothing is delivered" : "filters take others' mail for mail of this machine");
    if (l->service != NULL)
        check_advise(c->report, "it is allowed in %s/master.cf, but not in force: postfix reload",
                     c->postfix->directory);
    else
        check_advise(
            c->report,
            "allow it for this machine (Postfix: smtpd_authorized_xclient_hosts, Dovecot: login_trusted_networks), or set "
            "bridge { xclient = no } if it has none");
}

static void look_at_offer(struct check *c, const struct listener *l)
{
    const struct smtp_offer *o = &l->offer;
    uint64_t published = (uint64_t)config_number(c->config, "policy.max-size");
    look_at_xclient(c, l);
    if (!o->eight_bit_mime)
        find_missing(c, l, CHECK_WARNING, "8BITMIME",
                     l->back ? "8-bit mail can't go back to SMTP" : "8-bit mail is refused");
    if (!o->smtputf8)
        find_missing(c, l, CHECK_NOTE, "SMTPUTF8",
                     l->back ? "mail with UTF-8 addresses can't go back" : "mail with UTF-8 addresses is refused");
    if (!o->dsn && l->back)
        find_missing(c, l, CHECK_WARNING, "DSN",
                     "what senders asked for (NOTIFY, RET) is lost when mail goes back to SMTP");
    if (!o->size && !l->back && config_number(c->config, "bridge.max-size") == 0)
        find_missing(c, l, CHECK_NOTE, "SIZE", "messages that are too large are fetched before they are refused");
    if (!l->back && l->service == NULL && o->size_limit > 0 && published > o->size_limit) {
        check_found(c->report, CHECK_WARNING,
                    "policy.max-size (%s) is more than %s %s takes, %llu bytes: others send larger messages this "
                    "way, and get them refused",
                    config_where(c->config, "policy.max-size"), l->key, l->endpoint, (unsigned long long)o->size_limit);
        check_advise(c->report, "policy.max-size = %llu in %s", (unsigned long long)o->size_limit,
                     config_path(c->config));
    }
}

/* ---- what it says to envelopes ---- */

static const char *said(const struct mta_question *q, char text[ERROR_TEXT_MAX])
{
    if (q->reply.code == 0)
        return q->err.text;
    smtp_reply_text(&q->reply, text, ERROR_TEXT_MAX);
    return text;
}

static bool accepted(const struct mta_question *q)
{
    return q->reply.code / 100 == 2;
}

/* To our own postmaster, whom every domain must have (RFC 5321 section 4.5.1). */
static void look_at_own_recipient(struct check *c, const struct listener *l, const struct mta_question *q)
{
    char text[ERROR_TEXT_MAX];
    if (accepted(q)) {
        check_found(c->report, CHECK_OK, "%s %s takes mail for %s", l->key, l->endpoint, q->recipient);
    } else if (q->reply.code / 100 != 5) {
        check_found(c->report, CHECK_NOTE, "%s %s puts off mail for %s: %s", l->key, l->endpoint, q->recipient,
                    said(q, text));
        check_advise(c->report, "if that is not greylisting, see the MTA's log");
    } else if (strcmp(q->reply.dsn, "5.1.1") == 0) {
        check_found(c->report, CHECK_WARNING, "%s %s does not know %s, which every domain must have: %s", l->key,
                    l->endpoint, q->recipient, said(q, text));
        check_advise(c->report, "make an alias for it");
    } else {
        check_found(c->report, CHECK_PROBLEM, "%s %s refuses mail for %s: %s", l->key, l->endpoint, q->recipient,
                    said(q, text));
        check_advise(c->report, "%s",
                     l->back ? "DSNs to our own users go this way: allow it for this machine"
                             : "mail for the domains of pontoon.conf must be taken there from any client");
    }
}

/* What others send must not go on to third parties. */
static void look_at_relaying(struct check *c, const struct listener *l, const struct mta_question *q)
{
    if (!accepted(q)) {
        check_found(c->report, CHECK_OK, "%s %s refuses mail for other domains", l->key, l->endpoint);
        return;
    }
    check_found(c->report, CHECK_PROBLEM,
                "%s %s takes mail from a stranger for %s: pontoon-bridge would be an open relay", l->key, l->endpoint,
                q->recipient);
    check_advise(c->report, "%s",
                 l->service != NULL
                     ? "reject_unauth_destination in smtpd_relay_restrictions, and an empty mynetworks, for that "
                       "service in master.cf; then: postfix reload"
                     : "this listener may take mail for our own domains only, whoever connects");
}

/* What we give back must. */
static void look_at_return(struct check *c, const struct listener *l, const struct mta_question *q)
{
    char text[ERROR_TEXT_MAX];
    if (accepted(q)) {
        check_found(c->report, CHECK_OK, "%s %s takes mail for other domains", l->key, l->endpoint);
        return;
    }
    check_found(c->report, q->reply.code / 100 == 5 ? CHECK_PROBLEM : CHECK_WARNING,
                "%s %s does not take mail for other domains (%s): nothing can go back to SMTP: %s", l->key, l->endpoint,
                q->recipient, said(q, text));
    check_advise(c->report, "let this machine relay there: conf/postfix-master.cf.snippet");
}

static void ask(struct check *c, const struct listener *l)
{
    size_t ndomains;
    const char *const *domains = config_list(c->config, "domains", &ndomains);
    if (ndomains == 0)
        return;
    const char *helo = config_hostname(c->config);
    char *postmaster = mem_printf("postmaster@%s", domains[0]);
    bool xclient =
        !l->back && strcmp(config_string(c->config, "bridge.xclient"), "no") != 0 && l->offer.xclient & XCLIENT_ADDR;
    struct mta_question questions[] = {{.sender = "", .recipient = postmaster},
                                       {.sender = l->back ? postmaster : "", .recipient = ELSEWHERE}};
    mta_ask(c->net.loop, &l->address, l->lmtp, helo, xclient ? STRANGER : NULL, CHECK_WAIT, questions,
            sizeof questions / sizeof *questions);
    look_at_own_recipient(c, l, &questions[0]);
    (l->back ? look_at_return : look_at_relaying)(c, l, &questions[1]);
    mem_free(&postmaster);
}

/* ---- the listeners ---- */

static void look_at(struct check *c, struct listener *l)
{
    struct error err;
    l->endpoint = config_string(c->config, l->key);
    if (netaddr_endpoint(l->endpoint, &l->address, &err) != RESULT_OK)
        return; /* the configuration's own test has said so */
    struct answer a = say_hello(c, &l->address, l->lmtp);
    if (a.result != RESULT_OK && c->mta_said & (l->back ? MTA_SAID_NO_RETURN : MTA_SAID_NO_BRIDGE))
        return;
    if (a.result != RESULT_OK) {
        check_found(c->report, CHECK_PROBLEM, "%s: %s", l->key, a.err.text);
        check_advise(c->report, "see that the MTA runs and listens there; %s",
                     l->back ? "meanwhile what goes back to SMTP waits in the store"
                             : "meanwhile others' mail is put off");
        return;
    }
    l->offer = a.offer;
    look_at_offer(c, l);
    bool lacks =
        strcmp(config_string(c->config, "bridge.xclient"), "required") == 0 && !(l->offer.xclient & XCLIENT_ADDR);
    if (l->back || !lacks)
        ask(c, l);
}

/* pontoon-lmtp, where it runs. */
static void look_at_lmtp(struct check *c)
{
    const char *endpoint = config_string(c->config, "lmtp.listen");
    struct netaddr a;
    struct error err;
    if (netaddr_endpoint(endpoint, &a, &err) != RESULT_OK || !probe_endpoint(endpoint, CHECK_WAIT, &err))
        return;
    struct answer answer = say_hello(c, &a, true);
    if (answer.result == RESULT_OK) {
        check_found(c->report, CHECK_OK, "pontoon-lmtp answers LHLO at %s", endpoint);
        return;
    }
    check_found(c->report, CHECK_PROBLEM, "what listens at lmtp.listen is no pontoon-lmtp, or takes nothing: %s",
                answer.err.text);
    check_advise(c->report, "systemctl status pontoon-lmtp, and see its log; meanwhile mail waits in the MTA's queue");
}

void check_mta(struct check *c)
{
    bool lmtp = strcmp(config_string(c->config, "bridge.mta-protocol"), "lmtp") == 0;
    if (check_is_set(c, "bridge.listen"))
        look_at(c, &(struct listener){.key = "bridge.mta", .lmtp = lmtp, .service = c->mta_in});
    if (check_is_set(c, "store.listen"))
        look_at(c, &(struct listener){.key = "store.mta", .back = true, .service = c->mta_return});
    look_at_lmtp(c);
}

void check_mta_milter(struct check *c)
{
    const char *endpoint = config_string(c->config, "milter.socket");
    struct milter_client *milter;
    struct error err;
    enum result r = milter_client_open(endpoint, CHECK_WAIT, &milter, &err);
    if (r == RESULT_OK && (milter_client_actions(milter) & SMFIF_DELRCPT) != 0) {
        check_found(c->report, CHECK_OK, "pontoon-milter speaks the milter protocol, version %u",
                    milter_client_version(milter));
    } else if (r == RESULT_OK) {
        check_found(c->report, CHECK_PROBLEM,
                    "the milter at %s does not take recipients away: it is not pontoon-milter", endpoint);
        check_advise(c->report, "give pontoon-milter a socket of its own: milter.socket in %s", config_path(c->config));
    } else if (probe_endpoint(endpoint, CHECK_WAIT, NULL)) { /* else the daemon's check says it */
        check_found(c->report, CHECK_PROBLEM, "milter.socket %s", err.text);
        check_advise(c->report, "systemctl status pontoon-milter, and see its log; nothing else may listen there");
    }
    if (r == RESULT_OK)
        milter_client_quit(&milter);
}
