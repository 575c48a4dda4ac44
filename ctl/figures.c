/* Figures of running daemons in words: see figures.h. */
#include "ctl/figures.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/show.h"

json_t *figures_member(const json_t *figures, const char *name)
{
    json_t *member = json_object_get(figures, name);
    return member != NULL ? json_incref(member) : json_null();
}

static int64_t number(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static void print_text(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    show_text(stdout, text != NULL ? text : "?");
}

static void print_pacer(const json_t *pacer)
{
    char size[SHOW_SIZE_SIZE];
    if (pacer == NULL)
        return;
    printf("        pacer: %" PRId64 " messages (%s bytes) notified and not yet fetched, %" PRId64
           " at most; window %" PRId64 " of %" PRId64,
           number(pacer, "outstanding"), show_size((uint64_t)number(pacer, "outstanding_bytes"), size),
           number(pacer, "most_outstanding"), number(pacer, "window"), number(pacer, "window_max"));
    printf("; a fetch waits %" PRId64 " ms for the store; %" PRId64
           " domains wait for their turn; not fetched in time: %" PRId64 "\n",
           number(pacer, "latency_ms"), number(pacer, "waiting_domains"), number(pacer, "timed_out"));
}

static void print_limit(const json_t *limit)
{
    size_t i;
    json_t *peer;
    fputs("        limit ", stdout);
    print_text(limit, "name");
    printf(": refused %" PRId64 ", held at present %" PRId64, number(limit, "refused"), number(limit, "holding"));
    json_array_foreach(json_object_get(limit, "top"), i, peer)
    {
        fputs(i == 0 ? "; most of all " : ", ", stdout);
        print_text(peer, "peer");
        printf(" %" PRId64, number(peer, "refused"));
    }
    putchar('\n');
}

void figures_print(const json_t *figures)
{
    size_t i;
    json_t *limit;
    print_pacer(json_object_get(figures, "pacer"));
    json_array_foreach(json_object_get(figures, "limits"), i, limit)
    {
        if (number(limit, "refused") > 0)
            print_limit(limit);
    }
}
