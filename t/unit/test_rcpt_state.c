#include "t/unit/test.h"

#include "lib/rcpt_state.h"

/*
 * The whole table, written a second time in another form: a letter for the state that follows, '.' for "changes nothing".
 * Q queued, A accepted, T returning, B bouncing, D delivered, R returned, F bounced, X recalled, S shadowed, P reporting.
 * Columns: delivered accepted deferred rejected use-smtp unreachable fallback expired
 *          return-done return-later return-failed bounce-done bounce-later recall
 *          unreported report-done report-later
 */
static const char letters[RCPT_STATES + 1] = "QATBDRFXSP";
/* clang-format off */
static const char *const tables[2][RCPT_STATES] = {{
    "DAQBTQTB" "...." "." "X" "P..",
    "DAQBTATB" "...." "." "X" "P..",
    "D......." "RTB." "." "." "P..",
    "D......." "...F" "B" "." "P..",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." ".DP",
}, { /* of shadows */
    "SAQSSQSS" "...." "." "X" "S..",
    "SAQSSASS" "...." "." "X" "S..",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
    "........" "...." "." "." "...",
}};
/* clang-format on */

static void every_pair_of(bool shadow)
{
    const char *const *table = tables[shadow];
    for (int s = 0; s < RCPT_STATES; s++) {
        assert_int_equal(strlen(table[s]), RCPT_EVENTS);
        for (int e = 0; e < RCPT_EVENTS; e++) {
            enum rcpt_state next = RCPT_STATES;
            bool listed = rcpt_state_next((enum rcpt_state)s, (enum rcpt_event)e, shadow, &next);
            char is = listed ? letters[next] : '.';
            if (is != table[s][e])
                fail_msg("%s + %s: is %c, should be %c", rcpt_state_name((enum rcpt_state)s),
                         rcpt_event_name((enum rcpt_event)e), is, table[s][e]);
            if (!listed)
                assert_int_equal(next, RCPT_STATES); /* untouched */
        }
    }
}

static void every_pair(void **state)
{
    (void)state;
    every_pair_of(false);
    every_pair_of(true);
}

/* Whatever happens to a shadow, and in whatever order: it never comes to where mail or a DSN is made. */
static void shadows_make_no_mail(void **state)
{
    (void)state;
    bool reached[RCPT_STATES] = {[RCPT_QUEUED] = true};
    for (int round = 0; round < RCPT_STATES; round++) {
        for (int i = 0; i < RCPT_STATES * RCPT_EVENTS; i++) {
            enum rcpt_state next;
            enum rcpt_state s = (enum rcpt_state)(i / RCPT_EVENTS);
            if (reached[s] && rcpt_state_next(s, (enum rcpt_event)(i % RCPT_EVENTS), true, &next))
                reached[next] = true;
        }
    }
    for (int s = 0; s < RCPT_STATES; s++)
        assert_int_equal(reached[s],
                         s == RCPT_QUEUED || s == RCPT_ACCEPTED || s == RCPT_SHADOWED || s == RCPT_RECALLED);
}

/* From every state that isn't final a final one can be reached, and final ones are never left. */
static void everything_ends(void **state)
{
    (void)state;
    for (int s = 0; s < RCPT_STATES; s++) {
        bool ends = false, leaves = false;
        for (int e = 0; e < RCPT_EVENTS; e++) {
            enum rcpt_state next;
            if (rcpt_state_next((enum rcpt_state)s, (enum rcpt_event)e, false, &next)) {
                leaves = true;
                ends = ends || rcpt_state_final(next);
            }
        }
        assert_int_equal(leaves, !rcpt_state_final((enum rcpt_state)s));
        assert_int_equal(ends, !rcpt_state_final((enum rcpt_state)s));
        assert_int_equal(rcpt_state_fetchable((enum rcpt_state)s), s == RCPT_QUEUED || s == RCPT_ACCEPTED);
        assert_false(rcpt_state_taken_back((enum rcpt_state)s) && rcpt_state_fetchable((enum rcpt_state)s));
    }
}

static void names_differ(void **state)
{
    (void)state;
    for (int a = 0; a < RCPT_STATES; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(rcpt_state_name((enum rcpt_state)a), rcpt_state_name((enum rcpt_state)b));
    for (int a = 0; a < RCPT_EVENTS; a++)
        for (int b = 0; b < a; b++)
            assert_string_not_equal(rcpt_event_name((enum rcpt_event)a), rcpt_event_name((enum rcpt_event)b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(shadows_make_no_mail),
        cmocka_unit_test(everything_ends),
        cmocka_unit_test(names_differ),
    };
    return test_run("rcpt_state", tests);
}
