/* ctl/report_sum.c, latency.c: percentiles, reasons put together, bounds, and the sentence at the end. */
#include "t/unit/test.h"

#include "ctl/report_sum.h"

static void percentiles(void **state)
{
    (void)state;
    struct latency l = {0};
    assert_int_equal(latency_percentile(&l, 99), 0);
    for (int i = 1; i <= 1000; i++)
        latency_add(&l, i * 10);
    static const struct {
        unsigned percent;
        msec_t is;
    } cases[] = {{1, 100}, {50, 5000}, {90, 9000}, {99, 9900}, {100, 10000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_in_range(latency_percentile(&l, cases[i].percent), cases[i].is, cases[i].is + cases[i].is * 7 / 100);
    assert_int_equal(l.n, 1000);
    assert_int_equal(l.max, 10000);
    latency_add(&l, -5);
    assert_int_equal(latency_percentile(&l, 0), 0);
    latency_add(&l, INT64_MAX);
    assert_int_equal(l.max, INT64_MAX);
}

/* Every duration falls into a bucket that ends less than 7% behind it. */
static void buckets(void **state)
{
    (void)state;
    for (msec_t ms = 0; ms < (msec_t)1 << 38; ms += ms / 37 + 1) {
        struct latency l = {0};
        latency_add(&l, ms);
        l.max = INT64_MAX;
        assert_in_range(latency_percentile(&l, 50), ms, ms + ms / 15);
    }
}

static struct report r;

static struct report_domain *domain(size_t i)
{
    return r.domains[i];
}

static struct store_history_row shadow_row(enum rcpt_event cause)
{
    return (struct store_history_row){.domain = "b.test",
                                      .id = "01ID",
                                      .shadow = true,
                                      .state = RCPT_SHADOWED,
                                      .cause = cause,
                                      .created = 1000,
                                      .fetched = 1100,
                                      .since = 9000};
}

static void compared(msec_t delta, const char *differences)
{
    struct store_history_row row = shadow_row(RCPT_EV_DELIVERED);
    row.comparison = (struct store_comparison){STORE_SMTP_ARRIVED, delta, differences};
    report_add(&r, &row);
}

static void refused(const char *dsn, const char *text)
{
    struct store_history_row row = shadow_row(RCPT_EV_REJECTED);
    snprintf(row.dsn, sizeof row.dsn, "%s", dsn);
    row.cause_text = text;
    report_add(&r, &row);
}

static void mail(enum rcpt_state state, enum rcpt_event cause, const char *dsn, const char *text, unsigned attempts)
{
    struct store_history_row row = shadow_row(cause);
    row.shadow = false;
    row.state = state;
    row.attempts = attempts;
    row.cause_text = text;
    snprintf(row.dsn, sizeof row.dsn, "%s", dsn);
    report_add(&r, &row);
}

static void assert_verdict(bool ready, const char *text)
{
    char is[REPORT_VERDICT_SIZE];
    report_finish(&r);
    assert_int_equal(r.n, 1);
    assert_int_equal(report_verdict(domain(0), is), ready);
    assert_string_equal(is, text);
    report_clear(&r);
}

static void shadows_are_summed(void **state)
{
    (void)state;
    struct store_history_row row = shadow_row(RCPT_EV_DELIVERED);
    compared(50, NULL);
    compared(-2000, "header Subject changed\nheader X-Spam added in what came by SMTP");
    compared(0, "header X-Spam added in what came by SMTP");
    row.comparison.smtp = STORE_SMTP_NOT_SEEN;
    report_add(&r, &row);
    refused("5.1.1", "550 5.1.1 <x@b.test>: unknown");
    refused("5.1.1", "550 5.1.1 <y@b.test>: unknown");
    refused("5.7.1", "550 5.7.1 <y@b.test>: go away");
    row = shadow_row(RCPT_EV_USE_SMTP);
    report_add(&r, &row);
    row = shadow_row(RCPT_EV_EXPIRED);
    report_add(&r, &row);
    row.state = RCPT_QUEUED;
    report_add(&r, &row);
    report_finish(&r);
    const struct report_shadows *s = &domain(0)->shadows;
    assert_int_equal(s->n, 10);
    assert_int_equal(s->delivered, 4);
    assert_int_equal(s->refused, 3);
    assert_int_equal(s->refused_addresses, 2);
    assert_int_equal(s->use_smtp, 1);
    assert_int_equal(s->unreached, 1);
    assert_int_equal(s->under_way, 1);
    assert_int_equal(s->same, 1);
    assert_int_equal(s->differing, 2);
    assert_int_equal(s->altered, 1);
    assert_int_equal(s->unseen, 1);
    assert_int_equal(s->ssmp->max, 100); /* fetched, not told */
    assert_int_equal(s->smtp->max, 150); /* its own time and the difference */
    assert_int_equal(latency_percentile(s->smtp, 1), 0);
    assert_int_equal(s->refusals.n, 2);
    assert_string_equal(s->refusals.list[0].text, "550 5.1.1 <...>: unknown");
    assert_int_equal(s->refusals.list[0].n, 2);
    assert_string_equal(s->refusals.list[0].examples[1], "01ID");
    assert_string_equal(s->refusals.list[0].examples[2], "");
    assert_string_equal(s->differences.list[0].text, "header X-Spam added in what came by SMTP");
    assert_string_equal(s->failures.list[0].text, "no reason was given");
    report_clear(&r);
}

static void mail_is_summed(void **state)
{
    (void)state;
    mail(RCPT_DELIVERED, RCPT_EV_DELIVERED, "2.0.0", "250 ok", 0);
    mail(RCPT_REPORTING, RCPT_EV_UNREPORTED, "2.0.0", "250 ok", 0);
    mail(RCPT_RETURNED, RCPT_EV_USE_SMTP, "", "not migrated", 0);
    mail(RCPT_RETURNING, RCPT_EV_FALLBACK, "", "connection refused", 0);
    mail(RCPT_BOUNCED, RCPT_EV_REJECTED, "5.1.1", "550 5.1.1 <x@b.test>: unknown", 0);
    mail(RCPT_BOUNCING, RCPT_EV_EXPIRED, "5.4.7", "delivery time expired", 0);
    mail(RCPT_QUEUED, RCPT_EVENTS, "", NULL, 0);
    mail(RCPT_ACCEPTED, RCPT_EVENTS, "", NULL, 3);
    mail(RCPT_RECALLED, RCPT_EV_RECALL, "", NULL, 0);
    report_finish(&r);
    const struct report_diverted *d = &domain(0)->diverted;
    assert_int_equal(d->n, 9);
    assert_int_equal(d->delivered, 2);
    assert_int_equal(d->ssmp->max, 8000);
    assert_int_equal(d->returned, 2);
    assert_int_equal(d->returned_use_smtp, 1);
    assert_int_equal(d->bounced, 2);
    assert_int_equal(d->bounced_addresses, 1);
    assert_int_equal(d->under_way, 2);
    assert_int_equal(d->deferred, 1);
    assert_int_equal(d->recalled, 1);
    report_clear(&r);
}

static void what_stands_against_it(void **state)
{
    (void)state;
    compared(0, NULL);
    assert_verdict(true, "ready, as far as 1 recipient can tell");
    for (int i = 0; i < 100; i++)
        compared(0, "header X-Spam added in what came by SMTP"); /* a filter's mark: no obstacle */
    assert_verdict(true, "ready");
    compared(0, "body differs");
    refused("5.1.1", "unknown"); /* as by SMTP */
    assert_verdict(false, "not ready: 1 of 1 differ from what came by SMTP, mostly: body differs");
    compared(0, NULL);
    refused("5.7.1", "550 5.7.1 <z@b.test> no");
    mail(RCPT_RETURNED, RCPT_EV_FALLBACK, "", "TLS failed", 0);
    assert_verdict(false,
                   "not ready: 1 of 2 would have been refused, and not for their address, mostly: 550 5.7.1 <...> no; "
                   "1 of 1 went back to SMTP, mostly: TLS failed");
    mail(RCPT_DELIVERED, RCPT_EV_DELIVERED, "", "", 0);
    mail(RCPT_RETURNED, RCPT_EV_USE_SMTP, "", "not migrated", 0);
    mail(RCPT_BOUNCED, RCPT_EV_REJECTED, "5.1.1", "unknown", 0);
    assert_verdict(true, "ready, as far as 3 recipients can tell");
    mail(RCPT_QUEUED, RCPT_EVENTS, "", NULL, 1);
    assert_verdict(false, "not ready: 1 of 1 are deferred now");
    mail(RCPT_QUEUED, RCPT_EVENTS, "", NULL, 0);
    assert_verdict(false, "not ready: nothing has come to its end yet");
}

static void bounds(void **state)
{
    (void)state;
    char name[60], text[400];
    for (int i = 0; i < REPORT_DOMAINS_MAX + 50; i++) {
        struct store_history_row row = shadow_row(RCPT_EV_DELIVERED);
        snprintf(name, sizeof name, "d%05d.test", (i * 7919) % 20011);
        row.domain = name;
        report_add(&r, &row);
    }
    for (int i = 0; i < 1000; i++) {
        struct store_history_row row = shadow_row(RCPT_EV_REJECTED);
        row.domain = "d00000.test";
        snprintf(text, sizeof text, "%d: %0300d <%0300d", i, i, i);
        row.cause_text = text;
        report_add(&r, &row);
    }
    report_finish(&r);
    assert_int_equal(r.n, REPORT_DOMAINS_MAX + 1);
    assert_string_equal(domain(REPORT_DOMAINS_MAX)->domain, "");
    assert_int_equal(domain(REPORT_DOMAINS_MAX)->shadows.n, 50);
    assert_string_equal(domain(0)->domain, "d00000.test");
    assert_int_equal(domain(0)->shadows.refusals.n, REPORT_GROUPS_MAX);
    assert_int_equal(domain(0)->shadows.refusals.others, 1000 - REPORT_GROUPS_MAX);
    for (size_t i = 1; i < REPORT_DOMAINS_MAX; i++)
        assert_true(strcmp(domain(i - 1)->domain, domain(i)->domain) < 0);
    report_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles),
        cmocka_unit_test(buckets),
        cmocka_unit_test(shadows_are_summed),
        cmocka_unit_test(mail_is_summed),
        cmocka_unit_test(what_stands_against_it),
        cmocka_unit_test(bounds),
    };
    return test_run("report", tests);
}
