/* Network addresses, endpoints and CIDR lists: see netaddr.h. */
#include "lib/netaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

static struct sockaddr_in *v4(const struct netaddr *a)
{
    return (struct sockaddr_in *)&a->sa;
}

static struct sockaddr_in6 *v6(const struct netaddr *a)
{
    return (struct sockaddr_in6 *)&a->sa;
}

static const struct sockaddr_un *local(const struct netaddr *a)
{
    return (const struct sockaddr_un *)&a->sa;
}

/* ---- bytes ---- */

const uint8_t *netaddr_bytes(const struct netaddr *a, size_t *len_r)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    *len_r = 0;
    if (a->sa.ss_family == AF_INET) {
        *len_r = 4;
        return (const uint8_t *)&v4(a)->sin_addr;
    }
    if (a->sa.ss_family != AF_INET6)
        return NULL;
    const uint8_t *bytes = v6(a)->sin6_addr.s6_addr;
    bool in_disguise = memcmp(bytes, mapped, sizeof mapped) == 0;
    *len_r = in_disguise ? 4 : 16;
    return in_disguise ? bytes + sizeof mapped : bytes;
}

bool netaddr_prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool netaddr_equal_ip(const struct netaddr *a, const struct netaddr *b)
{
    size_t alen;
    size_t blen;
    const uint8_t *abytes = netaddr_bytes(a, &alen);
    const uint8_t *bbytes = netaddr_bytes(b, &blen);
    return alen > 0 && alen == blen && memcmp(abytes, bbytes, alen) == 0;
}

/* ---- reading ---- */

bool netaddr_parse(const char *ip, uint16_t port, struct netaddr *a_r)
{
    *a_r = (struct netaddr){0};
    if (inet_pton(AF_INET, ip, &v4(a_r)->sin_addr) == 1) {
        a_r->sa.ss_family = AF_INET;
        a_r->len = sizeof(struct sockaddr_in);
    } else if (inet_pton(AF_INET6, ip, &v6(a_r)->sin6_addr) == 1) {
        a_r->sa.ss_family = AF_INET6;
        a_r->len = sizeof(struct sockaddr_in6);
    } else {
        return false;
    }
    netaddr_set_port(a_r, port);
    return true;
}

/* Digits only, 0..max. */
static bool parse_number(const char *text, unsigned max, unsigned *n_r)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    *n_r = (unsigned)strtoul(text, NULL, 10);
    return *n_r <= max;
}

static enum result unix_endpoint(const char *path, struct netaddr *a_r, struct error *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (path[0] != '/')
        return error_set(err, RESULT_PERM, "socket path \"%s\" is not absolute", path);
    if (len >= sizeof un.sun_path)
        return error_set(err, RESULT_PERM, "socket path \"%s\" is longer than %zu bytes", path, sizeof un.sun_path - 1);
    memcpy(un.sun_path, path, len + 1);
    *a_r = (struct netaddr){.len = sizeof un};
    memcpy(&a_r->sa, &un, sizeof un);
    return RESULT_OK;
}

/* Splits "HOST:PORT" or "[V6]:PORT"; the last colon counts, and an IPv6 address needs its brackets. */
static bool split_endpoint(const char *text, char *host, size_t host_size, const char **port_r)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        return false;
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= host_size || bracketed != (memchr(text, ':', len) != NULL))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *port_r = colon + 1;
    return true;
}

enum result netaddr_endpoint(const char *text, struct netaddr *a_r, struct error *err)
{
    char host[INET6_ADDRSTRLEN];
    const char *port_text;
    unsigned port;
    if (strncmp(text, "unix:", 5) == 0)
        return unix_endpoint(text + 5, a_r, err);
    const char *inet = strncmp(text, "inet:", 5) == 0 ? text + 5 : text;
    if (!split_endpoint(inet, host, sizeof host, &port_text))
        return error_set(err, RESULT_PERM, "\"%s\" is not ADDRESS:PORT, [IPV6]:PORT or unix:/PATH", text);
    if (!parse_number(port_text, 65535, &port))
        return error_set(err, RESULT_PERM, "bad port \"%s\" in \"%s\"", port_text, text);
    const char *ip = host;
    if (strcmp(host, "*") == 0)
        ip = "::";
    else if (strcmp(host, "localhost") == 0)
        ip = "127.0.0.1";
    if (!netaddr_parse(ip, (uint16_t)port, a_r))
        return error_set(err, RESULT_PERM, "\"%s\" in \"%s\" is not an IP address, \"localhost\" or \"*\"", host, text);
    return RESULT_OK;
}

/* ---- writing ---- */

void netaddr_ip(const struct netaddr *a, char out[NETADDR_TEXT_SIZE])
{
    size_t len;
    const uint8_t *bytes = netaddr_bytes(a, &len);
    if (len > 0)
        inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, out, NETADDR_TEXT_SIZE);
    else if (a->sa.ss_family == AF_UNIX)
        snprintf(out, NETADDR_TEXT_SIZE, "unix:%s", local(a)->sun_path);
    else
        snprintf(out, NETADDR_TEXT_SIZE, "unknown");
}

void netaddr_text(const struct netaddr *a, char out[NETADDR_TEXT_SIZE])
{
    size_t len;
    char ip[NETADDR_TEXT_SIZE];
    netaddr_bytes(a, &len);
    netaddr_ip(a, ip);
    if (len == 16)
        snprintf(out, NETADDR_TEXT_SIZE, "[%s]:%u", ip, netaddr_port(a));
    else if (len == 4)
        snprintf(out, NETADDR_TEXT_SIZE, "%s:%u", ip, netaddr_port(a));
    else
        memcpy(out, ip, sizeof ip);
}

uint16_t netaddr_port(const struct netaddr *a)
{
    if (a->sa.ss_family == AF_INET)
        return ntohs(v4(a)->sin_port);
    return a->sa.ss_family == AF_INET6 ? ntohs(v6(a)->sin6_port) : 0;
}

void netaddr_set_port(struct netaddr *a, uint16_t port)
{
    if (a->sa.ss_family == AF_INET)
        v4(a)->sin_port = htons(port);
    else if (a->sa.ss_family == AF_INET6)
        v6(a)->sin6_port = htons(port);
}

/* ---- CIDR lists ---- */

struct block {
    uint8_t prefix[16];
    size_t len; /* 4 or 16 */
    unsigned bits;
};

struct netaddr_list {
    struct block *blocks;
    size_t n;
};

static bool has_bits_behind(const struct block *b)
{
    for (unsigned bit = b->bits; bit < b->len * 8; bit++) {
        if (b->prefix[bit / 8] & 0x80 >> bit % 8)
            return true;
    }
    return false;
}

static enum result parse_block(const char *text, struct block *b, struct error *err)
{
    char ip[INET6_ADDRSTRLEN];
    size_t ip_len = strcspn(text, "/");
    struct netaddr a;
    snprintf(ip, sizeof ip, "%.*s", (int)(ip_len < sizeof ip ? ip_len : 0), text);
    if (!netaddr_parse(ip, 0, &a))
        return error_set(err, RESULT_PERM, "\"%s\" is not ADDRESS or ADDRESS/BITS", text);
    const uint8_t *bytes = netaddr_bytes(&a, &b->len);
    if ((b->len == 4) != (a.sa.ss_family == AF_INET))
        return error_set(err, RESULT_PERM, "write \"%s\" as an IPv4 network", text);
    memcpy(b->prefix, bytes, b->len);
    b->bits = (unsigned)b->len * 8;
    if (text[ip_len] == '/' && !parse_number(text + ip_len + 1, b->bits, &b->bits))
        return error_set(err, RESULT_PERM, "bad prefix length in \"%s\"", text);
    if (has_bits_behind(b))
        return error_set(err, RESULT_PERM, "\"%s\" has bits set behind its prefix of %u bits", text, b->bits);
    return RESULT_OK;
}

enum result netaddr_list_parse(const char *const *blocks, size_t n, struct netaddr_list **l_r, struct error *err)
{
    struct netaddr_list *l = mem_zero(1, sizeof *l);
    l->blocks = mem_zero(n, sizeof *l->blocks);
    *l_r = NULL;
    for (; l->n < n; l->n++) {
        enum result result = parse_block(blocks[l->n], &l->blocks[l->n], err);
        if (result != RESULT_OK) {
            netaddr_list_free(&l);
            return result;
        }
    }
    *l_r = l;
    return RESULT_OK;
}

bool netaddr_list_has(const struct netaddr_list *l, const struct netaddr *a)
{
    size_t len;
    const uint8_t *bytes = netaddr_bytes(a, &len);
    for (size_t i = 0; len > 0 && l != NULL && i < l->n; i++) {
        const struct block *b = &l->blocks[i];
        if (b->len == len && netaddr_prefix_equal(b->prefix, bytes, b->bits))
            return true;
    }
    return false;
}

void netaddr_list_free(struct netaddr_list **l)
{
    if (*l == NULL)
        return;
    mem_free(&(*l)->blocks);
    mem_free(l);
}
