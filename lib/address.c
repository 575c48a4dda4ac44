/* Addresses, domains and xtext, as strangers write them: see address.h. */
#include "lib/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include <idn2.h>

#include "lib/buf.h"
#include "lib/mem.h"
#include "lib/utf8.h"

enum { LABEL_MAX = 63 };

/* ctype.h asks the locale; the protocols don't. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* ---- paths ---- */

/* "@one,@two:user@domain" -> "user@domain" */
static const char *skip_source_route(const char *path)
{
    const char *colon = path[0] == '@' ? strchr(path, ':') : NULL;
    return colon != NULL ? colon + 1 : path;
}

char *address_from_path(const char *path, struct error *err)
{
    size_t len = strnlen(path, ADDRESS_MAX + 3);
    bool bracketed = path[0] == '<';
    if (len == 0) {
        error_set(err, RESULT_PERM, "empty path");
        return NULL;
    }
    if (len > ADDRESS_MAX + (bracketed ? 2 : 0)) {
        error_set(err, RESULT_PERM, "path \"%.60s...\" is longer than %d bytes", path, ADDRESS_MAX);
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        if (is_control(path[i])) {
            error_set(err, RESULT_PERM, "control character in path \"%s\"", path);
            return NULL;
        }
    }
    if (bracketed && (len < 2 || path[len - 1] != '>')) {
        error_set(err, RESULT_PERM, "path \"%s\" does not end with \">\"", path);
        return NULL;
    }
    char *inner = bracketed ? mem_strndup(path + 1, len - 2) : mem_strdup(path);
    char *address = mem_strdup(skip_source_route(inner));
    mem_free(&inner);
    return address;
}

/* ---- addresses ---- */

/* Behind a quoted string that begins at `s` (RFC 5321 section 4.1.2, RFC 6531 section 3.3); NULL if malformed. */
static const char *skip_quoted(const char *s)
{
    for (s++; *s != '"';) {
        size_t n = utf8_char_len(s);
        if (n == 0 || is_control(*s))
            return NULL;
        if (*s == '\\') {
            s++;
            if (*s == '\0' || is_control(*s) || (unsigned char)*s >= 0x80)
                return NULL;
        }
        s += n;
    }
    return s + 1;
}

/* Behind the dot-atom that begins at `s`; NULL if there is none. */
static const char *skip_dot_atom(const char *s)
{
    size_t atom = 0; /* length of the one we are in */
    for (;;) {
        if (*s == '.') {
            if (atom == 0)
                return NULL;
            atom = 0;
            s++;
            continue;
        }
        size_t n = utf8_char_len(s);
        if (n == 0 || (n == 1 && !is_letter(*s) && !is_digit(*s) && strchr("!#$%&'*+-/=?^_`{|}~", *s) == NULL))
            break;
        atom += n;
        s += n;
    }
    return atom == 0 ? NULL : s;
}

static const char *skip_local_part(const char *s)
{
    return *s == '"' ? skip_quoted(s) : skip_dot_atom(s);
}

/* The '@' before the domain, or NULL. Forgiving where address_valid() is not: the last one counts. */
static const char *find_at(const char *address)
{
    const char *from = address[0] == '"' ? skip_quoted(address) : NULL;
    return strrchr(from != NULL ? from : address, '@');
}

const char *address_domain(const char *address)
{
    const char *at = find_at(address);
    return at != NULL ? at + 1 : address + strlen(address);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]". Nobody has ever registered another tag. */
static bool literal_valid(const char *literal)
{
    char ip[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    size_t len = strlen(literal);
    if (len < 2 || literal[0] != '[' || literal[len - 1] != ']')
        return false;
    bool v6 = strncasecmp(literal, "[IPv6:", 6) == 0;
    size_t from = v6 ? 6 : 1;
    if (len - 1 - from >= sizeof ip)
        return false;
    memcpy(ip, literal + from, len - 1 - from);
    ip[len - 1 - from] = '\0';
    return inet_pton(v6 ? AF_INET6 : AF_INET, ip, bytes) == 1;
}

/* RFC 5321 section 4.1.2: labels of letters, digits and inner hyphens. *labels_r: how many. */
static bool host_name_valid(const char *domain)
{
    size_t label = 0;
    if (strlen(domain) > DOMAIN_MAX)
        return false;
    for (const char *p = domain;; p++) {
        bool end = *p == '.' || *p == '\0';
        if (end && (label == 0 || label > LABEL_MAX || p[-1] == '-'))
            return false;
        if (*p == '\0')
            return true;
        if (!end && !is_letter(*p) && !is_digit(*p) && (*p != '-' || label == 0))
            return false;
        label = end ? 0 : label + 1;
    }
}

/* As A-labels, to mem_free(); NULL if there is no such name. */
static char *to_ascii(const char *domain)
{
    /* A plain name needs no IDNA, which would refuse some that are in use ("r3---sn.example.com"). */
    if (utf8_is_ascii(domain) && strcasestr(domain, "xn--") == NULL)
        return mem_strdup(domain);
    uint8_t *ascii = NULL;
    if (idn2_lookup_u8((const uint8_t *)domain, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
        return NULL;
    char *copy = mem_strdup((const char *)ascii);
    idn2_free(ascii);
    return copy;
}

static bool domain_valid(const char *domain)
{
    if (domain[0] == '[')
        return literal_valid(domain);
    char *ascii = to_ascii(domain);
    bool ok = ascii != NULL && host_name_valid(ascii);
    mem_free(&ascii);
    return ok;
}

bool address_valid(const char *address, bool *utf8_r)
{
    if (utf8_r != NULL)
        *utf8_r = false;
    if (strnlen(address, ADDRESS_MAX + 1) > ADDRESS_MAX || !utf8_valid(address))
        return false;
    const char *at = skip_local_part(address);
    if (at == NULL || *at != '@' || !domain_valid(at + 1))
        return false;
    if (utf8_r != NULL)
        *utf8_r = !utf8_is_ascii(address);
    return true;
}

/* ---- comparing ---- */

bool domain_normalize(const char *domain, char out[DOMAIN_MAX + 1])
{
    out[0] = '\0';
    if (strnlen(domain, ADDRESS_MAX + 1) > ADDRESS_MAX)
        return false;
    char *name = to_ascii(domain);
    if (name == NULL)
        return false;
    size_t len = strlen(name);
    if (len > 0 && name[len - 1] == '.')
        name[len - 1] = '\0';
    /* No top-level domain begins with a digit; "192.0.2.1" and "10.0x1" are addresses to some resolvers. */
    const char *last = strrchr(name, '.');
    bool ok = last != NULL && !is_digit(last[1]) && host_name_valid(name);
    if (ok) {
        memcpy(out, name, strlen(name) + 1);
        ascii_lower(out);
    }
    mem_free(&name);
    return ok;
}

char *domain_fold(const char *domain)
{
    char normal[DOMAIN_MAX + 1];
    if (domain_normalize(domain, normal))
        return mem_strdup(normal);
    char *folded = mem_strdup(domain);
    ascii_lower(folded);
    return folded;
}

char *address_normalize(const char *address)
{
    const char *domain = address_domain(address);
    char *folded = domain_fold(domain);
    char *normal = mem_printf("%.*s%s", (int)(domain - address), address, folded);
    mem_free(&folded);
    return normal;
}

/* ---- xtext ---- */

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; /* upper case only, says the RFC */
}

char *xtext_encode(const char *plain)
{
    struct buf out = BUF_INIT(strlen(plain) * 3);
    for (; *plain != '\0'; plain++) {
        if (*plain > 0x20 && *plain < 0x7f && *plain != '+' && *plain != '=')
            buf_add_char(&out, *plain);
        else
            buf_printf(&out, "+%02X", (unsigned char)*plain);
    }
    return buf_take(&out);
}

/* The character that stands at `p`, '\0' if malformed; *len_r is what it took. */
static char xtext_char(const char *p, size_t *len_r)
{
    *len_r = 1;
    if (*p != '+')
        return *p > 0x20 && *p < 0x7f && *p != '=' ? *p : '\0';
    int high = hex_value(p[1]);
    int low = high >= 0 ? hex_value(p[2]) : -1;
    if (low < 0)
        return '\0';
    *len_r = 3;
    return (char)(high * 16 + low);
}

/*
 * What the text stands for must be printable (RFC 3461 sections 4.2 and 4.4), so that a decoded value may stand
 * in a header. Bytes of UTF-8 are let through: see RFC 6533.
 */
char *xtext_decode(const char *xtext)
{
    if (strnlen(xtext, XTEXT_MAX + 1) > XTEXT_MAX)
        return NULL;
    struct buf out = BUF_INIT(XTEXT_MAX);
    size_t len;
    for (const char *p = xtext; *p != '\0'; p += len) {
        char c = xtext_char(p, &len);
        if (is_control(c)) {
            buf_free(&out);
            return NULL;
        }
        buf_add_char(&out, c);
    }
    return buf_take(&out);
}

bool xtext_valid(const char *xtext)
{
    char *plain = xtext_decode(xtext);
    bool ok = plain != NULL;
    mem_free(&plain);
    return ok;
}
