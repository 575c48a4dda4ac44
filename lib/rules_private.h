/* What struct rules is; for rules*.c, which make it and ask it. */
#ifndef PONTOON_RULES_PRIVATE_H
#define PONTOON_RULES_PRIVATE_H

#include "lib/patterns.h"
#include "lib/rules.h"
#include "lib/rules_hours.h"

struct header_condition {
    char *name;
    char *value; /* in lower case, perhaps with *; NULL: any */
};

struct rule {
    char *name;
    struct patterns *recipients, *senders, *users, *clients; /* NULL: not given */
    uint64_t min_size, max_size;                             /* UINT64_MAX: any */
    bool by_header;
    size_t first_header, nheaders; /* of all that the rules have */
    struct rules_hours *hours;     /* NULL: not given */
    unsigned percent;              /* in hundredths */
    char *seed;
    enum rules_action action;
};

struct rules {
    struct rule *list;
    size_t n;
    struct header_condition *headers; /* of all rules, in their order */
    size_t nheaders;
    enum rules_action fallback;
};

/* Whether one of the rule's headers was seen. */
bool rules_headers_have(const struct rule *rule, const struct rules_headers *h);

#endif
