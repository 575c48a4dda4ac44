/* The one result type: see result.h. */
#include "lib/result.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Peers' words end up in error texts and from there in logs: no control character gets through. */
static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

static void vset(struct error *err, enum result result, const char *dsn, const char *fmt, va_list ap)
{
    if (err == NULL)
        return;
    err->result = result;
    snprintf(err->dsn, sizeof err->dsn, "%s", dsn);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    clean(err->text);
}

enum result error_set(struct error *err, enum result result, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vset(err, result, "", fmt, ap);
    va_end(ap);
    return result;
}

enum result error_set_dsn(struct error *err, enum result result, const char *dsn, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vset(err, result, dsn, fmt, ap);
    va_end(ap);
    return result;
}

enum result error_prefix(struct error *err, const char *fmt, ...)
{
    if (err == NULL)
        return RESULT_BUG;
    char prefix[ERROR_TEXT_MAX];
    char old[ERROR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    memcpy(old, err->text, sizeof old);
    size_t n = strlen(prefix);
    if (n > sizeof err->text - 3)
        n = sizeof err->text - 3;
    memcpy(err->text, prefix, n);
    snprintf(err->text + n, sizeof err->text - n, ": %s", old);
    clean(err->text);
    return err->result;
}

const char *result_name(enum result result)
{
    switch (result) {
    case RESULT_OK: return "ok";
    case RESULT_TEMP: return "temporary failure";
    case RESULT_PERM: return "permanent failure";
    case RESULT_BUG: break;
    }
    return "internal error";
}
