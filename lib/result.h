/*
 * The one result type.
 *
 * Every function that can fail for a reason outside the program returns an
 * enum result and takes a struct error, which says what went wrong in words
 * that an admin can act on. Bugs of our own are assertions, not results.
 *
 * The caller owns the struct error; it holds no allocated memory. Passing
 * NULL for it is allowed: the text is then lost, the result is not.
 */
#ifndef PONTOON_RESULT_H
#define PONTOON_RESULT_H

#include <stddef.h>

enum result {
    RESULT_OK = 0,
    RESULT_TEMP, /* may work later: disk full, peer down, lock held */
    RESULT_PERM, /* will not work unless somebody changes something */
    RESULT_BUG,  /* should not happen: a broken promise inside pontoon */
};

enum { ERROR_TEXT_MAX = 480, ERROR_DSN_MAX = 12 };

struct error {
    enum result result;
    char dsn[ERROR_DSN_MAX]; /* RFC 3463 status such as "4.4.1", or "" */
    char text[ERROR_TEXT_MAX];
};

/* Sets result and text (cut to fit, control characters made '?'), clears dsn. Returns `result`. */
enum result error_set(struct error *err, enum result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As error_set(), with an enhanced status code. */
enum result error_set_dsn(struct error *err, enum result result, const char *dsn, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "PREFIX: " before the text of an error that is already set. Returns err->result. */
enum result error_prefix(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "ok", "temporary failure", "permanent failure", "internal error". */
const char *result_name(enum result result);

#endif
