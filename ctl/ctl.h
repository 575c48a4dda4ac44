/*
 * What the subcommands of `pontoon` share: the parsed command line, how they fail, and their entry points. One file a
 * subcommand; main.c has the table. Exit codes are those of sysexits.h.
 */
#ifndef PONTOON_CTL_CTL_H
#define PONTOON_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <sysexits.h>

#include "lib/result.h"

enum { CTL_CONFIGS_MAX = 8, CTL_HEADERS_MAX = 100 };

enum ctl_option {
    CTL_JSON = 1,
    CTL_TEST = 2,
    CTL_SAMPLE = 4,
    CTL_MDOC = 8,
    CTL_DOMAIN = 16,
    CTL_WAIT = 32,
    CTL_CANCEL = 64,
    CTL_SINCE = 256,
    CTL_MTA = 512,    /* --postfix-config or --sendmail-cf */
    CTL_MESSAGE = 128 /* any of --size, --header, --user, --client, --time */
};

struct ctl {
    const char *config_files[CTL_CONFIGS_MAX];   /* at least one */
    size_t nconfig_files;                        /* more than one only where the subcommand takes that */
    unsigned options;                            /* of enum ctl_option */
    const char *domain;                          /* of --domain, or NULL */
    const char *since;                           /* of --since, or NULL */
    const char *size, *user, *client, *time;     /* of these options, or NULL */
    const char *postfix_directory, *sendmail_cf; /* of --postfix-config and --sendmail-cf, or NULL */
    const char *headers[CTL_HEADERS_MAX];        /* of --header, which may be there many times */
    size_t nheaders;
    char **args; /* behind the subcommand */
    int nargs;
};

/* Each returns the exit code. */
int ctl_status(const struct ctl *ctl);
int ctl_queue(const struct ctl *ctl);
int ctl_trace(const struct ctl *ctl);
int ctl_policy(const struct ctl *ctl);
int ctl_keys(const struct ctl *ctl);
int ctl_config(const struct ctl *ctl);
int ctl_recall(const struct ctl *ctl);
int ctl_drain(const struct ctl *ctl);
int ctl_report(const struct ctl *ctl);
int ctl_explain(const struct ctl *ctl);
int ctl_check(const struct ctl *ctl);

/* Writes "pontoon: …" to standard error and returns `code`. */
int ctl_error(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for an error of the library; the code follows from its result. */
int ctl_result_error(const struct error *err);

#endif
