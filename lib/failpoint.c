/* Failpoints: see failpoint.h. */
#include "lib/failpoint.h"

#include <stdio.h>
#include <sysexits.h>

#ifndef FAILPOINTS

int failpoint_list(const char *program)
{
    fprintf(stderr, "%s: built without failpoints (./configure --enable-failpoints)\n", program);
    return EX_UNAVAILABLE;
}

#else

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/mem.h"

enum { M = 1, L = 2, S = 4, B = 8, W = 16, V = 32, DELAY_DEFAULT = 1000, DELAY_MAX = 3600 * 1000, COUNT_MAX = 1000000 };

static const struct {
    const char *name;
    int daemons;
    bool can_fail;
    const char *text;
} table[FAILPOINTS_COUNT] = {
#define ROW(name, daemons, error, text) {#name, daemons, error, text},
    FAILPOINT_TABLE(ROW)
#undef ROW
};

enum action { NOTHING, KILL, ERROR, DELAY };

static struct {
    enum action action;
    long at, delay;
    atomic_long passes;
} armed[FAILPOINTS_COUNT];

static int daemon_of(const char *program)
{
    static const struct {
        const char *program;
        int bits;
    } daemons[] = {{"pontoon-milter", M}, {"pontoon-lmtp", L}, {"pontoon-store", S | V}, {"pontoon-bridge", B | W}};
    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++) {
        if (strcmp(program, daemons[i].program) == 0)
            return daemons[i].bits;
    }
    return 0;
}

int failpoint_list(const char *program)
{
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        if (table[i].daemons & daemon_of(program))
            printf("%-22s %-16s %s\n", table[i].name, table[i].can_fail ? "kill,error,delay" : "kill,delay",
                   table[i].text);
    }
    return EX_OK;
}

/* ---- passing ---- */

static void wait_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

bool failpoint_pass(enum failpoint p)
{
    if (armed[p].action == NOTHING)
        return false;
    long pass = atomic_fetch_add(&armed[p].passes, 1) + 1;
    if (pass < armed[p].at || (pass > armed[p].at && armed[p].action != DELAY))
        return false;
    log_warning("failpoint %s: %s", table[p].name,
                armed[p].action == KILL ? "kill" : (armed[p].action == ERROR ? "error" : "delay"));
    if (armed[p].action == KILL)
        kill(getpid(), SIGKILL);
    if (armed[p].action == DELAY)
        wait_ms(armed[p].delay);
    errno = EIO;
    return armed[p].action == ERROR;
}

void failpoint_become_witness(void)
{
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        if (!(table[i].daemons & (W | V)))
            armed[i].action = NOTHING;
    }
}

/* ---- arming ---- */

static int find(const char *name, size_t len)
{
    for (int i = 0; i < FAILPOINTS_COUNT; i++) {
        if (strlen(table[i].name) == len && strncmp(table[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

/* A number of 1 to max that ends the text. */
static bool parse_number(const char *text, long max, long *n_r)
{
    char *end;
    errno = 0;
    *n_r = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *n_r >= 1 && *n_r <= max;
}

static enum result arm_action(int i, const char *action, struct error *err)
{
    armed[i].delay = DELAY_DEFAULT;
    if (strcmp(action, "kill") == 0) {
        armed[i].action = KILL;
    } else if (strcmp(action, "error") == 0) {
        if (!table[i].can_fail)
            return error_set(err, RESULT_PERM, "PONTOON_FAIL: %s: this step can't fail by itself: kill or delay",
                             table[i].name);
        armed[i].action = ERROR;
    } else if (strcmp(action, "delay") == 0 ||
               (strncmp(action, "delay:", 6) == 0 && parse_number(action + 6, DELAY_MAX, &armed[i].delay))) {
        armed[i].action = DELAY;
    } else {
        return error_set(err, RESULT_PERM, "PONTOON_FAIL: %s: no action \"%s\": kill, error, delay or delay:MS",
                         table[i].name, action);
    }
    return RESULT_OK;
}

/* NAME[@COUNT]:ACTION; cut into its parts. */
static enum result arm_one(const char *program, char *text, struct error *err)
{
    char *colon = strchr(text, ':');
    if (colon == NULL)
        return error_set(err, RESULT_PERM, "PONTOON_FAIL: \"%s\" is not NAME[@COUNT]:ACTION", text);
    *colon = '\0';
    char *at = strchr(text, '@');
    int i = find(text, at != NULL ? (size_t)(at - text) : strlen(text));
    if (i < 0 || !(table[i].daemons & daemon_of(program)))
        return error_set(err, RESULT_PERM, "PONTOON_FAIL: no failpoint \"%s\" in %s: see %s --failpoints", text,
                         program, program);
    armed[i].at = 1;
    if (at != NULL && !parse_number(at + 1, COUNT_MAX, &armed[i].at))
        return error_set(err, RESULT_PERM, "PONTOON_FAIL: %s: \"%s\" is no count", table[i].name, at + 1);
    return arm_action(i, colon + 1, err);
}

enum result failpoint_arm(const char *program, struct error *err)
{
    const char *list = getenv("PONTOON_FAIL");
    if (list == NULL)
        return RESULT_OK;
    char *copy = mem_strdup(list), *rest = copy, *item;
    enum result r = RESULT_OK;
    while (r == RESULT_OK && (item = strsep(&rest, ",")) != NULL)
        r = item[0] != '\0' ? arm_one(program, item, err) : RESULT_OK;
    mem_free(&copy);
    return r;
}

#endif
