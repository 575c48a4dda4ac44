/*
 * DNS look-ups: see dns.h.
 *
 * A look-up asks one or two questions of c-ares. When all are answered, or when dns-timeout runs out, its
 * timer delivers the result, so never from within a call of ours; what c-ares answers after that is dropped.
 */
#include "lib/dns.h"

#include <arpa/nameser.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "lib/address.h"
#include "lib/buf.h"
#include "lib/dns_cache.h"
#include "lib/dns_channel.h"
#include "lib/mem.h"

struct lookup {
    struct dns *dns;
    LIST_ENTRY(lookup) link;
    void (*deliver)(struct lookup *l);
    void *arg;
    struct loop_timer *timer; /* dns-timeout; 0 as soon as there is a result */
    unsigned questions;       /* c-ares owes us so many answers */
    bool delivered;
    enum result result; /* RESULT_OK as soon as something was found */
    struct error err;   /* of the worst failure: TEMP before PERM */
    char name[DOMAIN_MAX + 64];

    dns_txt_done *txt_done;
    struct dns_txt txt[DNS_TXT_MAX];
    uint32_t ttl;
    dns_addresses_done *addresses_done;
    struct netaddr addresses[DNS_ADDRESSES_MAX];
    size_t n; /* of txt or addresses */
    uint16_t port;
    bool partial; /* one of two questions has no answer: there may be more addresses */
    dns_name_done *name_done;
    struct netaddr wanted;
};

struct dns {
    struct loop *loop;
    struct dns_channel *channel;
    struct dns_cache *addresses;
    msec_t timeout;
    bool closing;
    LIST_HEAD(lookup_list, lookup) lookups;
};

enum result dns_new(struct loop *loop, const struct config *config, struct dns **dns_r, struct error *err)
{
    struct dns *dns = mem_zero(1, sizeof *dns);
    dns->loop = loop;
    dns->timeout = config_time(config, "discovery.dns-timeout");
    LIST_INIT(&dns->lookups);
    enum result r = dns_channel_new(loop, config, &dns->channel, err);
    if (r != RESULT_OK) {
        mem_free(&dns);
        return r;
    }
    dns->addresses = dns_cache_new();
    *dns_r = dns;
    return RESULT_OK;
}

static void lookup_free(struct lookup *l)
{
    LIST_REMOVE(l, link);
    loop_timer_free(&l->timer);
    for (size_t i = 0; i < DNS_TXT_MAX; i++)
        mem_free(&l->txt[i].text);
    mem_free(&l);
}

static void deliver(void *arg)
{
    struct lookup *l = arg;
    if (l->questions > 0 && l->result != RESULT_OK)
        l->result = error_set(&l->err, RESULT_TEMP, "DNS look-up of %s: no answer within %lld ms", l->name,
                              (long long)l->dns->timeout);
    l->delivered = true;
    l->deliver(l);
    if (l->questions == 0)
        lookup_free(l);
}

static struct lookup *lookup_new(struct dns *dns, const char *name, void (*deliver_fn)(struct lookup *), void *arg)
{
    assert(!dns->closing);
    struct lookup *l = mem_zero(1, sizeof *l);
    l->dns = dns;
    l->deliver = deliver_fn;
    l->arg = arg;
    l->result = RESULT_PERM;
    l->ttl = UINT32_MAX;
    snprintf(l->name, sizeof l->name, "%s", name);
    l->timer = loop_timer_new(dns->loop, deliver, l);
    loop_timer_set(l->timer, dns->timeout);
    LIST_INSERT_HEAD(&dns->lookups, l, link);
    return l;
}

void dns_free(struct dns **dns)
{
    if (*dns == NULL)
        return;
    (*dns)->closing = true;
    dns_channel_free(&(*dns)->channel);
    struct lookup *l;
    while ((l = LIST_FIRST(&(*dns)->lookups)) != NULL)
        deliver(l);
    dns_cache_free(&(*dns)->addresses);
    mem_free(dns);
}

static void ask(struct lookup *l, int type, ares_callback done)
{
    l->questions++;
    dns_channel_query(l->dns->channel, l->name, type, done, l);
}

/* Whether the answer is still wanted; false also when this was the last one of a look-up delivered before. */
static bool still_wanted(struct lookup *l)
{
    assert(l->questions > 0);
    l->questions--;
    if (!l->delivered)
        return true;
    if (l->questions == 0)
        lookup_free(l);
    return false;
}

static void settle(struct lookup *l)
{
    if (l->questions == 0)
        loop_timer_set(l->timer, 0);
}

static const char *why_failed(int status)
{
    switch (status) {
    case ARES_ENOTFOUND: return "no such name";
    case ARES_ENODATA: return "no such record";
    /* c-ares asks the next server when one fails or refuses, and in the end only says that none could be contacted. */
    case ARES_ECONNREFUSED:
    case ARES_ESERVFAIL:
    case ARES_EREFUSED: return "no DNS server has an answer: they can't be reached, fail (SERVFAIL) or refuse us";
    default: return ares_strerror(status);
    }
}

static void note_failure(struct lookup *l, int status)
{
    enum result r =
        status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME ? RESULT_PERM : RESULT_TEMP;
    l->partial = l->partial || r == RESULT_TEMP;
    if (l->result == RESULT_OK || (l->err.text[0] != '\0' && r == RESULT_PERM))
        return;
    l->result = error_set(&l->err, r, "DNS look-up of %s: %s", l->name, why_failed(status));
}

/* ---- TXT ---- */

/* The smallest TTL of the answer section (c-ares 1.18 keeps those of TXT records to itself). 0 if malformed. */
static uint32_t smallest_ttl(const unsigned char *msg, int len)
{
    if (len < NS_HFIXEDSZ)
        return 0;
    const unsigned char *p = msg + NS_HFIXEDSZ;
    const unsigned char *end = msg + len;
    unsigned questions = (unsigned)(msg[4] << 8 | msg[5]);
    unsigned answers = (unsigned)(msg[6] << 8 | msg[7]);
    uint32_t smallest = UINT32_MAX;
    for (unsigned i = 0; i < questions + answers; i++) {
        char *name = NULL;
        long name_len;
        if (ares_expand_name(p, msg, len, &name, &name_len) != ARES_SUCCESS)
            return 0;
        ares_free_string(name);
        p += name_len;
        ptrdiff_t fixed = i < questions ? NS_QFIXEDSZ : NS_RRFIXEDSZ;
        if (end - p < fixed)
            return 0;
        if (i >= questions) {
            uint32_t ttl = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
            if (ttl < smallest)
                smallest = ttl;
            fixed += p[8] << 8 | p[9];
            if (end - p < fixed)
                return 0;
        }
        p += fixed;
    }
    return smallest;
}

/* One record may come as several strings: they belong together without anything between. */
static void add_txt(struct lookup *l, const struct ares_txt_ext *part)
{
    if (part->record_start && l->n == DNS_TXT_MAX)
        return;
    if (part->record_start)
        l->n++;
    struct dns_txt *txt = &l->txt[l->n - 1];
    txt->text = mem_grow(txt->text, txt->len + part->length + 1, 1);
    memcpy(txt->text + txt->len, part->txt, part->length);
    txt->len += part->length;
    txt->text[txt->len] = '\0';
}

static void on_txt(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    (void)timeouts;
    struct lookup *l = arg;
    if (!still_wanted(l))
        return;
    struct ares_txt_ext *parts = NULL;
    if (status == ARES_SUCCESS)
        status = ares_parse_txt_reply_ext(msg, len, &parts);
    if (status == ARES_SUCCESS) {
        bool full = false;
        for (const struct ares_txt_ext *part = parts; part != NULL; part = part->next) {
            full = full || (part->record_start && l->n == DNS_TXT_MAX);
            if (!full)
                add_txt(l, part);
        }
        l->ttl = smallest_ttl(msg, len);
        l->result = l->n > 0 ? RESULT_OK : RESULT_PERM;
    }
    if (l->n == 0)
        note_failure(l, status == ARES_SUCCESS ? ARES_ENODATA : status);
    ares_free_data(parts);
    settle(l);
}

static void deliver_txt(struct lookup *l)
{
    bool ok = l->result == RESULT_OK;
    l->txt_done(l->arg, l->result, l->txt, ok ? l->n : 0, ok ? l->ttl : 0, ok ? NULL : &l->err);
}

void dns_txt(struct dns *dns, const char *name, dns_txt_done *done, void *arg)
{
    struct lookup *l = lookup_new(dns, name, deliver_txt, arg);
    l->txt_done = done;
    ask(l, ns_t_txt, on_txt);
}

/* ---- addresses ---- */

static void add_address(struct lookup *l, int family, const void *bytes, size_t len, int ttl)
{
    if (l->n == DNS_ADDRESSES_MAX)
        return;
    if (ttl >= 0 && (uint32_t)ttl < l->ttl)
        l->ttl = (uint32_t)ttl;
    struct netaddr *a = &l->addresses[l->n++];
    *a = (struct netaddr){.sa.ss_family = (sa_family_t)family};
    if (family == AF_INET) {
        memcpy(&((struct sockaddr_in *)&a->sa)->sin_addr, bytes, len);
        a->len = sizeof(struct sockaddr_in);
    } else {
        memcpy(&((struct sockaddr_in6 *)&a->sa)->sin6_addr, bytes, len);
        a->len = sizeof(struct sockaddr_in6);
    }
    netaddr_set_port(a, l->port);
}

enum { HALF = DNS_ADDRESSES_MAX / 2 }; /* so that neither family crowds out the other */

static void addresses_answered(struct lookup *l, int status, int n)
{
    if (status == ARES_SUCCESS && n > 0)
        l->result = RESULT_OK;
    else
        note_failure(l, status == ARES_SUCCESS ? ARES_ENODATA : status);
    settle(l);
}

static void on_a(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    (void)timeouts;
    struct lookup *l = arg;
    struct ares_addrttl found[HALF];
    int n = HALF;
    if (!still_wanted(l))
        return;
    if (status == ARES_SUCCESS)
        status = ares_parse_a_reply(msg, len, NULL, found, &n);
    for (int i = 0; status == ARES_SUCCESS && i < n; i++)
        add_address(l, AF_INET, &found[i].ipaddr, sizeof found[i].ipaddr, found[i].ttl);
    addresses_answered(l, status, n);
}

static void on_aaaa(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    (void)timeouts;
    struct lookup *l = arg;
    struct ares_addr6ttl found[HALF];
    int n = HALF;
    if (!still_wanted(l))
        return;
    if (status == ARES_SUCCESS)
        status = ares_parse_aaaa_reply(msg, len, NULL, found, &n);
    for (int i = 0; status == ARES_SUCCESS && i < n; i++)
        add_address(l, AF_INET6, &found[i].ip6addr, sizeof found[i].ip6addr, found[i].ttl);
    addresses_answered(l, status, n);
}

static void deliver_addresses(struct lookup *l)
{
    bool ok = l->result == RESULT_OK;
    if (ok && l->questions == 0 && !l->partial && l->ttl != UINT32_MAX)
        dns_cache_keep(l->dns->addresses, l->name, l->addresses, l->n, l->ttl);
    l->addresses_done(l->arg, l->result, l->addresses, ok ? l->n : 0, ok ? NULL : &l->err);
}

void dns_addresses(struct dns *dns, const char *host, uint16_t port, dns_addresses_done *done, void *arg)
{
    struct lookup *l = lookup_new(dns, host, deliver_addresses, arg);
    l->addresses_done = done;
    l->port = port;
    l->n = netaddr_parse(host, port, &l->addresses[0])
               ? 1
               : dns_cache_find(dns->addresses, host, l->addresses, DNS_ADDRESSES_MAX);
    if (l->n > 0) {
        for (size_t i = 0; i < l->n; i++)
            netaddr_set_port(&l->addresses[i], port);
        l->result = RESULT_OK;
        settle(l);
        return;
    }
    /* Both are counted before either can answer. */
    l->questions++;
    ask(l, ns_t_a, on_a);
    l->questions--;
    ask(l, ns_t_aaaa, on_aaaa);
}

/* ---- names ---- */

static void deliver_name(struct lookup *l)
{
    bool ok = l->result == RESULT_OK;
    if (ok) {
        ok = false;
        for (size_t i = 0; i < l->n; i++)
            ok = ok || netaddr_equal_ip(&l->addresses[i], &l->wanted);
        if (!ok)
            l->result = error_set(&l->err, RESULT_PERM, "%s does not have the address that names it", l->name);
    }
    l->name_done(l->arg, l->result, ok ? l->name : NULL, ok ? NULL : &l->err);
}

/* RFC 1035 section 3.5, RFC 3596 section 2.5. */
static void reverse_name(const struct netaddr *a, char *out, size_t size)
{
    size_t len;
    const uint8_t *b = netaddr_bytes(a, &len);
    struct buf name = BUF_INIT(size - 1);
    for (size_t i = len; i-- > 0;) {
        if (len == 4)
            buf_printf(&name, "%u.", b[i]);
        else
            buf_printf(&name, "%x.%x.", b[i] & 15, b[i] >> 4);
    }
    snprintf(out, size, "%s%s", buf_str(&name), len == 4 ? "in-addr.arpa" : "ip6.arpa");
    buf_free(&name);
}

/* Puts the one name that we try into l->name. */
static int read_ptr(struct lookup *l, const unsigned char *msg, int len)
{
    struct hostent *host = NULL;
    int status = ares_parse_ptr_reply(msg, len, NULL, 0, l->wanted.sa.ss_family, &host);
    if (status == ARES_SUCCESS && (host->h_name == NULL || !domain_normalize(host->h_name, l->name)))
        status = ARES_EBADNAME;
    if (host != NULL)
        ares_free_hostent(host);
    /* Bytes that make no name are what the zone says, not what may go away. */
    return status == ARES_EBADRESP ? ARES_EBADNAME : status;
}

static void on_ptr(void *arg, int status, int timeouts, unsigned char *msg, int len)
{
    (void)timeouts;
    struct lookup *l = arg;
    if (!still_wanted(l))
        return;
    size_t address_len;
    netaddr_bytes(&l->wanted, &address_len);
    if (status == ARES_SUCCESS)
        status = read_ptr(l, msg, len);
    if (status != ARES_SUCCESS) {
        note_failure(l, status);
        settle(l);
    } else if (address_len == 4) {
        ask(l, ns_t_a, on_a);
    } else {
        ask(l, ns_t_aaaa, on_aaaa);
    }
}

void dns_name(struct dns *dns, const struct netaddr *address, dns_name_done *done, void *arg)
{
    char name[80];
    reverse_name(address, name, sizeof name);
    struct lookup *l = lookup_new(dns, name, deliver_name, arg);
    l->name_done = done;
    l->wanted = *address;
    ask(l, ns_t_ptr, on_ptr);
}
