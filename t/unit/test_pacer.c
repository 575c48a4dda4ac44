/* store/pacer.c with a clock and a store of our own: bounds, convergence, fairness, and shares that come back. */
#include "t/unit/test.h"

#include "lib/mem.h"
#include "store/pacer.h"

enum { SITES = 100 };

struct site {
    struct pacer_queue *q;
    char name[32];
    unsigned left, sent, n; /* messages: waiting, taken, next number */
    uint64_t size;
    msec_t first; /* taken */
};

static struct pacer *p;
static struct site sites[SITES];
static msec_t now;

static void turn(void *arg)
{
    struct site *s = arg;
    char id[64];
    while (s->left > 0) {
        snprintf(id, sizeof id, "%s/%u", s->name, s->n);
        if (!pacer_take(s->q, id, s->size, now))
            return;
        if (s->sent++ == 0)
            s->first = now;
        s->left--;
        s->n++;
    }
}

static const struct pacer_settings usual = {.messages = 50,
                                            .messages_per_site = 10,
                                            .bytes = 50 << 20,
                                            .bytes_per_site = 10 << 20,
                                            .latency = 100,
                                            .timeout = 60000};

static void begin(const struct pacer_settings *settings, unsigned nsites, unsigned messages)
{
    now = 1000;
    memset(sites, 0, sizeof sites);
    p = pacer_new(settings);
    for (unsigned i = 0; i < nsites; i++) {
        snprintf(sites[i].name, sizeof sites[i].name, "s%u.test", i);
        sites[i].q = pacer_join(p, sites[i].name, turn, &sites[i]);
        sites[i].left = messages;
        sites[i].size = 10000;
    }
}

static void end(void)
{
    for (unsigned i = 0; i < SITES; i++)
        pacer_leave(&sites[i].q);
    pacer_free(&p);
}

static void back(struct site *s, unsigned i)
{
    char id[64];
    snprintf(id, sizeof id, "%s/%u", s->name, i);
    pacer_back(p, s->name, id);
}

static void nobody_waits_when_idle(void **state)
{
    (void)state;
    begin(&usual, 1, 10);
    turn(&sites[0]);
    assert_int_equal(sites[0].sent, 10);
    assert_int_equal(pacer_figures(p).out, 10);
    assert_true(pacer_take(sites[0].q, "s0.test/0", 10000, now)); /* again: counts once */
    assert_int_equal(pacer_figures(p).out, 10);
    end();
}

static void bounds_hold_and_all_are_served(void **state)
{
    (void)state;
    unsigned done[SITES] = {0}, all = 0;
    begin(&usual, SITES, 30);
    for (unsigned i = 0; i < SITES; i++)
        turn(&sites[i]);
    for (unsigned round = 0; round < 100000 && all < SITES * 30; round++) {
        struct pacer_figures f = pacer_figures(p);
        assert_true(f.out <= 50 && f.bytes <= 50 << 20);
        for (unsigned i = 0; i < SITES; i++) {
            assert_true(sites[i].sent - done[i] <= 10);
            if (sites[i].sent > done[i]) { /* one fetched each a round */
                back(&sites[i], done[i]++);
                all++;
            }
        }
        now += 10;
        pacer_run(p, now);
    }
    assert_int_equal(all, SITES * 30);
    assert_int_equal(pacer_figures(p).out, 0);
    assert_int_equal(pacer_figures(p).waiting, 0);
    assert_int_equal(pacer_run(p, now), -1);
    end();
}

/* A hundred sites want all they can get: after any time the best served has no more than a turn or two ahead of the worst. */
static void turns_are_fair(void **state)
{
    (void)state;
    unsigned done[SITES] = {0};
    begin(&usual, SITES, 100000);
    sites[7].size = 1 << 20; /* pays more for each */
    for (unsigned i = 0; i < SITES; i++)
        turn(&sites[i]);
    for (unsigned round = 0; round < 3000; round++) {
        for (unsigned i = 0; i < SITES; i++) {
            while (sites[i].sent > done[i])
                back(&sites[i], done[i]++);
        }
        now += 10;
        pacer_run(p, now);
    }
    unsigned least = UINT32_MAX, most = 0;
    for (unsigned i = 0; i < SITES; i++) {
        if (i == 7)
            continue;
        least = done[i] < least ? done[i] : least;
        most = done[i] > most ? done[i] : most;
    }
    assert_true(least > 500);
    assert_true((most - least) * 20 <= most);        /* within 5% */
    assert_in_range(done[7], least / 25, least / 8); /* by bytes: 17 times */
    end();
}

static void a_silent_site_gives_its_share_back(void **state)
{
    (void)state;
    begin(&usual, 2, 25);
    turn(&sites[0]);
    turn(&sites[1]);
    assert_int_equal(sites[0].sent, 10); /* its own bound */
    assert_int_equal(sites[1].sent, 10); /* held up by nobody */
    for (unsigned i = 0; i < 25; i++) {
        back(&sites[1], i);
        pacer_run(p, now);
    }
    assert_int_equal(sites[1].sent, 25);
    assert_int_equal(sites[0].sent, 10);
    now += 59999;
    pacer_run(p, now);
    assert_int_equal(sites[0].sent, 10);
    now += 1;
    pacer_run(p, now);
    assert_int_equal(sites[0].sent, 20);
    assert_int_equal(pacer_figures(p).timed_out, 10);
    end();
}

/* A store whose latency is what is out, divided by `speed` a second. */
static unsigned converge(unsigned speed, unsigned steps)
{
    unsigned done[SITES] = {0}, sum = 0, counted = 0;
    uint64_t served = 0;
    for (unsigned step = 0; step < steps; step++) {
        now += 10;
        for (unsigned budget = speed / 100, i = step % SITES, tries = 0; budget > 0 && tries < SITES * 4; tries++) {
            struct site *s = &sites[(i + tries) % SITES];
            unsigned k = (unsigned)(s - sites);
            if (s->sent <= done[k])
                continue;
            pacer_latency(p, pacer_figures(p).out * 1000 / speed, now);
            back(s, done[k]++);
            budget--;
            served++;
        }
        pacer_run(p, now);
        if (step > steps / 2) {
            sum += pacer_figures(p).out;
            counted++;
        }
    }
    assert_true(served * 100 >= (uint64_t)speed * steps / 100 * 95); /* it is kept busy */
    assert_true(counted > 0);
    return counted > 0 ? sum / counted : 0;
}

static void the_window_follows_latency(void **state)
{
    (void)state;
    struct pacer_settings s = usual;
    s.messages = 500;
    s.messages_per_site = 500;
    s.bytes = s.bytes_per_site = UINT64_C(1) << 40;
    begin(&s, SITES, 1000000);
    for (unsigned i = 0; i < SITES; i++)
        turn(&sites[i]);
    assert_int_equal(pacer_figures(p).out, 500);
    unsigned out = converge(1000, 3000); /* 100 ms at 1000/s: 100 messages */
    assert_in_range(out, 60, 130);
    end();
    begin(&s, SITES, 1000000);
    for (unsigned i = 0; i < SITES; i++)
        turn(&sites[i]);
    out = converge(20000, 3000); /* fast enough for all: 25 ms */
    assert_in_range(out, 300, 500);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_when_idle),
        cmocka_unit_test(bounds_hold_and_all_are_served),
        cmocka_unit_test(turns_are_fair),
        cmocka_unit_test(a_silent_site_gives_its_share_back),
        cmocka_unit_test(the_window_follows_latency),
    };
    return test_run("pacer", tests);
}
