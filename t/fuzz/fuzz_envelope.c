/* ESMTP parameters, a line each; and whether what was taken can be written as commands again. */
#include "lib/envelope.h"
#include "lib/smtp_internal.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    struct envelope e;
    struct error err;
    char *text = fuzz_text(data, size);
    envelope_init(&e);
    e.sender = mem_strdup("alice@a.test");
    envelope_add_rcpt(&e, "bob@b.test", NULL, NULL);
    for (char *line = text; *line != '\0';) {
        char *next = fuzz_cut(line);
        bool known = false;
        envelope_mail_param(&e, line, &known, &err);
        envelope_rcpt_param(&e.rcpts[0], line, &known, &err);
        line = next;
    }
    MUST(e.rcpts[0].notify == NULL || envelope_notify_valid(e.rcpts[0].notify));
    MUST(e.rcpts[0].orcpt == NULL || envelope_orcpt_valid(e.rcpts[0].orcpt));
    smtp_envelope_check(&e, &err);
    envelope_free(&e);
    mem_free(&text);
    return 0;
}
