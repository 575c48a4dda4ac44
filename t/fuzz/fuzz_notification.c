/* A notification's payload: what was read is written, and read again, as the same. */
#include "lib/notification.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    struct notification *n = NULL, *again = NULL;
    struct error err;
    if (notification_parse((const char *)data, size, &n, &err) != RESULT_OK) {
        MUST(n == NULL && err.text[0] != '\0');
        return 0;
    }
    MUST(n->nmessages >= 1 && n->nmessages <= NOTIFICATION_MESSAGES_MAX);
    for (size_t i = 0; i < n->nmessages; i++) {
        MUST(n->messages[i].envelope.nrcpts >= 1 && n->messages[i].envelope.nrcpts <= NOTIFICATION_RCPTS_MAX);
        MUST(message_id_valid(n->messages[i].id) && notification_token_valid(n->messages[i].token));
    }
    char *text = notification_write(n);
    if (strlen(text) <= NOTIFICATION_SIZE_MAX) {
        MUST(notification_parse(text, strlen(text), &again, &err) == RESULT_OK);
        char *same = notification_write(again);
        MUST(strcmp(text, same) == 0);
        mem_free(&same);
        notification_free(&again);
    }
    mem_free(&text);
    notification_free(&n);
    return 0;
}
