/* store/outcome.c: what time decides, when to look again, and what the log says. */
#include "t/unit/test.h"

#include "lib/mem.h"
#include "store/outcome.h"

static msec_t now = 1000000000000;
static char last_line[2000];

static msec_t fake_clock(void)
{
    return now;
}

static void catch_line(enum log_level level, const char *text)
{
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", text);
}

struct fixture {
    struct config *config;
    struct store_entry entry;
    struct store_rcpt rcpt;
};

static int set_up(void **state)
{
    struct fixture *f = mem_zero(1, sizeof *f);
    struct error err;
    const char *text =
        "store { fallback-after = 10m\n settle-after = 1h\n expire-after = 1d\n retry-min = 1m\n retry-max = 5m }\n";
    if (config_parse(text, "test", &f->config, &err) != RESULT_OK)
        return -1;
    clock_set_source(fake_clock);
    log_set_hook(catch_line);
    last_line[0] = '\0';
    f->rcpt = (struct store_rcpt){.rid = 7, .address = "bob@b.test", .domain = "b.test", .state = RCPT_QUEUED};
    f->entry = (struct store_entry){
        .id = "01ID", .queue_id = "4XQ", .created = now, .expires = now + 86400000, .rcpts = &f->rcpt, .nrcpts = 1};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    config_free(&f->config);
    mem_free(&f);
    clock_set_source(NULL);
    return 0;
}

static void never_fetched_goes_back_after_fallback_after(void **state)
{
    struct fixture *f = *state;
    struct outcome_news news;
    f->entry.created = now - 10 * 60000 + 1;
    assert_false(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    f->entry.created--;
    assert_true(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    assert_int_equal(news.event, RCPT_EV_FALLBACK);
    f->rcpt.state = RCPT_ACCEPTED; /* a promise without a fetch: revoking is safe too */
    assert_true(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    f->rcpt.fetching = now - 1;
    assert_false(outcome_overdue(f->config, &f->entry, &f->rcpt, &news)); /* not while it is being fetched */
}

static void fetched_is_asked_until_settle_after(void **state)
{
    struct fixture *f = *state;
    struct outcome_news news;
    f->entry.created = now - 3 * 3600000;
    f->rcpt.fetched = now - 3600000 + 1;
    assert_false(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    f->rcpt.fetched--;
    assert_true(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    assert_int_equal(news.event, RCPT_EV_FALLBACK);
}

static void expires_where_fallback_is_off(void **state)
{
    struct fixture *f = *state;
    struct outcome_news news;
    struct error err;
    config_free(&f->config);
    assert_int_equal(config_parse("store { fallback-after = 0\n settle-after = 0 }\n", "test", &f->config, &err),
                     RESULT_OK);
    f->entry.expires = now + 1;
    assert_false(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    f->entry.expires = now;
    assert_true(outcome_overdue(f->config, &f->entry, &f->rcpt, &news));
    assert_int_equal(news.event, RCPT_EV_EXPIRED);
}

static void retries_back_off_but_not_past_the_deadline(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    const struct outcome_news news = {.event = RCPT_EV_UNREACHABLE, .dsn = "4.4.1", .text = "connection refused"};
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &news);
    assert_in_range(out.list[0].next, now + 45000, now + 60000);
    f->rcpt.attempts = 2;
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &news);
    assert_in_range(out.list[1].next, now + 180000, now + 240000);
    f->entry.created = now - 9 * 60000; /* a minute is left before it goes back to SMTP */
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &news);
    assert_int_equal(out.list[2].next, now + 60000);
    f->rcpt.fetched = now - 58 * 60000; /* it has it: now it is settle-after that runs out, in two minutes */
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &news);
    assert_int_equal(out.list[3].next, now + 120000);
    outcome_free(&out);
}

/* A thousand recipients of one message come back as one notification, not as a thousand. */
static void one_message_is_tried_again_as_one(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    const struct outcome_news news = {.event = RCPT_EV_DEFERRED, .dsn = "4.4.1"};
    struct store_entry other = f->entry;
    struct store_rcpt older = {.rid = 8, .address = "carol@b.test", .state = RCPT_QUEUED, .attempts = 1};
    for (int i = 0; i < 100; i++, now++)
        outcome_add(&out, f->config, &f->entry, &f->rcpt, &news);
    for (int i = 1; i < 100; i++)
        assert_int_equal(out.list[i].next, out.list[0].next);
    unsigned differ = 0;
    for (int i = 0; i < 10; i++) { /* other messages, and who has waited before, at times of their own */
        outcome_add(&out, f->config, i % 2 ? &other : &f->entry, &f->rcpt, &news);
        differ += out.list[100 + i].next != out.list[0].next;
    }
    assert_true(differ > 0);
    outcome_add(&out, f->config, &f->entry, &older, &news);
    assert_in_range(out.list[110].next, now + 90000, now + 120000);
    outcome_free(&out);
}

static void own_work_is_due_at_once_and_dsns_after_their_hold(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_USE_SMTP, .text = "not migrated"});
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_REJECTED, .dsn = "5.1.1"});
    assert_int_equal(out.list[0].next, now);
    assert_int_equal(out.list[1].next, now + 60000);
    outcome_free(&out);
}

static void logs_as_postfix_does(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    f->entry.created = now - 1500;
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_DELIVERED,
                                       .dsn = "2.0.0",
                                       .text = "250 2.0.0 Ok: queued as X",
                                       .peer = "bridge.b.test[192.0.2.1]:8443"});
    assert_string_equal(last_line,
                        "4XQ: to=<bob@b.test>, relay=bridge.b.test[192.0.2.1]:8443, delay=1.50, dsn=2.0.0, status=sent "
                        "(250 2.0.0 Ok: queued as X), pontoon=01ID");
    outcome_free(&out);
}

/* NOTIFY=SUCCESS and an MTA without DSN: the report is ours, and is logged as what it is about, once. */
static void success_is_reported_where_nobody_else_does(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    enum store_report report;
    struct verdict v = {.kind = VERDICT_DELIVERED, .success = VERDICT_DSN_RELAYED};
    f->entry.envelope.sender = "a@a.test";
    assert_int_equal(outcome_event(&f->entry, &f->rcpt, &v, &report), RCPT_EV_DELIVERED); /* no NOTIFY */
    f->rcpt.notify = "SUCCESS,FAILURE";
    assert_int_equal(outcome_event(&f->entry, &f->rcpt, &v, &report), RCPT_EV_UNREPORTED);
    assert_int_equal(report, STORE_REPORT_RELAYED);
    v.success = VERDICT_DSN_TAKEN;
    assert_int_equal(outcome_event(&f->entry, &f->rcpt, &v, &report), RCPT_EV_DELIVERED);
    v.success = VERDICT_DSN_DELIVERED;
    f->entry.shadow = true;
    assert_int_equal(outcome_event(&f->entry, &f->rcpt, &v, &report), RCPT_EV_DELIVERED);
    f->entry.shadow = false;
    f->entry.envelope.sender = "";
    assert_int_equal(outcome_event(&f->entry, &f->rcpt, &v, &report), RCPT_EV_DELIVERED);

    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_UNREPORTED, .report = report, .text = "250 ok"});
    assert_non_null(strstr(last_line, "dsn=2.0.0, status=sent (250 ok)"));
    assert_int_equal(out.list[0].next, now + 60000);
    last_line[0] = '\0';
    f->rcpt.state = RCPT_REPORTING;
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &(struct outcome_news){.event = RCPT_EV_REPORT_LATER});
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &(struct outcome_news){.event = RCPT_EV_REPORT_DONE});
    assert_string_equal(last_line, "");
    f->rcpt.state = RCPT_BOUNCING;
    outcome_add(&out, f->config, &f->entry, &f->rcpt, &(struct outcome_news){.event = RCPT_EV_UNREPORTED});
    assert_non_null(strstr(last_line, "status=sent")); /* a late receipt */
    outcome_free(&out);
}

/* As Postfix's probes, so that log tools don't take them for mail. */
static void shadows_log_as_probes(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    struct verdict v = {.comparison = {.known = true, .arrived = true, .delta_ms = -7}};
    f->entry.shadow = true;
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_DELIVERED,
                                       .dsn = "2.1.5",
                                       .text = "verified",
                                       .comparison = outcome_comparison(&f->entry, &v)});
    assert_string_equal(last_line,
                        "4XQ: to=<bob@b.test>, relay=none, delay=0.00, dsn=2.1.5, status=deliverable (shadow, the "
                        "mail itself went by SMTP: verified), pontoon=01ID");
    assert_int_equal(out.list[0].comparison.delta, -7);
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_REJECTED, .dsn = "5.1.1"});
    assert_non_null(strstr(last_line, "dsn=5.1.1, status=undeliverable"));
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_DEFERRED, .dsn = "4.2.0"});
    assert_non_null(strstr(last_line, "dsn=4.2.0, status=undeliverable"));
    outcome_free(&out);
    f->entry.shadow = false;
    assert_int_equal(outcome_comparison(&f->entry, &v).smtp, STORE_SMTP_UNKNOWN); /* only shadows have one */
}

/* News that change nothing must not be counted by log tools. */
static void late_news_are_silent(void **state)
{
    struct fixture *f = *state;
    struct outcome out = {0};
    f->rcpt.state = RCPT_DELIVERED;
    outcome_add(&out, f->config, &f->entry, &f->rcpt,
                &(struct outcome_news){.event = RCPT_EV_DEFERRED, .dsn = "4.2.0"});
    assert_string_equal(last_line, "");
    outcome_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_fetched_goes_back_after_fallback_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fetched_is_asked_until_settle_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expires_where_fallback_is_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retries_back_off_but_not_past_the_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_message_is_tried_again_as_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_work_is_due_at_once_and_dsns_after_their_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(logs_as_postfix_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(success_is_reported_where_nobody_else_does, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shadows_log_as_probes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(late_news_are_silent, set_up, tear_down),
    };
    return test_run("outcome", tests);
}
