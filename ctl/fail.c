/* How subcommands fail: see ctl.h. */
#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>

int ctl_error(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("pontoon: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

int ctl_result_error(const struct error *err)
{
    static const int codes[] = {
        [RESULT_OK] = EX_OK, [RESULT_TEMP] = EX_TEMPFAIL, [RESULT_PERM] = EX_UNAVAILABLE, [RESULT_BUG] = EX_SOFTWARE};
    return ctl_error(codes[err->result], "%s", err->text);
}
