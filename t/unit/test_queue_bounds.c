/* lib/queue_bounds.c: when the store's queue is full, for whom, and when it is not any more. */
#include "t/unit/store_fixture.h"

#include "lib/queue_bounds.h"

static struct site site;
static msec_t time_mono = 1000;

static msec_t mono(void)
{
    return time_mono;
}

static int set_up(void **state)
{
    (void)state;
    site_make(&site, "queue-max = 7\n queue-max-per-domain = 8\n queue-bytes-max = 9M\n");
    test_time = 1700000000000;
    clock_set_source(test_clock);
    clock_set_mono_source(mono);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    site_remove(&site);
    clock_set_mono_source(NULL);
    return 0;
}

static const char *full_for(struct queue_bounds *q, struct queue_limits limits, const char *domain)
{
    time_mono += 1000; /* else what was read a moment ago counts */
    return queue_bounds_full(q, &limits, domain);
}

static void says(const char *is, const char *parameter)
{
    assert_non_null(is);
    assert_non_null(strstr(is, parameter));
}

static void from_the_configuration(void **state)
{
    (void)state;
    struct queue_limits limits = queue_limits(site.config);
    assert_int_equal(limits.messages, 7);
    assert_int_equal(limits.rcpts_per_domain, 8);
    assert_int_equal(limits.bytes, 9 << 20);
}

static void no_bounds(void **state)
{
    (void)state;
    struct queue_bounds *q = queue_bounds_new(site.store, false);
    char *id = put(site.store, &(struct letter){0});
    assert_null(full_for(q, (struct queue_limits){0}, "b.test"));
    queue_bounds_free(&q);
    mem_free(&id);
}

static void messages(void **state)
{
    (void)state;
    const struct queue_limits limits = {.messages = 40};
    struct queue_bounds *q = queue_bounds_new(site.store, false);
    char *ids[40];
    for (int i = 0; i < 40; i++) {
        assert_null(full_for(q, limits, "b.test"));
        ids[i] = put(site.store, &(struct letter){0});
    }
    says(full_for(q, limits, "b.test"), "store.queue-max)");
    says(full_for(q, limits, "anybody.test"), "store.queue-max)");
    settle(site.store, rid_of(site.store, ids[0], 0), RCPT_EV_DELIVERED);
    says(full_for(q, limits, "b.test"), "store.queue-max)"); /* not at once: 5% less, two of forty */
    settle(site.store, rid_of(site.store, ids[1], 0), RCPT_EV_DELIVERED);
    settle(site.store, rid_of(site.store, ids[2], 0), RCPT_EV_DELIVERED);
    assert_null(full_for(q, limits, "b.test"));
    queue_bounds_free(&q);
    for (int i = 0; i < 40; i++)
        mem_free(&ids[i]);
}

/* Three recipients at one domain; others are not concerned. */
static void one_domain(void **state)
{
    (void)state;
    const struct queue_limits limits = {.rcpts_per_domain = 3};
    struct queue_bounds *q = queue_bounds_new(site.store, false);
    char *id = put(site.store, &(struct letter){.rcpts = {"a@b.test", "b@b.test", "c@c.test"}});
    assert_null(full_for(q, limits, "b.test"));
    char *more = put(site.store, &(struct letter){.rcpts = {"c@b.test"}});
    says(full_for(q, limits, "b.test"), "store.queue-max-per-domain");
    assert_null(full_for(q, limits, "c.test"));
    assert_null(full_for(q, limits, "a-domain-without-mail.test"));
    char *copy = put(site.store, &(struct letter){.rcpts = {"d@c.test", "e@c.test"}, .shadow = true});
    assert_null(full_for(q, limits, "c.test")); /* shadows don't count */
    settle(site.store, rid_of(site.store, more, 0), RCPT_EV_DELIVERED);
    assert_null(full_for(q, limits, "b.test"));
    queue_bounds_free(&q);
    mem_free(&id);
    mem_free(&more);
    mem_free(&copy);
}

static void bytes(void **state)
{
    (void)state;
    char body[2001];
    memset(body, 'x', 2000);
    body[2000] = '\0';
    const struct queue_limits limits = {.bytes = 2000};
    struct queue_bounds *q = queue_bounds_new(site.store, false);
    assert_null(full_for(q, limits, "b.test"));
    char *id = put(site.store, &(struct letter){.body = body});
    says(full_for(q, limits, "b.test"), "store.queue-bytes-max");
    settle(site.store, rid_of(site.store, id, 0), RCPT_EV_DELIVERED);
    assert_null(full_for(q, limits, "b.test"));
    queue_bounds_free(&q);
    mem_free(&id);
}

static void looks_once_a_second(void **state)
{
    (void)state;
    const struct queue_limits limits = {.messages = 1};
    struct queue_bounds *q = queue_bounds_new(site.store, false);
    assert_null(full_for(q, limits, "b.test"));
    char *id = put(site.store, &(struct letter){0});
    time_mono += 999;
    assert_null(queue_bounds_full(q, &limits, "b.test"));
    time_mono += 1;
    says(queue_bounds_full(q, &limits, "b.test"), "store.queue-max)");
    queue_bounds_free(&q);
    mem_free(&id);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(from_the_configuration), TEST(no_bounds), TEST(messages), TEST(one_domain), TEST(bytes),
        TEST(looks_once_a_second)};
    return test_run("queue_bounds", tests);
}
