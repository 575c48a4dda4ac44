/* The configuration: see config.h. Grammar by libConfuse; types, ranges and places of errors are ours. */
#include "lib/config.h"

#include <confuse.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/address.h"
#include "lib/buf.h"
#include "lib/config_private.h"
#include "lib/config_text.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { FILE_SIZE_MAX = 4 << 20, FILES_MAX = 100, TITLE_MAX = 64 };

/*
 * One load. libConfuse gives its callbacks no argument (and its lexer is a global), so there is one at a time. Included
 * files are read after the file that names them: parameters may be set only once, so the order doesn't matter.
 */
struct load {
    struct config *config;
    char *files[FILES_MAX];
    size_t nfiles;
    struct config *titled; /* the section being read, if it is one with a title */
    struct error first;
    unsigned errors;
};

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static struct load *loading;

/* ---- errors ---- */

static void load_error(const char *file, unsigned line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void load_error(const char *file, unsigned line, const char *fmt, ...)
{
    char text[ERROR_TEXT_MAX];
    struct error err;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (line > 0)
        error_set(&err, RESULT_PERM, "%s:%u: %s", file, line, text);
    else
        error_set(&err, RESULT_PERM, "%s: %s", file, text);
    log_error("%s", err.text);
    if (loading->errors++ == 0)
        loading->first = err;
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    char text[ERROR_TEXT_MAX];
    vsnprintf(text, sizeof text, fmt, ap);
    if (strcmp(cfg->name, "root") == 0)
        load_error(cfg->filename, (unsigned)cfg->line, "%s", text);
    else
        load_error(cfg->filename, (unsigned)cfg->line, "section %s: %s", cfg->name, text);
}

/* ---- what libConfuse finds ---- */

static size_t table_size(void)
{
    size_t n = 0;
    while (config_table[n].name != NULL)
        n++;
    return n;
}

static const char *section_of(const cfg_t *cfg)
{
    return strcmp(cfg->name, "root") == 0 ? "" : cfg->name;
}

/* ---- sections with titles ---- */

static const struct config_section *find_titled(const char *name)
{
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        if (s->title != NULL && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

static bool title_valid(const char *title)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(title);
    return len > 0 && len <= TITLE_MAX && strspn(title, allowed) == len;
}

/* Whether there may be one more. */
static bool check_title(const cfg_t *cfg, const struct config_section *section, const char *title)
{
    const struct config *whole = loading->config;
    size_t same = 0;
    if (!title_valid(title))
        load_error(cfg->filename, (unsigned)cfg->line,
                   "%s \"%s\": a name is 1 to %d letters, digits, dots, hyphens and underscores", section->name, title,
                   (int)TITLE_MAX);
    for (size_t i = 0; i < whole->ntitled; i++) {
        const struct config *other = whole->titled[i];
        same += other->section == section;
        if (other->section == section && strcmp(other->title, title) == 0)
            load_error(cfg->filename, (unsigned)cfg->line, "%s \"%s\" is there twice (first at %s)", section->name,
                       title, other->where);
    }
    if (same == section->titles_max)
        load_error(cfg->filename, (unsigned)cfg->line, "more than %u sections %s", section->titles_max, section->name);
    return same < section->titles_max;
}

static struct config *config_new(const char *section)
{
    struct config *c = mem_zero(1, sizeof *c);
    for (size_t i = 0; config_table[i].name != NULL; i++) {
        if (section != NULL && strcmp(config_table[i].section, section) != 0)
            continue;
        if (c->n++ == 0)
            c->first = i; /* a section's entries stand together */
    }
    c->values = mem_zero(c->n, sizeof *c->values);
    return c;
}

/* The section that `cfg` is, begun when it is first seen. */
static struct config *titled_of(const cfg_t *cfg, const struct config_section *section)
{
    struct config *whole = loading->config;
    if (loading->titled != NULL)
        return loading->titled;
    const char *title = cfg_title((cfg_t *)(uintptr_t)cfg);
    if (!check_title(cfg, section, title)) /* an error: it is read for further ones only */
        return loading->titled = whole->titled[whole->ntitled - 1];
    struct config *c = config_new(section->name);
    c->section = section;
    c->title = mem_strdup(title);
    c->where = mem_printf("%s:%d", cfg->filename, cfg->line);
    whole->titled = mem_grow(whole->titled, whole->ntitled + 1, sizeof(struct config *));
    whole->titled[whole->ntitled++] = c;
    loading->titled = c;
    return c;
}

static struct config *find_title(const char *section, const char *title)
{
    for (size_t i = loading->config->ntitled; i-- > 0;) {
        struct config *c = loading->config->titled[i];
        if (strcmp(c->section->name, section) == 0 && strcmp(c->title, title) == 0)
            return c;
    }
    return loading->config;
}

/* libConfuse has come to the end of the newest section of `opt`. */
static int on_section_end(cfg_t *cfg, cfg_opt_t *opt)
{
    (void)cfg;
    const cfg_t *section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    titled_of(section, find_titled(section->name));
    loading->titled = NULL;
    return 0;
}

/* ---- values ---- */

/* Where entry `i`, set in `cfg`, belongs. */
static struct entry_value *value_of(const cfg_t *cfg, size_t i)
{
    const struct config_section *section = find_titled(section_of(cfg));
    struct config *c = section != NULL ? titled_of(cfg, section) : loading->config;
    return &c->values[i - c->first];
}

/* Whether it may be set here: once, though a list comes member by member. */
static bool begin_value(const cfg_t *cfg, const cfg_opt_t *opt, struct entry_value *v)
{
    if ((opt->flags & CFGF_LIST) && opt->nvalues > 1)
        return true;
    if (v->where != NULL) {
        load_error(cfg->filename, (unsigned)cfg->line, "%s is set twice (first at %s)", opt->name, v->where);
        return false;
    }
    v->where = mem_printf("%s:%d", cfg->filename, cfg->line);
    return true;
}

/* libConfuse calls it for every value; all errors are collected, so it only ever succeeds. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    size_t i;
    struct error err;
    *(const char **)result = text;
    if (!config_find_entry(section_of(cfg), opt->name, &i)) {
        load_error(cfg->filename, (unsigned)cfg->line, "unknown parameter \"%s\"", opt->name);
        return 0;
    }
    struct entry_value *v = value_of(cfg, i);
    if (!begin_value(cfg, opt, v))
        return 0;
    const struct config_entry *e = &config_table[i];
    enum result r =
        e->type == CONFIG_LIST ? config_value_add(&v->v, e, text, &err) : config_value_set(&v->v, e, text, &err);
    if (r != RESULT_OK)
        load_error(cfg->filename, (unsigned)cfg->line, "%s: %s", opt->name, err.text);
    return 0;
}

/* "name = {}" calls nobody: the list is set, and empty.
   NOLINTNEXTLINE(misc-no-recursion): as deep as our own table of sections. */
static void find_empty_lists(const cfg_t *cfg)
{
    for (cfg_opt_t *o = cfg->opts; o->name != NULL; o++) {
        size_t i;
        if (o->type == CFGT_SEC) {
            for (unsigned n = 0; n < cfg_opt_size(o); n++)
                find_empty_lists(cfg_opt_getnsec(o, n));
        } else if ((o->flags & CFGF_LIST) && (o->flags & CFGF_MODIFIED) && cfg_opt_size(o) == 0 &&
                   config_find_entry(section_of(cfg), o->name, &i)) {
            const char *title = cfg_title((cfg_t *)(uintptr_t)cfg);
            struct config *c = title != NULL ? find_title(cfg->name, title) : loading->config;
            struct entry_value *v = &c->values[i - c->first];
            if (v->where != NULL)
                load_error(cfg->filename, 0, "%s is set twice (first at %s)", o->name, v->where);
            else
                v->where = mem_strdup(cfg->filename);
        }
    }
}

/* include("FILE"), relative to the folder of the including file. */
static int on_include(cfg_t *cfg, cfg_opt_t *opt, int argc, const char **argv)
{
    (void)opt;
    if (argc != 1 || argv[0][0] == '\0') {
        load_error(cfg->filename, (unsigned)cfg->line, "include takes one file name: include(\"FILE\")");
        return 0;
    }
    const char *slash = strrchr(cfg->filename, '/');
    int folder = argv[0][0] == '/' || slash == NULL ? 0 : (int)(slash - cfg->filename) + 1;
    char *file = mem_printf("%.*s%s", folder, cfg->filename, argv[0]);
    for (size_t i = 0; i < loading->nfiles; i++) {
        if (strcmp(loading->files[i], file) == 0) {
            load_error(cfg->filename, (unsigned)cfg->line, "%s is included twice", file);
            mem_free(&file);
            return 0;
        }
    }
    if (loading->nfiles == FILES_MAX) {
        load_error(cfg->filename, (unsigned)cfg->line, "more than %d files", (int)FILES_MAX);
        mem_free(&file);
        return 0;
    }
    loading->files[loading->nfiles++] = file;
    return 0;
}

/* ---- the grammar: options and sections made from the table ---- */

static cfg_opt_t *make_options(const char *section, cfg_opt_t *o)
{
    for (const struct config_entry *e = config_table; e->name != NULL; e++) {
        if (strcmp(e->section, section) != 0)
            continue;
        if (e->type == CONFIG_LIST)
            *o = (cfg_opt_t)CFG_STR_LIST(e->name, NULL, CFGF_NODEFAULT);
        else
            *o = (cfg_opt_t)CFG_STR(e->name, NULL, CFGF_NODEFAULT);
        o->parsecb = on_value;
        o++;
    }
    return o;
}

/* One allocation holds the sections' options behind the top level's, each group ended by CFG_END(). */
static cfg_t *make_parser(const char *file)
{
    size_t nsections = 0;
    while (config_sections[nsections].name != NULL)
        nsections++;
    cfg_opt_t *all = mem_zero(table_size() + 2 * nsections + 2, sizeof *all);
    cfg_opt_t *top = make_options("", all);
    cfg_opt_t *sub = top + nsections + 1; /* a section each but for the top level, include, end */
    *top++ = (cfg_opt_t)CFG_FUNC("include", on_include);
    for (size_t i = 1; i < nsections; i++) {
        cfg_opt_t *first = sub;
        sub = make_options(config_sections[i].name, sub);
        *sub++ = (cfg_opt_t)CFG_END();
        /* MULTI: each opening is its own, so that libConfuse knows its file and line. */
        bool titled = config_sections[i].title != NULL;
        *top++ = (cfg_opt_t)CFG_SEC(config_sections[i].name, first,
                                    CFGF_MULTI | (titled ? CFGF_TITLE | CFGF_NO_TITLE_DUPES : 0));
    }
    *top = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(all, CFGF_NONE); /* copies the options */
    mem_free(&all);
    if (cfg == NULL)
        log_fatal("out of memory (configuration parser)");
    cfg->filename = strdup(file); /* freed by libConfuse */
    cfg_set_error_function(cfg, on_error);
    for (size_t i = 1; i < nsections; i++) {
        if (config_sections[i].title != NULL)
            cfg_set_validate_func(cfg, config_sections[i].name, on_section_end);
    }
    return cfg;
}

static void parse_text(const char *text, const char *name)
{
    struct buf clean = BUF_INIT(3 * (size_t)FILE_SIZE_MAX);
    struct error err;
    unsigned line;
    if (config_text_prepare(text, &clean, &line, &err) != RESULT_OK) {
        load_error(name, line, "%s", err.text);
        buf_free(&clean);
        return;
    }
    if (clean.len > 0) {
        cfg_t *cfg = make_parser(name);
        unsigned errors = loading->errors;
        loading->titled = NULL;
        FILE *f = fmemopen(clean.data, clean.len, "r");
        if (f == NULL)
            log_fatal("out of memory (reading %s)", name);
        if (cfg_parse_fp(cfg, f) != CFG_SUCCESS && loading->errors == errors)
            load_error(name, (unsigned)cfg->line, "syntax error");
        fclose(f);
        find_empty_lists(cfg);
        cfg_free(cfg);
    }
    buf_free(&clean);
}

static void parse_file(const char *path)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        load_error(path, 0, "%s", strerror(errno));
        return;
    }
    struct buf text = BUF_INIT(FILE_SIZE_MAX);
    char piece[8192];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0 && buf_add(&text, piece, n))
        ;
    if (ferror(f))
        load_error(path, 0, "%s", strerror(errno));
    else if (text.overflow)
        load_error(path, 0, "larger than %d bytes", (int)FILE_SIZE_MAX);
    else if (strlen(buf_str(&text)) != text.len)
        load_error(path, 0, "a NUL byte in the file");
    else
        parse_text(buf_str(&text), path);
    fclose(f);
    buf_free(&text);
}

/* ---- loading ---- */

/* NOLINTNEXTLINE(misc-no-recursion): titled sections have none of their own. */
void config_free(struct config **config)
{
    struct config *c = *config;
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->ntitled; i++)
        config_free(&c->titled[i]);
    mem_free(&c->titled);
    for (size_t i = 0; i < c->n; i++) {
        config_value_free(&c->values[i].v);
        mem_free(&c->values[i].where);
    }
    mem_free(&c->values);
    for (size_t i = 0; i < c->nfiles; i++)
        mem_free(&c->files[i]);
    mem_free(&c->files);
    mem_free(&c->hostname);
    mem_free(&c->path);
    mem_free(&c->title);
    mem_free(&c->where);
    mem_free(config);
}

/* NOLINTNEXTLINE(misc-no-recursion): titled sections have none of their own. */
static void fill_defaults(struct config *c)
{
    struct error err;
    for (size_t i = 0; i < c->n; i++) {
        const struct config_entry *e = &config_table[c->first + i];
        if (c->values[i].where == NULL && config_value_default(&c->values[i].v, e, &err) != RESULT_OK)
            log_panic("config_table: default of %s.%s: %s", e->section, e->name, err.text);
    }
    for (size_t i = 0; i < c->ntitled; i++)
        fill_defaults(c->titled[i]);
}

/* The machine's name; with its domain, if the resolver's files or DNS know it. */
static char *machine_name(void)
{
    char name[256];
    if (gethostname(name, sizeof name) != 0)
        return mem_strdup("localhost");
    name[sizeof name - 1] = '\0';
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    struct addrinfo *ai = NULL;
    if (strchr(name, '.') == NULL && getaddrinfo(name, NULL, &hints, &ai) == 0) {
        if (ai->ai_canonname != NULL && strchr(ai->ai_canonname, '.') != NULL)
            snprintf(name, sizeof name, "%s", ai->ai_canonname);
        freeaddrinfo(ai);
    }
    return mem_strdup(name);
}

static void set_hostname(struct config *c)
{
    char normal[DOMAIN_MAX + 1];
    const char *set = config_string(c, "hostname");
    if (set[0] == '\0') {
        c->hostname = machine_name();
        return;
    }
    if (domain_normalize(set, normal))
        c->hostname = mem_strdup(normal);
    else
        load_error(config_where(c, "hostname"), 0, "hostname: \"%s\" is no fully qualified host name", set);
}

static enum result finish_load(struct load *l, struct config **config_r, struct error *err)
{
    if (l->errors == 0) {
        fill_defaults(l->config);
        set_hostname(l->config);
    }
    l->config->files = mem_grow(NULL, l->nfiles, sizeof *l->config->files);
    l->config->nfiles = l->nfiles;
    memcpy(l->config->files, l->files, l->nfiles * sizeof *l->files); /* its owner now */
    if (l->errors > 0) {
        config_free(&l->config);
        return error_set(err, RESULT_PERM, "%s", l->first.text);
    }
    *config_r = l->config;
    return RESULT_OK;
}

/* `text`: the first file's, or NULL to read it. */
static enum result load(const char *name, const char *text, struct config **config_r, struct error *err)
{
    struct load l = {.config = config_new(NULL)};
    l.config->path = mem_strdup(name);
    l.files[l.nfiles++] = mem_strdup(name);
    *config_r = NULL;
    pthread_mutex_lock(&load_lock);
    loading = &l;
    if (text != NULL)
        parse_text(text, name);
    for (size_t i = text != NULL ? 1 : 0; i < l.nfiles; i++) /* grows by includes */
        parse_file(l.files[i]);
    enum result r = finish_load(&l, config_r, err);
    loading = NULL;
    pthread_mutex_unlock(&load_lock);
    return r;
}

enum result config_load(const char *path, struct config **config_r, struct error *err)
{
    return load(path, NULL, config_r, err);
}

enum result config_parse(const char *text, const char *name, struct config **config_r, struct error *err)
{
    return load(name, text, config_r, err);
}
