#include "t/unit/test.h"

#include <string.h>

#include "lib/hops.h"

static unsigned count(const char *text, size_t piece)
{
    struct hops h;
    hops_init(&h);
    for (size_t i = 0, len = strlen(text); i < len; i += piece)
        hops_scan(&h, text + i, len - i < piece ? len - i : piece);
    return h.received;
}

static const struct {
    unsigned want;
    const char *text;
} samples[] = {
    {0, ""},
    {0, "\r\nReceived: in the body\r\n"},
    {1, "Received: x\r\n"},
    {1, "received:\r\n\tby x\r\n"},
    {1, "Received \t: x\r\n"},
    {2, "Received: x\r\n\tReceived: a fold\r\nSubject: Received: x\r\nRECEIVED:y\r\n\r\nReceived: x\r\n"},
    {0, "X-Received: x\r\nReceived-SPF: pass\r\nReceive: x\r\nReceivedx: y\r\n Received: x\r\nReceived\r\n: x\r\n"},
    {2, "Received: x\nReceived: y\n\nReceived: z\n"},
    {1, "Received: no line end"},
};

/* However the message is cut into pieces. */
static void counts_what_is_in_the_header(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        for (size_t piece = 1; piece < 40; piece++)
            assert_int_equal(count(samples[i].text, piece), samples[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_what_is_in_the_header)};
    return test_run("hops", tests);
}
