/* The TXT record. */
#include "lib/policy.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    char id[POLICY_TXT_ID_MAX + 1];
    struct error err;
    if (policy_txt_parse((const char *)data, size, id, &err) == RESULT_OK)
        MUST(id[0] != '\0' && strlen(id) <= POLICY_TXT_ID_MAX);
    return 0;
}
