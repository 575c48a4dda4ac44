/* What may be diverted: see eligibility.h. Each question is a list of gates, asked in order. */
#include "lib/eligibility.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/address.h"
#include "lib/mem.h"

struct words {
    char **list;
    size_t n;
};

struct eligibility {
    const char *off;
    struct words domains, transports;
    bool any_client, authenticated_clients, local_clients;
    struct netaddr_list *networks; /* further clients; may be NULL */
    uint64_t max_size;
    struct rules *rules;
};

/* ---- from the configuration ---- */

static void copy_words(struct words *to, const struct config *config, const char *key)
{
    const char *const *from = config_list(config, key, &to->n);
    to->list = mem_zero(to->n, sizeof *to->list);
    for (size_t i = 0; i < to->n; i++)
        to->list[i] = mem_strdup(from[i]);
}

static void free_words(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        mem_free(&w->list[i]);
    mem_free(&w->list);
}

static bool has_word(const struct words *w, const char *word)
{
    for (size_t i = 0; i < w->n; i++) {
        if (strcmp(w->list[i], word) == 0)
            return true;
    }
    return false;
}

/* milter.divert-clients: three words, and networks. */
static enum result read_clients(struct eligibility *e, const struct config *config, struct error *err)
{
    size_t n, nblocks = 0;
    const char *const *clients = config_list(config, "milter.divert-clients", &n);
    const char **blocks = mem_zero(n, sizeof *blocks);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(clients[i], "any") == 0)
            e->any_client = true;
        else if (strcmp(clients[i], "authenticated") == 0)
            e->authenticated_clients = true;
        else if (strcmp(clients[i], "local") == 0)
            e->local_clients = true;
        else
            blocks[nblocks++] = clients[i];
    }
    enum result r = nblocks > 0 ? netaddr_list_parse(blocks, nblocks, &e->networks, err) : RESULT_OK;
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

enum result eligibility_new(const struct config *config, struct eligibility **e_r, struct error *err)
{
    struct eligibility *e = mem_zero(1, sizeof *e);
    int64_t max_size = config_number(config, "milter.max-size");
    e->off = why_off(config);
    copy_words(&e->domains, config, "domains");
    copy_words(&e->transports, config, "milter.transports");
    e->max_size = max_size > 0 ? (uint64_t)max_size : UINT64_MAX;
    enum result r = read_clients(e, config, err);
    if (r == RESULT_OK)
        r = rules_new(config, &e->rules, err);
    if (r != RESULT_OK)
        eligibility_free(&e);
    *e_r = e;
    return r;
}

void eligibility_free(struct eligibility **e_p)
{
    struct eligibility *e = *e_p;
    if (e == NULL)
        return;
    free_words(&e->domains);
    free_words(&e->transports);
    netaddr_list_free(&e->networks);
    rules_free(&e->rules);
    mem_free(e_p);
}

const struct rules *eligibility_rules(const struct eligibility *e)
{
    return e->rules;
}

const char *eligibility_off(const struct eligibility *e)
{
    return e->off;
}

uint64_t eligibility_max_size(const struct eligibility *e)
{
    return e->max_size;
}

/* ---- gates ---- */

static bool is_our_domain(const struct eligibility *e, const char *address)
{
    char domain[DOMAIN_MAX + 1];
    return domain_normalize(address_domain(address), domain) && has_word(&e->domains, domain);
}

static const char *look(const struct eligibility_trace *trace, const char *gate, const char *why_not)
{
    if (trace != NULL)
        trace->gate(trace->arg, gate, why_not);
    return why_not;
}

static const char *check_sender(const struct eligibility *e, const struct eligibility_message *m)
{
    bool utf8 = false;
    if (m->sender == NULL)
        return "malformed sender";
    if (m->sender[0] == '\0')
        return "null sender";
    if (!address_valid(m->sender, &utf8))
        return "malformed sender";
    if (utf8 && !m->smtputf8)
        return "8-bit sender without SMTPUTF8";
    return is_our_domain(e, m->sender) ? NULL : "sender domain is not ours";
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

static const char *check_client(const struct eligibility *e, const struct eligibility_message *m)
{
    bool local = m->client == NULL || m->client->sa.ss_family == AF_UNIX || is_loopback(m->client);
    bool may = e->any_client || m->any_client || (e->authenticated_clients && m->authenticated) ||
               (e->local_clients && local) || (m->client != NULL && netaddr_list_has(e->networks, m->client));
    return may ? NULL : "client is not in divert-clients";
}

static const char *check_size(uint64_t size, uint64_t max, const char *why_not)
{
    return size > max ? why_not : NULL;
}

const char *eligibility_of_message(const struct eligibility *e, const struct eligibility_message *m,
                                   const struct eligibility_trace *trace)
{
    const char *why = look(trace, "switched on", e->off);
    if (why == NULL)
        why = look(trace, "MTA", m->can_divert ? NULL : "the MTA's milter protocol is too old");
    if (why == NULL)
        why = look(trace, "sender", check_sender(e, m));
    if (why == NULL)
        why = look(trace, "client", check_client(e, m));
    if (why == NULL)
        why = look(trace, "MAIL parameters", m->params_known ? NULL : "unknown MAIL parameter");
    if (why == NULL)
        why = look(trace, "max-size", check_size(m->size, e->max_size, "larger than max-size"));
    return why;
}

static const char *check_rcpt(const struct eligibility_rcpt *r)
{
    bool utf8 = false;
    char domain[DOMAIN_MAX + 1];
    if (r->address == NULL || !address_valid(r->address, &utf8))
        return "malformed address";
    if (utf8 && !r->smtputf8)
        return "8-bit address without SMTPUTF8";
    return domain_normalize(address_domain(r->address), domain) ? NULL : "no domain that could take part";
}

/*
 * Mail that comes by sendmail(1) has no {rcpt_mailer}. Only our own domains' recipients may then be local ones;
 * anybody else's would not publish a policy.
 */
static const char *check_transport(const struct eligibility *e, const struct eligibility_rcpt *r)
{
    if (e->transports.n == 0 || !r->transport_known)
        return NULL;
    if (r->mailer == NULL || r->mailer[0] == '\0')
        return is_our_domain(e, r->address) ? "our own domain, transport unknown" : NULL;
    return has_word(&e->transports, r->mailer) ? NULL : "transport is not in milter.transports";
}

const char *eligibility_of_rcpt(const struct eligibility *e, const struct eligibility_rcpt *r,
                                const struct eligibility_trace *trace)
{
    const char *why = look(trace, "recipient", check_rcpt(r));
    if (why == NULL)
        why = look(trace, "RCPT parameters", r->params_known ? NULL : "unknown RCPT parameter");
    if (why == NULL)
        why = look(trace, "transport", check_transport(e, r));
    return why;
}

static const char *check_state(const struct eligibility_policy *p)
{
    if (p->state == DISCOVERY_POLICY)
        return NULL;
    return p->state == DISCOVERY_NONE ? "domain takes no part" : "domain is not known yet";
}

const char *eligibility_of_policy(const struct eligibility_policy *p, uint64_t size,
                                  const struct eligibility_trace *trace)
{
    const char *why = look(trace, "drain and breaker", p->stopped);
    if (why == NULL)
        why = look(trace, "discovery", check_state(p));
    if (why == NULL)
        why = look(trace, "policy mode", p->mode == POLICY_NONE ? "policy is in mode none" : NULL);
    if (why == NULL)
        why = look(trace, "policy inbound", p->inbound ? NULL : "policy names no inbound");
    if (why == NULL)
        why = look(trace, "policy max_size", check_size(size, p->max_size, "larger than the policy's max_size"));
    return why;
}

enum rules_action eligibility_action(enum rules_action wanted, const struct eligibility_policy *p)
{
    return wanted == RULES_DIVERT && p->mode == POLICY_TESTING ? RULES_SHADOW : wanted;
}
