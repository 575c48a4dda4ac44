/*
 * Clocks. Of our own only the kernel can say whether something keeps it; that it is wrong shows in comparison, so a partner's is
 * compared with it. Notifications are refused if their times are off by more than bridge.clock-skew.
 */
#include <stdlib.h>
#include <sys/timex.h>

#include "ctl/check.h"
#include "ctl/show.h"
#include "lib/mem.h"

enum { FAR = 60 * 1000 /* ms: more than any answer takes */ };

void check_clock(struct check *c)
{
    struct timex t = {.modes = 0};
    if (adjtimex(&t) < 0)
        return;
    if (t.status & STA_UNSYNC) {
        check_found(c->report, CHECK_NOTE, "the kernel knows of no service that keeps this machine's clock");
        check_advise(
            c->report,
            "run one (chrony, systemd-timesyncd), unless the clock is the host's: notifications whose times are off by "
            "more than bridge.clock-skew are refused");
    } else {
        check_found(c->report, CHECK_OK, "the clock is kept in time, to %ld ms", t.maxerror / 1000);
    }
}

static void compare(struct check *c, const char *url, msec_t difference)
{
    char age[SHOW_AGE_SIZE];
    msec_t skew = config_time(c->config, "bridge.clock-skew"), off = llabs(difference);
    show_age(off, age);
    if (off < FAR) {
        check_found(c->report, CHECK_OK, "the clocks of %s and of this machine agree", url);
        return;
    }
    check_found(c->report, off > skew ? CHECK_PROBLEM : CHECK_WARNING, "the clock of %s is %s %s of this machine's%s",
                url, age, difference > 0 ? "ahead" : "short", off > skew ? ": notifications are refused" : "");
    check_advise(c->report, "compare both with a third one (date -u), and tell the postmaster whose it is");
}

void check_peer_clock(struct check *c)
{
    const struct policy *p = c->lookups[0].policy;
    if (p == NULL || p->ninbound + p->noutbound == 0)
        return;
    const char *base = p->ninbound > 0 ? p->inbound[0] : p->outbound[0];
    struct net_get *get = mem_zero(1, sizeof *get);
    get->url = mem_printf("%s/notifications", base);
    net_get_all(&c->net, get, 1, CHECK_WAIT);
    if (get->result == RESULT_OK && get->response.date != 0)
        compare(c, base, get->response.date - clock_now());
    mem_free(&get->url);
    mem_free(&get);
}
