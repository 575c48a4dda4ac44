/* Runs a fuzz target over files, without a fuzzer: every argument is a file of its corpus. Prints TAP. */
#include <dirent.h>

#include "lib/log.h"
#include "t/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static void drop_line(enum log_level level, const char *text)
{
    (void)level, (void)text;
}

static void run(const char *path)
{
    FILE *f = fopen(path, "rb");
    MUST(f != NULL);
    uint8_t *data = malloc(INPUT_MAX);
    MUST(data != NULL);
    size_t size = fread(data, 1, INPUT_MAX, f);
    fclose(f);
    uint8_t *exact = malloc(size > 0 ? size : 1); /* so that a read behind the end is seen */
    MUST(exact != NULL);
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    log_set_hook(drop_line);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    printf("ok 1 - %d inputs\n1..1\n", argc - 1);
    return argc > 1 ? 0 : 1;
}
