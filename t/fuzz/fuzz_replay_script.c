/* The script of a session at a milter: what is taken is within its bounds, what isn't is said with its line. */
#include "ctl/replay/milter_script.h"
#include "t/fuzz/fuzz.h"

FUZZ(data, size)
{
    struct milter_script *s = NULL;
    struct error err;
    char *text = fuzz_text(data, size);
    if (milter_script_parse("fuzz", text, &s, &err) == RESULT_OK) {
        MUST(s->n <= MILTER_STEPS_MAX);
        for (size_t i = 0; i < s->n; i++)
            MUST(s->steps[i].verb < MILTER_VERBS && s->steps[i].n <= MILTER_ARGUMENTS_MAX &&
                 s->steps[i].arguments[s->steps[i].n] == NULL);
        milter_script_free(&s);
    } else {
        MUST(strncmp(err.text, "fuzz", 4) == 0);
    }
    mem_free(&text);
    return 0;
}
