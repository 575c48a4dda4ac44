/*
 * What every unit test includes: cmocka with the headers it wants before it, TAP output, and a way to
 * catch log lines. Use: int main(void) { return test_run("module", tests); }
 */
#ifndef PONTOON_TEST_H
#define PONTOON_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/log.h"

static inline void test_drop_line(enum log_level level, const char *text)
{
    if (getenv("TEST_LOG") != NULL)
        fprintf(stderr, "# log %d: %s\n", (int)level, text);
}

/* Log lines of the code under test are not shown unless TEST_LOG is set. */
#define test_run(name, tests)                                                \
    (cmocka_set_message_output(CM_OUTPUT_TAP), log_set_hook(test_drop_line), \
     _cmocka_run_group_tests((name), (tests), sizeof(tests) / sizeof((tests)[0]), NULL, NULL))

#endif
