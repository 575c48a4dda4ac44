/* Lines and lists of Postfix's configuration: see postfix_text.h. */
#include "ctl/postfix_text.h"

#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

static const char space[] = " \t\r\n";
static const char separators[] = ", \t\r\n";

/* ---- settings ---- */

bool postfix_settings_have(const struct postfix_settings *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->items[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Of two with one name Postfix takes the last. */
const char *postfix_settings_get(const struct postfix_settings *s, const char *name)
{
    for (size_t i = s->n; i > 0; i--) {
        if (strcmp(s->items[i - 1].name, name) == 0)
            return s->items[i - 1].value;
    }
    return "";
}

void postfix_settings_free(struct postfix_settings *s)
{
    for (size_t i = 0; i < s->n; i++) {
        mem_free(&s->items[i].name);
        mem_free(&s->items[i].value);
    }
    mem_free(&s->items);
    s->n = 0;
}

/* "NAME = VALUE" of `len` bytes, white space around either taken off. False: too many, or none. */
static bool add_setting(struct postfix_settings *s, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len), *end = text + len;
    if (equals == NULL || s->n == POSTFIX_SETTINGS_MAX)
        return false;
    const char *name_end = equals, *value = equals + 1;
    while (text < name_end && strchr(space, *text) != NULL)
        text++;
    while (name_end > text && strchr(space, name_end[-1]) != NULL)
        name_end--;
    while (value < end && strchr(space, *value) != NULL)
        value++;
    while (end > value && strchr(space, end[-1]) != NULL)
        end--;
    if (name_end == text)
        return false;
    s->items = mem_grow(s->items, s->n + 1, sizeof *s->items);
    s->items[s->n++] = (struct postfix_setting){.name = mem_strndup(text, (size_t)(name_end - text)),
                                                .value = mem_strndup(value, (size_t)(end - value))};
    return true;
}

/* Gives each line that is not empty to `take`, until that finds it wrong. */
static enum result each_line(const char *text, bool (*take)(void *arg, const char *line, size_t len), void *arg,
                             const char *what, struct error *err)
{
    for (size_t len; *text != '\0'; text += len + (text[len] == '\n')) {
        len = strcspn(text, "\n");
        if (len > 0 && !take(arg, text, len))
            return error_set(err, RESULT_PERM, "no %s, or too many: \"%.*s\"", what, len < 200 ? (int)len : 200, text);
    }
    return RESULT_OK;
}

static bool take_setting(void *arg, const char *line, size_t len)
{
    return add_setting(arg, line, len);
}

enum result postfix_text_settings(const char *text, struct postfix_settings *s_r, struct error *err)
{
    *s_r = (struct postfix_settings){0};
    return each_line(text, take_setting, s_r, "setting", err);
}

/* ---- services ---- */

void postfix_services_free(struct postfix_services *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct postfix_service *v = &s->items[i];
        mem_free(&v->name);
        mem_free(&v->type);
        mem_free(&v->command);
        postfix_settings_free(&v->own);
        postfix_settings_free(&v->main);
    }
    mem_free(&s->items);
    s->n = 0;
}

enum { FIELDS = 8 }; /* service type private unpriv chroot wakeup maxproc command */

static bool take_service(void *arg, const char *line, size_t len)
{
    struct postfix_services *s = arg;
    const char *fields[FIELDS];
    size_t lens[FIELDS];
    const char *end = line + len;
    for (int i = 0; i < FIELDS; i++) {
        while (line < end && strchr(space, *line) != NULL)
            line++;
        fields[i] = line;
        while (line < end && strchr(space, *line) == NULL)
            line++;
        lens[i] = (size_t)(line - fields[i]);
        if (lens[i] == 0)
            return false;
    }
    if (s->n == POSTFIX_SERVICES_MAX)
        return false;
    s->items = mem_grow(s->items, s->n + 1, sizeof *s->items);
    s->items[s->n++] = (struct postfix_service){
        .name = mem_strndup(fields[0], lens[0]),
        .type = mem_strndup(fields[1], lens[1]),
        .chroot = *fields[4],
        .processes = *fields[6] == '-' ? -1 : (int)strtol(fields[6], NULL, 10),
        .command = mem_strndup(fields[7], lens[7]),
    };
    return true;
}

enum result postfix_text_services(const char *m, struct postfix_services *s_r, struct error *err)
{
    *s_r = (struct postfix_services){0};
    return each_line(m, take_service, s_r, "service", err);
}

/* "NAME/TYPE/SETTING = VALUE"; a service's name may have slashes, a setting's has none. */
static bool take_own(void *arg, const char *line, size_t len)
{
    struct postfix_services *s = arg;
    const char *equals = memchr(line, '=', len);
    const char *second = equals != NULL ? memrchr(line, '/', (size_t)(equals - line)) : NULL;
    const char *first = second != NULL ? memrchr(line, '/', (size_t)(second - line)) : NULL;
    if (first == NULL)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        struct postfix_service *v = &s->items[i];
        if (strlen(v->name) == (size_t)(first - line) && memcmp(v->name, line, (size_t)(first - line)) == 0 &&
            strlen(v->type) == (size_t)(second - first - 1) && memcmp(v->type, first + 1, strlen(v->type)) == 0)
            return add_setting(&v->own, second + 1, len - (size_t)(second + 1 - line));
    }
    return true; /* of a service that has gone since */
}

enum result postfix_text_own(const char *p, struct postfix_services *s, struct error *err)
{
    return each_line(p, take_own, s, "service's setting", err);
}

/* ---- lists ---- */

/* The length of a { } group, which may hold others; all that is left if it does not end. */
static size_t group_length(const char *text)
{
    size_t depth = 0, i = 0;
    for (; text[i] != '\0'; i++) {
        if (text[i] == '{')
            depth++;
        else if (text[i] == '}' && --depth == 0)
            return i + 1;
    }
    return i;
}

char *postfix_text_next(const char **list)
{
    const char *p = *list + strspn(*list, separators);
    size_t len = 0;
    if (*p == '{')
        len = group_length(p);
    else
        while (p[len] != '\0' && strchr(separators, p[len]) == NULL)
            len += p[len] == '{' ? group_length(p + len) : 1;
    *list = p + len;
    return len > 0 ? mem_strndup(p, len) : NULL;
}

bool postfix_text_has_word(const char *list, const char *word)
{
    bool has = false;
    for (char *w; !has && (w = postfix_text_next(&list)) != NULL; mem_free(&w))
        has = strcasecmp(w, word) == 0;
    return has;
}

bool postfix_text_yes(const char *value)
{
    return strcasecmp(value, "yes") == 0;
}

msec_t postfix_text_time(const char *value)
{
    static const struct {
        char unit;
        msec_t ms;
    } units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 7 * 86400000LL}};
    size_t digits = strspn(value, "0123456789");
    if (digits == 0 || digits > 9 || (value[digits] != '\0' && value[digits + 1] != '\0'))
        return -1;
    msec_t n = strtoll(value, NULL, 10);
    char unit = value[digits] == '\0' ? 's' : (char)tolower((unsigned char)value[digits]);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit == unit)
            return n * units[i].ms;
    }
    return -1;
}

/* ---- milters ---- */

/* The inside of { }, to mem_free(). */
static char *without_braces(const char *group)
{
    size_t len = strlen(group);
    return mem_strndup(group + 1, len >= 2 && group[len - 1] == '}' ? len - 2 : len - 1);
}

static void take_milter(const char *element, struct postfix_milter *m)
{
    if (*element != '{') {
        m->endpoint = mem_strdup(element);
        return;
    }
    char *inside = without_braces(element);
    const char *rest = inside;
    m->endpoint = postfix_text_next(&rest);
    if (m->endpoint == NULL)
        m->endpoint = mem_strdup("");
    for (char *w; (w = postfix_text_next(&rest)) != NULL; mem_free(&w)) {
        char *setting = *w == '{' ? without_braces(w) : mem_strdup(w);
        add_setting(&m->own, setting, strlen(setting));
        mem_free(&setting);
    }
    mem_free(&inside);
}

size_t postfix_text_milters(const char *value, struct postfix_milter **list_r)
{
    size_t n = 0;
    *list_r = NULL;
    for (char *w; n < POSTFIX_LIST_MAX && (w = postfix_text_next(&value)) != NULL; mem_free(&w)) {
        *list_r = mem_grow(*list_r, n + 1, sizeof **list_r);
        (*list_r)[n] = (struct postfix_milter){0};
        take_milter(w, &(*list_r)[n++]);
    }
    return n;
}

void postfix_milters_free(struct postfix_milter **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(&(*list)[i].endpoint);
        postfix_settings_free(&(*list)[i].own);
    }
    mem_free(list);
}

/* ---- addresses ---- */

/* One element, without "!": "[::1]/128" and "[::1]" are written without brackets elsewhere. */
static enum postfix_match match_one(const char *element, const struct netaddr *address)
{
    struct netaddr_list *blocks = NULL;
    size_t n = 0;
    char *plain = mem_strdup(element);
    for (const char *p = element; *p != '\0'; p++) {
        if (*p != '[' && *p != ']')
            plain[n++] = *p;
    }
    plain[n] = '\0';
    const char *block = strcasecmp(plain, "localhost") != 0 ? plain
                        : address->sa.ss_family == AF_INET6 ? "::1"
                                                            : "127.0.0.1";
    enum postfix_match m = POSTFIX_UNKNOWN;
    if (netaddr_list_parse(&block, 1, &blocks, NULL) == RESULT_OK)
        m = netaddr_list_has(blocks, address) ? POSTFIX_YES : POSTFIX_NO;
    netaddr_list_free(&blocks);
    mem_free(&plain);
    return m;
}

/* The first element that fits decides. */
enum postfix_match postfix_text_match(const char *list, const struct netaddr *address)
{
    enum postfix_match found = POSTFIX_NO;
    for (char *w; (w = postfix_text_next(&list)) != NULL; mem_free(&w)) {
        bool negated = *w == '!';
        enum postfix_match m = match_one(w + negated, address);
        if (m == POSTFIX_YES) {
            mem_free(&w);
            return negated ? POSTFIX_NO : POSTFIX_YES;
        }
        if (m == POSTFIX_UNKNOWN)
            found = m;
    }
    return found;
}

/* ---- restrictions ---- */

bool postfix_text_lets_all_in(const char *restrictions)
{
    static const char *const closing[] = {"reject", "reject_unauth_destination", "defer", "defer_unauth_destination",
                                          "defer_if_permit"};
    for (char *w; (w = postfix_text_next(&restrictions)) != NULL; mem_free(&w)) {
        bool open = strcasecmp(w, "permit") == 0, closes = false;
        for (size_t i = 0; i < sizeof closing / sizeof *closing; i++)
            closes = closes || strcasecmp(w, closing[i]) == 0;
        if (open || closes) {
            mem_free(&w);
            return open;
        }
    }
    return true;
}

/* ---- names of services ---- */

bool postfix_text_inet(const char *name, char host_r[POSTFIX_HOST_SIZE], uint16_t *port_r)
{
    const char *colon = strrchr(name, ':');
    const char *port = colon != NULL ? colon + 1 : name;
    size_t len = colon != NULL ? (size_t)(colon - name) : 0;
    const char *host = name;
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= POSTFIX_HOST_SIZE)
        return false;
    memcpy(host_r, host, len);
    host_r[len] = '\0';
    size_t digits = strspn(port, "0123456789");
    if (digits > 0 && digits <= 5 && port[digits] == '\0') {
        unsigned long n = strtoul(port, NULL, 10);
        *port_r = (uint16_t)n;
        return n > 0 && n <= UINT16_MAX;
    }
    const struct servent *s = getservbyname(port, "tcp");
    if (s == NULL)
        return false;
    *port_r = (uint16_t)((s->s_port & 0xff) << 8 | (s->s_port >> 8 & 0xff));
    return true;
}
