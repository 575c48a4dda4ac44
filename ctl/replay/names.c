/* What a file is, by its path: see names.h. */
#include "ctl/replay/names.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);
    return n > m && strcasecmp(name + n - m, end) == 0;
}

/* The name of the folder that `base`, a part of `path`, is in. */
static bool is_in(const char *path, const char *base, const char *folder)
{
    size_t n = strlen(folder);
    if (base == path || (size_t)(base - 1 - path) < n)
        return false;
    const char *begin = base - 1 - n;
    return strncmp(begin, folder, n) == 0 && (begin == path || begin[-1] == '/');
}

enum name_kind name_kind_of(const char *path)
{
    static const char *const others[] = {".lock", ".index", ".cache",  ".log",  ".idx",  ".dat",
                                         ".db",   ".msf",   ".sqlite", ".json", ".html", ".htm",
                                         ".pdf",  ".css",   ".jpeg",   ".jpg",  ".png",  ".gif"};
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    if (is_in(path, base, "cur") || is_in(path, base, "new"))
        return base[0] == '.' ? NAME_NO_MAIL : NAME_MESSAGE;
    if (is_in(path, base, "tmp") && strchr(base, '.') != NULL && isdigit((unsigned char)base[0]))
        return NAME_NO_MAIL; /* a Maildir's delivery that was not finished */
    if (base[0] == '\0' || base[0] == '.' || base[0] == ',' || strncmp(base, "dovecot", 7) == 0 ||
        strcmp(base, "maildirsize") == 0 || strcmp(base, "maildirfolder") == 0 || strcmp(base, "subscriptions") == 0)
        return NAME_NO_MAIL;
    if (ends_with(base, ".eml") || base[strspn(base, "0123456789")] == '\0')
        return NAME_MESSAGE;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (ends_with(base, others[i]))
            return NAME_NO_MAIL;
    }
    return NAME_MAIL;
}
