/* Problem documents in words: see problem.h. */
#include "lib/problem.h"

#include <jansson.h>
#include <stdio.h>

void problem_text(const struct http_response *res, char *out, size_t size)
{
    struct error err;
    json_t *j = res->len ? json_loadb(res->body, res->len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *detail = json_string_value(json_object_get(j, "detail"));
    error_set(&err, RESULT_TEMP, "HTTP %d%s%.200s", res->status, detail ? ": " : "", detail ? detail : "");
    snprintf(out, size, "%s", err.text);
    json_decref(j);
}
