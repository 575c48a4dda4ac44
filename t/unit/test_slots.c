/* bridge/slots.c: the bound per sender domain, in order, and no leak of places. */
#include "t/unit/test.h"

#include "bridge/slots.h"

static char order[100];

static void enter_a(void *arg)
{
    (void)arg;
    strcat(order, "a");
}

static void enter_b(void *arg)
{
    (void)arg;
    strcat(order, "b");
}

static void turn(struct loop *loop)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(loop_base(loop), EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

static void bounds_each_domain(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct slots *s = slots_new(loop);
    order[0] = '\0';
    slots_set_limit(s, 2);
    struct slot *slot[5];
    for (int i = 0; i < 4; i++)
        slot[i] = slots_enter(s, "a.test", enter_a, NULL);
    slot[4] = slots_enter(s, "b.test", enter_b, NULL);
    assert_string_equal(order, ""); /* never before it returns */
    turn(loop);
    assert_int_equal(strlen(order), 3); /* two of a, and b is not held up */
    assert_non_null(strchr(order, 'b'));
    slots_leave(&slot[3]); /* gives up waiting */
    slots_leave(&slot[0]);
    turn(loop);
    assert_int_equal(strlen(order), 4);
    for (int i = 1; i < 5; i++)
        slots_leave(&slot[i]);
    assert_null(slot[1]);
    slots_free(&s);
    loop_free(&loop);
}

static void last_waiter_leaving_keeps_the_queue_right(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct slots *s = slots_new(loop);
    order[0] = '\0';
    slots_set_limit(s, 1);
    struct slot *held = slots_enter(s, "a.test", enter_a, NULL);
    struct slot *waits = slots_enter(s, "a.test", enter_a, NULL);
    slots_leave(&waits);
    struct slot *next = slots_enter(s, "a.test", enter_b, NULL);
    slots_leave(&held);
    turn(loop);
    assert_string_equal(order, "b");
    slots_leave(&next);
    slots_free(&s);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_each_domain),
        cmocka_unit_test(last_waiter_leaving_keeps_the_queue_right),
    };
    return test_run("slots", tests);
}
