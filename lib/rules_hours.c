/* Hours of the week: see rules_hours.h. */
#include "lib/rules_hours.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/mem.h"

enum { DAYS = 7 };

static const char *const day_names[DAYS] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

struct rules_hours {
    uint8_t minutes[MINUTES_OF_WEEK / 8]; /* a bit for each */
};

struct range {
    bool days[DAYS];
    unsigned begin, end; /* minutes of the day; end may be that of the next */
};

static void skip_space(const char **p)
{
    *p += strspn(*p, " \t");
}

static bool take_day(const char **p, unsigned *day_r)
{
    for (unsigned i = 0; i < DAYS; i++) {
        if (strncasecmp(*p, day_names[i], 3) == 0 && !isalpha((unsigned char)(*p)[3])) {
            *p += 3;
            *day_r = i;
            return true;
        }
    }
    return false;
}

/* "Mon", "Mon-Fri", "Fri-Mon", and several by commas. */
static bool take_days(const char **p, struct range *r)
{
    do {
        unsigned first, last;
        skip_space(p);
        if (!take_day(p, &first))
            return false;
        last = first;
        if (**p == '-') {
            ++*p;
            if (!take_day(p, &last))
                return false;
        }
        for (unsigned d = first;; d = (d + 1) % DAYS) {
            r->days[d] = true;
            if (d == last)
                break;
        }
        skip_space(p);
    } while (**p == ',' && ++*p);
    return true;
}

/* "08:00", up to "24:00". */
static bool take_time(const char **p, unsigned *minute_r)
{
    unsigned parts[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        int digits = 0;
        for (; isdigit((unsigned char)**p) && digits < 2; digits++)
            parts[i] = 10 * parts[i] + (unsigned)(*(*p)++ - '0');
        if (digits == 0 || (i == 1 && digits != 2) || (i == 0 && *(*p)++ != ':'))
            return false;
    }
    *minute_r = 60 * parts[0] + parts[1];
    return parts[1] < 60 && *minute_r <= MINUTES_OF_DAY;
}

static bool take_times(const char **p, struct range *r)
{
    if (!take_time(p, &r->begin) || *(*p)++ != '-' || !take_time(p, &r->end))
        return false;
    if (r->begin >= MINUTES_OF_DAY || r->begin == r->end)
        return false;
    if (r->end < r->begin)
        r->end += MINUTES_OF_DAY;
    return true;
}

static bool parse(const char *p, struct range *r)
{
    *r = (struct range){.begin = 0, .end = MINUTES_OF_DAY};
    skip_space(&p);
    if (!isalpha((unsigned char)*p))
        memset(r->days, true, sizeof r->days);
    else if (!take_days(&p, r))
        return false;
    else if (*p == '\0')
        return true;
    if (!take_times(&p, r))
        return false;
    skip_space(&p);
    return *p == '\0';
}

static void add(struct rules_hours *h, const struct range *r)
{
    for (unsigned d = 0; d < DAYS; d++) {
        for (unsigned m = r->begin; r->days[d] && m < r->end; m++) {
            unsigned minute = (d * MINUTES_OF_DAY + m) % MINUTES_OF_WEEK;
            h->minutes[minute / 8] |= (uint8_t)(1U << minute % 8);
        }
    }
}

enum result rules_hours_new(const char *const *words, size_t n, struct rules_hours **h_r, struct error *err)
{
    struct rules_hours *h = mem_zero(1, sizeof *h);
    struct range range;
    *h_r = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!parse(words[i], &range)) {
            rules_hours_free(&h);
            return error_set(err, RESULT_PERM, "\"%s\" is no time of the week, such as \"Mon-Fri 08:00-18:00\"",
                             words[i]);
        }
        add(h, &range);
    }
    *h_r = h;
    return RESULT_OK;
}

void rules_hours_free(struct rules_hours **h)
{
    mem_free(h);
}

bool rules_hours_have(const struct rules_hours *h, unsigned minute)
{
    return (h->minutes[minute / 8] & 1U << minute % 8) != 0;
}

const char *rules_minute_text(unsigned minute, char out[RULES_MINUTE_SIZE])
{
    unsigned m = minute % MINUTES_OF_DAY;
    snprintf(out, RULES_MINUTE_SIZE, "%s %02u:%02u", day_names[minute / MINUTES_OF_DAY % DAYS], m / 60, m % 60);
    return out;
}
