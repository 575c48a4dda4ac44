/* Policy documents: what was read stays within the bounds that others rely on. */
#include "lib/policy.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    struct policy *p = NULL;
    struct error err;
    if (policy_parse((const char *)data, size, &p, &err) != RESULT_OK) {
        MUST(p == NULL && err.text[0] != '\0');
        return 0;
    }
    MUST(size <= POLICY_SIZE_MAX && p->max_age >= 60 && p->max_age <= 31557600);
    MUST(p->ninbound <= POLICY_URLS_MAX && p->noutbound <= POLICY_URLS_MAX);
    for (size_t i = 0; i < p->ninbound; i++)
        MUST(strncmp(p->inbound[i], "https://", 8) == 0 && strlen(p->inbound[i]) <= POLICY_URL_MAX);
    MUST(p->mode == POLICY_NONE || p->ninbound + p->noutbound > 0);
    policy_free(&p);
    return 0;
}
