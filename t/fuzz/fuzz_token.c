/* Fetch tokens: nothing but our own opens anything. */
#include "lib/notification.h"
#include "lib/token.h"
#include "t/fuzz/fuzz.h"

static const char secret[] = "a secret for fuzzing, of enough characters\n";

FUZZ(data, size)
{
    static struct token_secret *known;
    struct token_secret *other = NULL;
    struct error err;
    char aud[DOMAIN_MAX + 1], ours[TOKEN_MAX + 1];
    if (known == NULL)
        MUST(token_secret_parse(secret, strlen(secret), "fuzz", &known, &err) == RESULT_OK);
    char *text = fuzz_text(data, size);
    token_make(known, "01ID", "b.test", ours);
    MUST(token_check(known, "01ID", ours, aud) && strcmp(aud, "b.test") == 0);
    if (strcmp(text, ours) != 0)
        MUST(!token_check(known, "01ID", text, aud));
    notification_token_valid(text);
    if (token_secret_parse((const char *)data, size, "fuzz", &other, &err) == RESULT_OK)
        token_secret_free(&other);
    mem_free(&text);
    return 0;
}
