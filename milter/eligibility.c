/* What may be diverted: see eligibility.h. */
#include "milter/eligibility.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/address.h"

static bool is_our_domain(const struct settings *s, const char *address)
{
    char domain[DOMAIN_MAX + 1];
    if (!domain_normalize(address_domain(address), domain))
        return false;
    for (size_t i = 0; i < s->domains.n; i++) {
        if (strcmp(s->domains.words[i], domain) == 0)
            return true;
    }
    return false;
}

static bool is_loopback(const struct netaddr *a)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&a->sa)->sin6_addr;
    switch (a->sa.ss_family) {
    case AF_INET: return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6: return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    default: return false;
    }
}

static bool may_divert_client(const struct settings *s, const struct eligibility_message *m)
{
    bool local = m->client == NULL || m->client->sa.ss_family == AF_UNIX || is_loopback(m->client);
    return s->any_client || (s->authenticated_clients && m->authenticated) || (s->local_clients && local) ||
           (m->client != NULL && netaddr_list_has(s->networks, m->client));
}

const char *eligibility_of_message(const struct settings *s, const struct eligibility_message *m)
{
    bool utf8 = false;
    if (s->off != NULL)
        return s->off;
    if (!m->can_divert)
        return "the MTA's milter protocol is too old";
    if (m->sender == NULL)
        return "malformed sender";
    if (m->sender[0] == '\0')
        return "null sender";
    if (!address_valid(m->sender, &utf8))
        return "malformed sender";
    if (utf8 && !m->smtputf8)
        return "8-bit sender without SMTPUTF8";
    if (!is_our_domain(s, m->sender))
        return "sender domain is not ours";
    if (!may_divert_client(s, m))
        return "client is not in divert-clients";
    if (!m->params_known)
        return "unknown MAIL parameter";
    if (m->size > s->max_size)
        return "larger than max-size";
    return NULL;
}

static bool has_word(const struct settings_list *l, const char *word)
{
    for (size_t i = 0; i < l->n; i++) {
        if (strcmp(l->words[i], word) == 0)
            return true;
    }
    return false;
}

static bool has_match(const struct settings_list *patterns, const char *address)
{
    for (size_t i = 0; i < patterns->n; i++) {
        if (address_matches(patterns->words[i], address))
            return true;
    }
    return false;
}

/*
 * Mail that comes by sendmail(1) has no {rcpt_mailer}. Only our own domains' recipients may then be local ones;
 * anybody else's would not publish a policy.
 */
static const char *check_transport(const struct settings *s, const struct eligibility_rcpt *r)
{
    if (s->transports.n == 0)
        return NULL;
    if (r->mailer == NULL || r->mailer[0] == '\0')
        return is_our_domain(s, r->address) ? "our own domain, transport unknown" : NULL;
    return has_word(&s->transports, r->mailer) ? NULL : "transport is not in milter.transports";
}

const char *eligibility_of_rcpt(const struct settings *s, const struct eligibility_rcpt *r)
{
    bool utf8 = false;
    char domain[DOMAIN_MAX + 1];
    if (r->address == NULL || !address_valid(r->address, &utf8))
        return "malformed address";
    if (utf8 && !r->smtputf8)
        return "8-bit address without SMTPUTF8";
    if (!r->params_known)
        return "unknown RCPT parameter";
    if (!domain_normalize(address_domain(r->address), domain))
        return "no domain that could take part";
    if (has_match(&s->keep_recipients, r->address))
        return "in keep-recipients";
    if (!has_match(&s->divert_recipients, r->address))
        return "not in divert-recipients";
    return check_transport(s, r);
}

const char *eligibility_of_policy(const struct eligibility_policy *p, uint64_t size)
{
    if (p->stopped != NULL)
        return p->stopped;
    switch (p->state) {
    case DISCOVERY_UNKNOWN: return "domain is not known yet";
    case DISCOVERY_NONE: return "domain takes no part";
    case DISCOVERY_POLICY: break;
    }
    if (p->mode == POLICY_TESTING)
        return "policy is in mode testing";
    if (p->mode != POLICY_ENFORCE)
        return "policy is in mode none";
    if (!p->inbound)
        return "policy names no inbound";
    if (size > p->max_size)
        return "larger than the policy's max_size";
    return NULL;
}
