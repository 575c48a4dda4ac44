/* Lists of patterns and tables: see patterns.h. */
#include "lib/patterns.h"

#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/address.h"
#include "lib/lookup.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum form {
    FORM_ANY,
    FORM_WHOLE, /* the whole address or login */
    FORM_USER,  /* "user@" */
    FORM_DOMAIN,
    FORM_SUBDOMAINS, /* "domain" in `text` */
    FORM_GLOB,
    FORM_DOMAIN_GLOB,
    FORM_LOCAL,
    FORM_NETWORK,
    FORM_TABLE,
};

struct pattern {
    enum form form;
    bool negated;
    char *word; /* as written */
    char *text; /* to compare with; or NULL */
    struct netaddr_list *network;
    struct lookup *table;
};

struct patterns {
    struct pattern *list;
    size_t n;
};

/* Who is asked about, in the forms that are compared. Unused ones are NULL. */
struct subject {
    char *whole;      /* address, login or client, in lower case */
    const char *user; /* "user@": the first user_len bytes of `whole` */
    size_t user_len;
    char *domain;       /* normalized */
    char *other_domain; /* as written, where that is another: a table may have U-labels */
    const struct netaddr *client;
    bool is_client;
};

/* ---- making ---- */

static char *lower(const char *text)
{
    char *copy = mem_strdup(text);
    ascii_lower(copy);
    return copy;
}

static char *fold_address(const char *address)
{
    char *folded = address_normalize(address);
    ascii_lower(folded);
    return folded;
}

static enum result check_word(const char *word, struct error *err)
{
    if (word[0] == '\0')
        return error_set(err, RESULT_PERM, "an empty pattern");
    for (const char *p = word; *p != '\0'; p++) {
        if (isspace((unsigned char)*p) || *p == ',' || *p == '<' || *p == '>')
            return error_set(err, RESULT_PERM, "\"%s\" is no pattern: '%c' can't be in it", word, *p);
    }
    return RESULT_OK;
}

static void parse_domain(struct pattern *p, const char *domain)
{
    p->form = domain[0] == '.' ? FORM_SUBDOMAINS : FORM_DOMAIN;
    p->text = domain_fold(domain + (domain[0] == '.'));
}

static enum result parse_address(struct pattern *p, const char *word, struct error *err)
{
    const char *domain = address_domain(word);
    size_t len = strlen(word);
    bool has_at = strchr(word, '@') != NULL;
    if (strncmp(word, "*@", 2) == 0 && strchr(word + 2, '*') == NULL)
        word++;
    if (has_at && word[0] == '@' && word[1] == '\0')
        return error_set(err, RESULT_PERM, "\"%s\" is no pattern: it names neither user nor domain", word);
    if (strchr(word, '*') != NULL) {
        p->form = has_at ? FORM_GLOB : FORM_DOMAIN_GLOB;
        p->text = lower(word);
    } else if (!has_at || word[0] == '@') {
        parse_domain(p, word[0] == '@' ? word + 1 : word);
    } else if (domain[0] == '\0') {
        p->form = FORM_USER;
        p->text = lower(word);
    } else {
        p->form = FORM_WHOLE;
        p->text = fold_address(word);
    }
    if (len > ADDRESS_MAX || p->text[0] == '\0')
        return error_set(err, RESULT_PERM, "\"%s\" is no address or domain", word);
    return RESULT_OK;
}

static enum result parse_login(struct pattern *p, const char *word, struct error *err)
{
    (void)err;
    p->form = strchr(word, '*') != NULL ? FORM_GLOB : FORM_WHOLE;
    p->text = lower(word);
    return RESULT_OK;
}

static enum result parse_client(struct pattern *p, const char *word, struct error *err)
{
    if (strcmp(word, "local") == 0) {
        p->form = FORM_LOCAL;
        return RESULT_OK;
    }
    p->form = FORM_NETWORK;
    return netaddr_list_parse(&word, 1, &p->network, err);
}

static enum result parse(struct pattern *p, enum patterns_kind kind, const char *word, struct error *err)
{
    static enum result (*const parsers[])(struct pattern *, const char *, struct error *) = {
        [PATTERNS_ADDRESS] = parse_address, [PATTERNS_LOGIN] = parse_login, [PATTERNS_CLIENT] = parse_client};
    p->word = mem_strdup(word);
    for (; *word == '!'; word++)
        p->negated = !p->negated;
    if (lookup_is_table(word)) {
        p->form = FORM_TABLE;
        return lookup_open(word, &p->table, err);
    }
    if (strcmp(word, "*") == 0) {
        p->form = FORM_ANY;
        return RESULT_OK;
    }
    enum result r = check_word(word, err);
    return r == RESULT_OK ? parsers[kind](p, word, err) : r;
}

enum result patterns_new(enum patterns_kind kind, const char *const *words, size_t n, struct patterns **p_r,
                         struct error *err)
{
    struct patterns *p = mem_zero(1, sizeof *p);
    enum result r = RESULT_OK;
    p->list = mem_zero(n, sizeof *p->list);
    for (size_t i = 0; i < n && r == RESULT_OK; i++) {
        p->n++;
        r = parse(&p->list[i], kind, words[i], err);
    }
    if (r != RESULT_OK)
        patterns_free(&p);
    *p_r = p;
    return r;
}

enum result patterns_from_config(const struct config *c, const char *key, enum patterns_kind kind,
                                 struct patterns **p_r, struct error *err)
{
    size_t n;
    const char *const *words = config_list(c, key, &n);
    const char *title = config_title(c);
    if (patterns_new(kind, words, n, p_r, err) == RESULT_OK)
        return RESULT_OK;
    const char *name = strchr(key, '.') + 1;
    if (title == NULL)
        return error_prefix(err, "%s: %s", config_where(c, key), name);
    return error_prefix(err, "%s: %.*s \"%s\": %s", config_where(c, key), (int)(name - 1 - key), key, title, name);
}

void patterns_free(struct patterns **p_p)
{
    struct patterns *p = *p_p;
    *p_p = NULL;
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->n; i++) {
        mem_free(&p->list[i].word);
        mem_free(&p->list[i].text);
        netaddr_list_free(&p->list[i].network);
        lookup_close(&p->list[i].table);
    }
    mem_free(&p->list);
    mem_free(&p);
}

/* ---- comparing ---- */

bool glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL; /* the last *, and where what follows it is tried */
    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool is_below(const char *domain, const char *parent)
{
    size_t dl = strlen(domain);
    size_t pl = strlen(parent);
    return dl > pl + 1 && domain[dl - pl - 1] == '.' && strcmp(domain + dl - pl, parent) == 0;
}

static bool is_local(const struct netaddr *a)
{
    size_t len = 0;
    const uint8_t *bytes = a != NULL ? netaddr_bytes(a, &len) : NULL;
    if (len == 4)
        return bytes[0] == 127;
    return len == 0 || memcmp(bytes, &in6addr_loopback, sizeof in6addr_loopback) == 0;
}

/* ---- tables ---- */

static enum lookup_answer ask(struct lookup *l, const char *key, enum lookup_answer so_far, struct error *err)
{
    return so_far == LOOKUP_NONE ? lookup_find(l, key, err) : so_far;
}

/* Of an address or a domain alone; `domain` in one of its spellings. */
static enum lookup_answer ask_parts(struct lookup *l, const struct subject *s, const char *domain, struct error *err)
{
    enum lookup_answer a = LOOKUP_NONE;
    if (s->user_len > 0) {
        char *address = mem_printf("%.*s%s", (int)s->user_len, s->user, domain);
        a = ask(l, address, a, err);
        mem_free(&address);
    }
    if (domain[0] != '\0')
        a = ask(l, domain, a, err);
    for (const char *dot = strchr(domain, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
        a = ask(l, dot, a, err);
    if (s->user_len > 0) {
        char *user = mem_strndup(s->user, s->user_len);
        a = ask(l, user, a, err);
        mem_free(&user);
    }
    return a;
}

/* The address, then cut at its dots or colons. */
static enum lookup_answer ask_networks(struct lookup *l, const char *ip, struct error *err)
{
    enum lookup_answer a = LOOKUP_NONE;
    char *key = mem_strdup(ip);
    for (char *end = key + strlen(key); end != NULL; end = strrchr(key, strchr(ip, ':') != NULL ? ':' : '.')) {
        *end = '\0';
        if (key[0] != '\0')
            a = ask(l, key, a, err);
    }
    mem_free(&key);
    return a;
}

static enum lookup_answer ask_table(struct lookup *l, const struct subject *s, struct error *err)
{
    if (s->whole != NULL && !lookup_takes_parts(l))
        return lookup_find(l, s->whole, err);
    if (s->is_client)
        return s->whole != NULL ? ask_networks(l, s->whole, err) : LOOKUP_NONE;
    if (s->domain == NULL)
        return lookup_find(l, s->whole, err);
    enum lookup_answer a = ask_parts(l, s, s->domain, err);
    if (a == LOOKUP_NONE && s->other_domain != NULL)
        a = ask_parts(l, s, s->other_domain, err);
    return a;
}

/* ---- one subject through a list ---- */

static bool equal(const char *a, const char *b)
{
    return a != NULL && strcmp(a, b) == 0;
}

static bool matches(const struct pattern *p, const struct subject *s)
{
    switch (p->form) {
    case FORM_ANY: return true;
    case FORM_WHOLE: return equal(s->whole, p->text);
    case FORM_USER:
        return s->user != NULL && strlen(p->text) == s->user_len && memcmp(s->user, p->text, s->user_len) == 0;
    case FORM_DOMAIN: return equal(s->domain, p->text);
    case FORM_SUBDOMAINS: return s->domain != NULL && is_below(s->domain, p->text);
    case FORM_GLOB: return s->whole != NULL && glob_match(p->text, s->whole);
    case FORM_DOMAIN_GLOB: return s->domain != NULL && glob_match(p->text, s->domain);
    case FORM_LOCAL: return is_local(s->client);
    case FORM_NETWORK: return s->client != NULL && netaddr_list_has(p->network, s->client);
    case FORM_TABLE: break;
    }
    return false;
}

static enum match match_pattern(const struct pattern *p, const struct subject *s, struct error *err)
{
    if (p->form != FORM_TABLE)
        return matches(p, s) ? MATCH_YES : MATCH_NO;
    switch (ask_table(p->table, s, err)) {
    case LOOKUP_FOUND: return MATCH_YES;
    case LOOKUP_FAILED: return MATCH_FAILED;
    case LOOKUP_NONE:
    case LOOKUP_EXCEPT: break;
    }
    return MATCH_NO;
}

static enum match match(const struct patterns *p, const struct subject *s, const char **which_r, struct error *err)
{
    if (which_r != NULL)
        *which_r = NULL;
    for (size_t i = 0; i < p->n; i++) {
        enum match m = match_pattern(&p->list[i], s, err);
        if (m == MATCH_NO)
            continue;
        if (which_r != NULL)
            *which_r = p->list[i].word;
        if (m == MATCH_YES && p->list[i].negated)
            return MATCH_NO;
        return m;
    }
    return MATCH_NO;
}

static void free_subject(struct subject *s)
{
    mem_free(&s->whole);
    mem_free(&s->domain);
    mem_free(&s->other_domain);
}

enum match patterns_match_address(const struct patterns *p, const char *address, const char **which_r,
                                  struct error *err)
{
    const char *written = address_domain(address);
    struct subject s = {.whole = fold_address(address), .domain = domain_fold(written), .other_domain = lower(written)};
    s.user = s.whole;
    s.user_len = (size_t)(written - address); /* with the '@'; 0 when there is none */
    if (strcmp(s.domain, s.other_domain) == 0)
        mem_free(&s.other_domain);
    enum match m = match(p, &s, which_r, err);
    free_subject(&s);
    return m;
}

enum match patterns_match_domain(const struct patterns *p, const char *domain, const char **which_r, struct error *err)
{
    struct subject s = {.whole = mem_strdup(domain), .domain = mem_strdup(domain)};
    enum match m = match(p, &s, which_r, err);
    free_subject(&s);
    return m;
}

enum match patterns_match_login(const struct patterns *p, const char *login, const char **which_r, struct error *err)
{
    struct subject s = {.whole = lower(login)};
    enum match m = match(p, &s, which_r, err);
    free_subject(&s);
    return m;
}

enum match patterns_match_client(const struct patterns *p, const struct netaddr *client, const char **which_r,
                                 struct error *err)
{
    char ip[NETADDR_TEXT_SIZE];
    size_t len = 0;
    struct subject s = {.is_client = true};
    if (client != NULL)
        netaddr_bytes(client, &len);
    if (len > 0) {
        netaddr_ip(client, ip);
        s.whole = mem_strdup(ip);
        s.client = client;
    }
    enum match m = match(p, &s, which_r, err);
    free_subject(&s);
    return m;
}
