/* The command line of pontoon-replay, read and checked: one struct, filled by options_read() and owned by main. */
#ifndef PONTOON_REPLAY_OPTIONS_H
#define PONTOON_REPLAY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/replay/input.h"
#include "ctl/replay/mapping.h"
#include "ctl/replay/pace.h"
#include "ctl/replay/sender.h"
#include "ctl/replay/sink.h"

enum { OPTIONS_SINKS_MAX = 8, OPTIONS_LIST_MAX = 64 };

struct options {
    const char **sources;
    size_t nsources;
    struct input_options input;
    struct mapping *mapping;
    struct sender_way ways[SENDER_WAYS_MAX];
    size_t nways; /* two: --compare */
    struct pace_options pace;
    unsigned concurrency, retries;
    msec_t timeout;
    uint64_t repeat, limit; /* rounds; messages in all, 0: no limit */
    msec_t duration;        /* no message is begun after this; 0: no bound */
    bool seeded;
    uint64_t seed;
    unsigned sample;     /* percent of the messages, chosen by the seed */
    const char *journal; /* a folder, or NULL */
    bool resume;
    struct sink_options sinks[OPTIONS_SINKS_MAX];
    size_t nsinks;
    const char *maildirs[OPTIONS_LIST_MAX];
    size_t nmaildirs;
    const char *watch[OPTIONS_LIST_MAX];
    size_t nwatch;
    msec_t wait, linger;
    const char *json, *html; /* files for the report; "-": standard output */
    bool quiet;
    const char *milter; /* a filter's socket, instead of a server */
    const char *milter_scripts[OPTIONS_LIST_MAX];
    size_t nmilter_scripts;
    const char *client; /* whose mail the milter is told it is */
    const char *helo;
    char *text; /* what a resumed run must have in common with the first; to mem_free() */
};

/* False: it was said on standard error what is wrong, or help was asked for; *code_r is for exit(). */
bool options_read(int argc, char **argv, struct options *o_r, int *code_r);
void options_free(struct options *o);

#endif
