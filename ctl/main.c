/* The admin's command: options, the table of subcommands, help. The work is done in the file named after each. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/log.h"

#define DEFAULT_CONFIG SYSCONFDIR "/pontoon/pontoon.conf"

struct subcommand {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *help;
    unsigned options; /* of enum ctl_option: those it takes */
    int min_args, max_args;
    size_t max_configs; /* how often -c may be given */
    int (*run)(const struct ctl *ctl);
};

static int show_version(const struct ctl *ctl);
static int show_help(const struct ctl *ctl);

static const struct subcommand subcommands[] = {
    {"status", "[--json]", "how much is under way, and whether the daemons answer", CTL_JSON, 0, 0, 1, ctl_status},
    {"queue", "[--json]", "every undecided recipient, with its last error and next try", CTL_JSON, 0, 0, 1, ctl_queue},
    {"trace", "ID|QUEUEID|MESSAGE-ID [--json]", "the way of one message, hop by hop", CTL_JSON, 1, 1, CTL_CONFIGS_MAX,
     ctl_trace},
    {"recall", "ID|QUEUEID|MESSAGE-ID [--json]", "take back what was not fetched yet", CTL_JSON, 1, 1, 1, ctl_recall},
    {"drain", "[--domain DOMAIN] [--wait|--cancel] [--json]", "stop diverting, and see what is left",
     CTL_JSON | CTL_DOMAIN | CTL_WAIT | CTL_CANCEL, 0, 0, 1, ctl_drain},
    {"report", "[--domain DOMAIN] [--since TIME] [--json]", "what became of shadows and diverted mail, by destination",
     CTL_JSON | CTL_DOMAIN | CTL_SINCE, 0, 0, 1, ctl_report},
    {"explain", "SENDER RECIPIENT [OPTION]...", "which way such a message would take, and why", CTL_JSON | CTL_MESSAGE,
     2, 2, 1, ctl_explain},
    {"check", "[DOMAIN] [--postfix-config DIR|--sendmail-cf FILE] [--json]",
     "the doctor: what is wrong here, or with a partner, and what to do", CTL_JSON | CTL_MTA, 0, 1, 1, ctl_check},
    {"policy", "DOMAIN [--json]", "look up a domain's record and policy now", CTL_JSON, 1, 1, 1, ctl_policy},
    {"keys", "make|list [--json]", "make or list the keys that sign notifications", CTL_JSON, 1, 1, 1, ctl_keys},
    {"config", "[--test|--sample|--mdoc]", "test the configuration, or print what is in it",
     CTL_TEST | CTL_SAMPLE | CTL_MDOC, 0, 0, 1, ctl_config},
    {"version", "", "print the version", 0, 0, 0, CTL_CONFIGS_MAX, show_version},
    {"help", "[SUBCOMMAND]", "print this", 0, 0, 1, CTL_CONFIGS_MAX, show_help},
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static const struct subcommand *find_subcommand(const char *name)
{
    for (int i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    }
    return NULL;
}

static int show_version(const struct ctl *ctl)
{
    (void)ctl;
    puts("pontoon " PACKAGE_VERSION);
    return EX_OK;
}

static void print_overview(FILE *out)
{
    fputs("usage: pontoon [-v] [-c FILE] SUBCOMMAND [ARGUMENT]\n\n", out);
    for (int i = 0; i < SUBCOMMANDS; i++)
        fprintf(out, "  %-8s %-31s %s\n", subcommands[i].name, subcommands[i].synopsis, subcommands[i].help);
    fputs("\n  -c FILE  the configuration (" DEFAULT_CONFIG ")\n"
          "  -v       say more on standard error\n\nAll of it: man 1 pontoon\n",
          out);
}

static int show_help(const struct ctl *ctl)
{
    if (ctl->nargs == 0) {
        print_overview(stdout);
        return EX_OK;
    }
    const struct subcommand *s = find_subcommand(ctl->args[0]);
    if (s == NULL)
        return ctl_error(EX_USAGE, "no subcommand \"%s\": see pontoon help", ctl->args[0]);
    printf("usage: pontoon [-c FILE] %s %s\n%s: %s\n", s->name, s->synopsis, s->name, s->help);
    return EX_OK;
}

/* What the library logs goes to the terminal as plainly as our own errors. */
static void show_line(enum log_level level, const char *text)
{
    if (level >= LOG_LEVEL_WARNING || log_is_verbose())
        fprintf(stderr, "pontoon: %s\n", text);
}

enum {
    OPT_JSON = 1000,
    OPT_TEST,
    OPT_SAMPLE,
    OPT_MDOC,
    OPT_DOMAIN,
    OPT_SINCE,
    OPT_WAIT,
    OPT_CANCEL,
    OPT_SIZE,
    OPT_HEADER,
    OPT_USER,
    OPT_CLIENT,
    OPT_TIME,
    OPT_POSTFIX_CONFIG,
    OPT_SENDMAIL_CF
};
static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"json", no_argument, NULL, OPT_JSON},
    {"test", no_argument, NULL, OPT_TEST},
    {"sample", no_argument, NULL, OPT_SAMPLE},
    {"mdoc", no_argument, NULL, OPT_MDOC},
    {"domain", required_argument, NULL, OPT_DOMAIN},
    {"since", required_argument, NULL, OPT_SINCE},
    {"wait", no_argument, NULL, OPT_WAIT},
    {"cancel", no_argument, NULL, OPT_CANCEL},
    {"size", required_argument, NULL, OPT_SIZE},
    {"header", required_argument, NULL, OPT_HEADER},
    {"user", required_argument, NULL, OPT_USER},
    {"client", required_argument, NULL, OPT_CLIENT},
    {"time", required_argument, NULL, OPT_TIME},
    {"postfix-config", required_argument, NULL, OPT_POSTFIX_CONFIG},
    {"sendmail-cf", required_argument, NULL, OPT_SENDMAIL_CF},
    {NULL, 0, NULL, 0},
};

static int usage(void)
{
    print_overview(stderr);
    return EX_USAGE;
}

/* Options that describe a message. */
static int take_message_option(int c, struct ctl *ctl)
{
    ctl->options |= CTL_MESSAGE;
    switch (c) {
    case OPT_SIZE: ctl->size = optarg; break;
    case OPT_USER: ctl->user = optarg; break;
    case OPT_CLIENT: ctl->client = optarg; break;
    case OPT_TIME: ctl->time = optarg; break;
    default:
        if (ctl->nheaders == CTL_HEADERS_MAX)
            return ctl_error(EX_USAGE, "more than %d times --header", CTL_HEADERS_MAX);
        ctl->headers[ctl->nheaders++] = optarg;
    }
    return EX_OK;
}

/* Where the MTA's configuration is. */
static void take_mta_option(int c, struct ctl *ctl)
{
    ctl->options |= CTL_MTA;
    if (c == OPT_POSTFIX_CONFIG)
        ctl->postfix_directory = optarg;
    else
        ctl->sendmail_cf = optarg;
}

/* EX_OK, or the code to exit with. `only_r`: -h or -V was given, which stand for subcommands. */
static int parse_options(int argc, char **argv, struct ctl *ctl, const char **only_r)
{
    for (int c; (c = getopt_long(argc, argv, "c:vhV", long_options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            if (ctl->nconfig_files == CTL_CONFIGS_MAX)
                return ctl_error(EX_USAGE, "more than %d times -c", CTL_CONFIGS_MAX);
            ctl->config_files[ctl->nconfig_files++] = optarg;
            break;
        case 'v': log_set_verbose(true); break;
        case 'h': *only_r = "help"; break;
        case 'V': *only_r = "version"; break;
        case OPT_JSON: ctl->options |= CTL_JSON; break;
        case OPT_TEST: ctl->options |= CTL_TEST; break;
        case OPT_SAMPLE: ctl->options |= CTL_SAMPLE; break;
        case OPT_MDOC: ctl->options |= CTL_MDOC; break;
        case OPT_WAIT: ctl->options |= CTL_WAIT; break;
        case OPT_CANCEL: ctl->options |= CTL_CANCEL; break;
        case OPT_DOMAIN:
            ctl->options |= CTL_DOMAIN;
            ctl->domain = optarg;
            break;
        case OPT_SINCE:
            ctl->options |= CTL_SINCE;
            ctl->since = optarg;
            break;
        case OPT_POSTFIX_CONFIG:
        case OPT_SENDMAIL_CF: take_mta_option(c, ctl); break;
        case OPT_SIZE:
        case OPT_HEADER:
        case OPT_USER:
        case OPT_CLIENT:
        case OPT_TIME:
            if (take_message_option(c, ctl) != EX_OK)
                return EX_USAGE;
            break;
        default: return usage();
        }
    }
    ctl->args = argv + optind;
    ctl->nargs = argc - optind;
    return EX_OK;
}

static int run(const struct subcommand *s, struct ctl *ctl)
{
    if (ctl->nargs < s->min_args || ctl->nargs > s->max_args || (ctl->options & ~s->options) != 0)
        return ctl_error(EX_USAGE, "usage: pontoon [-c FILE] %s %s", s->name, s->synopsis);
    if (ctl->nconfig_files > s->max_configs)
        return ctl_error(EX_USAGE, "%s takes one -c", s->name);
    if (ctl->nconfig_files == 0)
        ctl->config_files[ctl->nconfig_files++] = DEFAULT_CONFIG;
    int code = s->run(ctl);
    if (fflush(stdout) != 0 || ferror(stdout))
        return ctl_error(EX_IOERR, "standard output could not be written");
    return code;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    const char *name = NULL;
    log_set_hook(show_line);
    int code = parse_options(argc, argv, &ctl, &name);
    if (code != EX_OK)
        return code;
    if (name == NULL) {
        if (ctl.nargs == 0)
            return usage();
        name = ctl.args[0];
        ctl.args++;
        ctl.nargs--;
    }
    const struct subcommand *s = find_subcommand(name);
    if (s == NULL)
        return ctl_error(EX_USAGE, "no subcommand \"%s\": see pontoon help", name);
    return run(s, &ctl);
}
