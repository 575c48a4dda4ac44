/*
 * The configuration: one table, one file.
 *
 * lib/config_table.c lists every parameter once: section, name, type, unit, range, default, help. From it
 * come the parser (libConfuse), `-t`, conf/pontoon.conf (`pontoon config --sample`) and the man page
 * (`pontoon config --mdoc`), so that they can't drift. Unknown names and bad values are errors with
 * file and line.
 *
 * A struct config is immutable once loaded: a reload makes another. Getters take "section.name"
 * ("hostname" for top-level ones) and panic on a name that the table doesn't have: a bug.
 * Strings and lists live as long as the config.
 */
#ifndef PONTOON_CONFIG_H
#define PONTOON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/clock.h"
#include "lib/result.h"

enum config_type {
    CONFIG_STRING,
    CONFIG_LIST,     /* of strings */
    CONFIG_BOOL,     /* yes, no */
    CONFIG_COUNT,    /* a whole number */
    CONFIG_SIZE,     /* bytes: 64K, 10M, 2G */
    CONFIG_TIME,     /* 500ms, 30s, 5m, 2h, 5d; kept in ms */
    CONFIG_CHOICE,   /* one of the words in `choices` */
    CONFIG_PATH,     /* an absolute path, or "" where that is the default */
    CONFIG_ENDPOINT, /* HOST:PORT, [V6]:PORT, inet:HOST:PORT, unix:/PATH, or "" where that is the default */
    CONFIG_ADDRESS,  /* a mail address in ASCII, or "" where that is the default */
    CONFIG_MODE,     /* octal file mode */
    CONFIG_PERCENT,  /* 0 to 100 with up to two decimals; kept in hundredths */
};

struct config_entry {
    const char *section; /* "" top level */
    const char *name;
    enum config_type type;
    const char *fallback; /* default as text; list members separated by ", " */
    int64_t min, max;     /* for COUNT, SIZE, TIME (in ms) */
    const char *choices;  /* for CHOICE: "a b c" */
    const char *example;  /* shown commented out in the sample when the default is empty; or NULL */
    const char *help;     /* plain sentences; wrapped for the sample, used as text in the man page */
};
extern const struct config_entry config_table[]; /* ends with name == NULL */
struct config_section {
    const char *name;
    const char *help;
    const char *title;   /* NULL; or an example of the name that each has: NAME "TITLE" { ... }, any number, in order */
    unsigned titles_max; /* how many */
};
extern const struct config_section config_sections[]; /* ends with name == NULL */

struct config;

/* RESULT_PERM with "FILE:LINE: what is wrong" (the first error; all are logged). */
enum result config_load(const char *path, struct config **config_r, struct error *err);
/* From text: for tests. `name` stands for the file name in errors. */
enum result config_parse(const char *text, const char *name, struct config **config_r, struct error *err);
void config_free(struct config **config);

const char *config_path(const struct config *c);                      /* the file it came from */
const char *const *config_files(const struct config *c, size_t *n_r); /* it, and those that it includes */
const char *config_string(const struct config *c, const char *key);   /* STRING, CHOICE, PATH, ENDPOINT; "" if unset */
const char *const *config_list(const struct config *c, const char *key, size_t *n_r);
bool config_bool(const struct config *c, const char *key);
int64_t config_number(const struct config *c, const char *key); /* COUNT, SIZE, MODE, PERCENT */
msec_t config_time(const struct config *c, const char *key);
/* Where the value was set, "FILE:LINE", or "default": for errors that later checks find. */
const char *config_where(const struct config *c, const char *key);

/*
 * Sections with titles, in the order of the file (included files come behind the file that names them). Each is a
 * struct config of its own for the getters above, with keys of that section only, and lives as long as `c`.
 */
size_t config_count(const struct config *c, const char *section);
const struct config *config_nth(const struct config *c, const char *section, size_t i);
const char *config_title(const struct config *nth);
const char *config_title_where(const struct config *nth); /* "FILE:LINE", of its first parameter or its end */

/* Whether `domain` (normalized) is in `domains`. */
bool config_is_our_domain(const struct config *c, const char *domain);
/* `hostname`, or the machine's name. */
const char *config_hostname(const struct config *c);

void config_print_sample(FILE *out);
void config_print_mdoc(FILE *out);

#endif
