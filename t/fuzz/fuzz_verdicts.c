/* Verdicts and receipts (as the first byte says): what was read is written, and read again, as the same. */
#include "lib/notification.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    struct verdicts *v = NULL, *again = NULL;
    struct error err;
    if (size == 0)
        return 0;
    bool receipt = data[0] == 'r';
    enum result (*parse)(const char *, size_t, struct verdicts **, struct error *) =
        receipt ? receipt_parse : verdicts_parse;
    if (parse((const char *)data + 1, size - 1, &v, &err) != RESULT_OK) {
        MUST(v == NULL && err.text[0] != '\0');
        return 0;
    }
    char *text = receipt ? receipt_write(&v->messages[0]) : verdicts_write(v);
    MUST(parse(text, strlen(text), &again, &err) == RESULT_OK);
    char *same = receipt ? receipt_write(&again->messages[0]) : verdicts_write(again);
    MUST(strcmp(text, same) == 0);
    mem_free(&same);
    mem_free(&text);
    verdicts_free(&again);
    verdicts_free(&v);
    return 0;
}
