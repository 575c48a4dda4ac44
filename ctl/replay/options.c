/* The command line of pontoon-replay: see options.h. */
#include "ctl/replay/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/buf.h"
#include "lib/mem.h"

enum { CONCURRENCY_MAX = 1000, MESSAGE_MAX = 1 << 30, TEXT_MAX = 1 << 20 };

/* One table: getopt_long()'s list, the help and the completion are made from it. */
enum argument { NO_ARGUMENT, WITH_ARGUMENT };
struct entry {
    const char *name;
    const char *argument; /* as the help names it, or NULL */
    const char *help;     /* NULL: same line as the one before */
    enum result (*take)(struct options *o, const char *value, struct error *err);
    bool differs; /* a resumed run may have another value */
};

/* ---- values ---- */

static enum result number(const char *value, uint64_t min, uint64_t max, uint64_t *n_r, struct error *err)
{
    char *end;
    unsigned long long n = strtoull(value, &end, 10);
    if (end == value || *end != '\0' || value[0] == '-' || n < min || n > max)
        return error_set(err, RESULT_PERM, "\"%s\" is no whole number from %llu to %llu", value,
                         (unsigned long long)min, (unsigned long long)max);
    *n_r = n;
    return RESULT_OK;
}

static enum result count(const char *value, unsigned min, unsigned max, unsigned *n_r, struct error *err)
{
    uint64_t n = 0;
    enum result r = number(value, min, max, &n, err);
    if (r == RESULT_OK)
        *n_r = (unsigned)n;
    return r;
}

/* With a unit behind: the first one is meant when there is none. */
struct unit {
    const char *name;
    double factor;
};
static enum result measure(const char *value, const struct unit *units, const char *what, double max, double *n_r,
                           struct error *err)
{
    char *end;
    double n = strtod(value, &end);
    for (const struct unit *u = units; end != value && n >= 0 && u->name != NULL; u++) {
        if (strcmp(end, u->name) == 0 || (u == units && *end == '\0')) {
            *n_r = n * u->factor;
            return *n_r <= max ? RESULT_OK : error_set(err, RESULT_PERM, "\"%s\" is too much", value);
        }
    }
    return error_set(err, RESULT_PERM, "\"%s\" is no %s", value, what);
}

static enum result duration(const char *value, msec_t *t_r, struct error *err)
{
    static const struct unit units[] = {{"s", 1000}, {"ms", 1}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}, {NULL, 0}};
    double n = 0;
    enum result r = measure(value, units, "time such as 500ms, 10s, 5m or 2h", 1e12, &n, err);
    if (r == RESULT_OK)
        *t_r = (msec_t)n;
    return r;
}

static enum result add_to_list(const char **list, size_t *n, const char *value, struct error *err)
{
    if (*n == OPTIONS_LIST_MAX)
        return error_set(err, RESULT_PERM, "given more than %d times", OPTIONS_LIST_MAX);
    list[(*n)++] = value;
    return RESULT_OK;
}

/* ---- options, in the order of the help ---- */

static enum result take_format(struct options *o, const char *value, struct error *err)
{
    if (strcmp(value, "message") == 0) {
        o->input.format = INPUT_MESSAGE;
    } else if (strcmp(value, "mbox") == 0) {
        o->input.format = INPUT_MBOX;
    } else if (mbox_kind_parse(value, &o->input.mbox)) {
        o->input.format = INPUT_MBOX;
        o->input.mbox_told = true;
    } else if (strcmp(value, "detect") != 0) {
        return error_set(err, RESULT_PERM, "\"%s\" is none of detect, message, mbox, mboxo, mboxrd, mboxcl, mboxcl2",
                         value);
    }
    return RESULT_OK;
}

static enum result take_max_size(struct options *o, const char *value, struct error *err)
{
    static const struct unit units[] = {{"", 1}, {"K", 1024}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
    double n = 0;
    enum result r = measure(value, units, "size such as 500K or 20M", MESSAGE_MAX, &n, err);
    if (r == RESULT_OK)
        o->input.max_size = (size_t)n;
    return r;
}

static enum result take_limit(struct options *o, const char *value, struct error *err)
{
    return number(value, 1, UINT64_MAX / 4, &o->limit, err);
}

static enum result take_sample(struct options *o, const char *value, struct error *err)
{
    return count(value, 1, 100, &o->sample, err);
}

static enum result take_domain(struct options *o, const char *value, struct error *err)
{
    return mapping_allow(o->mapping, value, err);
}

static enum result take_from(struct options *o, const char *value, struct error *err)
{
    return mapping_set_sender(o->mapping, value, err);
}

static enum result take_rcpt(struct options *o, const char *value, struct error *err)
{
    return mapping_add_rcpt(o->mapping, value, err);
}

static enum result take_map(struct options *o, const char *value, struct error *err)
{
    return mapping_add(o->mapping, value, false, err);
}

static enum result take_map_sender(struct options *o, const char *value, struct error *err)
{
    return mapping_add(o->mapping, value, true, err);
}

static enum result take_spread(struct options *o, const char *value, struct error *err)
{
    return mapping_spread(o->mapping, value, err);
}

static enum result take_max_rcpts(struct options *o, const char *value, struct error *err)
{
    unsigned n = 0;
    enum result r = count(value, 1, MAPPING_RCPTS_MAX, &n, err);
    if (r == RESULT_OK)
        mapping_set_max_rcpts(o->mapping, n);
    return r;
}

/* "NAME=SERVER" or "SERVER", which may have "lmtp:" before it. */
static enum result take_server(struct options *o, const char *value, struct error *err)
{
    const char *equals = strchr(value, '=');
    if (o->nways == SENDER_WAYS_MAX)
        return error_set(err, RESULT_PERM, "more than %d servers", SENDER_WAYS_MAX);
    struct sender_way *w = &o->ways[o->nways];
    w->name =
        equals != NULL ? mem_strndup(value, (size_t)(equals - value)) : mem_strdup(o->nways == 0 ? "first" : "second");
    w->server = equals != NULL ? equals + 1 : value;
    o->nways++;
    w->lmtp = strncmp(w->server, "lmtp:", 5) == 0;
    return netaddr_endpoint(w->server + (w->lmtp ? 5 : 0), &w->address, err);
}

static enum result take_rate(struct options *o, const char *value, struct error *err)
{
    static const struct unit units[] = {{"/s", 1}, {"/m", 1.0 / 60}, {"/h", 1.0 / 3600}, {NULL, 0}};
    return measure(value, units, "rate such as 100, 100/s or 5/m", 1e6, &o->pace.rate, err);
}

static enum result take_ramp(struct options *o, const char *value, struct error *err)
{
    return duration(value, &o->pace.ramp, err);
}

static enum result take_compress(struct options *o, const char *value, struct error *err)
{
    static const struct unit units[] = {{"", 1}, {"x", 1}, {NULL, 0}};
    enum result r = measure(value, units, "factor such as 60", 1e9, &o->pace.compress, err);
    return r == RESULT_OK && o->pace.compress <= 0 ? error_set(err, RESULT_PERM, "it must be more than 0") : r;
}

static enum result take_max_gap(struct options *o, const char *value, struct error *err)
{
    return duration(value, &o->pace.gap_max, err);
}

static enum result take_concurrency(struct options *o, const char *value, struct error *err)
{
    return count(value, 1, CONCURRENCY_MAX, &o->concurrency, err);
}

static enum result take_repeat(struct options *o, const char *value, struct error *err)
{
    return number(value, 1, 1000000000, &o->repeat, err);
}

static enum result take_duration(struct options *o, const char *value, struct error *err)
{
    return duration(value, &o->duration, err);
}

static enum result take_seed(struct options *o, const char *value, struct error *err)
{
    o->seeded = true;
    return number(value, 0, UINT64_MAX, &o->seed, err);
}

static enum result take_retries(struct options *o, const char *value, struct error *err)
{
    return count(value, 0, 100, &o->retries, err);
}

static enum result take_timeout(struct options *o, const char *value, struct error *err)
{
    return duration(value, &o->timeout, err);
}

static enum result take_helo(struct options *o, const char *value, struct error *err)
{
    (void)err;
    o->helo = value;
    return RESULT_OK;
}

static enum result take_sink(struct options *o, const char *value, struct error *err)
{
    if (o->nsinks == OPTIONS_SINKS_MAX)
        return error_set(err, RESULT_PERM, "more than %d sinks", OPTIONS_SINKS_MAX);
    bool lmtp = strncmp(value, "lmtp:", 5) == 0;
    o->sinks[o->nsinks++] = (struct sink_options){
        .listen = value + (lmtp ? 5 : 0), .protocol = lmtp ? SMTPD_LMTP : SMTPD_SMTP, .max_clients = CONCURRENCY_MAX};
    return RESULT_OK;
}

static enum result take_maildir(struct options *o, const char *value, struct error *err)
{
    return add_to_list(o->maildirs, &o->nmaildirs, value, err);
}

static enum result take_watch(struct options *o, const char *value, struct error *err)
{
    return add_to_list(o->watch, &o->nwatch, value, err);
}

static enum result take_wait(struct options *o, const char *value, struct error *err)
{
    return duration(value, &o->wait, err);
}

static enum result take_linger(struct options *o, const char *value, struct error *err)
{
    return duration(value, &o->linger, err);
}

static enum result take_journal(struct options *o, const char *value, struct error *err)
{
    (void)err;
    o->journal = value;
    return RESULT_OK;
}

static enum result take_resume(struct options *o, const char *value, struct error *err)
{
    (void)value, (void)err;
    o->resume = true;
    return RESULT_OK;
}

static enum result take_json(struct options *o, const char *value, struct error *err)
{
    (void)err;
    o->json = value;
    return RESULT_OK;
}

static enum result take_html(struct options *o, const char *value, struct error *err)
{
    (void)err;
    o->html = value;
    return RESULT_OK;
}

static enum result take_milter(struct options *o, const char *value, struct error *err)
{
    (void)err;
    o->milter = value;
    return RESULT_OK;
}

static enum result take_milter_script(struct options *o, const char *value, struct error *err)
{
    return add_to_list(o->milter_scripts, &o->nmilter_scripts, value, err);
}

static enum result take_client(struct options *o, const char *value, struct error *err)
{
    struct netaddr a;
    if (!netaddr_parse(value, 0, &a) || a.sa.ss_family != AF_INET)
        return error_set(err, RESULT_PERM, "\"%s\" is no IPv4 address", value);
    o->client = value;
    return RESULT_OK;
}

static enum result take_quiet(struct options *o, const char *value, struct error *err)
{
    (void)value, (void)err;
    o->quiet = true;
    return RESULT_OK;
}

static const struct entry entries[] = {
    {"to", "[NAME=][lmtp:]HOST:PORT", "the server that takes the mail; twice with --compare", take_server, false},
    {"domain", "DOMAIN", "mail may be sent there (.DOMAIN: to all below); may be repeated", take_domain, false},
    {"from", "ADDRESS", "the sender of all messages", take_from, false},
    {"rcpt", "ADDRESS", "a recipient of all messages, instead of their own; may be repeated", take_rcpt, false},
    {"map", "OLD=NEW", "recipients: addresses, domains or *; may be repeated", take_map, false},
    {"map-sender", "OLD=NEW", "the same for senders", take_map_sender, false},
    {"spread", "N=d%.DOMAIN", "recipients go to N domains in turn", take_spread, false},
    {"max-rcpts", "N", "the most recipients of one message", take_max_rcpts, false},
    {"format", "FORMAT", "detect, message, mbox, mboxo, mboxrd, mboxcl or mboxcl2", take_format, false},
    {"max-size", "SIZE", "larger messages can't be sent (64M)", take_max_size, false},
    {"limit", "N", "end after N messages", take_limit, true},
    {"sample", "PERCENT", "only so many of the messages, chosen by the seed", take_sample, false},
    {"seed", "N", "the same seed, options and sources make the same traffic", take_seed, false},
    {"rate", "N[/s|/m|/h]", "messages begun in that time; without: as fast as they are taken", take_rate, true},
    {"ramp", "TIME", "the rate grows evenly until then", take_ramp, true},
    {"compress", "FACTOR", "the messages' own distances in time, divided by this", take_compress, true},
    {"max-gap", "TIME", "with --compress: no distance is longer", take_max_gap, true},
    {"concurrency", "N", "messages under way at one time, on as many connections (10)", take_concurrency, true},
    {"repeat", "N", "all of it N times", take_repeat, true},
    {"duration", "TIME", "nothing is begun after this", take_duration, true},
    {"retries", "N", "tries again of what failed for now (3)", take_retries, true},
    {"timeout", "TIME", "for each step of SMTP (60s)", take_timeout, true},
    {"helo", "NAME", "our name in EHLO", take_helo, true},
    {"sink", "[lmtp:]HOST:PORT", "listen there for what arrives; may be repeated", take_sink, true},
    {"maildir", "FOLDER", "watch it for what arrives; may be repeated", take_maildir, true},
    {"watch", "FIELD", "a header field that filters add: compared by itself, not part of the bytes", take_watch, false},
    {"wait", "TIME", "for arrivals, since the last one (60s)", take_wait, true},
    {"linger", "TIME", "after the last arrival, for what comes twice (1s)", take_linger, true},
    {"journal", "FOLDER", "where the run is kept, so that it can be resumed", take_journal, true},
    {"resume", NULL, "go on with the run in --journal", take_resume, true},
    {"json", "FILE", "write the report as JSON", take_json, true},
    {"html", "FILE", "write the report as one HTML page", take_html, true},
    {"milter", "SOCKET", "speak to this milter as an MTA does, instead of sending", take_milter, true},
    {"milter-script", "NAME|FILE", "in which order: a built-in script, all of them (all), or a file (postfix)",
     take_milter_script, true},
    {"client", "ADDRESS", "who the milter is told that the mail comes from (127.0.0.1)", take_client, true},
    {"quiet", NULL, "no progress", take_quiet, true},
};
enum { ENTRIES = sizeof entries / sizeof *entries, CODE_COMPARE = 1000, CODE_HELP, CODE_VERSION, CODE_FIRST = 2000 };

static void print_help(FILE *out)
{
    fputs(
        "usage: pontoon-replay --to SERVER --domain DOMAIN [OPTION]... SOURCE...\n\n"
        "Sends the mail in SOURCE (mbox, Maildir, MH, .eml files, folders and archives of these, - for standard input)\n"
        "through a site, and proves what arrived.\n\n",
        out);
    for (int i = 0; i < ENTRIES; i++) {
        char left[80];
        snprintf(left, sizeof left, "--%s%s%s", entries[i].name, entries[i].argument != NULL ? " " : "",
                 entries[i].argument != NULL ? entries[i].argument : "");
        fprintf(out, "  %-34s %s\n", left, entries[i].help);
    }
    fputs("  --compare                          send each message by both servers, and compare\n"
          "  --help, --version\n\nAll of it: man 1 pontoon-replay\n",
          out);
}

static void make_list(struct option list[ENTRIES + 4])
{
    for (int i = 0; i < ENTRIES; i++)
        list[i] = (struct option){entries[i].name, entries[i].argument != NULL ? required_argument : no_argument, NULL,
                                  CODE_FIRST + i};
    list[ENTRIES] = (struct option){"compare", no_argument, NULL, CODE_COMPARE};
    list[ENTRIES + 1] = (struct option){"help", no_argument, NULL, CODE_HELP};
    list[ENTRIES + 2] = (struct option){"version", no_argument, NULL, CODE_VERSION};
    list[ENTRIES + 3] = (struct option){NULL, 0, NULL, 0};
}

static bool complain(int *code_r, const char *text)
{
    fprintf(stderr, "pontoon-replay: %s\n", text);
    *code_r = EX_USAGE;
    return false;
}

/* What no single option can know. */
static const char *check(const struct options *o, bool compare)
{
    if (o->nsources == 0)
        return "no source of mail is given; see pontoon-replay --help";
    if (o->milter != NULL)
        return o->nways > 0 || compare ? "--milter is instead of --to and --compare" : NULL;
    if (o->nmilter_scripts > 0)
        return "--milter-script wants --milter";
    if (o->nways == 0)
        return "no server is given (--to)";
    if (compare != (o->nways == 2))
        return compare ? "--compare wants two servers: --to plain=HOST:PORT --to pontoon=HOST:PORT"
                       : "two servers are given, but not --compare";
    if (o->nways == 2 && strcmp(o->ways[0].name, o->ways[1].name) == 0)
        return "both servers have the same name";
    if (o->pace.compress > 0 && o->pace.rate > 0)
        return "--rate and --compress exclude each other";
    if (o->resume && o->journal == NULL)
        return "--resume wants the --journal of the run";
    return NULL;
}

static void defaults(struct options *o)
{
    *o = (struct options){.input = {.format = INPUT_DETECT, .mbox = MBOX_RD, .max_size = 64 << 20},
                          .concurrency = 10,
                          .retries = 3,
                          .timeout = 60000,
                          .repeat = 1,
                          .sample = 100,
                          .client = "127.0.0.1",
                          .wait = 60000,
                          .linger = 1000};
    o->mapping = mapping_new();
}

static void note_option(struct buf *text, const char *name, const char *value)
{
    buf_printf(text, "--%s %s\n", name, value != NULL ? value : "");
}

bool options_read(int argc, char **argv, struct options *o, int *code_r)
{
    struct option list[ENTRIES + 4];
    struct buf text = BUF_INIT(TEXT_MAX);
    struct error err;
    bool compare = false, good = true;
    make_list(list);
    defaults(o);
    for (int c; good && (c = getopt_long(argc, argv, "h", list, NULL)) != -1;) {
        if (c == 'h' || c == CODE_HELP || c == CODE_VERSION) {
            *code_r = EX_OK;
            if (c == CODE_VERSION)
                puts("pontoon-replay " PACKAGE_VERSION);
            else
                print_help(stdout);
            buf_free(&text);
            return false;
        }
        if (c == CODE_COMPARE) {
            compare = true;
        } else if (c < CODE_FIRST) {
            good = complain(code_r, "see pontoon-replay --help");
        } else {
            const struct entry *e = &entries[c - CODE_FIRST];
            if (e->take(o, optarg, &err) != RESULT_OK) {
                error_prefix(&err, "--%s", e->name);
                good = complain(code_r, err.text);
            }
            if (!e->differs)
                note_option(&text, e->name, optarg);
        }
    }
    o->sources = (const char **)argv + optind;
    o->nsources = (size_t)(argc - optind);
    const char *wrong = good ? check(o, compare) : NULL;
    if (wrong != NULL)
        good = complain(code_r, wrong);
    for (size_t i = 0; i < o->nsources; i++)
        buf_printf(&text, "%s\n", o->sources[i]);
    for (size_t i = 0; i < o->nsinks; i++)
        o->sinks[i].max_size = 2 * (uint64_t)o->input.max_size + 65536;
    o->text = buf_take(&text);
    return good;
}

void options_free(struct options *o)
{
    mapping_free(&o->mapping);
    for (size_t i = 0; i < o->nways; i++) {
        char *name = (char *)o->ways[i].name;
        mem_free(&name);
    }
    mem_free(&o->text);
}
