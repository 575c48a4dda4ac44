/* Notices that the wall clock was set: see wall_clock.h. */
#include "store/wall_clock.h"

#include "lib/log.h"

/* ms; NTP slews what is less than a second, and a minute more or less changes nothing that we decide. */
enum { JUMP_MIN = 60 * 1000 };

bool wall_clock_look(struct wall_clock *c, struct store *store)
{
    msec_t wall = clock_now(), mono = clock_mono();
    struct wall_clock before = *c;
    msec_t jump = (wall - before.wall) - (mono - before.mono);
    if (before.mono == 0 || (jump > -JUMP_MIN && jump < JUMP_MIN)) {
        *c = (struct wall_clock){.wall = wall, .mono = mono};
        return true;
    }
    uint64_t moved = 0;
    struct error err;
    if (store_clock_set(store, jump, mono - before.mono, &moved, &err) != RESULT_OK) {
        log_error("the clock was set by %+lld s, and the store can't be told: %s", (long long)jump / 1000, err.text);
        return false;
    }
    *c = (struct wall_clock){.wall = wall, .mono = mono};
    log_warning(
        "the clock was set %s by %lld s: %llu waiting messages keep their age. If it is wrong now, other sites will "
        "refuse our notifications, and certificates may not be valid: set it right",
        jump < 0 ? "back" : "forward", (long long)(jump < 0 ? -jump : jump) / 1000, (unsigned long long)moved);
    return true;
}
