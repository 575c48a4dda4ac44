/* Whom a replayed message is from and to: see mapping.h. */
#include "ctl/replay/mapping.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/replay/addresses.h"
#include "lib/address.h"
#include "lib/buf.h"
#include "lib/header.h"
#include "lib/mem.h"

enum { MAPS_MAX = 10000, DOMAINS_MAX = 10000, SPREAD_MAX = 1000000, FIELD_MAX = 65536 };

struct map {
    char *left;             /* an address or a domain, folded; NULL: any */
    char *address, *domain; /* a domain with a leading dot goes behind the one that is there */
    bool senders;
};

struct mapping {
    char **domains; /* folded; with a leading dot: all below */
    size_t ndomains;
    struct map *maps;
    size_t nmaps;
    char *sender; /* NULL: the message's */
    char **rcpts;
    size_t nrcpts, max_rcpts;
    char *spread_before, *spread_behind; /* NULL: no spread */
    uint64_t spread;
};

struct mapping *mapping_new(void)
{
    return mem_zero(1, sizeof(struct mapping));
}

static void free_all(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(&list[i]);
    mem_free(&list);
}

void mapping_free(struct mapping **m)
{
    if (*m == NULL)
        return;
    free_all((*m)->domains, (*m)->ndomains);
    free_all((*m)->rcpts, (*m)->nrcpts);
    for (size_t i = 0; i < (*m)->nmaps; i++) {
        mem_free(&(*m)->maps[i].left);
        mem_free(&(*m)->maps[i].address);
        mem_free(&(*m)->maps[i].domain);
    }
    mem_free(&(*m)->maps);
    mem_free(&(*m)->sender);
    mem_free(&(*m)->spread_before);
    mem_free(&(*m)->spread_behind);
    mem_free(m);
}

/* ---- what is told ---- */

enum result mapping_allow(struct mapping *m, const char *domain, struct error *err)
{
    char normal[DOMAIN_MAX + 1];
    bool below = domain[0] == '.';
    if (!domain_normalize(domain + below, normal))
        return error_set(err, RESULT_PERM, "\"%s\" is no domain", domain);
    if (m->ndomains == DOMAINS_MAX)
        return error_set(err, RESULT_PERM, "more than %d domains", DOMAINS_MAX);
    m->domains = mem_grow(m->domains, m->ndomains + 1, sizeof *m->domains);
    m->domains[m->ndomains++] = mem_printf("%s%s", below ? "." : "", normal);
    return RESULT_OK;
}

static enum result check_address(const char *address, struct error *err)
{
    bool utf8 = false;
    return address_valid(address, &utf8) ? RESULT_OK : error_set(err, RESULT_PERM, "\"%s\" is no address", address);
}

enum result mapping_set_sender(struct mapping *m, const char *address, struct error *err)
{
    bool null = address[0] == '\0' || strcmp(address, "<>") == 0;
    if (!null && check_address(address, err) != RESULT_OK)
        return err->result;
    mem_free(&m->sender);
    m->sender = mem_strdup(null ? "" : address);
    return RESULT_OK;
}

enum result mapping_add_rcpt(struct mapping *m, const char *address, struct error *err)
{
    if (check_address(address, err) != RESULT_OK)
        return err->result;
    if (m->nrcpts == MAPPING_RCPTS_MAX)
        return error_set(err, RESULT_PERM, "more than %d recipients", MAPPING_RCPTS_MAX);
    m->rcpts = mem_grow(m->rcpts, m->nrcpts + 1, sizeof *m->rcpts);
    m->rcpts[m->nrcpts++] = mem_strdup(address);
    return mapping_allow(m, address_domain(address), err);
}

enum result mapping_add(struct mapping *m, const char *text, bool senders, struct error *err)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        return error_set(err, RESULT_PERM, "\"%s\" is no map: OLD=NEW, with addresses or domains", text);
    if (m->nmaps == MAPS_MAX)
        return error_set(err, RESULT_PERM, "more than %d maps", MAPS_MAX);
    char *left = mem_strndup(text, (size_t)(equals - text));
    const char *right = equals + 1;
    bool is_address = strchr(right, '@') != NULL;
    struct map map = {.senders = senders};
    enum result result = is_address ? check_address(right, err) : RESULT_OK;
    if (result == RESULT_OK)
        result = mapping_allow(m, is_address ? address_domain(right) : right, err);
    if (result == RESULT_OK) {
        if (strcmp(left, "*") != 0)
            map.left = strchr(left, '@') != NULL ? address_normalize(left) : domain_fold(left);
        *(is_address ? &map.address : &map.domain) = mem_strdup(right);
        m->maps = mem_grow(m->maps, m->nmaps + 1, sizeof *m->maps);
        m->maps[m->nmaps++] = map;
    }
    mem_free(&left);
    return result;
}

enum result mapping_spread(struct mapping *m, const char *text, struct error *err)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    const char *percent = *end == '=' ? strchr(end, '%') : NULL;
    if (n == 0 || n > SPREAD_MAX || percent == NULL)
        return error_set(err, RESULT_PERM, "\"%s\" is no spread: 100=d%%.b.test, at most %d domains", text, SPREAD_MAX);
    char *example = mem_printf("%.*s1%s", (int)(percent - end - 1), end + 1, percent + 1);
    char normal[DOMAIN_MAX + 1];
    bool good = domain_normalize(example, normal);
    mem_free(&example);
    if (!good)
        return error_set(err, RESULT_PERM, "\"%s\" makes no domains", text);
    mem_free(&m->spread_before);
    mem_free(&m->spread_behind);
    m->spread = n;
    m->spread_before = mem_strndup(end + 1, (size_t)(percent - end - 1));
    m->spread_behind = mem_strdup(percent + 1);
    return RESULT_OK;
}

void mapping_set_max_rcpts(struct mapping *m, size_t n)
{
    m->max_rcpts = n;
}

/* ---- what comes of it ---- */

/*
 * MTAs that know source routes send what comes for "user%elsewhere@here", "elsewhere!user@here" or "user@elsewhere"@here on to elsewhere:
 * such an address names two domains.
 */
static bool is_route(const char *address)
{
    size_t local = (size_t)(address_domain(address) - address);
    return local > 0 && strcspn(address, "%!@") < local - 1;
}

static bool allowed(const struct mapping *m, const char *address)
{
    char normal[DOMAIN_MAX + 1];
    if (is_route(address) || !domain_normalize(address_domain(address), normal))
        return false;
    size_t n = strlen(normal);
    for (size_t i = 0; i < m->ndomains; i++) {
        const char *d = m->domains[i];
        size_t len = strlen(d);
        if (strcmp(d, normal) == 0 || (d[0] == '.' && n > len && strcmp(normal + n - len, d) == 0))
            return true;
    }
    return false;
}

/* To mem_free(). *told_r: it is an address that the user named as a whole. */
static char *map_address(const struct mapping *m, const char *address, bool sender, bool *told_r)
{
    char *folded = address_normalize(address);
    const char *domain = address_domain(folded);
    char *mapped = NULL;
    for (size_t i = 0; i < m->nmaps && mapped == NULL; i++) {
        const struct map *map = &m->maps[i];
        if (map->senders != sender ||
            (map->left != NULL && strcmp(map->left, folded) != 0 && strcmp(map->left, domain) != 0))
            continue;
        *told_r = map->address != NULL;
        if (map->address != NULL)
            mapped = mem_strdup(map->address);
        else if (map->domain[0] == '.')
            mapped = mem_printf("%s%s", address, map->domain);
        else
            mapped =
                mem_printf("%.*s%s", (int)(strlen(address) - strlen(address_domain(address))), address, map->domain);
    }
    mem_free(&folded);
    return mapped != NULL ? mapped : mem_strdup(address);
}

struct collected {
    const struct mapping *m;
    struct envelope *e;
    uint64_t number;
    size_t unnamed; /* recipients that were left out */
    char example[ADDRESS_MAX + 1];
};

static bool is_there(const struct envelope *e, const char *address)
{
    for (size_t i = 0; i < e->nrcpts; i++) {
        if (strcmp(e->rcpts[i].address, address) == 0)
            return true;
    }
    return false;
}

static void add_rcpt(struct collected *c, const char *address, bool told)
{
    const struct mapping *m = c->m;
    size_t max = m->max_rcpts != 0 ? m->max_rcpts : MAPPING_RCPTS_MAX;
    char *mapped = map_address(m, address, false, &told);
    bool named = told || allowed(m, mapped);
    if (m->spread_before != NULL) {
        named = told || !is_route(mapped);
        char *spread = mem_printf("%.*s%s%llu%s", (int)(strlen(mapped) - strlen(address_domain(mapped))), mapped,
                                  m->spread_before, (unsigned long long)(c->number % m->spread + 1), m->spread_behind);
        mem_free(&mapped);
        mapped = spread;
    }
    if (!named) {
        c->unnamed++;
        strncpy(c->example, mapped, sizeof c->example - 1);
    } else if (c->e->nrcpts < max && !is_there(c->e, mapped)) {
        envelope_add_rcpt(c->e, mapped, NULL, NULL);
    }
    mem_free(&mapped);
}

static void add_found(void *arg, const char *address)
{
    add_rcpt(arg, address, false);
}

static void add_field(struct collected *c, const char *bytes, size_t len, const char *name)
{
    char *value = mem_alloc(FIELD_MAX);
    if (header_find(bytes, len, name, value, FIELD_MAX))
        addresses_each(value, add_found, c);
    mem_free(&value);
}

static void collect_rcpts(struct collected *c, const char *bytes, size_t len)
{
    for (size_t i = 0; i < c->m->nrcpts; i++)
        add_rcpt(c, c->m->rcpts[i], true);
    if (c->m->nrcpts > 0)
        return;
    /* The envelope's as the last MTA noted it, else those that all can see. */
    static const char *const noted[] = {"X-Original-To", "Delivered-To", "Envelope-To"}, *const seen[] = {"To", "Cc"};
    for (size_t i = 0; i < 3 && c->e->nrcpts + c->unnamed == 0; i++)
        add_field(c, bytes, len, noted[i]);
    bool none = c->e->nrcpts + c->unnamed == 0;
    for (size_t i = 0; i < 2 && none; i++)
        add_field(c, bytes, len, seen[i]);
}

static void keep_first(void *arg, const char *address)
{
    char **first = arg;
    if (*first == NULL)
        *first = mem_strdup(address);
}

/* To mem_free(): Return-Path, the From_ line, or From:. */
static char *find_sender(const struct mapping *m, const char *bytes, size_t len, const char *from_sender)
{
    char *value = mem_alloc(FIELD_MAX), *sender = NULL;
    if (m->sender != NULL)
        sender = mem_strdup(m->sender);
    else if (header_find(bytes, len, "Return-Path", value, FIELD_MAX) && strncmp(value, "<>", 2) == 0)
        sender = mem_strdup("");
    else if (header_find(bytes, len, "Return-Path", value, FIELD_MAX))
        addresses_each(value, keep_first, &sender);
    if (sender == NULL)
        addresses_each(from_sender, keep_first, &sender);
    if (sender == NULL && header_find(bytes, len, "From", value, FIELD_MAX))
        addresses_each(value, keep_first, &sender);
    mem_free(&value);
    return sender;
}

enum result mapping_envelope(const struct mapping *m, const char *bytes, size_t len, const char *from_sender,
                             uint64_t number, struct envelope *e_r, size_t *left_out_r, struct error *err)
{
    struct collected c = {.m = m, .e = e_r, .number = number};
    char *sender = find_sender(m, bytes, len, from_sender);
    if (sender == NULL)
        return error_set(err, RESULT_PERM, "it names no sender (Return-Path, From): give --from");
    if (m->sender == NULL && sender[0] != '\0') {
        bool told = false;
        char *mapped = map_address(m, sender, true, &told);
        mem_free(&sender);
        sender = mapped;
        if (!told && !allowed(m, sender)) { /* a bounce would go there */
            error_set(err, RESULT_PERM, "its sender <%s> is at no domain that you named: give --from or --map-sender",
                      sender);
            mem_free(&sender);
            return RESULT_PERM;
        }
    }
    mem_free(&e_r->sender);
    e_r->sender = sender;
    collect_rcpts(&c, bytes, len);
    *left_out_r = c.unnamed;
    if (e_r->nrcpts == 0 && c.unnamed > 0)
        return error_set(err, RESULT_PERM, "no recipient is at a domain that you named (--domain, --map): <%s>",
                         c.example);
    if (e_r->nrcpts == 0)
        return error_set(err, RESULT_PERM, "it names no recipient (Delivered-To, To, Cc): give --rcpt");
    return RESULT_OK;
}
