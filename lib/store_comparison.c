/* What a shadow's comparison gave, in words: see store.h. */
#include <string.h>

#include "lib/mem.h"
#include "lib/store.h"

const char *store_comparison_what(const struct store_comparison *c)
{
    if (c->smtp == STORE_SMTP_NOT_SEEN)
        return "not seen by SMTP";
    return c->differences != NULL ? "differs by SMTP" : "the same by SMTP";
}

char *store_comparison_text(const struct store_comparison *c)
{
    if (c->smtp != STORE_SMTP_ARRIVED)
        return NULL;
    char *text = mem_printf("%+.3f s%s%s", (double)c->delta / 1000.0, c->differences ? "; " : "",
                            c->differences ? c->differences : "");
    for (char *p = strchr(text, '\n'); p != NULL; p = strchr(p, '\n'))
        *p = ';';
    return text;
}
