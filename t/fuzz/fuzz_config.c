/* Configuration files: any text is taken or refused with a place. */
#include "lib/config.h"
#include "lib/config_text.h"
#include "lib/log.h"
#include "t/fuzz/fuzz.h"

static void drop_line(enum log_level level, const char *text)
{
    (void)level, (void)text;
}

FUZZ(data, size)
{
    struct config *config = NULL;
    struct error err;
    unsigned line = 0;
    log_set_hook(drop_line);
    char *text = fuzz_text(data, size < 20000 ? size : 20000);
    struct buf clean = BUF_INIT(100000);
    if (config_text_prepare(text, &clean, &line, &err) != RESULT_OK)
        MUST(err.text[0] != '\0');
    buf_free(&clean);
    if (strstr(text, "include") == NULL) { /* it reads files */
        if (config_parse(text, "fuzz.conf", &config, &err) != RESULT_OK)
            MUST(config == NULL && strstr(err.text, "fuzz.conf") != NULL);
    }
    config_free(&config);
    mem_free(&text);
    return 0;
}
