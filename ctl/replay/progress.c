/* How far a replay is: see progress.h. */
#include "ctl/replay/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/latency.h"
#include "ctl/show.h"
#include "lib/mem.h"

enum { EVERY_ON_TERMINAL = 200, EVERY_ELSEWHERE = 5000, BAR = 20 };

struct progress {
    bool quiet, terminal, line_open;
    msec_t start, last;
    uint64_t last_begun;
    double rate; /* smoothed */
    struct latency latency;
};

struct progress *progress_new(bool quiet)
{
    struct progress *p = mem_zero(1, sizeof *p);
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->start = p->last = clock_mono();
    return p;
}

void progress_free(struct progress **p)
{
    if (*p == NULL)
        return;
    if ((*p)->line_open)
        fputc('\n', stderr);
    mem_free(p);
}

void progress_latency(struct progress *p, msec_t ms)
{
    latency_add(&p->latency, ms);
}

static void add_bar(char *out, size_t size, double share)
{
    char bar[BAR + 1];
    int full = (int)(share * BAR);
    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    snprintf(out, size, "[%s] %3.0f%% ", bar, share * 100);
}

static void write_line(struct progress *p, const struct progress_facts *f, msec_t now)
{
    char bar[60] = "", left[SHOW_AGE_SIZE + 10] = "", age[SHOW_AGE_SIZE], p50[SHOW_AGE_SIZE], p99[SHOW_AGE_SIZE],
         arrived[60] = "";
    if (f->share >= 0 && p->terminal)
        add_bar(bar, sizeof bar, f->share);
    if (f->share > 0.01 && f->share < 1 && !f->waiting)
        snprintf(left, sizeof left, ", %s left",
                 show_age((msec_t)((double)(now - p->start) * (1 - f->share) / f->share), age));
    if (f->expected > 0)
        snprintf(arrived, sizeof arrived, ", arrived %llu of %llu", (unsigned long long)f->arrived,
                 (unsigned long long)f->expected);
    fprintf(stderr, "%s%s%llu sent, %.0f/s, accepted %llu, refused %llu, unsendable %llu, p50 %s, p99 %s%s%s%s%s",
            p->terminal ? "\r" : "", bar, (unsigned long long)f->begun, p->rate, (unsigned long long)f->accepted,
            (unsigned long long)f->refused, (unsigned long long)f->unsendable,
            show_age(latency_percentile(&p->latency, 50), p50), show_age(latency_percentile(&p->latency, 99), p99),
            arrived, left, f->waiting ? ", waiting" : "", p->terminal ? "\033[K" : "\n");
    fflush(stderr);
    p->line_open = p->terminal;
}

void progress_show(struct progress *p, const struct progress_facts *f, bool now)
{
    msec_t t = clock_mono(), passed = t - p->last;
    if (p->quiet || (!now && passed < (p->terminal ? EVERY_ON_TERMINAL : EVERY_ELSEWHERE)))
        return;
    if (passed > 0) {
        double rate = (double)(f->begun - p->last_begun) * 1000 / (double)passed;
        p->rate = p->rate > 0 && !now ? 0.7 * p->rate + 0.3 * rate : rate;
    }
    p->last = t;
    p->last_begun = f->begun;
    write_line(p, f, t);
}
